"""The one thing that every metric asks of its arguments: two images, of one shape."""

from __future__ import annotations

import numpy as np

from slimcodec.errors import UsageError
from slimcodec.types import Image

__all__ = ["check_pair"]


def check_pair(original: Image, decoded: Image) -> None:
    """Make sure that two arrays can be compared pixel by pixel.

    Without this, numpy would broadcast ``[h, w, 3]`` against ``[1, 1, 3]`` and let uint8
    differences wrap around: wrong figures instead of errors.

    Raises:
        UsageError: naming what is off and which of the two images it is.
    """
    for role, image in (("original", original), ("decoded", decoded)):
        if image.dtype != np.uint8:
            raise UsageError(
                f"the {role} image must be uint8, got {image.dtype}; scale it to 0..255 and round"
            )
        if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise UsageError(
                f"the {role} image must have the shape [h, w, 3] with h, w >= 1, got "
                f"{list(image.shape)}; convert it to RGB"
            )
    if original.shape != decoded.shape:
        raise UsageError(
            f"the images must have one size, got original {_size(original)} and decoded "
            f"{_size(decoded)} (height x width); crop the decoder's padding away"
        )


def _size(image: Image) -> str:
    return f"{image.shape[0]} x {image.shape[1]}"
