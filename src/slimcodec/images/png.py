"""PNG: what its chunks say of colours and transparency, and Pillow leaves out.

``cICP`` names colours by code points and stands above all others; ``gAMA`` says how samples become
light where neither an ICC profile nor ``sRGB`` says better. Pillow compares a transparent grey of
less than 8 bits with samples that it has scaled, which `slimcodec.images.reading` makes up for, and
a transparent 16-bit colour by its high bytes, which takes another decoder (PNG, third edition,
sections 11.3.1 and 11.3.2).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from functools import partial
from typing import IO

import numpy as np

from slimcodec.images.codepoints import check_code_points
from slimcodec.images.kind import Kind, decoders
from slimcodec.images.samples import Samples

__all__ = ["look"]

_RGB = 2
_USUAL_GAMMA = 45455
"""1/2.2 in hundred-thousandths, which stands for sRGB."""


def look(file: IO[bytes]) -> Kind:
    """The kind of the picture, from the chunks before its pixels.

    Raises:
        ImageError: naming the kind, when its colours are not read.
    """
    chunks = dict(_chunks(file))
    header = chunks.get(b"IHDR", bytes(13)).ljust(13, b"\0")
    width, height, bits, colour = struct.unpack(">IIBB", header[:10])
    name = f"{bits}-bit PNG"
    primaries = None
    notes: tuple[str, ...] = ()
    if len(chunks.get(b"cICP", b"")) >= 4:
        primaries, notes = check_code_points(name, *chunks[b"cICP"][:2])
    elif not {b"iCCP", b"sRGB"} & set(chunks) and len(chunks.get(b"gAMA", b"")) == 4:
        gamma = int.from_bytes(chunks[b"gAMA"], "big")
        if abs(gamma - _USUAL_GAMMA) > 500:
            notes = (f"its gamma ({gamma / 100_000:g}) was not applied",)
    decode = None
    if b"tRNS" in chunks and (bits, colour) == (16, _RGB):
        decode = partial(_decode, name=f"{name} with a transparent colour")
    profile = _unpacked(chunks[b"iCCP"]) if decode and b"iCCP" in chunks else None
    return Kind(name, bits, (width, height), decode, profile, primaries, notes=notes)


def _chunks(file: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Type and contents of the chunks before the first that has pixels."""
    file.read(8)
    while len(head := file.read(8)) == 8 and head[4:] not in (b"IDAT", b"IEND"):
        yield head[4:], file.read(int.from_bytes(head[:4], "big"))
        file.read(4)


def _unpacked(chunk: bytes) -> bytes | None:
    """The profile in ``iCCP``: a name, a zero, the method, and deflated bytes."""
    try:
        return zlib.decompress(chunk[chunk.index(b"\0") + 2 :])
    except (ValueError, zlib.error):
        return None  # a broken profile must not keep anyone from the pixels


def _decode(data: bytes, name: str) -> Samples:
    values = np.asarray(decoders(name, "PNG").png_decode(data))
    return Samples(values, white=65535.0, colours=3, alpha="straight")
