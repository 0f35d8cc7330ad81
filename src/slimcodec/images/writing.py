"""Decoded pixels into image files, so that the file holds exactly those pixels.

The usual end of a learned codec is a PNG, and the usual mistake is to change the pixels on the way:
a min-max stretch, a second lossy coding. So every format here is written without loss except JPEG,
which people need to hand pictures on, and which is written at quality 95 without subsampling. No
format is guessed: a suffix that is not in the table is an error that lists the table.

The picture is coded in memory and then written by `slimcodec.atomic`: nobody sees half of it.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from slimcodec.atomic import write_atomically
from slimcodec.errors import ImageError, SlimcodecError
from slimcodec.types import Image

__all__ = ["check_suffix", "image_bytes", "write_image"]

_JPEG: tuple[str, dict[str, Any]] = ("JPEG", {"quality": 95, "subsampling": 0})
_TIFF: tuple[str, dict[str, Any]] = ("TIFF", {"compression": "tiff_adobe_deflate"})
_FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {"compress_level": 1}),
    ".webp": ("WEBP", {"lossless": True}),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".bmp": ("BMP", {}),
    ".ppm": ("PPM", {}),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
}
"""Suffix in lower case: Pillow's name of the format, and what to tell it."""


def write_image(path: str | os.PathLike[str], image: Image) -> None:
    """Write an image file, whole or not at all.

    Args:
        path: where to; the suffix says the format, PNG when there is none. An existing file is
            replaced.
        image: ``uint8 [h, w, 3]``, sRGB, h and w at least 1.

    Raises:
        ImageError: when the suffix is unknown, the format cannot hold an image of this size, or the
            file cannot be written (no such folder, no permission, disk full).
        ValueError: when ``image`` is not such an array.
    """
    path = Path(path)
    coded = image_bytes(image, path)
    try:
        write_atomically(path, coded)
    except SlimcodecError as error:
        raise ImageError(str(error)) from error


def check_suffix(path: str | os.PathLike[str]) -> str:
    """The suffix of the format that a file of this name is written in, in lower case.

    Raises:
        ImageError: when there is no such format.
    """
    path = Path(path)
    suffix = path.suffix.lower() or ".png"
    if suffix not in _FORMATS:
        known = ", ".join(_FORMATS)
        raise ImageError(f"{path}: unknown image suffix {path.suffix!r}; use one of {known}")
    return suffix


def image_bytes(image: Image, path: str | os.PathLike[str]) -> bytes:
    """What `write_image` would write under that name.

    Raises:
        ImageError: when the suffix is unknown, or the format cannot hold an image of this size.
        ValueError: when ``image`` is not ``uint8 [h, w, 3]``.
    """
    suffix = check_suffix(path)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"an image must be uint8 [h, w, 3], got {image.dtype} {image.shape}")
    name, options = _FORMATS[suffix]
    # From a name Pillow loads the format's own plugin, from a format all common ones first.
    coded = io.BytesIO()
    coded.name = f"picture{suffix}"
    try:
        PIL.Image.fromarray(np.ascontiguousarray(image)).save(coded, **options)
    except (OSError, ValueError) as error:
        height, width = image.shape[:2]
        reason = " ".join(str(error).split())
        raise ImageError(
            f"{path}: {name} cannot hold {width} x {height} pixels ({reason}); write a PNG"
        ) from error
    return coded.getvalue()
