"""Pixels to planes, planes to vectors and block means, and the surface that means describe.

    pixels ─► Y, and Cb and Cr of half the sides ─► blocks of 8x8 ─► mean, and what is left of it

What is taken off a block is no flat mean but a *surface*: what the means of the block and of its
eight neighbours let one expect of its samples, a linear map that was fitted by least squares. So
skies have no steps, and edges between blocks only where codes make them.

Levels here are float32, of luma less 128; of chroma, around 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.family import Floats
from slimcodec.codecs.vq.config import BLOCK
from slimcodec.types import Image

__all__ = [
    "FROM_PLANES",
    "MIDDLE",
    "means_of",
    "neighbourhoods",
    "planes_of",
    "surface_of",
    "vectors_of",
]

MIDDLE = 128
"""What is 0 here."""
_TO_PLANES = np.array(
    ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312)), np.float32
)
FROM_PLANES = np.array(((1, 0, 1.402), (1, -0.344136, -0.714136), (1, 1.772, 0)), np.float32)
"""Y, Cb, Cr to R, G, B, as in JPEG files."""


def planes_of(image: Image) -> tuple[Floats, Floats]:
    """Luma [1, h, w] and chroma [2, h/2, w/2] of pixels whose sides are multiples of 16."""
    height, width, _ = image.shape
    planes = np.empty((3, height, width), np.float32)
    for plane, row in zip(planes, _TO_PLANES, strict=True):
        plane[:] = sum(image[:, :, i] * weight for i, weight in enumerate(row))
    planes[0] -= MIDDLE
    chroma = planes[1:].reshape(2, height // 2, 2, width // 2, 2).mean(axis=(2, 4))
    return planes[:1], chroma


def vectors_of(plane: Floats) -> Floats:
    """Blocks as vectors, row by row: [h/8 · w/8, c · 64]."""
    channels, height, width = plane.shape
    blocks = plane.reshape(channels, height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    return blocks.transpose(1, 3, 0, 2, 4).reshape(-1, channels * BLOCK**2)


def means_of(plane: Floats) -> Floats:
    """Of each block, [c, h/8, w/8]."""
    channels, height, width = plane.shape
    blocks = plane.reshape(channels, height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    made: NDArray[np.float32] = blocks.mean(axis=(2, 4))
    return made


def neighbourhoods(means: NDArray[Any]) -> Floats:
    """Means of each block and its neighbours, [i · j, c · 9]; beyond the edge the nearest one."""
    channels, height, width = means.shape
    around = np.pad(means, ((0, 0), (1, 1), (1, 1)), mode="edge").astype(np.float32)
    pieces = [around[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    return np.stack(pieces, axis=-1).transpose(1, 2, 0, 3).reshape(-1, channels * 9)


def surface_of(kernel: Floats) -> Floats:
    """A transposed convolution with a stride of 8 as the matrix that takes neighbourhoods to
    vectors, [c · 9, o · 64]."""
    inputs, outputs = kernel.shape[:2]
    # The neighbour above is laid down a block further up, so its weights are the kernel's last.
    pieces = kernel.reshape(inputs, outputs, 3, BLOCK, 3, BLOCK)[:, :, ::-1, :, ::-1]
    return pieces.transpose(0, 2, 4, 1, 3, 5).reshape(inputs * 9, outputs * BLOCK**2)
