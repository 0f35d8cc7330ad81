"""Who looks how: colours and marks, the same for a variant in every chart of a page, and the same
for a part of a codec on every page.

There are eight colours, told apart with every kind of colour vision (the style sheet has them,
light and dark), and four marks; a ninth variant has the first colour again and is dashed. A part
that is in no table gets one of the same colours by a digest of its name, and is hatched.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["MARKS", "OTHER_PART", "STYLES", "Look", "looks_of", "part_look"]

STYLES = 8
"""Colours of variants and parts in the style sheet; the one after the last is grey."""

MARKS = (
    "M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z",
    "M-3.2-3.2h6.4v6.4h-6.4z",
    "M0-4.4L4.4 0L0 4.4L-4.4 0z",
    "M0-4.2L4.2 3.2H-4.2z",
)
"""Circle, square, diamond and triangle, as SVG paths around the origin."""

OTHER_PART = "the rest"
"""What a part's clock did not see of the whole time."""

_PARTS = ("encoder", "generator", "decoder", "prior", "entropy", "filter", "binarizer")
"""Each has the colour of its place here. A name is added at the end, or pages made before have
other colours than pages made after."""

_ALIASES = {"probability": "prior"}
"""Parts of a network that clocks know under another name."""


@dataclass(frozen=True)
class Look:
    """How a curve, a mark or a bar is drawn.

    Attributes:
        style: number of the colour.
        varied: told apart from another of the same colour: dashed as a line, hatched as an area.
        mark: an SVG path around the origin.
    """

    style: int
    varied: bool
    mark: str = MARKS[0]

    @property
    def css(self) -> str:
        """Classes for the style sheet."""
        return f"s{self.style}{' varied' if self.varied else ''}"


def looks_of(names: Iterable[str]) -> dict[str, Look]:
    """The look of each name, by its place among them."""
    return {
        name: Look(n % STYLES, n >= STYLES, MARKS[(n + n // STYLES) % len(MARKS)])
        for n, name in enumerate(dict.fromkeys(names))
    }


def part_look(part: str) -> Look:
    """The look of a part of a codec, the same on every page."""
    part = _ALIASES.get(part, part)
    if part == OTHER_PART:
        return Look(STYLES, varied=False)
    if part in _PARTS:
        return Look(_PARTS.index(part), varied=False)
    return Look(zlib.crc32(part.encode()) % STYLES, varied=True)
