"""What the codec in between lost of a small picture: measured by the encoder, told to the decoder.

The inner codec is named, not known, and so is the meaning of its qualities. What a reconstructor
must know is how much to believe of what it is given, and that an encoder can measure for any codec:
the root mean squared error of luma and of chroma, each as a byte,

    byte = round(32 · log2(1 + rms)),    rms in levels, up to 254.9
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from slimcodec.types import Image

__all__ = ["LOSS_BYTES", "MIDDLE", "facts_of", "measured"]

LOSS_BYTES = 2
_STEPS = 32
"""Of a byte, in twice as much."""
MIDDLE = 2.5
"""Of the logarithms: about zero behind it."""
_ROWS = 256
"""At a time, so that little memory is taken."""
_LUMA = np.array((0.299, 0.587, 0.114), np.float32)


def measured(small: Image, decoded: Image) -> bytes:
    """Of luma and of chroma, a byte each.

    Args:
        small: picture before the inner codec.
        decoded: what that made of it, as large.
    """
    sums = np.zeros(LOSS_BYTES)
    for top in range(0, len(small), _ROWS):
        rows = slice(top, top + _ROWS)
        error = small[rows].astype(np.float32) - decoded[rows]
        luma = error @ _LUMA
        blue, red = (error[..., 2] - luma) / 1.772, (error[..., 0] - luma) / 1.402
        chroma = (np.square(blue).sum() + np.square(red).sum()) / 2
        sums += np.square(luma).sum(), chroma
    count = small.shape[0] * small.shape[1]
    return bytes(min(255, round(_STEPS * math.log2(1 + math.sqrt(s / count)))) for s in sums)


def facts_of(losses: bytes) -> NDArray[np.float32]:
    """What a network is told of them, [2]."""
    codes = np.frombuffer(losses, np.uint8).astype(np.float32)
    return codes / np.float32(_STEPS) - np.float32(MIDDLE)
