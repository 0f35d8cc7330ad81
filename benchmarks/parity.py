"""One model on three runtimes: how many symbols their encoders choose differently, whether each
decodes every other's streams to the same symbols, and how close the pictures are.

    python benchmarks/parity.py hific-s hific-int8.slim --images KODAK

Bundles are exported into a temporary folder. Of each model, the first of the runtimes is what the
others are compared with.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from slimcodec import library
from slimcodec.images import find_images, read_image
from slimcodec.types import Codec, Progressive

RUNTIMES = ("torch", "openvino", "onnx")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", help="built-in models or model files")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--count", type=int, default=6, help="images that are coded")
    arguments = parser.parse_args()
    paths = find_images(arguments.images)
    images = [read_image(p).pixels for p in paths[:: max(1, len(paths) // arguments.count)]]
    print("| model | encoder | symbols that differ | decoder | largest difference | PSNR, dB |")
    print("|---|---|---:|---|---:|---:|")
    for name in arguments.models:
        with tempfile.TemporaryDirectory() as folder:
            codecs = {runtime: opened(name, runtime, Path(folder)) for runtime in RUNTIMES}
            for line in lines_of(codecs, images[: arguments.count]):
                print(line)


def opened(name: str, runtime: str, folder: Path) -> Codec:
    if runtime == "torch":
        return library.load_codec(name)
    library.export_model(library.load_model(name), folder / runtime, runtime)
    return library.load_codec(folder / runtime)


def lines_of(codecs: dict[str, Codec], images: list[np.ndarray]) -> list[str]:
    first = RUNTIMES[0]
    differing = dict.fromkeys(codecs, 0)
    total = 0
    largest = {(e, d): 0 for e in codecs for d in codecs}
    squares: dict[tuple[str, str], list[float]] = {pair: [] for pair in largest}
    for image in images:
        streams = {runtime: codec.encode(image) for runtime, codec in codecs.items()}
        own = symbols(codecs[first], streams[first])
        total += own.size
        for encoder, stream in streams.items():
            read = symbols(codecs[first], stream)
            differing[encoder] += int((read != own).sum())
            picture = codecs[first].decode(stream).astype(int)
            for decoder, codec in codecs.items():
                assert (symbols(codec, stream) == read).all(), (encoder, decoder)
                away = np.abs(codec.decode(stream).astype(int) - picture)
                pair = (encoder, decoder)
                largest[pair] = max(largest[pair], int(away.max()))
                squares[pair].append(float(np.square(away).mean()))
    lines = []
    for (encoder, decoder), values in squares.items():
        if decoder == first:
            continue
        worst = max(values)
        psnr = "the same" if worst == 0 else f"{10 * np.log10(255**2 / worst):.1f}"
        share = f"{differing[encoder]:,} of {total:,}" if encoder != first else "-"
        name = codecs[first].name
        lines.append(
            f"| {name} | {encoder} | {share} | {decoder} | {largest[encoder, decoder]} | {psnr} |"
        )
    return lines


def symbols(codec: Any, stream: bytes) -> np.ndarray:
    """All symbols of a stream, as this codec reads them."""
    read = codec.read(stream)
    if isinstance(codec, Progressive):
        return np.asarray(read)
    tiles = read[1]
    return np.concatenate([a.ravel() for t in tiles for a in (t.symbols, t.hyper_latents)])


if __name__ == "__main__":
    main()
