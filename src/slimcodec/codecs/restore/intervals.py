"""What a file's quantization allows.

A JPEG says of every coefficient of an 8 x 8 block in which interval it was: half a step to either
side of the level that is stored. Whatever a network makes of a picture can be brought back there,
block by block: that is never farther from any picture that gives this very file.

    c = DCT(restored),  d = DCT(decoded)
    c' = d + clip(c - d, -step / 2, step / 2)

Where steps are fine, little was lost, and a network's own error is more than that: it takes back
what it makes of a plane the more, the finer the steps (``shares``). Six photographs held out, all
of it and the share, mean and least, dB: grey at quality 90 +0.58, -0.03 and +0.67, +0.42; at 95
-0.42, -1.30 and +0.12, 0.00; colour with whole chroma at 90 +0.33, -0.12 and +0.46, +0.21; at 95
-0.34, -0.82 and +0.16, +0.05; halved both ways at 98 -0.34, -1.24 and +0.21, +0.06. Up to quality
75 all of it is taken, and from 98 on, where chroma is whole, nothing.

Decoded planes are rounded to bytes, so d is what is stored up to that. Chroma that was halved has
no blocks at the picture's own grid and stays as it is, and so does what the picture has only a part
of: blocks at its right and lower edge.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["project", "shares"]

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


_LUMA, _CHROMA = (3.5, 29.0), ((5.0, 60.0), (3.0, 20.0), (2.5, 9.0))
"""Mean steps up to which nothing is taken of what a network makes of a plane, and from which on all
is; of chroma by how often it was halved, for then most of what it lost was lost by that."""


def shares(tables: Sequence[NDArray[np.int64]], halvings: int) -> Floats:
    """How much is taken of what a network makes of Y, Cb, Cr, 0 to 1, [3].

    Args:
        tables: [8, 8], steps of luma and, where there is any, of chroma.
        halvings: of chroma, 0 to 2.
    """
    ends = (_LUMA, _CHROMA[halvings], _CHROMA[halvings])
    steps = (tables[0], tables[-1], tables[-1])
    found = [
        np.log(table.mean() / nothing) / np.log(everything / nothing)
        for table, (nothing, everything) in zip(steps, ends, strict=True)
    ]
    taken: Floats = np.clip(found, 0, 1).astype(np.float32)
    return taken


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
