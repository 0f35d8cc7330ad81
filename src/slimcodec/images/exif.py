"""Orientation, and EXIF and XMP put right for pixels that are upright and sRGB now.

What a camera wrote beside a picture is about the pixels as they were stored. Here they are turned
upright and converted to sRGB, so a viewer that believed the old words would turn and convert them
once more. EXIF is changed in its place, byte by byte, since notes of makers hold offsets that are
lost when it is written anew:

- the orientation becomes 1, the colour space sRGB, width and height those of the pixels;
- the thumbnail goes: it is stored sideways still, shows what may have been cropped away, and takes
  as many bytes as a small stream.

Of XMP the orientation becomes 1, and the blanks at its end go.

EXIF is a TIFF file without a picture (Exif 2.32, section 4.5): two letters for the byte order, 42,
the offset of a directory; a directory is a count, entries of 12 bytes (tag, type, count, value or
its offset) and the offset of the next one, which is the thumbnail's.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from slimcodec.errors import ImageError
from slimcodec.images.opening import translated

__all__ = [
    "DESCRIPTIVE",
    "EXIF_START",
    "EXIF_TAG",
    "GPS_TAG",
    "has_position",
    "metadata_of",
    "orientation_of",
    "turn",
    "upright",
]

EXIF_START = b"Exif\0\0"
"""Before EXIF in JPEG files, and in what Pillow is given."""
EXIF_TAG, GPS_TAG = 0x8769, 0x8825
"""Tags that point at directories: what the camera did, and where it was."""
_ORIENTATION, _INTEROP = 0x0112, 0xA005
DESCRIPTIVE = frozenset(
    {270, 271, 272, 282, 283, 296, 305, 306, 315, 316, 18246, 33432, *range(40091, 40096)}
    | {EXIF_TAG, GPS_TAG}
)
"""Tags of a TIFF's directory that say something of the picture, not of how its file is made."""
_IDLE = frozenset(
    {_ORIENTATION, 282, 283, 296, 531, EXIF_TAG, GPS_TAG, _INTEROP}
    | {0x9000, 0x9101, 0xA000, 0xA001, 0xA002, 0xA003}
)
"""Tags that every writer sets, and whose values are none that anyone would miss."""
_SRGB = 1
_MOST_ENTRIES = 4096
"""Of a directory; more are no camera's, and a forger's time."""


def metadata_of(picture: PIL.Image.Image) -> dict[str, bytes]:
    """EXIF and XMP of an opened picture as its file has them, by those names in lower case; what
    cannot be read is left out."""
    found = {}
    exif, xmp = picture.info.get("exif"), picture.info.get("xmp")
    if picture.format == "TIFF":
        exif = _exif_of_tiff(picture)
    if isinstance(exif, bytes) and exif:
        found["exif"] = exif.removeprefix(EXIF_START)
    if isinstance(xmp, bytes) and xmp:
        found["xmp"] = xmp
    return found


def _exif_of_tiff(picture: PIL.Image.Image) -> bytes | None:
    """A TIFF has its EXIF among the tags that describe its own bytes."""
    try:
        with translated():
            own, kept = picture.getexif(), PIL.Image.Exif()
            for tag, value in own.items():
                if tag in DESCRIPTIVE:
                    kept[tag] = own.get_ifd(tag) if tag in (EXIF_TAG, GPS_TAG) else value
            return kept.tobytes() if len(kept) else None
    except ImageError:
        return None  # broken metadata must not keep anyone from the pixels


def orientation_of(picture: PIL.Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 (upright) as well when the EXIF data makes no sense."""
    try:
        with translated():
            value = picture.getexif().get(_ORIENTATION, 1)
    except ImageError:
        return 1  # broken metadata must not keep anyone from the pixels
    return value if value in range(1, 9) else 1


def turn(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Stored pixels ``[h, w, ...]`` as they are meant to be seen."""
    if orientation >= 5:  # stored with rows and columns exchanged
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def upright(metadata: Mapping[str, bytes], width: int, height: int) -> dict[str, bytes]:
    """Metadata as it may travel with pixels that are upright and sRGB; see the head of this file.

    Args:
        metadata: ``exif`` without its start, ``xmp``; as the file had them.
        width, height: of the pixels.

    Returns:
        The same names; without EXIF that is broken, or says nothing beyond how pixels are stored.
    """
    found = {}
    if "exif" in metadata:
        exif = _upright_exif(metadata["exif"], width, height)
        if exif is not None:
            found["exif"] = exif
    if "xmp" in metadata:
        found["xmp"] = _upright_xmp(metadata["xmp"])
    return found


def has_position(metadata: Mapping[str, bytes]) -> bool:
    """Whether EXIF or XMP says where the picture was taken."""
    if b"exif:GPSL" in metadata.get("xmp", b""):
        return True
    try:
        exif = _Exif(bytearray(metadata.get("exif", b"")))
        return any(entry.tag in (2, 4) for entry in exif.below(GPS_TAG))
    except (struct.error, ValueError):
        return False


@dataclass(frozen=True)
class _Entry:
    """One entry of a directory.

    Attributes:
        tag: what it says.
        kind: of its value: 3 has two bytes, 4 has four.
        count: of values.
        at: where the value, or its offset, lies.
    """

    tag: int
    kind: int
    count: int
    at: int


class _Exif:
    """EXIF whose numbers can be read and set.

    Args:
        data: from the byte order on; changed in its place.

    Raises:
        ValueError, struct.error: here and in all methods, when it is broken.
    """

    def __init__(self, data: bytearray) -> None:
        orders = {b"II*\0": "<", b"MM\0*": ">"}
        self.data = data
        self.order = orders.get(bytes(data[:4]), "")
        if not self.order:
            raise ValueError("no EXIF")
        self.first = self._long(4)

    def entries(self, start: int) -> Iterator[_Entry]:
        """Of the directory that begins there."""
        (count,) = struct.unpack_from(self.order + "H", self.data, start)
        if count > _MOST_ENTRIES:
            raise ValueError("no directory")
        for number in range(count):
            at = start + 2 + 12 * number
            tag, kind, values = struct.unpack_from(self.order + "HHI", self.data, at)
            yield _Entry(tag, kind, values, at + 8)

    def below(self, pointer: int) -> list[_Entry]:
        """Of the directories that such a tag of the first one points at."""
        pointers = [entry for entry in self.entries(self.first) if entry.tag == pointer]
        return [entry for each in pointers for entry in self.entries(self._long(each.at))]

    def set(self, entry: _Entry, value: int) -> None:
        """A whole number that is in the entry itself; another kind of value stays."""
        if entry.count == 1 and entry.kind in (3, 4):
            number = "H" if entry.kind == 3 else "I"
            struct.pack_into(self.order + number, self.data, entry.at, value)

    def cut_thumbnail(self) -> None:
        """Take it off where it is the end, else zeros in its place."""
        count = len(list(self.entries(self.first)))
        pointer = self.first + 2 + 12 * count
        start = self._long(pointer)
        if not start:
            return
        places = {e.tag: self._long(e.at) for e in self.entries(start) if e.tag in (0x201, 0x202)}
        struct.pack_into(self.order + "I", self.data, pointer, 0)
        begin = places.get(0x201, 0)
        end = begin + places.get(0x202, 0)
        if not 8 <= begin < end <= len(self.data):
            return
        if end == len(self.data):
            del self.data[begin:]
        else:
            self.data[begin:end] = bytes(end - begin)

    def _long(self, at: int) -> int:
        (value,) = struct.unpack_from(self.order + "I", self.data, at)
        return int(value)


def _upright_exif(data: bytes, width: int, height: int) -> bytes | None:
    """None where it is broken, or nothing that anyone would miss."""
    values = {_ORIENTATION: 1, 0xA001: _SRGB, 0xA002: width, 0xA003: height}
    try:
        exif = _Exif(bytearray(data))
        own = list(exif.entries(exif.first)) + exif.below(EXIF_TAG)
        if all(entry.tag in _IDLE for entry in own) and not exif.below(GPS_TAG):
            return None
        for entry in own:
            if entry.tag in values:
                exif.set(entry, values[entry.tag])
        exif.cut_thumbnail()
    except (struct.error, ValueError):
        return None
    return bytes(exif.data)


def _upright_xmp(data: bytes) -> bytes:
    data = re.sub(rb"(tiff:Orientation\s*(?:=\s*[\"']|>\s*))[0-9]+", rb"\g<1>1", data)
    return re.sub(rb"\s+(<\?xpacket end)", rb"\n\1", data)
