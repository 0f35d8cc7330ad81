"""What is in a stream, and what could be read of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["BESIDE", "Parsed", "Stream"]

BESIDE = ("exif", "icc", "xmp", "alpha")
"""What may travel beside a picture: its EXIF, colour profile and XMP as its file had them, and its
transparency as a PNG of one channel."""


@dataclass(frozen=True)
class Stream:
    """A stream taken apart.

    Attributes:
        stream_id: 8 bytes.
        height: rows of the image.
        width: columns of the image.
        quality: in the codec's own integer steps. A progressive stream's is the same at any number
            of sections, being part of all of them.
        sections: what the entropy coder wrote: of each tile, and of a progressive stream that for
            each step, all tiles of a step before those of the next. Empty where one is missing.
        progressive: whether the first steps alone are a stream too.
        tile: the most positions on a side of a tile; 0 where the picture is one.
        tiles: how many there are.
        missing: numbers of the sections that are not there.
        beside: what travels with the picture, by names in ``BESIDE``.
    """

    stream_id: bytes
    height: int
    width: int
    quality: int
    sections: tuple[bytes, ...]
    progressive: bool = False
    tile: int = 0
    tiles: int = 1
    missing: frozenset[int] = frozenset()
    beside: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def there(self) -> list[int]:
        """Numbers of the tiles that are there at all: their first sections are not missing."""
        return [number for number in range(self.tiles) if number not in self.missing]

    @property
    def steps(self) -> int:
        """Of a progressive stream; 1 of any other."""
        return -(-len(self.sections) // self.tiles) if self.progressive else 1


@dataclass(frozen=True)
class Parsed:
    """What could be read: all of a stream, or what was not damaged.

    Attributes:
        stream: the sections that are whole.
        ends: where each step of it ends, in bytes from the start.
        fault: what is wrong, in words; None when nothing is.
        kept: in words, what is whole though something is wrong; empty where none of that stands
            alone.
    """

    stream: Stream
    ends: tuple[int, ...]
    fault: str | None = None
    kept: str = ""
