"""Weighted means under a window that slides over an image, as products with banded matrices.

A sliding window is a multiplication by a banded matrix. Cut into blocks of a few dozen outputs, the
band is small and dense, and BLAS does the work, several times faster than shifted additions, one
for each tap and axis. That leaves time for double precision (squares minus squared means cancel
badly in single precision on bright flat areas), and strips of rows stay in cache whatever the
image's size.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Plane", "Window", "slid", "strips"]

Plane: TypeAlias = NDArray[np.float64]
Window: TypeAlias = tuple[float, ...]
"""Weights, an odd number of them."""

_BLOCK = 32  # outputs per banded product: fewer leave BLAS idle, many more multiply zeros


def strips(height: int, taps: int) -> Iterator[slice]:
    """Rows, in strips that `slid` takes, such that their outputs are all positions down once."""
    positions = height - taps + 1
    for top in range(0, positions, _BLOCK):
        yield slice(top, min(top + _BLOCK, positions) + taps - 1)


def slid(fields: Plane, down: Window, across: Window) -> Plane:
    """Weighted means at all whole window positions, down then across.

    Args:
        fields: ``[n, rows, columns]``, the rows of one of `strips`.
        down, across: weights along the two axes.

    Returns:
        ``[n, rows - taps down + 1, columns - taps across + 1]``.
    """
    count, rows, columns = fields.shape
    out_down = rows - len(down) + 1
    out_across = columns - len(across) + 1
    tall = (_band(down)[:rows, :out_down].T @ fields).reshape(count * out_down, columns)
    band = _band(across)
    means = np.empty((count * out_down, out_across))
    for left in range(0, out_across, _BLOCK):
        wide = min(_BLOCK, out_across - left)
        reach = wide + len(across) - 1
        means[:, left : left + wide] = tall[:, left : left + reach] @ band[:reach, :wide]
    return means.reshape(count, out_down, out_across)


@cache
def _band(window: Window) -> Plane:
    """``[_BLOCK + taps - 1, _BLOCK]``: column i holds the window, starting at row i.

    Any leading corner of it is the matrix for a shorter run of outputs.
    """
    band = np.zeros((_BLOCK + len(window) - 1, _BLOCK))
    columns = np.arange(_BLOCK)
    for tap, weight in enumerate(window):
        band[columns + tap, columns] = weight
    band.flags.writeable = False  # it is shared by every caller of the cache
    return band
