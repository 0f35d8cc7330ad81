"""AVIF: samples deeper than 8 bits and colours other than sRGB's, of which Pillow says nothing.

It hands over 8 bits in whatever colours the file has. Depth and colours stand in boxes: ``meta``
names the primary item (``pitm``), lists properties (``ipco``) and says which item has which
(``ipma``); of these ``av1C`` has the depth and ``colr`` an ICC profile or code points (ISO/IEC
23008-12, section 6.5; AV1 codec ISO media file format binding, section 2.3).
"""

from __future__ import annotations

import os
from io import BytesIO
from typing import IO

from slimcodec.images.boxes import contents, walk
from slimcodec.images.codepoints import check_code_points
from slimcodec.images.kind import Kind

__all__ = ["look"]


def look(file: IO[bytes]) -> Kind:
    """The kind of the primary item. An AVIF that has none, a film, is plain 8 bits to us.

    Raises:
        ImageError: naming the kind, when its colours are not read.
    """
    end = os.fstat(file.fileno()).st_size
    properties: list[tuple[bytes, bytes]] = []
    for kind, first, stop in walk(file, 0, end):
        if kind == b"meta":
            properties = _of_primary(dict(contents(file, first + 4, stop)))
    bits, primaries = 8, None
    notes: tuple[str, ...] = ()
    colours = [data for kind, data in properties if kind == b"colr"]
    for kind, data in properties:
        if kind == b"av1C" and len(data) > 2 and data[2] & 0x40:
            bits = 12 if data[2] & 0x20 else 10
    name = f"{bits}-bit AVIF"
    if not any(data[:4] in (b"prof", b"rICC") for data in colours):
        for data in colours:
            if data[:4] == b"nclx" and len(data) >= 8:
                numbers = (int.from_bytes(data[at : at + 2], "big") for at in (4, 6))
                primaries, notes = check_code_points(name, *numbers)
    return Kind(name, bits, primaries=primaries, notes=notes)


def _of_primary(meta: dict[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """Type and contents of the primary item's properties."""
    primary = meta.get(b"pitm", b"")
    item = int.from_bytes(primary[4:], "big")
    parts = meta.get(b"iprp", b"")
    listed: list[tuple[bytes, bytes]] = []
    numbers: list[int] = []
    for kind, data in contents(BytesIO(parts), 0, len(parts)):
        if kind == b"ipco":
            listed = contents(BytesIO(data), 0, len(data))
        elif kind == b"ipma":
            numbers += _associated(BytesIO(data), item)
    return [listed[number - 1] for number in numbers if 1 <= number <= len(listed)]


def _associated(file: IO[bytes], item: int) -> list[int]:
    """Box ``ipma``: the numbers, from 1 on, of an item's properties."""

    def number(count: int) -> int:
        return int.from_bytes(file.read(count), "big")

    version, flags = number(1), number(3)
    wide = bool(flags & 1)
    found: list[int] = []
    for _ in range(number(4)):
        current = number(4 if version else 2)
        each = [number(2) & 0x7FFF if wide else number(1) & 0x7F for _ in range(number(1))]
        if current == item:
            found += each
        if not current and not each:  # the box ended early
            break
    return found
