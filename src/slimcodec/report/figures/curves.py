"""Curves of quality over rate, one chart for each metric that was measured.

Behind a curve lies a band: the 95 % interval of the mean at each of its qualities, over the choice
of images. Images differ far more from each other than codecs do on one image, and all curves move
together when the images change, so bands that overlap do not make two codecs equal: that is what
the paired intervals of BD-rates are for.

Curves that were published elsewhere are no measurement of ours. They have open marks and thin grey
lines, the word "published" in their names, and a group of their own in the legend.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from slimcodec.bench.published import PublishedCurve, PublishedPoint
from slimcodec.bench.rows import Row
from slimcodec.bench.summary import Point, Summary
from slimcodec.metrics import Interval
from slimcodec.report.figures.axes import (
    Axis,
    Spot,
    Tick,
    drawn_unit,
    drawn_value,
    rate_axis,
    value_axis,
)
from slimcodec.report.figures.looks import MARKS, STYLES, Look, looks_of
from slimcodec.report.intervals import mean_interval
from slimcodec.report.selection import by_variant, is_ladder, leader
from slimcodec.report.text import (
    join_words,
    metric_heading,
    metric_label,
    metric_text,
    metrics_of,
    number,
    plain,
    smaller_is_better,
)

__all__ = ["Chart", "Curve", "charts", "legend"]


@dataclass(frozen=True)
class Curve:
    """One variant's line.

    Attributes:
        label: the variant's name, or what was published.
        number: the same in every chart, for what selects a curve in all of them.
        look: colour and mark.
        path: of the line, as SVG.
        band: of the area of its intervals; empty where there are none.
        spots: its points.
        kind: ``lead`` of the codec that the page is about, ``published``, or ``measured``.
    """

    label: str
    number: int
    look: Look
    path: str
    band: str
    spots: list[Spot]
    kind: str


@dataclass(frozen=True)
class Chart:
    """Everything a template needs to draw one rate-distortion chart."""

    metric: str
    title: str
    unit: str
    x_title: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    curves: list[Curve]
    words: str


@dataclass(frozen=True)
class _Mean:
    """A point of a curve, its metric's interval, and what is said of it."""

    bpp: float
    metric: Interval
    words: str


def charts(
    summary: Summary, rows: Sequence[Row] = (), published: Sequence[PublishedCurve] = ()
) -> list[Chart]:
    """A chart for every metric; none where no variant was measured at several qualities.

    Args:
        summary: of the rows.
        rows: what the bands are computed from; no bands without.
        published: curves from elsewhere, to stand beside ours.
    """
    if not is_ladder(summary.points):
        return []
    images: dict[tuple[str, float], list[Row]] = {}
    for row in rows:
        images.setdefault((row.variant, row.quality), []).append(row)
    found = (_chart(summary, images, metric, published) for metric in metrics_of(summary.points))
    return [chart for chart in found if chart is not None]


def legend(drawn: Sequence[Chart]) -> tuple[list[Curve], list[Curve]]:
    """Every curve that is in any chart, once: those measured here, and those published."""
    curves = {curve.number: curve for chart in drawn for curve in chart.curves}
    ordered = [curves[number_] for number_ in sorted(curves)]
    ours = [curve for curve in ordered if curve.kind != "published"]
    return ours, [curve for curve in ordered if curve.kind == "published"]


def _chart(
    summary: Summary,
    images: Mapping[tuple[str, float], Sequence[Row]],
    metric: str,
    published: Sequence[PublishedCurve],
) -> Chart | None:
    ours = {
        variant: [
            _mean(point, images.get((variant, point.quality), ()), metric)
            for point in points
            if _is_drawn(metric, point.bpp, point.metrics.get(metric, math.nan))
        ]
        for variant, points in by_variant(summary.points).items()
    }
    theirs = [
        (f"{curve.codec} (published)", [_stated(curve, p, metric) for p in _with(curve, metric)])
        for curve in published
    ]
    shown = [mean for _, means in (*ours.items(), *theirs) for mean in means]
    if not any(ours.values()):
        return None
    x_axis = rate_axis([mean.bpp for mean in shown])
    values = [drawn_value(metric, mean.metric.value) for mean in shown]
    y_axis = value_axis(values, turned=smaller_is_better(metric))
    lead = leader(summary).variant
    looks = looks_of(ours)

    def curve(label: str, number_: int, look: Look, means: Sequence[_Mean], kind: str) -> Curve:
        ordered = sorted(means, key=lambda mean: mean.bpp)
        spots = [
            Spot(x_axis.at(mean.bpp), y_axis.at(drawn_value(metric, mean.metric.value)), mean.words)
            for mean in ordered
        ]
        path = "M" + "L".join(f"{spot.x:g} {spot.y:g}" for spot in spots)
        return Curve(
            label, number_, look, path, _band(ordered, metric, x_axis, y_axis), spots, kind
        )

    drawn = [
        curve(name, n, looks[name], means, "lead" if name == lead else "measured")
        for n, (name, means) in enumerate(ours.items())
        if means
    ]
    drawn += [
        curve(label, len(ours) + n, Look(STYLES, n > 0, MARKS[n % len(MARKS)]), means, "published")
        for n, (label, means) in enumerate(theirs)
        if means
    ]
    label = metric_label(metric)
    return Chart(
        metric=metric,
        title=label,
        unit=drawn_unit(metric),
        x_title=f"bits per pixel{', logarithmic' if x_axis.log else ''}",
        x_ticks=x_axis.ticks(),
        y_ticks=y_axis.ticks(),
        curves=drawn,
        words=f"{label} over bits per pixel for {join_words([curve.label for curve in drawn])}; "
        "the numbers are in the table of points.",
    )


def _is_drawn(metric: str, bpp: float, value: float) -> bool:
    return bpp > 0 and math.isfinite(value) and math.isfinite(drawn_value(metric, value))


def _mean(point: Point, rows: Sequence[Row], metric: str) -> _Mean:
    value = point.metrics[metric]
    words = (
        f"{point.variant}, quality {plain(point.quality)}: {number(point.bpp, 3)} bpp, "
        f"{metric_heading(metric)} {metric_text(metric, value)}"
    )
    values = [row.metrics[metric] for row in rows if metric in row.metrics]
    if not values or not all(map(math.isfinite, values)):
        return _Mean(point.bpp, Interval(value), words)
    interval = mean_interval(values)
    if interval.low is not None and interval.high is not None:
        ends = (metric_text(metric, end) for end in (interval.low, interval.high))
        words += f", 95 % interval {' to '.join(ends)}"
    return _Mean(point.bpp, Interval(value, interval.low, interval.high), words)


def _with(curve: PublishedCurve, metric: str) -> list[PublishedPoint]:
    """The points of a published curve that a chart of the metric has a place for."""
    return [
        point
        for point in curve.points
        if _is_drawn(metric, point.bpp, point.metrics.get(metric, math.nan))
    ]


def _stated(curve: PublishedCurve, point: PublishedPoint, metric: str) -> _Mean:
    value = point.metrics[metric]
    words = (
        f"{curve.codec}, published: {number(point.bpp, 3)} bpp, "
        f"{metric_heading(metric)} {metric_text(metric, value)} ({curve.source})"
    )
    return _Mean(point.bpp, Interval(value), words)


def _band(means: Sequence[_Mean], metric: str, x_axis: Axis, y_axis: Axis) -> str:
    """Along the upper ends and back along the lower ones, cut off where the chart ends."""
    if len(means) < 2:
        return ""
    highs: list[str] = []
    lows: list[str] = []
    for mean in means:
        if mean.metric.low is None or mean.metric.high is None:
            return ""
        for ends, value in ((highs, mean.metric.high), (lows, mean.metric.low)):
            bottom, top = sorted((y_axis.low, y_axis.high))
            inside = min(max(drawn_value(metric, value), bottom), top)
            ends.append(f"{x_axis.at(mean.bpp):g} {y_axis.at(inside):g}")
    return f"M{'L'.join([*highs, *reversed(lows)])}Z"
