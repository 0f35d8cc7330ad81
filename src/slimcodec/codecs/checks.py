"""What every learned codec checks first: the image it is given; whose stream it is, and whether its
picture can be in it, is wanted and can be held here at all. A damaged or forged header may claim
any size in a few bytes, so nothing is allocated before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.errors import (
    LackOfMemoryError,
    ModelFileError,
    StreamError,
    UsageError,
    WrongModelError,
)
from slimcodec.images import pixel_limit
from slimcodec.machine import memory_bytes
from slimcodec.stream import MAX_PIXELS, Stream
from slimcodec.types import Image, check_image

__all__ = [
    "check_decodable",
    "check_encodable",
    "check_made",
    "check_payload",
    "check_written",
    "saying_memory",
]

_PIXELS_FOR_NOTHING = 1 << 20
"""So many are made of any number of bytes: that does no harm, and such pictures there are."""
_STATE_BITS = 64
"""Of the entropy coder: what fills it costs nothing."""


def check_encodable(image: Image, name: str, bytes_per_pixel: float) -> None:
    """An image that a stream can hold and this machine can code.

    Args:
        image: as the caller gave it.
        name: of the model.
        bytes_per_pixel: memory that it needs, about.

    Raises:
        UsageError: when the array is no image, or too large.
    """
    check_image(image)
    height, width, _ = image.shape
    most = _most_pixels()
    if height * width > most:
        raise UsageError(f"{width}x{height} is more than {most} pixels; cut it into tiles")
    lack = _lack_of_memory(height, width, name, bytes_per_pixel)
    if lack:
        raise UsageError(f"{lack}; cut the image into tiles")


def check_decodable(header: Stream, stream_id: bytes, name: str, bytes_per_pixel: float) -> None:
    """A stream that this model can decode on this machine.

    Raises:
        WrongModelError: when another model wrote it.
        StreamError: when it claims a picture that nobody wants, or that would not fit into memory.
    """
    if header.stream_id != stream_id:
        raise WrongModelError(
            f"the stream was written by another model (stream id {header.stream_id.hex()}, "
            f"{name} has {stream_id.hex()}); decode it with the model that wrote it"
        )
    most = _most_pixels()
    if header.height * header.width > most:
        raise StreamError(
            f"the stream claims {header.width}x{header.height} pixels, and more than {most} are "
            "refused; where you trust it, raise the limit: slimcodec decode --max-pixels, in "
            "Python twice PIL.Image.MAX_IMAGE_PIXELS"
        )
    lack = _lack_of_memory(header.height, header.width, name, bytes_per_pixel)
    if lack:
        raise StreamError(f"{lack}; the stream is damaged, or it needs a larger machine")


def check_payload(header: Stream, least_bits: float) -> None:
    """A stream whose first section is long enough for what it must hold.

    Args:
        header: of the stream.
        least_bits: what the most likely symbols of such a picture take, under the model's tables.

    Raises:
        StreamError: when it is shorter than that.
    """
    if _is_too_short(header, least_bits):
        raise StreamError(
            f"the stream is damaged: {len(header.sections[0])} bytes cannot hold the "
            f"{header.width}x{header.height} pixels that it claims, which take "
            f"{int(least_bits / 8)} or more"
        )


def check_written(stream: Stream, least_bits: float) -> None:
    """A stream that ``check_payload`` will let pass.

    An entropy coder takes nothing at all for symbols that are all its first until another comes, so
    a model may have pictures of no bytes, and their streams are those that a forger would write.

    Raises:
        UsageError: otherwise.
    """
    if _is_too_short(stream, least_bits):
        raise UsageError(
            f"{stream.width}x{stream.height} pixels of all but nothing: their stream could not be "
            "told from a forged one; cut the image into tiles"
        )


def check_made(array: NDArray[Any], shape: tuple[int, ...], graph: str) -> None:
    """What a graph made, which may come from a bundle that anyone wrote.

    Raises:
        ModelFileError: when it is not float32 of that shape, or holds what is no number.
    """
    if array.dtype != np.float32 or array.shape != shape or not np.isfinite(array).all():
        raise ModelFileError(
            f"{graph} makes {array.dtype} {array.shape} where finite float32 {shape} are needed; "
            "the model or bundle is damaged"
        )


@contextmanager
def saying_memory(name: str) -> Iterator[None]:
    """What lacks memory after all, whether numpy or a runtime says so, as one error.

    Raises:
        LackOfMemoryError: in place of any other ``MemoryError``.
    """
    try:
        yield
    except MemoryError as error:
        raise LackOfMemoryError(
            f"coding so many pixels with {name} takes more memory than this process may have; give "
            "it more, or cut the image into tiles"
        ) from error


def _is_too_short(stream: Stream, least_bits: float) -> bool:
    if stream.height * stream.width <= _PIXELS_FOR_NOTHING:
        return False
    return 8 * len(stream.sections[0]) + _STATE_BITS < least_bits


def _most_pixels() -> int:
    """Of a picture, for all formats alike: a stream's, and what Pillow was told to take."""
    limit = pixel_limit()
    return MAX_PIXELS if limit is None else min(MAX_PIXELS, limit)


def _lack_of_memory(height: int, width: int, name: str, bytes_per_pixel: float) -> str:
    needed, there = height * width * bytes_per_pixel, memory_bytes()
    if there is None or needed <= there:
        return ""
    return (
        f"{width}x{height} pixels take about {needed / 1e9:.1f} GB of memory with {name}, and "
        f"{there / 1e9:.1f} GB may be had here"
    )
