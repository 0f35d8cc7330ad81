"""What a model that restores gains over the JPEGs it is given, in dB and in bytes.

Grey files in luma; colour files with halved chroma in R, G, B; files compressed twice, the second
time on another grid of blocks, moved by three pixels and five. The gain is the mean over pictures,
and the least of any picture stands beside it: below zero, a picture was made worse. Every figure
once with the picture kept within what the file's quantization allows, and once without. BD-rate is
that of the colour files against the same files as everyone decodes them. Times are of one picture,
decoded by Pillow alone and restored, medians of alternating runs.

python benchmarks/restoration.py jpeg+restore --images KODAK --runtime openvino
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from slimcodec import library
from slimcodec.images import find_images, read_image
from slimcodec.metrics import bd_rate

GREY, COLOUR, HIGH = (10, 20, 40), (30, 45, 60), (75, 90, 95)
CURVE = (10, 20, 30, 45, 60, 75)
COLUMNS = ("gain_db", "least_db", "free_gain_db", "free_least_db")
TWICE = ((60, 40), (40, 60), (75, 30), (30, 75))


class Case(NamedTuple):
    """A file, and what it was; of grey ones luma alone is compared."""

    name: str
    data: bytes
    clean: NDArray[np.uint8]


def encoded(picture: PIL.Image.Image, **settings: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", **settings)
    return file.getvalue()


def cases(pixels: NDArray[np.uint8]) -> Iterator[Case]:
    picture = PIL.Image.fromarray(pixels)
    grey = picture.convert("L")
    for quality in GREY:
        clean = np.asarray(grey.convert("RGB"))
        yield Case(f"grey {quality}", encoded(grey, quality=quality), clean)
    halved = {"subsampling": "4:2:0"}
    for quality in sorted({*COLOUR, *CURVE, *HIGH}):
        data = encoded(picture, quality=quality, optimize=True, **halved)
        yield Case(f"colour {quality}", data, pixels)
    for quality in (30, 95):
        data = encoded(picture, quality=quality, subsampling="4:4:4")
        yield Case(f"4:4:4 {quality}", data, pixels)
    for before, after in TWICE:
        first = encoded(picture, quality=before, **halved)
        box = (3, 5, picture.width, picture.height)
        again = PIL.Image.open(io.BytesIO(first)).crop(box)
        data = encoded(again, quality=after, **halved)
        yield Case(f"twice {before}, {after}", data, pixels[5:, 3:])


def psnr(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    error = np.square(one.astype(np.float64) - other).mean()
    return float(10 * np.log10(255**2 / error))


def shown(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(PIL.Image.open(io.BytesIO(data)).convert("RGB"))


def _mean_and_least(gains: list[tuple[float, float]], which: int) -> tuple[float, float]:
    own = [each[which] for each in gains]
    return round(statistics.fmean(own), 3), round(min(own), 3)


def times_ms(codec: Any, data: bytes, repeats: int) -> tuple[float, float]:
    """Pillow's decoding, and restoring, in ms."""
    found: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats + 2):
        for own, work in zip(found, (shown, codec.restore_file), strict=True):
            started = time.perf_counter()
            work(data)
            own.append(1000 * (time.perf_counter() - started))
    plain, restored = (statistics.median(own[2:]) for own in found)
    return plain, restored


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("codec")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--runtime")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("-o", "--output", type=Path, help="the gains as JSON, for a card")
    arguments = parser.parse_args()
    codec: Any = library.load_codec(arguments.codec, arguments.runtime)
    gains: dict[str, list[tuple[float, float]]] = {}
    points: dict[str, dict[int, list[tuple[float, float]]]] = {"plain": {}, "restored": {}}
    timed = b""
    for path in find_images(arguments.images):
        pixels = read_image(path).pixels
        for case in cases(pixels):
            before = psnr(shown(case.data), case.clean)
            within, free = (
                psnr(codec.restore_file(case.data, projected=own).pixels, case.clean)
                for own in (True, False)
            )
            gains.setdefault(case.name, []).append((within - before, free - before))
            kind, _, quality = case.name.partition(" ")
            if kind == "colour" and int(quality) in CURVE:
                bpp = 8 * len(case.data) / (pixels.shape[0] * pixels.shape[1])
                points["plain"].setdefault(int(quality), []).append((bpp, before))
                points["restored"].setdefault(int(quality), []).append((bpp, within))
            timed = case.data if case.name == "colour 45" else timed
        print(f"{path.name} done", flush=True)
    if arguments.output is not None:
        table = {
            name: dict(
                zip(COLUMNS, (*_mean_and_least(own, 0), *_mean_and_least(own, 1)), strict=True)
            )
            for name, own in gains.items()
        }
        arguments.output.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    print("\nfiles\tgain, dB\tleast\twithout projection\tleast")
    for name, own in gains.items():
        within, free = np.array(own).T
        print(
            f"{name}\t{within.mean():+.3f}\t{within.min():+.3f}\t{free.mean():+.3f}"
            f"\t{free.min():+.3f}"
        )
    plain, restored = (
        [tuple(np.mean(own, axis=0)) for _, own in sorted(points[kind].items())]
        for kind in ("plain", "restored")
    )
    print(f"BD-rate of colour files, qualities {CURVE}: {bd_rate(plain, restored):+.1f} %")
    inner = slice(2, 5)
    print(f"the same, qualities {CURVE[inner]}: {bd_rate(plain[inner], restored[inner]):+.1f} %")
    decoded, better = times_ms(codec, timed, arguments.repeats)
    height, width, _ = shown(timed).shape
    print(f"{width}x{height}: Pillow {decoded:.1f} ms, restored {better:.1f} ms")


if __name__ == "__main__":
    main()
