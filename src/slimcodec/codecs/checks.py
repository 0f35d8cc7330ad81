"""What every learned codec checks first: the image it is given, and whose stream it is."""

from __future__ import annotations

from slimcodec.errors import UsageError, WrongModelError
from slimcodec.stream import MAX_PIXELS, Stream
from slimcodec.types import Image, check_image

__all__ = ["check_encodable", "check_model"]


def check_encodable(image: Image) -> None:
    """An image that a stream can hold.

    Raises:
        UsageError: when the array is no image, or larger than a stream may say.
    """
    check_image(image)
    height, width, _ = image.shape
    if height * width > MAX_PIXELS:
        raise UsageError(f"{width}x{height} is more than {MAX_PIXELS} pixels; cut it into tiles")


def check_model(header: Stream, stream_id: bytes, name: str) -> None:
    """A stream that this model can decode.

    Raises:
        WrongModelError: when another one wrote it.
    """
    if header.stream_id != stream_id:
        raise WrongModelError(
            f"the stream was written by another model (stream id {header.stream_id.hex()}, "
            f"{name} has {stream_id.hex()}); decode it with the model that wrote it"
        )
