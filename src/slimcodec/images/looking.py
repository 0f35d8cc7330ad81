"""The look at a file before it is read: of what kind is it, and who reads that kind right?

Formats that have a module of their own have kinds that Pillow reads wrong or not at all. The others
(WebP, GIF, PPM) have few, and Pillow reads them as other readers do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

from slimcodec.images import avif, bmp, jpeg, jpeg2000, png, tiff
from slimcodec.images.kind import Kind
from slimcodec.images.opening import translated
from slimcodec.images.signatures import LONGEST, format_of

__all__ = ["look"]

_LOOKS: dict[str, Callable[[IO[bytes]], Kind]] = {
    "PNG": png.look,
    "JPEG": jpeg.look,
    "TIFF": tiff.look,
    "BMP": bmp.look,
    "JPEG2000": jpeg2000.look,
    "AVIF": avif.look,
}
"""Pillow's name of a format, and what looks at files of it."""


def look(file: IO[bytes]) -> Kind:
    """The kind of picture in an open file, which is left at its start.

    Raises:
        ImageError: naming the kind, when it is not read; or saying that the header is damaged.
    """
    name = format_of(file.read(LONGEST)) or ""
    file.seek(0)
    if name not in _LOOKS:
        return Kind(name)
    with translated():
        kind = _LOOKS[name](file)
    file.seek(0)
    return kind
