"""Milliseconds of entropy coding and of whole encodes and decodes, medians of repeats.

python benchmarks/coding_speed.py hific-s --image kodim05.png --threads 2
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import torch

from slimcodec import library
from slimcodec.bench.timing import timed
from slimcodec.images import read_image
from slimcodec.types import Clock, Codec, Image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    codec = library.load_codec(arguments.model)
    image = read_image(arguments.image).pixels
    print(f"{image.shape[1]}x{image.shape[0]}, {arguments.threads} threads, ms (median)")
    for quality in codec.qualities:
        codec.decode(codec.encode(image, quality))
        stream, encoding = timed(partial(_encode, codec, image, quality), arguments.repeats)
        _, decoding = timed(partial(_decode, codec, stream), arguments.repeats)
        for verb, timing in (("encode", encoding), ("decode", decoding)):
            shown = "  ".join(f"{name} {ms:.1f}" for name, ms in timing.parts_ms.items())
            print(f"quality {quality:g} {verb}: {timing.median_ms:.0f} whole;  {shown}")


def _encode(codec: Codec, image: Image, quality: float, clock: Clock) -> bytes:
    return codec.encode(image, quality, clock=clock)


def _decode(codec: Codec, stream: bytes, clock: Clock) -> Image:
    return codec.decode(stream, clock=clock)


if __name__ == "__main__":
    main()
