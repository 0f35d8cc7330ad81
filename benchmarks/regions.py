"""What `jpeg-regions` gains over plain JPEG at equal bytes, inside of what matters and over the
whole picture, in dB.

Masks are of 20 of Kodak's pictures, those with a subject, and drawn from what they show and nothing
else, before anything was measured: boxes and ellipses around what each is a picture of. Every file
is compared with the smallest file of plain JPEG that is no smaller. Then how the gain depends on
the area, with discs around the middle of the subject; and the same without a mask, where the codec
looks for itself: over the whole picture and inside of what was drawn, which its own map has not
seen, and how often a place inside has more of that map than one outside (AUC; 0.5 is chance, and
where it says "middle" the map is how near to the middle of the picture a place is).

python benchmarks/regions.py --images KODAK
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
import PIL.ImageDraw
from numpy.typing import NDArray

from slimcodec import library
from slimcodec.codecs.regions.saliency import saliency_of
from slimcodec.images import read_image
from slimcodec.metrics import Ssimulacra2
from slimcodec.types import Codec, Image, Mask

QUALITIES = (30, 50, 75)
AREAS = (0.05, 0.1, 0.2, 0.4, 0.6)
INSIDE_DB, WHOLE_DB = 1.0, -0.3
"""What shall be reached."""

Shape = tuple[str, float, float, float, float]
BOX, ROUND = "rectangle", "ellipse"
SUBJECTS: Mapping[str, tuple[Shape, ...]] = {
    "kodim01": ((BOX, 0.28, 0.52, 0.42, 0.96),),
    "kodim02": ((BOX, 0.12, 0.30, 0.67, 0.64),),
    "kodim03": (
        (ROUND, 0.10, 0.15, 0.39, 0.60),
        (ROUND, 0.40, 0.34, 0.61, 0.70),
        (ROUND, 0.59, 0.44, 0.75, 0.75),
        (ROUND, 0.71, 0.53, 0.84, 0.76),
        (ROUND, 0.81, 0.62, 0.92, 0.85),
    ),
    "kodim04": ((ROUND, 0.18, 0.02, 0.98, 0.72),),
    "kodim06": ((BOX, 0.15, 0.56, 0.73, 0.77), (BOX, 0.40, 0.10, 0.53, 0.56)),
    "kodim07": ((ROUND, 0.43, 0.28, 0.64, 0.68), (ROUND, 0.66, 0.68, 0.87, 0.92)),
    "kodim09": ((ROUND, 0.15, 0.15, 0.98, 0.88),),
    "kodim10": ((BOX, 0.28, 0.02, 0.62, 0.20), (ROUND, 0.42, 0.64, 0.85, 0.80)),
    "kodim11": ((ROUND, 0.42, 0.45, 0.83, 0.77), (BOX, 0.55, 0.10, 0.66, 0.50)),
    "kodim12": ((BOX, 0.27, 0.11, 0.50, 0.78),),
    "kodim14": ((ROUND, 0.02, 0.15, 0.88, 0.88),),
    "kodim15": ((ROUND, 0.45, -0.05, 0.98, 0.90),),
    "kodim16": ((BOX, 0.28, 0.38, 0.80, 0.52),),
    "kodim17": ((ROUND, 0.26, 0.08, 0.77, 0.42), (ROUND, 0.43, 0.55, 0.97, 0.89)),
    "kodim18": ((BOX, 0.38, 0.19, 0.80, 0.95),),
    "kodim19": ((BOX, 0.47, 0.12, 0.79, 0.60),),
    "kodim20": ((ROUND, 0.08, 0.35, 0.70, 0.72), (BOX, 0.18, 0.12, 0.27, 0.40)),
    "kodim21": ((BOX, 0.41, 0.12, 0.50, 0.61), (BOX, 0.04, 0.36, 0.30, 0.58)),
    "kodim22": ((BOX, 0.17, 0.09, 0.63, 0.54),),
    "kodim23": ((ROUND, 0.08, 0.33, 0.38, 0.85), (ROUND, 0.51, 0.19, 0.85, 0.75)),
}
"""By picture: sides of a box around each shape, in widths and heights of the picture."""


class Gain(NamedTuple):
    """Against plain JPEG of the same bytes or a few more: PSNR inside and of the whole, in dB, and
    SSIMULACRA 2 of the whole."""

    inside: float
    whole: float
    ssimulacra2: float


def drawn(shapes: tuple[Shape, ...], height: int, width: int) -> Mask:
    """White shapes on black."""
    picture = PIL.Image.new("L", (width, height))
    draw = PIL.ImageDraw.Draw(picture)
    for kind, left, top, right, bottom in shapes:
        box = (left * width, top * height, right * width - 1, bottom * height - 1)
        getattr(draw, kind)(box, fill=255)
    return np.array(picture)


def disc(mask: Mask, area: float) -> Mask:
    """As much of a picture as is nearest to the middle of a mask."""
    rows, columns = np.nonzero(mask)
    y, x = np.ogrid[: mask.shape[0], : mask.shape[1]]
    away = np.hypot(y - rows.mean(), x - columns.mean())
    return np.where(away <= np.quantile(away, area), np.uint8(255), np.uint8(0))


def psnr(one: Image, other: Image, where: NDArray[np.bool_] | None = None) -> float:
    error = np.square(one.astype(np.float64) - other)
    mean = (error if where is None else error[where]).mean()
    return float(10 * np.log10(255**2 / mean))


def no_smaller(plain: Codec, image: Image, length: int) -> bytes:
    """The smallest file of plain JPEG that has so many bytes, within a sixteenth of a quality."""
    low, high = 16, 16 * 95
    while low < high:
        middle = (low + high) // 2
        if len(plain.encode(image, middle / 16)) >= length:
            high = middle
        else:
            low = middle + 1
    return plain.encode(image, high / 16)


def gain(image: Image, where: NDArray[np.bool_], own: Codec, plain: Codec, quality: float) -> Gain:
    stream = own.encode(image, quality)
    other = no_smaller(plain, image, len(stream))
    assert len(other) >= len(stream), "plain JPEG has no file as large"
    ours, theirs = own.decode(stream), plain.decode(other)
    likeness = Ssimulacra2()
    return Gain(
        psnr(image, ours, where) - psnr(image, theirs, where),
        psnr(image, ours) - psnr(image, theirs),
        likeness(image, ours) - likeness(image, theirs),
    )


def auc(values: NDArray[Any], where: NDArray[np.bool_]) -> float:
    """How often a place inside has the larger value, of all pairs; half where they are equal."""
    inside, outside = np.sort(values[where]), np.sort(values[~where])
    less, up_to = (np.searchsorted(outside, inside, side) for side in ("left", "right"))
    return float((less + up_to).mean() / (2 * len(outside)))


def mean_of(gains: list[Gain]) -> Gain:
    return Gain(*np.mean(gains, axis=0).tolist())


def row(name: str, area: float, own: Gain) -> str:
    return f"{name}\t{100 * area:.0f}\t{own.inside:+.2f}\t{own.whole:+.2f}\t{own.ssimulacra2:+.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True)
    arguments = parser.parse_args()
    codec: Any = library.load_codec("jpeg-regions")
    plain = library.load_codec("jpeg")
    masked: dict[int, list[Gain]] = {quality: [] for quality in QUALITIES}
    alone: dict[int, list[Gain]] = {quality: [] for quality in QUALITIES}
    by_area: dict[float, list[Gain]] = {area: [] for area in AREAS}
    found: list[tuple[float, float]] = []
    areas: list[float] = []
    print("picture\tarea, %\tinside, dB\twhole, dB\tSSIMULACRA 2", flush=True)
    for name, shapes in SUBJECTS.items():
        image = read_image(arguments.images / f"{name}.png").pixels
        mask = drawn(shapes, *image.shape[:2])
        where = mask > 0
        areas.append(float(where.mean()))
        for quality in QUALITIES:
            masked[quality].append(gain(image, where, codec.masked(mask), plain, quality))
            alone[quality].append(gain(image, where, codec, plain, quality))
        for area in AREAS:
            near = disc(mask, area)
            by_area[area].append(gain(image, near > 0, codec.masked(near), plain, QUALITIES[1]))
        y, x = np.ogrid[: mask.shape[0], : mask.shape[1]]
        nearness = -np.hypot(y - mask.shape[0] / 2, x - mask.shape[1] / 2)
        found.append((auc(saliency_of(image), where), auc(nearness, where)))
        own = mean_of([masked[quality][-1] for quality in QUALITIES])
        print(row(name, areas[-1], own), flush=True)
    every = statistics.fmean(areas)
    for title, gains in (("with the mask", masked), ("without one", alone)):
        print(f"\n{title}\tarea, %\tinside, dB\twhole, dB\tSSIMULACRA 2")
        for quality, each in gains.items():
            print(row(f"quality {quality}", every, mean_of(each)))
    print("\ndiscs\tarea, %\tinside, dB\twhole, dB\tSSIMULACRA 2")
    for area, each in by_area.items():
        print(row(f"quality {QUALITIES[1]}", area, mean_of(each)))
    saliency, middle_auc = np.mean(found, axis=0)
    print(f"\nsubjects found without a mask: AUC {saliency:.3f}, middle {middle_auc:.3f}")
    everything = [one for each in masked.values() for one in each]
    total = mean_of(everything)
    least = Gain(*np.min(everything, axis=0).tolist())
    reached = total.inside >= INSIDE_DB and total.whole >= WHOLE_DB
    print(
        f"with masks, {len(everything)} files: inside {total.inside:+.2f} dB (least "
        f"{least.inside:+.2f}), whole {total.whole:+.2f} dB (least {least.whole:+.2f}): "
        f"{'reached' if reached else 'NOT reached'} ({INSIDE_DB:+g} and {WHOLE_DB:+g})"
    )


if __name__ == "__main__":
    main()
