// Maps of how two pictures differ, pixel by pixel, as colours. Pixels are rows of RGBA bytes, as a
// canvas gives them; a map is { values, pixels }: what was measured and how it is drawn.

const LUMA_GAIN = 8; // errors of 32 levels and more are white
const MOST_DELTA = 10; // CIEDE2000 from here on is the last colour

// Dark to light at an even pace, so that twice the difference looks like twice as much.
const RAMP = [
  [0, 0, 4], [31, 12, 72], [85, 15, 109], [136, 34, 106], [186, 54, 85],
  [227, 89, 51], [249, 140, 10], [249, 201, 50], [252, 255, 164],
];

function rampColour(share) {
  const place = Math.min(Math.max(share, 0), 1) * (RAMP.length - 1);
  const low = Math.min(Math.floor(place), RAMP.length - 2);
  return RAMP[low].map((from, n) => Math.round(from + (RAMP[low + 1][n] - from) * (place - low)));
}

// Rec. 601 luma, in levels of 255.
function luma(pixels, at) {
  return 0.299 * pixels[at] + 0.587 * pixels[at + 1] + 0.114 * pixels[at + 2];
}

function errorMap(a, b) {
  return mapOf(a, b, (at) => Math.abs(luma(a, at) - luma(b, at)), (value) => {
    const grey = Math.min(Math.round(LUMA_GAIN * value), 255);
    return [grey, grey, grey];
  });
}

function deltaMap(a, b) {
  const labA = [0, 0, 0];
  const labB = [0, 0, 0];
  const difference = (at) => {
    toLab(a, at, labA);
    toLab(b, at, labB);
    return delta2000(labA, labB);
  };
  return mapOf(a, b, difference, (value) => rampColour(value / MOST_DELTA));
}

function mapOf(a, b, measure, colour) {
  const values = new Float32Array(a.length / 4);
  const pixels = new Uint8ClampedArray(a.length);
  for (let at = 0; at < a.length; at += 4) {
    const value = measure(at);
    values[at / 4] = value;
    pixels.set(colour(value), at);
    pixels[at + 3] = 255;
  }
  return { values, pixels };
}

// sRGB to linear light to CIELAB under D65, as the metric ΔE has it.
const LINEAR = Array.from({ length: 256 }, (_, level) => {
  const value = level / 255;
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
});
function toLab(pixels, at, lab) {
  const r = LINEAR[pixels[at]];
  const g = LINEAR[pixels[at + 1]];
  const b = LINEAR[pixels[at + 2]];
  // Each over the white of the same matrix, so that a grey has no chroma.
  const x = labCurve((0.4124 * r + 0.3576 * g + 0.1805 * b) / (0.4124 + 0.3576 + 0.1805));
  const y = labCurve((0.2126 * r + 0.7152 * g + 0.0722 * b) / (0.2126 + 0.7152 + 0.0722));
  const z = labCurve((0.0193 * r + 0.1192 * g + 0.9505 * b) / (0.0193 + 0.1192 + 0.9505));
  lab[0] = 116 * y - 16;
  lab[1] = 500 * (x - y);
  lab[2] = 200 * (y - z);
}

function labCurve(ratio) {
  return ratio > (6 / 29) ** 3 ? Math.cbrt(ratio) : (ratio * (29 / 6) ** 2) / 3 + 4 / 29;
}

// CIEDE2000 (CIE 142-2001) with all weights 1, and the conventions for hues of Sharma, Wu and Dalal.
function delta2000([l1, a1, b1], [l2, a2, b2]) {
  const grey = (1 - saturation((Math.hypot(a1, b1) + Math.hypot(a2, b2)) / 2)) / 2;
  const [c1, c2] = [Math.hypot(a1 * (1 + grey), b1), Math.hypot(a2 * (1 + grey), b2)];
  const [turn, hue] = hues(Math.atan2(b1, a1 * (1 + grey)), Math.atan2(b2, a2 * (1 + grey)), c1 * c2 === 0);
  const chroma = (c1 + c2) / 2;
  const offMiddle = ((l1 + l2) / 2 - 50) ** 2;
  const alongL = (l2 - l1) / (1 + (0.015 * offMiddle) / Math.sqrt(20 + offMiddle));
  const alongC = (c2 - c1) / (1 + 0.045 * chroma);
  const alongH = (2 * Math.sqrt(c1 * c2) * Math.sin(turn / 2)) / (1 + 0.015 * chroma * hueWeight(hue));
  const lean = radians(30) * Math.exp(-((((hue * 180) / Math.PI - 275) / 25) ** 2));
  const rotation = -2 * saturation(chroma) * Math.sin(2 * lean);
  return Math.sqrt(Math.max(alongL ** 2 + alongC ** 2 + alongH ** 2 + rotation * alongC * alongH, 0));
}

function saturation(chroma) {
  return Math.sqrt(chroma ** 7 / (chroma ** 7 + 25 ** 7));
}

// The turn from one hue to the other, the short way round, and the hue between them.
function hues(first, second, hasGrey) {
  const full = 2 * Math.PI;
  const [h1, h2] = [(first + full) % full, (second + full) % full];
  if (hasGrey) return [0, h1 + h2];
  const turn = h2 - h1;
  if (Math.abs(turn) <= Math.PI) return [turn, (h1 + h2) / 2];
  return [turn - Math.sign(turn) * full, (h1 + h2 + (h1 + h2 < full ? full : -full)) / 2];
}

function hueWeight(hue) {
  return 1 - 0.17 * Math.cos(hue - radians(30)) + 0.24 * Math.cos(2 * hue)
    + 0.32 * Math.cos(3 * hue + radians(6)) - 0.2 * Math.cos(4 * hue - radians(63));
}

function radians(degrees) {
  return (degrees * Math.PI) / 180;
}
