"""Pictures as networks take and give them: planes of floats, 0 to 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slimcodec.images.padding import crop
from slimcodec.types import Image

__all__ = ["from_planes", "to_planes"]

_WHITE = np.float32(255)


def to_planes(image: Image) -> NDArray[np.float32]:
    """uint8 [h, w, c] to float32 [1, c, h, w], 0 to 1."""
    height, width, channels = image.shape
    planes = np.empty((1, channels, height, width), np.float32)
    # Channel by channel: numpy transposes three of them at once several times more slowly.
    for channel in range(channels):
        planes[0, channel] = image[:, :, channel]
    planes /= _WHITE
    return planes


def from_planes(planes: NDArray[np.float32], height: int, width: int) -> Image:
    """float32 [1, c, h', w'] to the top left uint8 [height, width, c]; what lies beyond 0 and 1 is
    cut off."""
    values = np.clip(planes[0], 0, 1)
    values *= _WHITE
    levels = np.rint(values, out=values).astype(np.uint8)
    image = np.empty((*levels.shape[1:], len(levels)), np.uint8)
    for channel, plane in enumerate(levels):
        image[:, :, channel] = plane
    return np.ascontiguousarray(crop(image, height, width))
