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
from slimcodec.report.text import metric_label, metric_text, metrics_of, plain, smaller_is_better

__all__ = [
    "akin",
    "by_variant",
    "changed_points",
    "has_several_qualities",
    "is_ladder",
    "leader",
    "middle_points",
    "nearest_in_rate",
    "rate_factor",
    "worst_first",
]

_RANKING = ("ms-ssim", "psnr", "ssim", "lpips", "delta-e")
"""By which images are ordered: the first of these that was measured, else what there is."""


def by_variant(points: Sequence[Point]) -> dict[str, list[Point]]:
    """Variant to its points, by quality; variants in the order in which they came."""
    groups: dict[str, list[Point]] = {}
    for point in points:
        groups.setdefault(point.variant, []).append(point)
    return {name: sorted(group, key=lambda p: p.quality) for name, group in groups.items()}


def is_ladder(points: Sequence[Point]) -> bool:
    """Whether any variant was measured at more than one quality."""
    return any(len(group) > 1 for group in by_variant(points).values())


def has_several_qualities(points: Sequence[Point]) -> bool:
    """Whether a quality needs saying: a ladder, or variants measured at one quality each."""
    return len({point.quality for point in points}) > 1


def middle_points(summary: Summary) -> list[Point]:
    """One point per variant: its middle quality, the lower of two."""
    return [group[(len(group) - 1) // 2] for group in by_variant(summary.points).values()]


def leader(summary: Summary) -> Point:
    """Whose size sets the figure: the middle point of the first learned codec, or of the first."""
    points = middle_points(summary)
    return next((point for point in points if point.model_bytes), points[0])


def akin(point: Point, other: Point) -> bool:
    """Whether two points are of learned variants that were made from the same codec."""
    return point.model_bytes > 0 and other.model_bytes > 0 and point.base == other.base


def changed_points(summary: Summary) -> list[tuple[Point, Point]]:
    """Each variant's middle point beside the point that it is a change of.

    That is the first variant made from the same codec and measured at the same quality. A distance
    between two codecs, or from a codec to a peer, is no change that a pass made: variants that are
    the first of theirs are left out, and so are peers.
    """
    pairs = []
    for point in middle_points(summary):
        for first in summary.points:
            if akin(point, first) and point.quality == first.quality:
                if point.variant != first.variant:
                    pairs.append((point, first))
                break
    return pairs


def nearest_in_rate(rows: Sequence[Row], bpp: float) -> Row:
    """The row whose rate differs by the smallest factor."""
    return min(rows, key=lambda row: rate_factor(row, bpp))


def rate_factor(row: Row, bpp: float) -> float:
    """By what factor a row's rate differs from another, up or down, as a logarithm."""
    return abs(math.log(max(row.bpp, 1e-9) / max(bpp, 1e-9)))


def worst_first(rows: Sequence[Row], lead: Point) -> tuple[dict[str, str], str]:
    """Images by how bad the leading point's pictures are.

    Returns:
        Image to its metric as words, worst first, those without one last; and by what that is, as
        words, empty where no image has a metric.
    """
    leading = [r for r in rows if (r.variant, r.quality) == (lead.variant, lead.quality)]
    known = metrics_of(leading)
    metric = next((name for name in (*_RANKING, *known) if name in known), None)
    names = dict.fromkeys(row.image for row in rows)
    if metric is None:
        return {name: "" for name in names}, ""
    values = {row.image: row.metrics[metric] for row in leading if metric in row.metrics}
    sign = -1 if smaller_is_better(metric) else 1
    ordered = sorted(names, key=lambda name: sign * values.get(name, math.inf * sign))
    label = metric_label(metric)
    words = {n: f"{label} {metric_text(metric, values[n])}" if n in values else "" for n in ordered}
    return words, f"{label} of {lead.variant} at quality {plain(lead.quality)}"
