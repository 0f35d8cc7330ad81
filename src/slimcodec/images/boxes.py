"""Boxes of picture files: how JPEG 2000 (.jp2) and AVIF are cut into pieces.

A box is its length in bytes (four, big-endian, its head included), four letters of type, and its
contents; a length of 1 says that eight more bytes hold it, one of 0 that the box ends with the file
(ISO/IEC 15444-1, annex I.4; ISO/IEC 14496-12, section 4.2). Files of others are read here, so all
three are taken; `slimcodec.codecs.peers.boxes` checks streams of ours and takes one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

__all__ = ["contents", "walk"]


def walk(file: IO[bytes], start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, and first and last-plus-one byte of the contents, of each box from start to end.

    A box that is no box, or reaches beyond the end, is the last: what needs more will miss it.
    """
    while start + 8 <= end:
        file.seek(start)
        head = file.read(16)
        length, first = int.from_bytes(head[:4], "big"), start + 8
        if length == 1:
            length, first = int.from_bytes(head[8:16], "big"), start + 16
        stop = end if length == 0 else start + length
        if not first <= stop <= end:
            return
        yield head[4:8], first, stop
        start = stop


def contents(file: IO[bytes], start: int, end: int) -> list[tuple[bytes, bytes]]:
    """Type and contents of each box from start to end, for those small enough to hold."""
    found = []
    for kind, first, stop in walk(file, start, end):
        file.seek(first)
        found.append((kind, file.read(stop - first)))
    return found
