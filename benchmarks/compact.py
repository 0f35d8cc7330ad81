"""What a small picture brought back saves of the codec inside, and from which rate on nothing.

For every inner codec: its plain curve and that of the model around it, means over pictures of real
streams, everything included. BD-rate is that of the points below so many bits per pixel, in every
metric; the crossing is the rate from which on the plain codec is the better one, on the whole
curves, those of the model measured beyond the qualities that it is for.

python benchmarks/compact.py compact --inner jpeg,webp,avif --images KODAK
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from slimcodec import library, registry
from slimcodec.errors import UsageError
from slimcodec.images import find_images, read_image
from slimcodec.metrics import bd_rate, bits_per_pixel, crossing, curve_quality
from slimcodec.types import Codec, Image

PLAIN: Mapping[str, Sequence[float]] = {
    "jpeg": (1, 3, 5, 6, 7, 8, 9, 10, 15, 20, 30, 40, 50),
    "webp": (0, 1, 2, 4, 6, 8, 10, 15, 20, 30, 40, 50),
    "avif": (1, 5, 8, 10, 12, 15, 18, 20, 25, 30, 40, 50),
}
"""Dense where streams are short; other codecs are measured on their own ladders."""
Points = dict[str, list[tuple[float, float]]]


def measured(
    codec: Codec, qualities: Sequence[float], images: Sequence[Image], metrics: Mapping[str, Any]
) -> Points:
    """(bits per pixel, quality) of each metric, means over pictures."""
    found: Points = {name: [] for name in metrics}
    for quality in qualities:
        rates, values = [], []
        for image in images:
            stream = codec.encode(image, quality)
            decoded = codec.decode(stream)
            rates.append(bits_per_pixel(len(stream), *image.shape[:2]))
            values.append([metric(image, decoded) for metric in metrics.values()])
        bpp, means = float(np.mean(rates)), np.mean(values, axis=0)
        said = ", ".join(f"{n} {v:.4f}" for n, v in zip(metrics, means, strict=True))
        print(f"{codec.name}\t{quality:g}\t{bpp:.4f} bpp\t{said}", flush=True)
        for name, value in zip(metrics, means, strict=True):
            found[name].append((bpp, float(curve_quality(name, value))))
    return found


def below(points: Sequence[tuple[float, float]], most: float) -> list[tuple[float, float]]:
    return [point for point in points if point[0] <= most]


def compared(plain: Points, ours: Points, most: float) -> dict[str, dict[str, float | None]]:
    """Of each metric, BD-rate below a rate, in percent, and where the curves cross, in bits per
    pixel; None where they do not, or share no range."""
    found: dict[str, dict[str, float | None]] = {}
    for name in plain:
        sides = plain[name], ours[name]
        try:
            rate: float | None = bd_rate(*(below(side, most) for side in sides))
        except UsageError:
            rate = None
        try:
            where = crossing(*sides)
        except UsageError:
            where = None
        found[name] = {"bd_rate_percent": rate, "crossing_bpp": where}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="compact, or a model file")
    parser.add_argument("--inner", default="jpeg,webp,avif")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--below", type=float, default=0.25, help="bits per pixel")
    parser.add_argument("--metrics", default="psnr,ssim,ms-ssim")
    parser.add_argument("--runtime")
    parser.add_argument("-o", "--output", type=Path, help="the same as JSON, for a card")
    arguments = parser.parse_args()
    metrics = {name: registry.metrics.get(name)() for name in arguments.metrics.split(",")}
    images = [read_image(path).pixels for path in find_images(arguments.images)]
    table: dict[str, Any] = {}
    for inner in arguments.inner.split(","):
        plain = library.load_codec(inner)
        ours = library.load_codec(f"{arguments.model}:{inner}", arguments.runtime)
        curves = (
            measured(plain, PLAIN.get(inner, plain.qualities), images, metrics),
            measured(ours, plain.qualities, images, metrics),
        )
        found_of = compared(*curves, arguments.below)
        table[inner] = {"compared": found_of, "plain": curves[0], "ours": curves[1]}
        for name, found in found_of.items():
            rate, where = found["bd_rate_percent"], found["crossing_bpp"]
            said = "no range in common" if rate is None else f"{rate:+.1f} %"
            crossed = "nowhere" if where is None else f"from {where:.3f} bpp on"
            print(
                f"{inner}\t{name}\tBD-rate below {arguments.below:g} bpp: {said}"
                f"\tthe plain codec is ahead {crossed}",
                flush=True,
            )
        if arguments.output is not None:
            arguments.output.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
