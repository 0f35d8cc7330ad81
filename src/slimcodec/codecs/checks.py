"""What every learned codec checks first: the image it is given; whose stream it is, and whether its
picture can be held here at all. A damaged or forged header may claim any size in a few bytes."""

from __future__ import annotations

from slimcodec.errors import StreamError, UsageError, WrongModelError
from slimcodec.machine import memory_bytes
from slimcodec.stream import MAX_PIXELS, Stream
from slimcodec.types import Image, check_image

__all__ = ["check_decodable", "check_encodable"]


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
    if height * width > MAX_PIXELS:
        raise UsageError(f"{width}x{height} is more than {MAX_PIXELS} pixels; cut it into tiles")
    lack = _lack_of_memory(height, width, name, bytes_per_pixel)
    if lack:
        raise UsageError(f"{lack}; cut the image into tiles")


def check_decodable(header: Stream, stream_id: bytes, name: str, bytes_per_pixel: float) -> None:
    """A stream that this model can decode on this machine.

    Raises:
        WrongModelError: when another model wrote it.
        StreamError: when it claims a picture that would not fit into memory.
    """
    if header.stream_id != stream_id:
        raise WrongModelError(
            f"the stream was written by another model (stream id {header.stream_id.hex()}, "
            f"{name} has {stream_id.hex()}); decode it with the model that wrote it"
        )
    lack = _lack_of_memory(header.height, header.width, name, bytes_per_pixel)
    if lack:
        raise StreamError(f"{lack}; the stream is damaged, or it needs a larger machine")


def _lack_of_memory(height: int, width: int, name: str, bytes_per_pixel: float) -> str:
    needed, there = height * width * bytes_per_pixel, memory_bytes()
    if there is None or needed <= there:
        return ""
    return (
        f"{width}x{height} pixels take about {needed / 1e9:.0f} GB of memory with {name}, and "
        f"{there / 1e9:.0f} GB are here"
    )
