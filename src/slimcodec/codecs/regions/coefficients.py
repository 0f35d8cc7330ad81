"""From pixels to DCT coefficients, as a JPEG file of halved chroma has them.

Nothing is rounded on the way: what quantization is to do with a coefficient is decided on its exact
value (``thresholds``). Coefficients stand in the file's zigzag order, the block's mean first, and
the transform is orthonormal, so a squared error of coefficients is one of samples.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from slimcodec.types import Image

__all__ = ["BLOCK", "UNIT", "ZIGZAG", "coefficients_of", "padded"]

BLOCK = 8
UNIT = 2 * BLOCK
"""Side of what a file of halved chroma codes together: four blocks of luma, one of each chroma."""

_TO_YCC = np.array(
    [
        [0.299, 0.587, 0.114],
        [-0.168735892, -0.331264108, 0.5],
        [0.5, -0.418687589, -0.081312411],
    ],
    np.float32,
)
"""JFIF's colours; luma is moved by half of its range below, and chroma is around 0 already."""


def _zigzag() -> NDArray[np.intp]:
    """Places in a block, row by row, in the order of a file: up one diagonal, down the next."""
    places = [(row, column) for row in range(BLOCK) for column in range(BLOCK)]
    places.sort(key=lambda p: (sum(p), p[0] if sum(p) % 2 else p[1]))
    return np.array([row * BLOCK + column for row, column in places], np.intp)


ZIGZAG = _zigzag()


def coefficients_of(image: Image) -> tuple[NDArray[np.float32], ...]:
    """Luma's and both chromas' blocks, each ``float32 [rows, columns, 64]``.

    Args:
        image: ``uint8 [h, w, 3]``; its last row and column go on where blocks reach beyond.

    Returns:
        Luma in twice as many rows and columns as chroma, of which two by two samples are one.
    """
    samples = padded(image, UNIT).astype(np.float32) @ _TO_YCC.T
    luma = samples[:, :, 0] - 128
    height, width = luma.shape
    quarters = samples[:, :, 1:].reshape(height // 2, 2, width // 2, 2, 2)
    chroma = quarters.mean(axis=(1, 3), dtype=np.float32)
    return tuple(_transformed(plane) for plane in (luma, chroma[:, :, 0], chroma[:, :, 1]))


def padded(samples: NDArray[np.uint8], unit: int) -> NDArray[np.uint8]:
    """Up to whole units of so many samples, by going on with the last row and column."""
    height, width = samples.shape[:2]
    around: Sequence[tuple[int, int]] = [(0, -height % unit), (0, -width % unit)]
    return np.pad(samples, [*around, (0, 0)][: samples.ndim], mode="edge")


def _transformed(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = plane.shape
    basis = _basis()
    blocks = plane.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK).transpose(0, 2, 1, 3)
    found = np.asarray(basis @ blocks @ basis.T, np.float32)
    return found.reshape(*found.shape[:2], BLOCK * BLOCK)[:, :, ZIGZAG]


@functools.cache
def _basis() -> NDArray[np.float32]:
    """The orthonormal DCT-II, [frequency, sample]."""
    frequency, sample = np.mgrid[:BLOCK, :BLOCK]
    waves = np.cos((2 * sample + 1) * frequency * np.pi / (2 * BLOCK)) * np.sqrt(2 / BLOCK)
    waves[0] /= np.sqrt(2)
    return np.asarray(waves, np.float32)
