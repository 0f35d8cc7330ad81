"""BMP: palettes that Pillow takes for grey, masks that it drops, profiles that it passes over.

Pillow calls a palette of greys in their natural order no palette and reads the indexes as pixels;
where these are not as deep as it then expects (4 bits; two colours in 8 bits), it reads noise. It
leaves out the alpha of 16-bit pixels. And OS/2 numbers its compressions otherwise than Windows.
"""

from __future__ import annotations

import struct
from functools import partial
from typing import IO, Any

import numpy as np

from slimcodec.errors import ImageError
from slimcodec.images.kind import Kind, decoders, refused
from slimcodec.images.samples import Samples

__all__ = ["look"]

_RAW, _RLE8, _RLE4, _MASKS = range(4)
_COMPRESSIONS = {
    _RAW: "", _RLE8: " RLE8", _RLE4: " RLE4", _MASKS: " with masks", 4: " with a JPEG inside",
    5: " with a PNG inside", 6: " with alpha masks", 11: " CMYK", 12: " CMYK RLE8",
    13: " CMYK RLE4",
}  # fmt: skip
_OS2 = 64
_MASKS_THAT_PILLOW_READS = {
    32: {
        (0xFF0000, 0xFF00, 0xFF, 0), (0xFF000000, 0xFF0000, 0xFF00, 0),
        (0xFF000000, 0xFF00, 0xFF, 0), (0xFF000000, 0xFF0000, 0xFF00, 0xFF),
        (0xFF, 0xFF00, 0xFF0000, 0xFF000000), (0xFF0000, 0xFF00, 0xFF, 0xFF000000),
    },
    16: {(0xF800, 0x7E0, 0x1F, 0), (0x7C00, 0x3E0, 0x1F, 0)},
}  # fmt: skip
"""By bits of a pixel: red, green, blue, alpha."""


def look(file: IO[bytes]) -> Kind:
    """The kind of the picture, from its header and palette.

    Raises:
        ImageError: naming the kind, when it is not read.
    """
    head = file.read(14 + 124)
    if len(head) < 26:
        raise ImageError("damaged or cut short (a BMP without a header); get a fresh copy")
    size = int.from_bytes(head[14:18], "little")
    if size == 12:
        width, height, bits = (
            *struct.unpack("<HH", head[18:22]),
            *struct.unpack("<H", head[24:26]),
        )
        compression, count = _RAW, 0
    else:
        width, height, bits, compression = struct.unpack("<ii2xHI", head[18:34].ljust(16, b"\0"))
        count = int.from_bytes(head[46:50], "little")
    system = " OS/2" if size in (12, _OS2) else ""
    name = f"{bits}-bit{system} BMP{_COMPRESSIONS.get(compression, f' compression {compression}')}"
    known = (_RAW, _RLE8, _RLE4) if size == _OS2 else (_RAW, _RLE8, _RLE4, _MASKS)
    depths = {_RLE8: (8,), _RLE4: (4,), _MASKS: (16, 32)}.get(compression, (1, 4, 8, 16, 24, 32))
    if size not in (12, 40, 52, 56, _OS2, 108, 124) or compression not in known:
        raise refused(name, f"such a BMP (header of {size} bytes) is not read")
    if bits not in depths:
        raise refused(name, "such a BMP is not read")
    if compression == _MASKS:
        masks = struct.unpack("<4I", head[54:70].ljust(16, b"\0"))
        masks = masks if size >= 56 else (*masks[:3], 0)
        if masks not in _MASKS_THAT_PILLOW_READS[bits]:
            raise refused(
                name, f"these masks ({' '.join(f'{each:x}' for each in masks)}) are not read"
            )
    profile = _profile(file, head) if size == 124 else None
    if bits <= 8 and _taken_for_grey(file, head, size, bits, count):
        if compression != _RAW:
            raise refused(name, "run lengths with a palette of greys are not read")
        decode = partial(_decode, name=f"{name} with a palette of greys", size=(width, abs(height)))
        return Kind(name, 8, (width, abs(height)), decode, profile)
    return Kind(name, profile=profile)


def _taken_for_grey(file: IO[bytes], head: bytes, size: int, bits: int, count: int) -> bool:
    """Whether Pillow mistakes the indexes for pixels, which are deeper than they are."""
    entry = 3 if size == 12 else 4
    count = count or 1 << bits
    if bits == (1 if count == 2 else 8):
        return False
    file.seek(14 + size)
    palette = file.read(entry * min(count, 256))
    greys = (0, 255) if count == 2 else range(min(count, 256))
    return all(palette[at * entry : at * entry + 3] == bytes([g] * 3) for at, g in enumerate(greys))


def _profile(file: IO[bytes], head: bytes) -> bytes | None:
    """The embedded ICC profile of a header of version 5."""
    offset, length = struct.unpack("<II", head[126:134])
    if head[70:74] != b"DEBM":
        return None
    file.seek(14 + offset)
    return file.read(length)


def _decode(data: bytes, name: str, size: tuple[int, int]) -> Samples:
    values = np.asarray(decoders(name, "BMP").bmp_decode(data))
    colours: Any = 1 if values.ndim == 2 else 3
    return Samples(values.reshape(size[1], size[0], -1), white=255.0, colours=colours)
