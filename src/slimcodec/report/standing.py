"""Where the leading codec stands against its rivals, metric by metric, directly.

A table of BD-rates against one reference does not say which of two others is better: their curves
share other ranges with the reference than with each other, and an interval of either is not one of
their difference. So the leading codec is compared with every rival itself, on the same images, and
in each metric the rival that leaves it the least is the strongest.

Rivals are the codecs without a model of their own (JPEG and its kin) where there are any, else
every other variant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from slimcodec.bench.bd_rates import bd_rates
from slimcodec.bench.rows import Row
from slimcodec.bench.summary import Summary
from slimcodec.errors import SlimcodecError
from slimcodec.metrics import Interval, crossing, curve_quality
from slimcodec.report.selection import by_variant, leader
from slimcodec.report.text import metrics_of

__all__ = [
    "Crossing",
    "Duels",
    "Outcome",
    "Standing",
    "crossings",
    "duels",
    "outcome",
    "rivals",
    "standings",
    "strongest",
]

Outcome = Literal["wins", "loses", "level"]

Duels = Mapping[str, Mapping[str, Interval]]
"""Other variant to metric to the leading codec's BD-rate against it."""


@dataclass(frozen=True)
class Standing:
    """The leading codec beside the strongest rival in one metric.

    Attributes:
        metric: by registry name.
        rival: its variant.
        rate: BD-rate of the leading codec against it; negative where the leading codec needs fewer
            bytes.
    """

    metric: str
    rival: str
    rate: Interval

    @property
    def outcome(self) -> Outcome:
        """``level`` where the interval contains zero; without an interval the sign decides."""
        return outcome(self.rate)


@dataclass(frozen=True)
class Crossing:
    """Where a rival overtakes the leading codec.

    Attributes:
        metric: by registry name.
        rival: its variant.
        bpp: from which on it is the better one.
    """

    metric: str
    rival: str
    bpp: float


def outcome(rate: Interval) -> Outcome:
    """What a BD-rate says of the codec that it is of."""
    low = rate.value if rate.low is None else rate.low
    high = rate.value if rate.high is None else rate.high
    if high < 0:
        return "wins"
    return "loses" if low > 0 else "level"


def rivals(summary: Summary) -> list[str]:
    """Whom the leading codec is measured against."""
    lead = leader(summary)
    groups = by_variant(summary.points)
    peers = [name for name, points in groups.items() if not points[0].model_bytes]
    return [name for name in peers or groups if name != lead.variant]


def duels(summary: Summary, rows: Sequence[Row]) -> dict[str, dict[str, Interval]]:
    """The leading codec's BD-rates against every other variant; those with which it shares no range
    of quality in any metric are left out.

    Args:
        summary: of the rows.
        rows: of one bench or study.
    """
    lead = leader(summary).variant
    own = {
        name: [row for row in rows if row.variant == name] for name in by_variant(summary.points)
    }
    found = {name: bd_rates(own[name], own[lead]) for name in own if name != lead}
    return {name: rates for name, rates in found.items() if rates}


def standings(summary: Summary, fought: Duels) -> list[Standing]:
    """One for each metric in which the leading codec can be compared with any rival.

    Args:
        summary: of the rows.
        fought: what `duels` found; others than rivals do not count.
    """
    known = rivals(summary)
    found = []
    for metric in metrics_of(summary.points):
        against = {name: fought[name][metric] for name in known if metric in fought.get(name, {})}
        if against:
            rival = strongest(against)
            found.append(Standing(metric, rival, against[rival]))
    return found


def strongest(against: Mapping[str, Interval]) -> str:
    """The rival against which the leading codec stands worst: one that surely wins before one that
    may, and of these the one against which it needs most bytes."""
    order: list[Outcome] = ["wins", "level", "loses"]
    return max(against, key=lambda name: (order.index(outcome(against[name])), against[name].value))


def crossings(summary: Summary) -> list[Crossing]:
    """Where rivals overtake the leading codec, on the curves of means; metric by metric."""
    lead, groups = leader(summary).variant, by_variant(summary.points)
    found = []
    for metric in metrics_of(summary.points):
        for name in rivals(summary):
            curves = [
                [
                    (point.bpp, float(curve_quality(metric, point.metrics[metric])))
                    for point in groups[own]
                    if metric in point.metrics
                ]
                for own in (name, lead)
            ]
            try:
                bpp = crossing(*curves)
            except SlimcodecError:  # no curves, of no range in common, or of an unknown metric
                continue
            if bpp is not None:
                found.append(Crossing(metric, name, bpp))
    return found
