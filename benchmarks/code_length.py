"""Streams of a recurrent codec against their raw bits and against the ideal code length.

    python benchmarks/code_length.py toderici-s --images KODAK

Raw is what the published codec writes: every bit as it is. Ideal is the sum of -log2 of the integer
model's own probabilities; what a real stream has more are the coder's state, whole words, header
and checks. The last column is the time of entropy decoding alone, the median of five.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from slimcodec import library
from slimcodec.codecs.toderici.coding import TodericiCodec
from slimcodec.images import find_images, read_image
from slimcodec.stream.tables import TOTAL


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--iterations", type=int, nargs="+", default=[1, 2, 3, 5, 8])
    arguments = parser.parse_args()
    codec = library.load_codec(arguments.model)
    assert isinstance(codec, TodericiCodec)
    found: dict[int, list[tuple[float, ...]]] = {n: [] for n in arguments.iterations}
    for path in find_images(arguments.images):
        whole = codec.encode(read_image(path).pixels, max(arguments.iterations))
        for count in arguments.iterations:
            found[count].append(_measure(codec, codec.cut(whole, count)))
    print(
        "iterations  images  raw bytes  stream bytes  saved    ideal bytes  "
        "worst excess over 1.01 x ideal, bytes  entropy decoding, ms"
    )
    for count, rows in found.items():
        raw, stream, ideal, _ = np.mean(rows, axis=0)
        excess = max(row[1] - 1.01 * row[2] for row in rows)
        ms = statistics.median(row[3] for row in rows)
        print(
            f"{count:10}  {len(rows):6}  {raw:9,.0f}  {stream:12,.0f}  {1 - stream / raw:6.1%}  "
            f"{ideal:11,.0f}  {excess:37.1f}  {ms:20.1f}"
        )


def _measure(codec: TodericiCodec, stream: bytes) -> tuple[float, float, float, float]:
    """Raw, stream and ideal bytes, and the median ms of reading the bits back."""
    times = []
    for _ in range(5):
        started = time.perf_counter()
        codes = codec.read(stream)
        times.append(1e3 * (time.perf_counter() - started))
    plus = np.array([int(codec.tables[i][2]) for i in range(len(codec.tables))]) / TOTAL
    minus = np.array([int(codec.tables[i][0]) for i in range(len(codec.tables))]) / TOTAL
    lengths = []
    known = codec.prior.start(*codes.shape[1:3])
    for number, code in enumerate(codes.astype(np.int32)):

        def add(tables: np.ndarray, place: Any, code: np.ndarray = code) -> np.ndarray:
            own: np.ndarray = code[place]
            lengths.append(-np.log2(np.where(own > 0, plus[tables], minus[tables])).sum())
            return own

        _, known = codec.prior.iterate(number, known, add)
    return codes.size / 8, len(stream), sum(lengths) / 8, statistics.median(times)


if __name__ == "__main__":
    main()
