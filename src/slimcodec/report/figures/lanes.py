"""Changes as dots in lanes: one lane for each variant, one chart for each figure that changed.

Each lane has its name at the left and its figure at the right, so that the picture is read without
a legend. All charts of one picture have the same scale where they show the same kind of figure.
What lies far outside is drawn at the edge, with an arrow; its figure says how far.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from slimcodec.bench.summary import Summary
from slimcodec.metrics import Interval
from slimcodec.report.figures.axes import Axis, Tick, signed_axis
from slimcodec.report.figures.looks import STYLES, Look, looks_of
from slimcodec.report.selection import by_variant, leader
from slimcodec.report.text import (
    interval_text,
    join_words,
    metric_label,
    metrics_of,
    percent_interval,
    signed,
)
from slimcodec.report.trends import FIGURES, Trend

__all__ = ["Dot", "Lane", "LaneChart", "bd_rate_lanes", "change_lanes", "lane_chart"]

LANE = 19
"""Height of a lane."""

_WIDTH, _TOP, _BOTTOM = 400, 6, 40
_LETTER, _LONGEST = 7.0, 24
"""Width of a letter of a name, nearly, and how many are shown."""

_FIGURE = 58
"""Width of the figures at the right."""

_FARTHEST = 100.0
"""Percent beyond which a BD-rate is drawn at the edge, or all others would be one dot."""


@dataclass(frozen=True)
class Dot:
    """A figure in a lane: places along the axis, and how it looks.

    Attributes:
        at: of the figure.
        low, high: of the ends of its interval; None where there is none.
        look: colour and mark.
        hollow: published, not measured.
        beyond: drawn at the edge.
        words: shown when it is pointed at.
    """

    at: float
    low: float | None
    high: float | None
    look: Look
    hollow: bool
    beyond: bool
    words: str


@dataclass(frozen=True)
class Lane:
    """A variant's lane; ``label`` is the name as far as there is room for it."""

    name: str
    label: str
    y: float
    figure: str
    dots: list[Dot]
    leads: bool


@dataclass(frozen=True)
class LaneChart:
    """Everything a template needs to draw the lanes of one figure."""

    title: str
    unit: str
    width: int
    height: int
    zero: float
    left: float
    right: float
    floor: float
    x_title: str
    x_ticks: list[Tick]
    lanes: list[Lane]
    words: str


@dataclass(frozen=True)
class Figure:
    """One figure of a lane: its interval, its look, whether it was published elsewhere."""

    interval: Interval
    look: Look
    hollow: bool = False


def bd_rate_lanes(summary: Summary) -> list[LaneChart]:
    """BD-rates against the reference, a chart for each metric, the best codec first."""
    rates = summary.bd_rates
    if not rates:
        return []
    looks = looks_of(by_variant(summary.points))
    lead = leader(summary).variant
    ends = [
        min(end, _FARTHEST)
        for each in rates.values()
        for rate in each.values()
        for end in (rate.value, rate.low, rate.high)
        if end is not None
    ]
    found = []
    for metric in metrics_of(summary.points):
        of_metric = {name: each[metric] for name, each in rates.items() if metric in each}
        if not of_metric:
            continue
        of_metric = {summary.reference: Interval(0.0), **of_metric}
        ordered = sorted(of_metric, key=lambda name: of_metric[name].value)
        found.append(
            lane_chart(
                metric_label(metric),
                "% of bytes",
                {name: [Figure(of_metric[name], looks[name])] for name in ordered},
                ends,
                lead=lead,
                x_title=f"bytes at equal {metric_label(metric)} against {summary.reference}, %",
            )
        )
    return found


def change_lanes(summary: Summary, trends: Sequence[Trend]) -> list[LaneChart]:
    """What each variant of a study changed, a chart for each figure; beside it, hollow, the
    published change."""
    looks = looks_of(by_variant(summary.points))
    found = []
    for key, (name, unit, digits) in FIGURES.items():
        lanes = {t.variant: [Figure(t.here, looks[t.variant])] for t in trends if t.key == key}
        if not lanes:
            continue
        firsts = list(dict.fromkeys(t.first for t in trends if t.key == key))
        for t in trends:
            if t.key == key and t.published is not None:
                look = Look(STYLES, varied=False, mark=looks[t.variant].mark)
                lanes[t.variant].append(Figure(Interval(t.published), look, hollow=True))
        ends = [
            end
            for figures in lanes.values()
            for each in figures
            for end in (each.interval.value, each.interval.low, each.interval.high)
            if end is not None
        ]
        against = f"change against {join_words(firsts)}"
        x_title = f"{against}, {unit}" if unit else against
        found.append(lane_chart(name, unit, lanes, ends, lead="", x_title=x_title, digits=digits))
    return found


def lane_chart(
    title: str,
    unit: str,
    lanes: Mapping[str, Sequence[Figure]],
    ends: Sequence[float],
    *,
    lead: str,
    x_title: str,
    digits: int = 1,
) -> LaneChart:
    """Lanes in the order given.

    Args:
        title: what is shown.
        unit: of it.
        lanes: name to its figures; the first one is written at the right.
        ends: all values that the axis is to reach.
        lead: the name that is set in bold.
        x_title: below the axis.
        digits: of the figures.
    """
    letters = min(max(map(len, lanes)), _LONGEST)
    left = 14 + _LETTER * letters
    right = _WIDTH - _FIGURE
    axis = signed_axis(ends, left, right)
    floor = _TOP + LANE * len(lanes)
    drawn = [
        Lane(
            name,
            name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…",
            _TOP + LANE * (n + 0.5),
            signed(figures[0].interval.value, digits),
            [_dot(figure, axis, unit, digits) for figure in figures],
            name == lead,
        )
        for n, (name, figures) in enumerate(lanes.items())
    ]
    return LaneChart(
        title=title,
        unit=unit,
        width=_WIDTH,
        height=floor + _BOTTOM,
        zero=axis.at(0.0),
        left=left,
        right=right,
        floor=floor,
        x_title=x_title,
        x_ticks=_with_room(axis.ticks()),
        lanes=drawn,
        words=f"{title}, {x_title}: "
        + "; ".join(f"{lane.name} {lane.dots[0].words}" for lane in drawn),
    )


def _with_room(ticks: list[Tick]) -> list[Tick]:
    """Every second tick, or fewer, where their labels would run into each other; zero stays."""
    step = 1
    zero = next((n for n, tick in enumerate(ticks) if tick.label == "0"), 0)
    while True:
        shown = [tick for n, tick in enumerate(ticks) if (n - zero) % step == 0]
        gaps = [after.at - before.at for before, after in pairwise(shown)]
        widest = max((_LETTER * len(tick.label) for tick in shown), default=0.0)
        if not gaps or min(gaps) > widest + 4:
            return shown
        step += 1


def _dot(figure: Figure, axis: Axis, unit: str, digits: int) -> Dot:
    interval = figure.interval

    def inside(value: float) -> float:
        return axis.at(min(max(value, axis.low), axis.high))

    has_ends = interval.low is not None and interval.high is not None
    in_words = percent_interval if unit.startswith("%") else interval_text
    text = in_words(interval, digits)
    return Dot(
        at=inside(interval.value),
        low=inside(interval.low) if has_ends and interval.low is not None else None,
        high=inside(interval.high) if has_ends and interval.high is not None else None,
        look=figure.look,
        hollow=figure.hollow,
        beyond=not axis.low <= interval.value <= axis.high,
        words=f"{text}{', published' if figure.hollow else ''}",
    )
