"""Words beside marks, where they lie on no mark and on no other word."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Label", "place_labels"]

_LETTER, _LINE = 6.6, 13.0
"""Width of a letter and height of a line at the charts' size of type, nearly."""

_GAP = 4.0
_RINGS = (0.0, 10.0, 22.0, 36.0, 52.0)
"""Distances from a mark's edge that are tried, nearest first."""

_ANGLES = (0, 180, 270, 90, 315, 225, 45, 135)
"""Directions that are tried at each distance, in degrees, clockwise from the right."""

_LED_ABOVE = 8.0
"""Distance from which a line leads from the mark to its word."""

_Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True)
class Label:
    """A word, and where it stands.

    Attributes:
        x: of its left end, its middle or its right end, as ``anchor`` says in SVG's words.
        y: of its middle height.
        leader: path of the line that leads to it from its mark; empty where it stands beside it.
    """

    x: float
    y: float
    anchor: str
    text: str
    leader: str


def place_labels(
    marks: Sequence[tuple[float, float, float, str]],
    frame: tuple[float, float, float, float],
    line: float | None = None,
) -> list[Label]:
    """A place for each mark's word: the nearest that is free, else the one that covers least.

    Args:
        marks: centre x, centre y, radius and word of each.
        frame: left, top, right and bottom of where words may stand.
        line: height of a line across the chart that no word should stand on.
    """
    taken: list[_Box] = [(x - r, y - r, x + r, y + r) for x, y, r, _ in marks]
    if line is not None:
        taken.append((frame[0], line - 1, frame[2], line + 1))
    placed = []
    for x, y, radius, text in marks:
        tried = [
            (box, distance)
            for distance in _RINGS
            for angle in _ANGLES
            if _is_within(box := _box(x, y, radius + _GAP + distance, angle, text), frame)
        ] or [(_box(x, y, radius + _GAP, 0, text), 0.0)]
        box, distance = min(tried, key=lambda each: (_covered(each[0], taken), each[1]))
        taken.append(box)
        middle = (box[1] + box[3]) / 2
        leader = _line(x, y, radius, box) if distance > _LED_ABOVE else ""
        anchor, at = _anchored(x, box)
        placed.append(Label(round(at, 1), round(middle, 1), anchor, text, leader))
    return placed


def _anchored(x: float, box: _Box) -> tuple[str, float]:
    """The end of a word that is nearest to its mark keeps its place, however wide letters are."""
    if box[0] > x:
        return "start", box[0]
    return ("end", box[2]) if box[2] < x else ("middle", (box[0] + box[2]) / 2)


def _line(x: float, y: float, radius: float, box: _Box) -> str:
    """From the edge of a mark to the nearest place of a box."""
    to_x, to_y = min(max(x, box[0]), box[2]), min(max(y, box[1]), box[3])
    share = radius / max(math.hypot(to_x - x, to_y - y), radius)
    start = x + share * (to_x - x), y + share * (to_y - y)
    return f"M{start[0]:.1f} {start[1]:.1f}L{to_x:.1f} {to_y:.1f}"


def _box(x: float, y: float, distance: float, angle: int, text: str) -> _Box:
    """The box of a word whose edge is at a distance from a point."""
    width = _LETTER * len(text)
    across, down = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    middle = x + across * (distance + width / 2)
    centre = y + down * (distance + _LINE / 2)
    return middle - width / 2, centre - _LINE / 2, middle + width / 2, centre + _LINE / 2


def _is_within(box: _Box, frame: _Box) -> bool:
    return box[0] >= frame[0] and box[1] >= frame[1] and box[2] <= frame[2] and box[3] <= frame[3]


def _covered(box: _Box, others: Sequence[_Box]) -> float:
    """Area that a box shares with others."""
    return sum(
        max(0.0, min(box[2], other[2]) - max(box[0], other[0]))
        * max(0.0, min(box[3], other[3]) - max(box[1], other[1]))
        for other in others
    )
