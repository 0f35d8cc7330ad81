"""Where two pictures differ most: the window with the largest sum of squared errors."""

from __future__ import annotations

import numpy as np
import PIL.Image
from numpy.typing import NDArray

__all__ = ["Box", "most_differing", "squared_error"]

Box = tuple[int, int, int, int]
"""Left, top, width, height, in pixels."""


def squared_error(picture: PIL.Image.Image, other: PIL.Image.Image) -> NDArray[np.int64]:
    """Squared errors of each pixel, summed over its samples: ``int64 [h, w]``."""
    a, b = (np.asarray(each.convert("RGB"), dtype=np.int32) for each in (picture, other))
    error: NDArray[np.int64] = np.square(a - b).sum(axis=2, dtype=np.int64)
    return error


def most_differing(error: NDArray[np.int64], side: int) -> Box:
    """The square window with the most error in it; the whole of a picture that is smaller.

    Sums are integers, so a tie is one on every machine, and the first of two wins.
    """
    height, width = (min(side, extent) for extent in error.shape)
    sums = np.zeros((error.shape[0] + 1, error.shape[1] + 1), dtype=np.int64)
    sums[1:, 1:] = error.cumsum(axis=0).cumsum(axis=1)
    # Any window's sum is four look-ups.
    windows = sums[height:, width:] - sums[:-height, width:]
    windows -= sums[height:, :-width] - sums[:-height, :-width]
    top, left = np.unravel_index(int(windows.argmax()), windows.shape)
    return int(left), int(top), width, height
