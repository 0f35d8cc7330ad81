"""After how many pictures a learned codec's model has been paid for by its smaller streams.

A format that every machine can read needs no download; a model does, once. At equal quality a
variant saves some bytes of each picture, and once these add up to the model's bytes the rest is
gain. Equal quality is that of the variant's middle point (the lower of two). What a peer would take
there follows from the BD-rate r between the two: the variant's stream is 1 + r of the peer's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from slimcodec.bench.bd_rates import rate_of_means
from slimcodec.bench.summary import Point

__all__ = ["BreakEven", "break_even", "pictures_to_break_even"]


@dataclass(frozen=True)
class BreakEven:
    """One variant with a model against one without.

    Attributes:
        variant: that has a model.
        peer: that has none.
        metric: whose quality is equal.
        bd_rate: percent of bytes that the variant needs more than the peer.
        model_bytes: of the variant.
        saved_bytes: of one picture of these; below 0 where the variant's streams are longer.
        pictures: after which the model is paid for; infinite where nothing is saved.
    """

    variant: str
    peer: str
    metric: str
    bd_rate: float
    model_bytes: int
    saved_bytes: float
    pictures: float


def break_even(points: Sequence[Point], metric: str) -> list[BreakEven]:
    """Every variant that has a model against every one that has none.

    Args:
        points: of a summary.
        metric: whose quality is held equal, by its name in the registry.

    Returns:
        In the order of the points; pairs without a BD-rate are absent (fewer than four points with
        the metric, or no overlap).
    """
    curves: dict[str, list[Point]] = {}
    for point in points:
        curves.setdefault(point.variant, []).append(point)
    learned = [curve for curve in curves.values() if curve[0].model_bytes]
    peers = [curve for curve in curves.values() if not curve[0].model_bytes]
    pairs = (_pair(ours, theirs, metric) for ours in learned for theirs in peers)
    return [pair for pair in pairs if pair is not None]


def pictures_to_break_even(model_bytes: int, saved_bytes: float) -> float:
    """How many pictures of so many saved bytes pay for a model; infinite where none are saved."""
    return math.ceil(model_bytes / saved_bytes) if saved_bytes > 0 else math.inf


def _pair(ours: Sequence[Point], theirs: Sequence[Point], metric: str) -> BreakEven | None:
    percent = rate_of_means(theirs, ours, metric)
    if percent is None:
        return None
    middle = ours[(len(ours) - 1) // 2]
    saved = middle.stream_bytes * (1 / (1 + percent / 100) - 1)
    return BreakEven(
        middle.variant,
        theirs[0].variant,
        metric,
        percent,
        middle.model_bytes,
        saved,
        pictures_to_break_even(middle.model_bytes, saved),
    )
