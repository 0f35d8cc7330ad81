"""What is given from Python as an image: a file, a picture of Pillow's, or an array."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from slimcodec.errors import UsageError
from slimcodec.images.reading import WHITE, ReadImage, convert_picture, read_image
from slimcodec.images.transparency import composite
from slimcodec.types import Image

__all__ = ["Given", "as_image", "of_pixels"]

Given: TypeAlias = str | os.PathLike[str] | PIL.Image.Image | NDArray[np.uint8]
"""A path; a picture of Pillow's; or ``uint8 [h, w]`` (grey), ``[h, w, 3]`` (sRGB) or ``[h, w, 4]``
(with alpha)."""


def as_image(given: Given, *, background: tuple[int, int, int] = WHITE) -> ReadImage:
    """Any of the kinds of image that there are in Python, as the one that codecs take.

    Args:
        given: which. An array is taken as it is, without a copy where it need not change.
        background: the sRGB colour, 0..255 each, that shows through transparency.

    Raises:
        ImageError: when the file or the picture cannot be read.
        MissingExtraError: when reading the file needs the optional decoders.
        UsageError: when it is nothing of the kind.
    """
    if isinstance(given, str | os.PathLike):
        return read_image(given, background=background)
    if isinstance(given, PIL.Image.Image):
        return convert_picture(given, background=background)
    if not isinstance(given, np.ndarray):
        raise _refused(type(given).__name__)
    if given.dtype != np.uint8 or given.size == 0:
        raise _refused(f"{given.dtype} {given.shape}")
    match given.shape:
        case (_, _):
            return ReadImage(np.repeat(given[:, :, None], 3, axis=2), ())
        case (_, _, 3):
            return ReadImage(given, ())
        case (_, _, 4):
            colours = np.ascontiguousarray(given[:, :, :3])
            return ReadImage(*composite(colours, given[:, :, 3], background))
    raise _refused(f"{given.dtype} {given.shape}")


def of_pixels(pixels: Image, info: Mapping[str, Any]) -> ReadImage:
    """Pixels that were decoded elsewhere, by the rules for files.

    Args:
        pixels: in the colours and the orientation of their file.
        info: what Pillow found in the file beside them.

    Raises:
        ImageError: when that makes no sense.
    """
    picture = PIL.Image.fromarray(pixels)
    picture.info.update(info)
    return convert_picture(picture)


def _refused(what: str) -> UsageError:
    return UsageError(
        "an image must be a path, a Pillow image or a uint8 array [h, w], [h, w, 3] or [h, w, 4], "
        f"not empty; got {what}"
    )
