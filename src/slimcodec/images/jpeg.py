"""JPEG: the kinds of its thirteen processes that are not 8-bit pictures as everyone knows them.

Pillow's libjpeg reads 8 bits; anything else it calls no image at all. Four components are ink, and
Adobe's programs, which write most of them, store how little ink there is: their marker says so.
Without it, which end is paper is a guess (ITU-T T.81, table B.1; T.872, section 6.5.3).
"""

from __future__ import annotations

from typing import IO

from slimcodec.images.kind import Kind, refused

__all__ = ["look"]

_PROCESSES = {
    0xC0: "baseline", 0xC1: "extended", 0xC2: "progressive", 0xC3: "lossless",
    0xC5: "hierarchical", 0xC6: "hierarchical", 0xC7: "hierarchical", 0xC9: "arithmetic",
    0xCA: "arithmetic", 0xCB: "lossless arithmetic", 0xCD: "hierarchical", 0xCE: "hierarchical",
    0xCF: "hierarchical", 0xF7: "JPEG-LS",
}  # fmt: skip
"""Marker of a frame: SOF0 to SOF15, and SOF55."""
_READ = {0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA}
_ADOBE = 0xEE
_NO_LENGTH = {0x01, *range(0xD0, 0xD9)}
_COLOURS = {1: "grey", 3: "colour", 4: "CMYK"}


def look(file: IO[bytes]) -> Kind:
    """The kind of the picture, from the markers before its pixels.

    Raises:
        ImageError: naming the kind, when it is not read.
    """
    file.read(2)
    adobe = False
    while len(head := file.read(2)) == 2 and head[0] == 0xFF:
        marker = head[1]
        if marker == 0xFF:  # filling: the marker begins one byte later
            file.seek(-1, 1)
            continue
        if marker in _NO_LENGTH:
            continue
        data = file.read(max(0, int.from_bytes(file.read(2), "big") - 2))
        adobe = adobe or (marker == _ADOBE and data.startswith(b"Adobe"))
        if marker in _PROCESSES and len(data) >= 6:
            return _checked(_PROCESSES[marker], marker in _READ, data[0], data[5], adobe)
    return Kind("JPEG")


def _checked(process: str, read: bool, bits: int, count: int, adobe: bool) -> Kind:
    """The kind, if it is one that Pillow reads right."""
    name = f"{bits}-bit {process} {_COLOURS.get(count, f'{count}-component')} JPEG"
    if not read or bits != 8 or count not in _COLOURS:
        raise refused(name, "such a JPEG is not read")
    if count == 4 and not adobe:
        raise refused(name, "whether its inks are inverted is not said (no Adobe marker)")
    return Kind(name)
