"""Which points stand for a variant where a table or a figure has room for one.

A bench measures each codec at a ladder of qualities. A figure of pictures is fair only at about
equal size, so there the first learned codec's middle quality sets a size, image by image, and every
other codec is taken where it comes nearest to it. A bar of milliseconds needs no such match: there
it is the middle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from slimcodec.bench.rows import Row
from slimcodec.bench.summary import Point, Summary

__all__ = [
    "by_variant",
    "is_ladder",
    "leader",
    "middle_points",
    "nearest_in_rate",
    "same_kind",
]


def by_variant(points: Sequence[Point]) -> dict[str, list[Point]]:
    """Variant to its points, by quality; variants in the order in which they came."""
    groups: dict[str, list[Point]] = {}
    for point in points:
        groups.setdefault(point.variant, []).append(point)
    return {name: sorted(group, key=lambda p: p.quality) for name, group in groups.items()}


def is_ladder(points: Sequence[Point]) -> bool:
    """Whether any variant was measured at more than one quality."""
    return any(len(group) > 1 for group in by_variant(points).values())


def middle_points(summary: Summary) -> list[Point]:
    """One point per variant: its middle quality, the lower of two."""
    return [group[(len(group) - 1) // 2] for group in by_variant(summary.points).values()]


def leader(summary: Summary) -> Point:
    """Whose size sets the figure: the middle point of the first learned codec, or of the first."""
    points = middle_points(summary)
    return next((point for point in points if point.model_bytes), points[0])


def same_kind(point: Point, first: Point) -> bool:
    """Whether two points can be compared as variants of one thing: both learned, or neither."""
    return (point.model_bytes > 0) == (first.model_bytes > 0)


def nearest_in_rate(rows: Sequence[Row], bpp: float) -> Row:
    """The row whose rate differs by the smallest factor."""
    return min(rows, key=lambda row: abs(math.log(max(row.bpp, 1e-9) / max(bpp, 1e-9))))
