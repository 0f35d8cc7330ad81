"""What every learned codec checks first: the image it is given; whose stream it is, and whether its
picture can be in it, is wanted and can be held here at all. A damaged or forged header may claim
any size in a few bytes, so nothing is allocated before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
from slimcodec.stream import MAX_PIXELS, Stream, unpack
from slimcodec.types import Image

__all__ = [
    "Need",
    "check_decodable",
    "check_encodable",
    "check_header",
    "check_made",
    "check_payload",
    "check_pixels",
    "check_written",
    "plain_header",
    "saying_memory",
]

_PIXELS_FOR_NOTHING = 1 << 20
"""So many are made of any number of bytes: that does no harm, and such pictures there are."""
_STATE_BITS = 64
"""Of the entropy coder: what fills it costs nothing."""


@dataclass(frozen=True)
class Need:
    """What coding a picture takes of memory, in bytes.

    Attributes:
        picture: whatever is as large as the picture.
        window: the least that networks take.
    """

    picture: float
    window: float


def check_encodable(image: Image, name: str, need: Need, memory: int | None) -> int | None:
    """An image that a stream can hold and this machine can code.

    Args:
        image: pixels.
        name: of the model.
        need: of memory.
        memory: that may be taken, where the caller says so.

    Returns:
        Memory that networks may take; None where nobody knows.

    Raises:
        UsageError: when it is too large.
    """
    height, width, _ = image.shape
    most = _most_pixels()
    if height * width > most:
        raise UsageError(f"{width}x{height} is more than {most} pixels, the most of a stream")
    left, lack = _left(height, width, name, need, memory)
    if lack:
        raise UsageError(lack)
    return left


def check_header(header: Stream, stream_id: bytes, name: str) -> None:
    """A stream that this model wrote, of a picture that is wanted.

    Raises:
        WrongModelError: when another model wrote it.
        StreamError: when it claims more pixels than are wanted.
    """
    if header.stream_id != stream_id:
        raise WrongModelError(
            f"the stream was written by another model (stream id {header.stream_id.hex()}, "
            f"{name} has {stream_id.hex()}); decode it with the model that wrote it"
        )
    check_pixels(header.height, header.width)


def check_pixels(height: int, width: int) -> None:
    """No more pixels than are wanted.

    Args:
        height, width: that a stream claims.

    Raises:
        StreamError: otherwise.
    """
    most = _most_pixels()
    if height * width > most:
        raise StreamError(
            f"the stream claims {width}x{height} pixels, and more than {most} are refused; where "
            "you trust it, raise the limit: slimcodec decode --max-pixels, in Python twice "
            "PIL.Image.MAX_IMAGE_PIXELS"
        )


def plain_header(
    stream: bytes, stream_id: bytes, name: str, last_step: int, *, partial: bool
) -> Stream:
    """What a stream says of itself, of a model whose streams are not progressive.

    Args:
        stream: bytes.
        stream_id: of the model.
        name: of the model.
        last_step: of quality that it has.
        partial: whether the stream may have holes.

    Raises:
        StreamError: when it is damaged or foreign.
        WrongModelError: when another model wrote it.
    """
    header = unpack(stream, partial=partial)
    check_header(header, stream_id, name)
    if header.progressive:
        raise StreamError(f"the stream is damaged: the streams of {name} are not progressive")
    if header.quality > last_step:
        raise StreamError(f"the stream is damaged: quality step {header.quality}")
    return header


def check_decodable(
    height: int, width: int, name: str, need: Need, memory: int | None
) -> int | None:
    """Pixels that this machine can decode.

    Args:
        height, width: of what is wanted of a picture.
        name: of the model.
        need: of memory.
        memory: that may be taken, where the caller says so.

    Returns:
        Memory that networks may take; None where nobody knows.

    Raises:
        UsageError: when that is less than the caller allows.
        StreamError: when it is less than may be had.
    """
    left, lack = _left(height, width, name, need, memory)
    if lack and memory is not None:
        raise UsageError(lack)
    if lack:
        raise StreamError(f"{lack}; the stream is damaged, or it needs a larger machine")
    return left


def check_payload(header: Stream, least_bits: float) -> None:
    """A stream whose first step is long enough for what it must hold; holes hold nothing.

    Args:
        header: of the stream.
        least_bits: what the most likely symbols of the tiles that are there (``Stream.there``)
            take, under the model's tables.

    Raises:
        StreamError: when it is shorter than that.
    """
    if _is_too_short(header, least_bits):
        raise StreamError(
            f"the stream is damaged: {_first_step(header)} bytes cannot hold the "
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
            "told from a forged one; cut the image into smaller ones"
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
            "it more, or allow less (slimcodec --memory, memory= in Python)"
        ) from error


def _is_too_short(stream: Stream, least_bits: float) -> bool:
    if stream.height * stream.width <= _PIXELS_FOR_NOTHING:
        return False
    return 8 * _first_step(stream) + _STATE_BITS * len(stream.there) < least_bits


def _first_step(stream: Stream) -> int:
    """Bytes of all tiles' first sections."""
    return sum(len(section) for section in stream.sections[: stream.tiles])


def _most_pixels() -> int:
    """Of a picture, for all formats alike: a stream's, and what Pillow was told to take."""
    limit = pixel_limit()
    return MAX_PIXELS if limit is None else min(MAX_PIXELS, limit)


def _left(
    height: int, width: int, name: str, need: Need, memory: int | None
) -> tuple[int | None, str]:
    """What is left for networks beside the picture, and what to say where it is too little."""
    there = memory_bytes() if memory is None else memory
    if there is None:
        return None, ""
    left = int(there - need.picture)
    if left >= need.window:
        return left, ""
    return left, (
        f"{width}x{height} pixels take about {(need.picture + need.window) / 1e9:.2f} GB of memory "
        f"with {name}, and {there / 1e9:.2f} GB may be had here"
    )
