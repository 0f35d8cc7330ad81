"""JPEG 2000: components of any depth, which Pillow reads right at 8 bits, and in grey above.

Pillow brings deeper colours to 8 bits with a rounding that overflows, so white becomes black, and
shallower ones by a shift, so white becomes grey. What components there are is said by the
codestream (marker SIZ); what they mean, by boxes around it (``colr``, ``cdef``), where there are
any (ISO/IEC 15444-1, annexes A.5.1 and I.5.3).
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from functools import partial
from typing import IO, Any

import numpy as np

from slimcodec.errors import ImageError
from slimcodec.images.boxes import contents, walk
from slimcodec.images.kind import Kind, decoders, refused
from slimcodec.images.samples import Samples

__all__ = ["look"]

_CODESTREAM = b"\xff\x4f\xff\x51"
_SPACES = {12: "CMYK", 14: "CIELAB", 16: "RGB", 17: "grey", 18: "YCbCr", 19: "CIEJAB"}
"""EnumCS."""
_STRAIGHT, _PREMULTIPLIED = 1, 2


@dataclass(frozen=True)
class _Size:
    """Marker SIZ.

    Attributes:
        size: width and height in pixels.
        depths: bits of each component.
        signed: any has a sign.
        subsampled: any has fewer samples than there are pixels.
    """

    size: tuple[int, int]
    depths: tuple[int, ...]
    signed: bool
    subsampled: bool


@dataclass(frozen=True)
class _Meaning:
    """What boxes say of the components: names of colours, ICC profile, uses of channels."""

    space: str | None = None
    profile: bytes | None = None
    uses: tuple[int, ...] = ()
    palette: bool = False


def look(file: IO[bytes]) -> Kind:
    """The kind of the picture, from boxes and the codestream's first marker.

    Raises:
        ImageError: naming the kind, when it is not read; or that the header is damaged.
    """
    end = os.fstat(file.fileno()).st_size
    meaning, codestream = _Meaning(), slice(0, end)
    if file.read(4) != _CODESTREAM:
        for kind, first, stop in walk(file, 0, end):
            if kind == b"jp2h":
                meaning = _meaning(contents(file, first, stop))
            elif kind == b"jp2c":
                codestream = slice(first, stop)
                break
    file.seek(codestream.start)
    found = _components(file)
    colours = 1 if len(found.depths) < 3 else 3
    space = meaning.space or ("grey" if colours == 1 else "RGB")
    depth = "/".join(map(str, sorted(set(found.depths))))
    name = f"{depth}-bit{' signed' if found.signed else ''} {space} JPEG 2000"
    reason = _refusal(found, meaning, space, colours)
    if reason is not None:
        raise refused(name, reason)
    bits = found.depths[0]
    if bits == 8 or (bits > 8 and len(found.depths) == 1):
        return Kind(name, bits, profile=meaning.profile)
    decode = partial(
        _decode, name, codestream, found, colours, "straight" if _STRAIGHT in meaning.uses else None
    )
    return Kind(name, bits, found.size, decode, profile=meaning.profile)


def _components(file: IO[bytes]) -> _Size:
    """Read marker SIZ.

    Raises:
        ImageError: when it is not there.
    """
    head = file.read(42)
    if len(head) < 42 or head[:4] != _CODESTREAM:
        raise ImageError("damaged or cut short (no JPEG 2000 codestream); get a fresh copy")
    right, bottom, left, top = struct.unpack(">4I", head[8:24])
    count = int.from_bytes(head[40:42], "big")
    components = file.read(3 * count)
    if count == 0 or len(components) < 3 * count:
        raise ImageError("damaged or cut short (JPEG 2000 header); get a fresh copy")
    return _Size(
        size=(right - left, bottom - top),
        depths=tuple((each & 127) + 1 for each in components[::3]),
        signed=any(each & 128 for each in components[::3]),
        subsampled=any(each != 1 for each in components[1::3] + components[2::3]),
    )


def _meaning(boxes: list[tuple[bytes, bytes]]) -> _Meaning:
    space, profile, uses, palette = None, None, (), False
    for kind, data in boxes:
        if kind == b"colr" and space is None and profile is None:  # the first one counts
            if data[:1] == b"\1":
                number = int.from_bytes(data[3:7], "big")
                space = _SPACES.get(number, f"colour space {number}")
            elif data[:1] in (b"\2", b"\3"):
                profile = data[3:]
                space = {b"GRAY": "grey", b"RGB ": "RGB"}.get(data[19:23], "unusual colour")
        elif kind == b"cdef":
            fields = sorted(struct.iter_unpack(">3H", data[2 : 2 + len(data[2:]) // 6 * 6]))
            uses = tuple(use for _, use, _ in fields)
        elif kind == b"pclr":
            palette = True
    return _Meaning(space, profile, uses, palette)


def _refusal(found: _Size, meaning: _Meaning, space: str, colours: int) -> str | None:
    """Why no reader is to be trusted with it; None when one may."""
    count = len(found.depths)
    if meaning.palette:
        return "palettes are not read"
    if found.signed:
        return "which value is white is not agreed on for such samples"
    if len(set(found.depths)) > 1 or found.depths[0] > 16:
        return "components of different depths, or of more than 16 bits, are not read"
    if found.subsampled:
        return "components of different sizes are not read"
    if space != ("grey" if colours == 1 else "RGB"):
        return "its colours are not read"
    if count > 4 or (count in (2, 4) and not meaning.uses):
        return f"it has {count} components and does not say what those beyond {colours} are"
    if meaning.uses not in ((), (0,) * count, (0,) * (count - 1) + (_STRAIGHT,)):
        return "premultiplied alpha, or alpha before the colours, is not read"
    if count in (2, 4) and meaning.uses[-1] != _STRAIGHT:
        return f"what its component beyond {colours} is for is not said"
    return None


def _decode(
    name: str, codestream: slice, found: _Size, colours: Any, alpha: Any, data: bytes
) -> Samples:
    """The samples of the bare codestream: with the boxes around it, openjpeg converts colours too,
    those of more than 8 bits wrongly.
    """
    width, height = found.size
    values = np.asarray(decoders(name, "JPEG2K").jpeg2k_decode(data[codestream], planar=False))
    return Samples(
        values.reshape(height, width, len(found.depths)),
        white=float(2 ** found.depths[0] - 1),
        colours=colours,
        alpha=alpha,
    )
