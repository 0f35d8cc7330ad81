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
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from slimcodec.atomic import write_atomically
from slimcodec.errors import ImageError, SlimcodecError
from slimcodec.images.exif import DESCRIPTIVE, EXIF_START, EXIF_TAG, GPS_TAG
from slimcodec.images.opening import translated
from slimcodec.types import Image

__all__ = ["check_suffix", "image_bytes", "left_out", "write_image"]

_XMP_TAG = 700
"""Where a TIFF has its XMP."""


@dataclass(frozen=True)
class _Format:
    """A format that pictures are written in.

    Attributes:
        name: Pillow's.
        options: what to tell it.
        holds: what a file can hold beside pixels: ``exif``, ``xmp``, ``alpha``.
        most: bytes of each of EXIF and XMP, as the format allows; any number when None.
    """

    name: str
    options: Mapping[str, Any]
    holds: frozenset[str] = frozenset()
    most: int | None = None


_ALL = frozenset({"exif", "xmp", "alpha"})
# A segment of JPEG says its length in two bytes; up to 31 of it are a name.
_JPEG = _Format("JPEG", {"quality": 95, "subsampling": 0}, _ALL - {"alpha"}, 65_533 - 31)
_TIFF = _Format("TIFF", {"compression": "tiff_adobe_deflate"}, _ALL)
_FORMATS = {
    ".png": _Format("PNG", {"compress_level": 1}, _ALL),
    ".webp": _Format("WEBP", {"lossless": True}, _ALL),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".bmp": _Format("BMP", {}),
    ".ppm": _Format("PPM", {}),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
}
"""By suffix in lower case."""


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


def left_out(path: str | os.PathLike[str], beside: Mapping[str, bytes]) -> tuple[str, ...]:
    """Names of what cannot be held beside the pixels by a file that goes by that name.

    Args:
        path: whose suffix says the format.
        beside: ``exif``, ``xmp`` and ``alpha``, as many as there are.

    Raises:
        ImageError: when the suffix is unknown.
    """
    form = _FORMATS[check_suffix(path)]
    return tuple(name for name, data in beside.items() if not _can_hold(form, name, data))


def _can_hold(form: _Format, name: str, data: bytes) -> bool:
    if name not in form.holds:
        return False
    if name == "exif" and form.name == "TIFF":
        return _tiff_tags({"exif": data}) is not None
    return name == "alpha" or form.most is None or len(data) <= form.most


def image_bytes(
    image: Image,
    path: str | os.PathLike[str],
    *,
    metadata: Mapping[str, bytes] = MappingProxyType({}),
    alpha: NDArray[np.uint8] | None = None,
) -> bytes:
    """What `write_image` would write under that name.

    Args:
        image: ``uint8 [h, w, 3]``, sRGB.
        path: whose suffix says the format.
        metadata: ``exif`` and ``xmp`` as `slimcodec.images.exif` has them, and the format can hold.
        alpha: transparency ``uint8 [h, w]``, where the format can hold it.

    Raises:
        ImageError: when the suffix is unknown, or the format cannot hold an image of this size, or
            what is to be beside it.
        ValueError: when ``image`` is not ``uint8 [h, w, 3]``.
    """
    suffix = check_suffix(path)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"an image must be uint8 [h, w, 3], got {image.dtype} {image.shape}")
    form = _FORMATS[suffix]
    # From a name Pillow loads the format's own plugin, from a format all common ones first.
    coded = io.BytesIO()
    coded.name = f"picture{suffix}"
    pixels = image if alpha is None else np.dstack([image, alpha])
    options = {**form.options, **_metadata_options(form.name, metadata)}
    try:
        PIL.Image.fromarray(np.ascontiguousarray(pixels)).save(coded, **options)
    except (OSError, ValueError) as error:
        height, width = image.shape[:2]
        reason = " ".join(str(error).split())
        raise ImageError(
            f"{path}: {form.name} cannot hold {width} x {height} pixels ({reason}); write a PNG"
        ) from error
    return coded.getvalue()


def _metadata_options(name: str, metadata: Mapping[str, bytes]) -> dict[str, Any]:
    """What to tell Pillow, so that a file of that format holds the metadata."""
    options: dict[str, Any] = {}
    if name == "TIFF":
        # Compressing is libtiff's, which writes no directories below a tag, such as EXIF's.
        return {"exif": _tiff_tags(metadata), "compression": "raw"} if metadata else options
    if "exif" in metadata:
        options["exif"] = EXIF_START + metadata["exif"]
    if "xmp" in metadata and name == "PNG":
        # Loaded with the first PNG in any case.
        from PIL.PngImagePlugin import PngInfo

        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", metadata["xmp"])
    elif "xmp" in metadata:
        options["xmp"] = metadata["xmp"]
    return options


def _tiff_tags(metadata: Mapping[str, bytes]) -> bytes | None:
    """EXIF without the tags that say how a file's bytes lie, and XMP among them, for a TIFF; None
    where Pillow, which writes them anew, cannot."""
    read, kept = PIL.Image.Exif(), PIL.Image.Exif()
    try:
        with translated():
            if "exif" in metadata:
                read.load(EXIF_START + metadata["exif"])
            for tag in read:
                if tag in DESCRIPTIVE:
                    kept[tag] = read.get_ifd(tag) if tag in (EXIF_TAG, GPS_TAG) else read[tag]
            if "xmp" in metadata:
                kept[_XMP_TAG] = metadata["xmp"]
            tags = kept.tobytes()
            # Some values are found to be wrong only there.
            PIL.Image.new("RGB", (1, 1)).save(io.BytesIO(), "TIFF", exif=tags)
    except ImageError:
        return None
    return tags
