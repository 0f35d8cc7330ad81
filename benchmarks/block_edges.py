"""How far a recurrent codec's pictures show the grid of its code: steps across the edges of 16x16
blocks over steps elsewhere.

A step is the absolute difference of two neighbouring pixels, the mean over three channels. Edges
are every 16th column and row. A photograph has about 1; what is above is the codec's.

    python benchmarks/block_edges.py toderici-s --images KODAK --iterations 1 2 3 4 8
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import slimcodec
from slimcodec.images import find_images, read_image

BLOCK = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--iterations", type=int, nargs="+", default=[1, 2, 3, 4, 8])
    arguments = parser.parse_args()
    codec: Any = slimcodec.load(arguments.model)
    images = [read_image(path).pixels for path in find_images(arguments.images)]
    print(f"{'':14}  mean   worst")
    print(_row("photographs", [edge_ratio(image) for image in images]))
    streams = [codec.encode(image, max(arguments.iterations)) for image in images]
    for count in arguments.iterations:
        decoded = [codec.decode(codec.cut(stream, count)) for stream in streams]
        print(_row(f"{count} iterations", [edge_ratio(image) for image in decoded]), flush=True)


def edge_ratio(image: np.ndarray) -> float:
    """Mean step across edges over mean step elsewhere, both directions, of uint8 [h, w, 3]."""
    edges, others = [], []
    for axis in (0, 1):
        steps = np.abs(np.diff(image.astype(np.float64), axis=axis)).mean(axis=(1 - axis, 2))
        at_edge = np.arange(1, len(steps) + 1) % BLOCK == 0
        edges.append(steps[at_edge].mean())
        others.append(steps[~at_edge].mean())
    return float(np.mean(edges) / np.mean(others))


def _row(label: str, ratios: list[float]) -> str:
    return f"{label:14}  {np.mean(ratios):.3f}  {max(ratios):.3f}"


if __name__ == "__main__":
    main()
