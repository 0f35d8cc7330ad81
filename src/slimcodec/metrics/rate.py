"""Bits per pixel: the size of a stream that exists, over the size of the image.

    bpp = 8 * len(stream) / (h * w)

The header counts, and so do checksums and padding: whoever stores the stream pays for them. What a
probability model promises before any byte is written is an estimate and is called ``est_bpp``
wherever it appears; it never passes through here. On small images the header weighs more than on
large ones, which is a fact about the format and not to be corrected away.
"""

from __future__ import annotations

import math

from slimcodec.errors import UsageError

__all__ = ["bits_per_pixel", "bytes_at"]


def bits_per_pixel(stream_bytes: int, height: int, width: int) -> float:
    """Bits that a stream spends on each pixel of its image.

    Args:
        stream_bytes: length of the whole stream, header included.
        height: rows of the image, before any padding.
        width: columns of the image, before any padding.

    Raises:
        UsageError: when the image has no pixels or the length is negative.
    """
    _check_size(height, width)
    if stream_bytes < 0:
        raise UsageError(f"a stream's length must not be negative, got {stream_bytes} bytes")
    return 8 * stream_bytes / (height * width)


def bytes_at(bpp: float, height: int, width: int) -> int:
    """The longest stream that spends no more than so many bits on a pixel; the inverse.

    Args:
        bpp: bits per pixel.
        height: rows of the image.
        width: columns of the image.

    Raises:
        UsageError: when the image has no pixels or the rate is no number from 0 on.
    """
    _check_size(height, width)
    if not 0 <= bpp < math.inf:
        raise UsageError(f"bits per pixel must be a number from 0 on, got {bpp}")
    return math.floor(bpp * height * width / 8)


def _check_size(height: int, width: int) -> None:
    if height < 1 or width < 1:
        raise UsageError(f"an image must have at least one pixel, got {height} x {width}")
