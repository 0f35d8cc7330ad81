"""What a codec's pictures cost in time and in bytes at once: decode time over BD-rate, with the
model's bytes as the area of the mark.

A codec is dominated when another one decodes no slower and needs no more bytes, and is better in
one of the two. Those that are not are connected. A codec without a model file has the smallest
mark, a ring.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from slimcodec.bench.summary import Point, Summary
from slimcodec.report.figures.axes import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Axis,
    Spot,
    Tick,
    rate_axis,
    value_axis,
)
from slimcodec.report.figures.labels import Label, place_labels
from slimcodec.report.figures.looks import Look, looks_of
from slimcodec.report.selection import by_variant, middle_points
from slimcodec.report.text import metric_label, metrics_of, number, percent, signed
from slimcodec.showing import readable_bytes

__all__ = ["Bubble", "ParetoChart", "non_dominated", "pareto_charts"]

_SMALLEST, _LARGEST = 4.0, 17.0
"""Radii of a mark without a model file, and of the one with the largest."""

_FARTHEST = 150.0
"""Percent of bytes beyond which a codec is not drawn, but named."""


@dataclass(frozen=True)
class Bubble:
    """A codec's mark; a ring where it has no model file."""

    spot: Spot
    radius: float
    look: Look
    ring: bool
    label: Label


@dataclass(frozen=True)
class ParetoChart:
    """Everything a template needs to draw the chart of one metric."""

    title: str
    unit: str
    x_title: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    zero: float
    path: str
    bubbles: list[Bubble]
    beyond: list[str]
    words: str


def pareto_charts(summary: Summary) -> list[ParetoChart]:
    """One for each metric that has BD-rates, of each variant at its middle quality."""
    found = (_chart(summary, metric) for metric in metrics_of(summary.points))
    return [chart for chart in found if chart is not None]


def non_dominated(points: Sequence[tuple[float, float]]) -> list[int]:
    """Which of these pairs, both of them better when smaller, no other one dominates; by the
    first of the two."""
    order = sorted(range(len(points)), key=lambda n: points[n])
    front: list[int] = []
    for n in order:
        if not front or points[n][1] < points[front[-1]][1]:
            front.append(n)
    return front


def _chart(summary: Summary, metric: str) -> ParetoChart | None:
    rates = {name: each[metric].value for name, each in summary.bd_rates.items() if metric in each}
    if not rates:
        return None
    rates[summary.reference] = 0.0
    points = [p for p in middle_points(summary) if p.variant in rates and p.decode_ms > 0]
    shown = [point for point in points if rates[point.variant] <= _FARTHEST]
    if len(shown) < 2:
        return None
    looks = looks_of(by_variant(summary.points))
    x_axis = _time_axis([point.decode_ms for point in shown])
    y_axis = value_axis([0.0, *(rates[point.variant] for point in shown)], turned=True)
    places = [(x_axis.at(p.decode_ms), y_axis.at(rates[p.variant])) for p in shown]
    largest = max(point.model_bytes for point in shown)
    radii = [_radius(point, largest) for point in shown]
    labels = place_labels(
        [(*place, r, p.variant) for place, r, p in zip(places, radii, shown, strict=True)],
        (LEFT + 2, TOP, WIDTH - 2, HEIGHT - BOTTOM - 2),
        y_axis.at(0.0),
    )
    bubbles = [
        Bubble(
            Spot(*place, _words(point, metric, rates[point.variant])),
            radius,
            looks[point.variant],
            not point.model_bytes,
            label,
        )
        for place, radius, point, label in zip(places, radii, shown, labels, strict=True)
    ]
    front = non_dominated([(p.decode_ms, rates[p.variant]) for p in shown])
    label = metric_label(metric)
    return ParetoChart(
        title=label,
        unit="% of bytes at equal quality, axis turned, up is better",
        x_title=f"decoding time, ms{', logarithmic' if x_axis.log else ''}",
        x_ticks=x_axis.ticks(),
        y_ticks=y_axis.ticks(),
        zero=y_axis.at(0.0),
        path="M" + "L".join(f"{places[n][0]:g} {places[n][1]:g}" for n in front),
        # Large marks first, so that small ones lie on top of them.
        bubbles=sorted(bubbles, key=lambda bubble: -bubble.radius),
        beyond=[p.variant for p in points if rates[p.variant] > _FARTHEST],
        words=f"BD-rate at equal {label} against {summary.reference}, over decoding time: "
        + "; ".join(bubble.spot.words for bubble in bubbles),
    )


def _time_axis(values: Sequence[float]) -> Axis:
    """With room for marks at both ends."""
    axis = rate_axis(values, LEFT, WIDTH - RIGHT)
    if axis.log:
        return Axis(axis.low / 1.4, axis.high * 1.4, axis.start, axis.stop, log=True)
    return Axis(axis.low, axis.high * 1.1, axis.start, axis.stop)


def _radius(point: Point, largest: int) -> float:
    if not point.model_bytes:
        return _SMALLEST
    return round(max(_SMALLEST, _LARGEST * math.sqrt(point.model_bytes / largest)), 1)


def _words(point: Point, metric: str, rate: float) -> str:
    model = f"model file {readable_bytes(point.model_bytes)}" if point.model_bytes else "no model"
    return (
        f"{point.variant}: decodes in {number(point.decode_ms, 1)} ms, "
        f"{percent(signed(rate))} of bytes at equal {metric_label(metric)}, {model}"
    )
