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
from statistics import fmean

from slimcodec.bench.bd_rates import bd_rates, images_of_both
from slimcodec.bench.rows import Row

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


def break_even(rows: Sequence[Row]) -> list[BreakEven]:
    """Every variant that has a model against every one that has none, in every metric.

    Args:
        rows: of one bench; of each pair the images that both have count.

    Returns:
        In the order of the rows; pairs and metrics without a BD-rate are absent (`bd_rates`).
    """
    variants: dict[str, list[Row]] = {}
    for row in rows:
        variants.setdefault(row.variant, []).append(row)
    learned = [own for own in variants.values() if own[0].model_bytes]
    peers = [own for own in variants.values() if not own[0].model_bytes]
    return [each for ours in learned for theirs in peers for each in _pair(ours, theirs)]


def pictures_to_break_even(model_bytes: int, saved_bytes: float) -> float:
    """How many pictures of so many saved bytes pay for a model; infinite where none are saved."""
    return math.ceil(model_bytes / saved_bytes) if saved_bytes > 0 else math.inf


def _pair(ours: Sequence[Row], theirs: Sequence[Row]) -> list[BreakEven]:
    images = set(images_of_both(theirs, ours))
    qualities = sorted({row.quality for row in ours})
    middle = qualities[(len(qualities) - 1) // 2]
    lengths = [r.stream_bytes for r in ours if r.quality == middle and r.image_digest in images]
    found = []
    for metric, rate in bd_rates(theirs, ours).items():
        saved = fmean(lengths) * (1 / (1 + rate.value / 100) - 1)
        found.append(
            BreakEven(
                ours[0].variant,
                theirs[0].variant,
                metric,
                rate.value,
                ours[0].model_bytes,
                saved,
                pictures_to_break_even(ours[0].model_bytes, saved),
            )
        )
    return found
