"""What a file's quantization allows.

A JPEG says of every coefficient of an 8 x 8 block in which interval it was: half a step to either
side of the level that is stored. Whatever a network makes of a picture can be brought back there,
block by block: that is never farther from any picture that gives this very file.

    c = DCT(restored),  d = DCT(decoded)
    c' = d + clip(c - d, -step / 2, step / 2)

Decoded planes are rounded to bytes, so d is what is stored up to that. Chroma that was halved has
no blocks at the picture's own grid and stays as it is, and so does what the picture has only a part
of: blocks at its right and lower edge.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["project"]

Floats = NDArray[np.float32]

_SIDE = 8
_ROWS = 16
"""Rows of blocks at a time: what is computed with stays in the caches."""


def _matrix() -> Floats:
    """The orthonormal DCT of eight values, [frequency, place]."""
    frequency, place = np.mgrid[0:_SIDE, 0:_SIDE]
    rows: NDArray[np.float64] = np.cos((2 * place + 1) * frequency * np.pi / (2 * _SIDE))
    rows *= np.sqrt(2 / _SIDE)
    rows[0] /= np.sqrt(2)
    return rows.astype(np.float32)


_DCT = _matrix()


def project(
    restored: Floats,
    decoded: NDArray[np.uint8],
    steps: Sequence[NDArray[np.int64] | None],
) -> None:
    """Bring planes back into their intervals, in place.

    Args:
        restored: [c, h, w], levels as floats, at the grid of the file's blocks.
        decoded: [h, w, c], as the file has them.
        steps: [8, 8] of each plane; None of one that has no blocks at this grid.
    """
    height, width = (side // _SIDE * _SIDE for side in restored.shape[1:])
    for plane, table in enumerate(steps):
        if table is None or not height or not width:
            continue
        half = (table / 2).astype(np.float32)
        for top in range(0, height, _ROWS * _SIDE):
            rows = slice(top, min(top + _ROWS * _SIDE, height))
            own = restored[plane, rows, :width]
            moved = own - decoded[rows, :width, plane]
            shape = (moved.shape[0] // _SIDE, _SIDE, width // _SIDE, _SIDE)
            blocks = moved.reshape(shape).transpose(0, 2, 1, 3)
            moves = _DCT @ blocks @ _DCT.T
            np.clip(moves, -half, half, out=moves)
            back = (_DCT.T @ moves @ _DCT).transpose(0, 2, 1, 3).reshape(moved.shape)
            own += back - moved
