"""Pictures of any size: memory and time beside those of a small one, seams, bytes, and regions.

python benchmarks/any_size.py hific-s --images PHOTOS [--runtime onnx] [--megapixels 48]

Photographs are joined to a picture of 2 megapixels and to one of many. Each is encoded and decoded
by a process of its own, which says what it came to use (resident, at most). On 6 megapixels the
latents of one tile are decoded in windows and all at once, and the same picture is coded in tiles
and in one. Regions of 512x512 come from the largest, after one that loads the graphs. Times are of
one call each, on as many cores as the machine has.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from slimcodec import library
from slimcodec.codecs import tiles
from slimcodec.images import find_images, read_image, write_image
from slimcodec.types import Image, Region

SMALL, MIDDLE = (1536, 1365), (3072, 2048)
ENDLESS = 1 << 60
SIDE, REGIONS = 512, 20

CHILD = """
import json, resource, sys, time
from slimcodec import library
from slimcodec.images import read_image, write_image
work, codec, runtime, quality, source, target = sys.argv[1:]
opened = library.load_codec(codec, runtime)
if work == "encode":
    image = read_image(source).pixels
    start = time.perf_counter()
    made = opened.encode(image, float(quality) if quality else None)
    seconds = time.perf_counter() - start
    open(target, "wb").write(made)
else:
    data = open(source, "rb").read()
    start = time.perf_counter()
    image = opened.decode(data)
    seconds = time.perf_counter() - start
    write_image(target, image)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds": seconds, "peak": peak}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("codec")
    parser.add_argument("--images", type=Path, required=True, help="photographs to join")
    parser.add_argument("--runtime", default="onnx")
    parser.add_argument("--megapixels", type=float, default=48)
    parser.add_argument("--quality", default="")
    words = parser.parse_args()
    height = round((words.megapixels * 1e6 * 3 / 4) ** 0.5)
    sizes = {"small": SMALL, "large": (height * 4 // 3, height)}
    with tempfile.TemporaryDirectory() as folder:
        found = {
            name: in_processes(words, joined(words.images, *size), Path(folder) / name)
            for name, size in sizes.items()
        }
        print(f"{words.codec} on {words.runtime}")
        for work in ("encode", "decode"):
            rates = {}
            for name, (width, height) in sizes.items():
                one = found[name][work]
                rates[name] = one["seconds"] / (width * height / 1e6)
                print(
                    f"{work} {width}x{height}: {rates[name]:.3f} s a megapixel, "
                    f"{one['peak'] / 1e9:.2f} GB resident"
                )
            print(f"{work}: {rates['large'] / rates['small']:.2f} times the small one's time")
        codec: Any = library.load_codec(words.codec, words.runtime)
        regions(codec, (Path(folder) / "large.slc").read_bytes(), *sizes["large"])
        quality = float(words.quality) if words.quality else None
        seams(codec, joined(words.images, *MIDDLE), quality)


def joined(folder: Path, width: int, height: int) -> Image:
    """Photographs of one size side by side, so shifted that none begins where a tile does."""
    canvas = np.empty((height, width, 3), np.uint8)
    paths = [path for path in find_images(folder) if size_of(path) == (1024, 768)]
    pictures = itertools.cycle(paths)
    for top in range(-300, height, 768):
        for left in range(-500, width, 1024):
            path = next(pictures)
            place = canvas[max(top, 0) : top + 768, max(left, 0) : left + 1024]
            own = read_image(path).pixels[max(-top, 0) :, max(-left, 0) :]
            place[:] = own[: place.shape[0], : place.shape[1]]
    return canvas


def size_of(path: Path) -> tuple[int, int]:
    import PIL.Image

    with PIL.Image.open(path) as picture:
        return picture.size


def in_processes(words: argparse.Namespace, image: Image, place: Path) -> dict[str, Any]:
    write_image(place.with_suffix(".png"), image)
    found = {}
    for work, source, target in (("encode", ".png", ".slc"), ("decode", ".slc", ".out.png")):
        command = [
            sys.executable, "-c", CHILD, work, words.codec, words.runtime, words.quality,
            str(place.with_suffix(source)), str(place.with_suffix(target)),
        ]  # fmt: skip
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[work] = json.loads(done.stdout)
    return found


def regions(codec: Any, stream: bytes, width: int, height: int) -> None:
    places, times = np.random.default_rng(0), []
    for _ in range(1 + REGIONS):
        left, top = places.integers(width - SIDE), places.integers(height - SIDE)
        start = time.perf_counter()
        codec.decode(stream, region=Region(int(left), int(top), SIDE, SIDE))
        times.append(time.perf_counter() - start)
    print(
        f"a region of {SIDE}x{SIDE}: {statistics.median(times[1:]):.3f} s, "
        f"{max(times[1:]):.3f} at most (of {REGIONS})"
    )


def seams(codec: Any, image: Image, quality: float | None) -> None:
    original = image.astype(np.float32)
    tiled = codec.encode(image, quality)
    with patch.object(tiles, "WHOLE", ENDLESS):
        one = codec.encode(image, quality)
        windows = codec.decode(one)
        with patch.object(tiles, "_USUAL_BYTES", ENDLESS):
            at_once = codec.decode(one, memory=ENDLESS)
    print(
        f"{image.shape[1]}x{image.shape[0]} in windows against all at once: "
        f"{psnr(windows, at_once.astype(np.float32)):.1f} dB, "
        f"{np.abs(windows.astype(int) - at_once).max()} levels at most"
    )
    print(
        f"in tiles against one: {100 * (len(tiled) / len(one) - 1):+.2f} % of bytes, "
        f"{psnr(codec.decode(tiled), original) - psnr(windows, original):+.3f} dB"
    )


def psnr(image: Image, original: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(np.square(image - original).mean(), 1e-12)))


if __name__ == "__main__":
    main()
