"""Padding to the sizes a network can take, and the crop that undoes it.

A network that halves its input n times wants sides that are multiples of 2^n, and images come in
all sizes. The law of the pair, for every image ``a`` of ``h x w``::

    crop(pad_to_multiple(a, multiple, minimum), h, w) == a

Only the bottom and the right are padded, so the crop needs no offset and pixel (0, 0) stays where
it was. The padding reflects the image about its last row and column (``abcd`` becomes
``abcd|cba...``), as the published codecs do: it has the image's own statistics, so it costs little
and puts no edge at the border. An image smaller than the padding is reflected back and forth; one
row or column, which has nothing to reflect, is repeated. So 1 x 1 works.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["crop", "pad_to_multiple"]

Sample = TypeVar("Sample", bound=np.generic)


def pad_to_multiple(array: NDArray[Sample], multiple: int, minimum: int = 1) -> NDArray[Sample]:
    """Reflect an image at the bottom and right until its sides are multiples.

    Args:
        array: ``[h, w, c]`` of any type, h and w at least 1.
        multiple: what both sides become a multiple of.
        minimum: what both sides become at least (rounded up to a multiple itself).

    Returns:
        ``[h', w', c]``; ``array`` itself when nothing is to be padded.

    Raises:
        ValueError: when the shape is another, or the numbers are below 1.
    """
    if array.ndim != 3 or array.size == 0:
        raise ValueError(f"an image to pad must be [h, w, c] and not empty, got {array.shape}")
    if multiple < 1 or minimum < 1:
        raise ValueError(f"multiple and minimum must be at least 1, got {multiple}, {minimum}")
    height, width = array.shape[:2]
    below = _padded(height, multiple, minimum) - height
    right = _padded(width, multiple, minimum) - width
    if below == right == 0:
        return array
    return np.pad(array, ((0, below), (0, right), (0, 0)), mode="reflect")


def crop(array: NDArray[Sample], height: int, width: int) -> NDArray[Sample]:
    """The top left ``height x width`` of ``[h, w, c]``: the inverse of `pad_to_multiple`. A view.

    Raises:
        ValueError: when the array is smaller than that; slicing alone would return too little.
    """
    if not (1 <= height <= array.shape[0] and 1 <= width <= array.shape[1]):
        raise ValueError(f"cannot crop {array.shape} to height {height}, width {width}")
    return array[:height, :width]


def _padded(side: int, multiple: int, minimum: int) -> int:
    return -(-max(side, minimum) // multiple) * multiple
