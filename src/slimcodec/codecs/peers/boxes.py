"""Boxes: how AVIF and JPEG XL files are cut into pieces (ISO/IEC 14496-12, section 4.2).

A box is its length in bytes (four, big-endian, the eight of its head included), its type (four
letters) and its contents. The format has two more kinds of length, 0 for "to the end of the file"
and 1 for eight bytes of it further on. Neither is taken here: the first would make any bytes at the
end part of the picture, and the second is for contents beyond 4 GB.
"""

from __future__ import annotations

__all__ = ["Boxes", "read_boxes"]

Boxes = tuple[tuple[bytes, bytes], ...]
"""Type and contents of each box, in the file's order."""


def read_boxes(data: bytes) -> Boxes:
    """The boxes that data consists of; none at all when they do not fill it to the last byte."""
    found = []
    start = 0
    while start < len(data):
        size = int.from_bytes(data[start : start + 4], "big")
        if size < 8 or start + size > len(data):
            return ()
        found.append((data[start + 4 : start + 8], data[start + 8 : start + size]))
        start += size
    return tuple(found)
