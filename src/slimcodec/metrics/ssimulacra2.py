"""SSIMULACRA 2.1: artefacts of compression, as those who compare pictures side by side see them.

Sneyers, "SSIMULACRA 2" (Cloudinary, 2022; 2.1 of April 2023), which was fitted to 22 000 people's
opinions of pictures from JPEG, JPEG 2000, JPEG XL, HEIC, WebP and AVIF. Of the metrics here that
need no trained network it agrees with people best, and 90, 70, 50 and 30 mean what they do in
words: not to be told from the original, good, medium, poor. It goes below 0.

Both pictures go from sRGB to light and to XYB, the space of JPEG XL: differences and sums of cube
roots of what the eye's cones would take in, scaled to 0..1. At six scales, each half of the one
before (in light), and in each of X, Y and B - Y, there are three maps of errors:

    structure   1 - (1 - (mx - my)^2) (2 sxy + C2) / (sx^2 + sy^2 + C2)
    ringing     max(r - 1, 0)          r = (1 + |y - my|) / (1 + |x - mx|)
    blurring    max(1 - r, 0)

with means m and variances s under a window of nine taps, and of each map a mean and a 4-norm. A
weighted sum of these 108 numbers is bent by a cubic and a power to a scale that ends at 100.

**Exactness.** It agrees with the authors' own program to 0.1, what single precision and a table of
sRGB are worth there (`tests/metrics/test_ssimulacra2.py` has figures that it printed). So it does
not come from a package: ``ssimulacra2`` 0.3.0, in Python as well, mirrors two of the four borders
where libjxl has zeros. It says 20.7 of a pair of pictures for which libjxl says 17.1, is up to 5
off at low qualities, and takes four times as long.

**Small images.** A scale counts while the one before has eight pixels a side; with fewer than six
scales the first weights are used, in their order, as libjxl does. A side below eight is extended to
eight by repeating the last row or column, where libjxl has no figure at all.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from slimcodec.metrics.pair import check_pair
from slimcodec.metrics.sliding import Plane, slid, strips
from slimcodec.metrics.srgb import LINEAR_LIGHT
from slimcodec.types import Image

__all__ = ["Ssimulacra2"]

_Planes: TypeAlias = NDArray[np.float32]
"""Pictures of three channels lie in single precision, as libjxl's; strips of them are summed in
double."""

_SCALES = 6
_SMALLEST_SIDE = 8
_C2 = 0.0009

_HALF_WINDOW = (0.2646211054881985, 0.2129285920104222, 0.1093353727774603, 0.0360111146583644,
                0.00941436780965374)  # fmt: skip
_WINDOW = (*_HALF_WINDOW[:0:-1], *_HALF_WINDOW)
"""A Gaussian of sigma 1.5 as libjxl's recursive filter has it: three cosines (Charalampidis 2016)
that end after four taps a side, computed once from its formulas."""

_BORDER = len(_WINDOW) // 2

_CONES = np.array(
    [
        [0.30, 0.622, 0.078],
        [0.23, 0.692, 0.078],
        [0.24342268924547819, 0.20476744424496821, 0.5518098665095536],
    ],
    np.float32,
)
_DARK = np.float32(0.0037930732552754493)
_LIGHT = LINEAR_LIGHT.astype(np.float32)

# One line for each scale: means of the three maps, then their 4-norms.
# fmt: off
_WEIGHTS = np.array([
    # X
    [0.0, 0.00073766067074, 0.0, 0.0, 0.00077934816829, 0.0],
    [0.0, 0.00043711557301, 0.0, 1.1041726427, 0.00066284834129, 0.00015231632784],
    [0.0, 0.0016406437457, 0.0, 1.8422455521, 11.441172604, 0.0],
    [0.0007989109436, 0.00017681643808, 0.0, 1.8787594979, 10.949069906, 0.0],
    [0.00072893469915, 0.96779370806, 0.0, 0.00014003424285, 0.99817669778, 0.00031949755934],
    [0.00045509921138, 0.0, 0.0, 0.0013648766163, 0.0, 0.0],
    # Y
    [0.0, 0.0, 0.0, 7.4668903281, 0.0, 17.445833984],
    [0.0006235601634, 0.0, 0.0, 6.6836781462, 0.0003772440798, 1.0278899378],
    [225.20515301, 0.0, 0.0, 19.213238186, 0.0011401524587, 0.0012377556355],
    [176.39317598, 0.0, 0.0, 24.433009999, 0.28520802612, 0.00044854369238],
    [0.0, 0.0, 0.0, 34.779063445, 44.835625329, 0.0],
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    # B - Y
    [0.0, 0.00086805565733, 0.0, 0.0, 0.0, 0.0],
    [0.0, 0.00053131918744, 0.0, 0.00016533814161, 0.0, 0.0],
    [0.0, 0.0, 0.0, 0.00041791718033, 0.0017290828235, 0.0],
    [0.0020827005847, 0.0, 0.0, 8.826982765, 23.19243344, 0.0],
    [95.108049881, 0.98639780344, 0.98343827925, 0.0012286405048, 171.26672559, 0.98078588724],
    [0.0, 0.0, 0.0, 0.0005130064589, 0.0, 0.00010854057858],
]).ravel()
# fmt: on


class Ssimulacra2:
    """SSIMULACRA 2.1; 100 for equal images, below 0 for very bad ones."""

    name = "ssimulacra2"
    label = "SSIMULACRA 2"
    unit = ""
    better: Literal["higher", "lower"] = "higher"
    in_db = False

    def __call__(self, original: Image, decoded: Image) -> float:
        """SSIMULACRA 2.1 of two ``uint8 [h, w, 3]`` sRGB images, at most 100.

        Raises:
            UsageError: when the arrays are not two images of one shape.
        """
        check_pair(original, decoded)
        x, y = (_light(image) for image in (original, decoded))
        norms = [_norms(_xyb(x), _xyb(y))]
        while len(norms) < _SCALES and min(x.shape[1:]) >= _SMALLEST_SIDE:
            x, y = _halved(x), _halved(y)
            norms.append(_norms(_xyb(x), _xyb(y)))
        # Channel by channel, and in each scale by scale.
        parts = np.stack(norms, axis=1).ravel()
        return _score(float(_WEIGHTS[: len(parts)] @ parts))


def _score(error: float) -> float:
    error *= 0.9562382616834844
    bent = error * (
        2.326765642916932 + error * (-0.020884521182843837 + error * 6.248496625763138e-5)
    )
    return float(100 - 10 * max(bent, 0.0) ** 0.6276336467831387)


def _light(image: Image) -> _Planes:
    """``[3, h, w]``, linear, at least eight a side."""
    planes = _LIGHT[image.transpose(2, 0, 1)]
    below, beside = (max(_SMALLEST_SIDE - side, 0) for side in image.shape[:2])
    return np.pad(planes, ((0, 0), (0, below), (0, beside)), mode="edge")


def _halved(light: _Planes) -> _Planes:
    """Means of 2 x 2 samples; an odd axis repeats its last."""
    _, height, width = light.shape
    light = np.pad(light, ((0, 0), (0, height % 2), (0, width % 2)), mode="edge")
    rows = light[:, 0::2] + light[:, 1::2]
    return np.asarray((rows[..., 0::2] + rows[..., 1::2]) / 4)


def _xyb(light: _Planes) -> _Planes:
    """X, Y and B - Y, all in about 0..1, ``[3, h, w]``."""
    cones = np.tensordot(_CONES, light, 1)
    cones += _DARK
    np.cbrt(cones, out=cones)
    cones -= np.cbrt(_DARK)
    long, middle, short = cones
    y = (long + middle) / 2
    x = 7 * (long - middle)
    cones[0] = x + np.float32(0.42)
    cones[1] = y + np.float32(0.01)
    cones[2] = short - y + np.float32(0.55)
    return cones


def _norms(x: _Planes, y: _Planes) -> Plane:
    """``[3, 6]``: per channel the means, then the 4-norms, of the three maps of errors."""
    _, height, width = x.shape
    sums = np.zeros((2, 3, 3))
    for channel in range(3):
        a, b = (np.pad(each[channel].astype(np.float64), _BORDER) for each in (x, y))
        for rows in strips(height + 2 * _BORDER, len(_WINDOW)):
            maps = _errors(a[rows], b[rows])
            squares = maps * maps
            sums[0, channel] += maps.sum(axis=(1, 2))
            sums[1, channel] += (squares * squares).sum(axis=(1, 2))
    means = sums / (height * width)
    means[1] **= 0.25
    return np.asarray(means.transpose(1, 0, 2).reshape(3, 6))


def _errors(a: Plane, b: Plane) -> Plane:
    """Structure, ringing and blurring ``[3, rows, width]`` of strips with their borders."""
    # Only the sum of the two variances is needed, so four fields are blurred, not five.
    fields = np.stack((a, b, a * a + b * b, a * b))
    mean_a, mean_b, square, cross = slid(fields, _WINDOW, _WINDOW)
    within = slice(_BORDER, -_BORDER)
    apart = mean_a - mean_b
    shared = 2 * (cross - mean_a * mean_b) + _C2
    own = square - (mean_a * mean_a + mean_b * mean_b) + _C2
    structure = 1 - (1 - apart * apart) * shared / own
    edges = (1 + np.abs(b[within, within] - mean_b)) / (1 + np.abs(a[within, within] - mean_a)) - 1
    return np.asarray(np.maximum(np.stack((structure, edges, -edges)), 0))
