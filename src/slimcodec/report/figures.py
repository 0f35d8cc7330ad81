"""Geometry of the two kinds of chart: curves of quality over rate, and stacked bars of time.

Here only numbers become places; the template draws them as SVG and HTML, and the style sheet
colours them, light or dark. Up is always better: an axis on which less is better is turned around.
MS-SSIM and SSIM are drawn in dB, ``-10 log10(1 - v)``, as BD-rates take them, because good codecs
crowd between 0.95 and 1. Rates that span more than a factor of eight get a logarithmic axis, or the
learned codecs' short curves would stick to the left edge beside a JPEG's long one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from slimcodec.bench.rows import Row
from slimcodec.bench.summary import Point, Summary
from slimcodec.report.selection import (
    by_variant,
    has_several_qualities,
    is_ladder,
    middle_points,
)
from slimcodec.report.tables import part_order
from slimcodec.report.text import (
    metric_heading,
    metric_label,
    metric_text,
    metric_unit,
    metrics_of,
    number,
    plain,
    smaller_is_better,
)

__all__ = [
    "Axis",
    "Bar",
    "BarGroup",
    "Chart",
    "Curve",
    "Segment",
    "Spot",
    "Tick",
    "charts",
    "time_bars",
    "value_axis",
]

WIDTH, HEIGHT = 400, 320
LEFT, RIGHT, TOP, BOTTOM = 42, 12, 10, 44
STYLES = 8
"""Colours in the style sheet; a ninth curve gets the first colour again, dashed."""

_DRAWN = ("psnr", "ms-ssim", "lpips")
_IN_DB = ("ssim", "ms-ssim")
_LOG_ABOVE = 8.0
_MARKS = (
    "M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z",
    "M-3.2-3.2h6.4v6.4h-6.4z",
    "M0-4.4L4.4 0L0 4.4L-4.4 0z",
    "M0-4.2L4.2 3.2H-4.2z",
)


@dataclass(frozen=True)
class Tick:
    """A place along an axis, in units of the drawing, and what is written there."""

    at: float
    label: str


@dataclass(frozen=True)
class Spot:
    """One point of a curve: its place and what is shown when it is pointed at."""

    x: float
    y: float
    words: str


@dataclass(frozen=True)
class Curve:
    """One variant's line; ``style`` picks colour, ``mark`` is an SVG path around the origin."""

    label: str
    number: int
    style: int
    dashed: bool
    mark: str
    path: str
    spots: list[Spot]


@dataclass(frozen=True)
class Chart:
    """Everything a template needs to draw one rate-distortion chart."""

    title: str
    unit: str
    x_title: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    curves: list[Curve]
    words: str


@dataclass(frozen=True)
class Segment:
    """A part's stretch of a bar, as a share of the longest bar, in percent."""

    part: str
    style: int
    share: float
    words: str


@dataclass(frozen=True)
class Bar:
    """Encoding or decoding of one variant."""

    name: str
    total: str
    segments: list[Segment]
    words: str


@dataclass(frozen=True)
class BarGroup:
    """A variant's bars."""

    label: str
    detail: str
    bars: list[Bar]


def charts(summary: Summary) -> list[Chart]:
    """PSNR, MS-SSIM and LPIPS over rate, those that were measured; others when none of them was."""
    if not is_ladder(summary.points):
        return []
    metrics = metrics_of(summary.points)
    drawn = [name for name in _DRAWN if name in metrics] or metrics
    found = (_chart(summary, metric) for metric in drawn)
    return [chart for chart in found if chart is not None]


def time_bars(summary: Summary, rows: Sequence[Row]) -> tuple[list[BarGroup], list[Segment]]:
    """Bars of every variant at its middle quality, and a legend of the parts."""
    points = middle_points(summary)
    parts = part_order(points, rows)
    longest = max(max(_whole(point, way) for way in _WAYS) for point in points) or 1.0
    needs_quality = has_several_qualities(summary.points)
    groups = [
        BarGroup(
            point.variant,
            f"quality {plain(point.quality)}" if needs_quality else "",
            [_bar(point, way, parts, longest) for way in _WAYS],
        )
        for point in points
    ]
    used = {s.part: s for group in groups for bar in group.bars for s in bar.segments}
    return groups, [used[part] for part in [*parts, _OTHER] if part in used]


_WAYS = ("encode", "decode")
_OTHER = "the rest"


@dataclass(frozen=True)
class Axis:
    """Values to places: the two ends in values and in the drawing, linear or logarithmic."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def at(self, value: float) -> float:
        low, high = self._on(self.low), self._on(self.high)
        share = (self._on(value) - low) / (high - low)
        return round(self.start + share * (self.stop - self.start), 1)

    def ticks(self) -> list[Tick]:
        values = _log_steps(self.low, self.high) if self.log else _steps(self.low, self.high)
        return [Tick(self.at(value), _tick_text(value)) for value in values]

    def _on(self, value: float) -> float:
        return math.log10(value) if self.log else value


def _chart(summary: Summary, metric: str) -> Chart | None:
    def value(point: Point) -> float:
        return _drawn_value(metric, point.metrics.get(metric, math.nan))

    curves = {
        variant: [p for p in points if p.bpp > 0 and math.isfinite(value(p))]
        for variant, points in by_variant(summary.points).items()
    }
    shown = [point for points in curves.values() for point in points]
    if not shown:
        return None
    x_axis = _rate_axis([point.bpp for point in shown])
    y_axis = value_axis([value(point) for point in shown], turned=smaller_is_better(metric))
    label = metric_label(metric)
    unit = "dB" if metric in _IN_DB else metric_unit(metric)
    turned = "axis turned, up is better" if smaller_is_better(metric) else ""
    drawn = [
        _curve(number, variant, points, metric, lambda p: (x_axis.at(p.bpp), y_axis.at(value(p))))
        for number, (variant, points) in enumerate(curves.items())
        if points
    ]
    scale = ", logarithmic" if x_axis.log else ""
    return Chart(
        title=label,
        unit=", ".join(word for word in (unit, turned) if word),
        x_title=f"bits per pixel{scale}",
        x_ticks=x_axis.ticks(),
        y_ticks=y_axis.ticks(),
        curves=drawn,
        words=f"{label} over bits per pixel for {', '.join(curve.label for curve in drawn)}; "
        "the numbers are in the table of points.",
    )


def _drawn_value(metric: str, value: float) -> float:
    if metric not in _IN_DB:
        return value
    return -10 * math.log10(1 - value) if value < 1 else math.inf


def _curve(
    number_: int,
    variant: str,
    points: Sequence[Point],
    metric: str,
    place: Callable[[Point], tuple[float, float]],
) -> Curve:
    ordered = sorted(points, key=lambda p: p.bpp)
    spots = [
        Spot(
            *place(point),
            f"{variant}, quality {plain(point.quality)}: {number(point.bpp, 3)} bpp, "
            f"{metric_heading(metric)} {metric_text(metric, point.metrics[metric])}",
        )
        for point in ordered
    ]
    return Curve(
        label=variant,
        number=number_,
        style=number_ % STYLES,
        dashed=number_ >= STYLES,
        mark=_MARKS[number_ % len(_MARKS)],
        path="M" + "L".join(f"{spot.x:g} {spot.y:g}" for spot in spots),
        spots=spots,
    )


def _rate_axis(rates: Sequence[float]) -> Axis:
    low, high = min(rates), max(rates)
    if high / low > _LOG_ABOVE:
        return Axis(low / 1.12, high * 1.12, LEFT, WIDTH - RIGHT, log=True)
    return Axis(0.0, high * 1.05, LEFT, WIDTH - RIGHT)


def value_axis(values: Sequence[float], *, turned: bool) -> Axis:
    """Upwards, with all values well inside; turned, the smaller a value the further up."""
    low, high = min(values), max(values)
    pad = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    ends = (low - pad, high + pad)
    bottom, top = reversed(ends) if turned else ends
    return Axis(bottom, top, HEIGHT - BOTTOM, TOP)


def _steps(one: float, other: float) -> list[float]:
    """Round numbers between two ends, four to eight of them."""
    low, high = min(one, other), max(one, other)
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= rough * 0.999)
    count = math.floor(high / step) - math.ceil(low / step) + 1
    return [step * (math.ceil(low / step) + n) for n in range(count)]


def _log_steps(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = [step * 10.0**power for power in powers for step in (1, 2, 5)]
    return [value for value in values if low <= value <= high]


def _tick_text(value: float) -> str:
    return plain(0.0 if abs(value) < 1e-12 else round(value, 10))


def _whole(point: Point, way: str) -> float:
    """What a bar shows: the measured time, or its parts' sum where the medians add up to more."""
    measured = point.encode_ms if way == "encode" else point.decode_ms
    parts = sum(ms for name, ms in point.parts_ms.items() if name.startswith(f"{way}."))
    return max(measured, parts)


def _bar(point: Point, way: str, parts: Sequence[str], longest: float) -> Bar:
    measured = point.encode_ms if way == "encode" else point.decode_ms
    times = [
        (part, number_ % STYLES, point.parts_ms.get(f"{way}.{part}", 0.0))
        for number_, part in enumerate(parts)
    ]
    if way == "decode":
        times.reverse()  # a decoder meets the parts in the opposite order
    rest = _whole(point, way) - sum(ms for _, _, ms in times)
    if rest > 0.005 * measured:
        times.append((_OTHER, STYLES, rest))  # the grey after the last colour
    segments = [
        Segment(part, style, round(100 * ms / longest, 3), f"{part} {number(ms, 1)} ms")
        for part, style, ms in times
        if ms > 0
    ]
    words = f"{way}: {number(measured, 1)} ms"
    if segments:
        words += f", of which {', '.join(segment.words for segment in segments)}"
    return Bar(way, number(measured, 1), segments, words)
