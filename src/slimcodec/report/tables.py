"""Tables as plain words, for whoever prints them: the page with HTML, the command line with rich.

A column is its heading and a way to get a cell out of a point; a table is columns applied to
points. Cells are finished text (separators, a real minus, "–" where there is nothing), units stand
in the headings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median
from typing import Any, Generic, TypeVar

from slimcodec.bench.rows import Row
from slimcodec.bench.summary import Point, Summary
from slimcodec.report.selection import by_variant, is_ladder, middle_points, same_kind
from slimcodec.report.text import (
    NOTHING,
    join_words,
    metric_heading,
    metric_label,
    metric_text,
    metrics_of,
    number,
    percent,
    plain,
    plural,
    signed,
)

__all__ = [
    "Column",
    "Table",
    "bd_rate_table",
    "change_table",
    "part_order",
    "points_table",
    "pruned_parts",
    "rows_table",
    "speed_table",
    "study_table",
]

T = TypeVar("T")

_CLOCKED_AS = {"probability": "prior"}
"""Parts of a network whose time runs under another name; every other part keeps its own."""


@dataclass(frozen=True)
class Column:
    """A heading, unit included, and whether its cells are numbers; ``group`` heads several."""

    name: str
    numeric: bool
    group: str = ""


@dataclass(frozen=True)
class Table:
    """Finished text. Every row has one cell per column."""

    title: str
    columns: list[Column]
    rows: list[list[str]]
    note: str = ""

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Heading and width of each run of grouped columns; empty where no column has a group."""
        if not any(column.group for column in self.columns):
            return []
        runs = groupby(self.columns, key=lambda column: column.group)
        return [(name, len(list(run))) for name, run in runs]


@dataclass(frozen=True)
class _Field(Generic[T]):
    """A column and how its cell is made."""

    column: Column
    cell: Callable[[T], str]


def _fill(title: str, fields: Sequence[_Field[T]], things: Iterable[T], note: str = "") -> Table:
    rows = [[field.cell(thing) for field in fields] for thing in things]
    return Table(title, [field.column for field in fields], rows, note)


def _words(name: str, cell: Callable[[T], str]) -> _Field[T]:
    return _Field(Column(name, numeric=False), cell)


def _numbers(name: str, cell: Callable[[T], str], group: str = "") -> _Field[T]:
    return _Field(Column(name, numeric=True, group=group), cell)


def points_table(summary: Summary) -> Table:
    """Every point of a bench: rate, metrics and times, as means over the images."""
    points = summary.points
    fields = [
        _words("Variant", lambda p: p.variant),
        _numbers("Quality", lambda p: plain(p.quality)),
        _numbers("Size (bytes)", lambda p: number(p.stream_bytes)),
        _numbers("Rate (bpp)", lambda p: number(p.bpp, 3)),
        *_metric_fields(metrics_of(points)),
        *_model_field(points),
        _numbers("Encode (ms)", lambda p: number(p.encode_ms, 1)),
        _numbers("Decode (ms)", lambda p: number(p.decode_ms, 1)),
    ]
    note = "Means over the images. " + _coverage(points)
    return _fill("All measured points", fields, points, note.strip())


def study_table(summary: Summary, study: Mapping[str, Any], rows: Sequence[Row] = ()) -> Table:
    """A study's result: its settings, the published table's columns, then what we add.

    Args:
        summary: of the study's rows.
        study: what the study says of itself; ``columns`` names the settings to show.
        rows: give them too, and the table has the spread of the times, and parts in working order.
    """
    points = summary.points
    metrics = metrics_of(points)
    quality: _Field[Point] = _numbers("Quality", lambda p: plain(p.quality))
    fields = [
        _words("Variant", lambda p: p.variant),
        *([quality] if is_ladder(points) else []),
        *[_setting_field(name, points) for name in study.get("columns", ())],
        _numbers("Total time (s)", lambda p: number(p.total_s, 2), "As published"),
        *_metric_fields([m for m in metrics if m == "ssim"], "As published"),
        _numbers("Average size (bytes)", lambda p: number(p.stream_bytes), "As published"),
        *_metric_fields([m for m in metrics if m != "ssim"], "Beside it"),
        *_model_field(points, "Beside it"),
        *[_part_field(part) for part in part_order(points, rows)],
        *_spread_field(rows),
    ]
    note = (
        "Total time is encoding and decoding all images, without reading and writing files; time "
        "per part is encoding and decoding together, per image. "
        + ("Spread is (largest − smallest) ÷ median over the repeats. " if rows else "")
        + _coverage(points)
    )
    return _fill(str(study.get("title", "Study")), fields, points, note.strip())


def change_table(summary: Summary, study: Mapping[str, Any]) -> Table:
    """Changes against the first variant, ours beside the published; at the middle quality.

    Peers are left out: their distance from the first variant is no change that a pass made.
    """
    points = middle_points(summary)
    first = points[0]
    published: Mapping[str, Mapping[str, float]] = study.get("published", {})
    base = published.get(first.variant, {})
    has_ssim = any("ssim" in p.metrics for p in points)

    def change(key: str, ours: Callable[[Point], float | None], digits: int) -> list[_Field[Point]]:
        as_difference = key == "ssim"
        compare = _difference if as_difference else _percent
        name, unit = _CHANGE_HEADS[key]
        here: _Field[Point] = _numbers(
            f"{name} here{unit}", lambda p: signed(compare(ours(p), ours(first)), digits)
        )
        there: _Field[Point] = _numbers(
            f"{name} published{unit}",
            lambda p: signed(compare(published.get(p.variant, {}).get(key), base.get(key)), digits),
        )
        return [here, there] if any(key in each for each in published.values()) else [here]

    fields = [
        _words("Variant", lambda p: p.variant),
        *change("average_bytes", lambda p: p.stream_bytes, 1),
        *(change("ssim", lambda p: p.metrics.get("ssim"), 4) if has_ssim else []),
        *change("total_time_s", lambda p: p.total_s, 1),
    ]
    others = [point for point in points[1:] if same_kind(point, first)]
    return _fill(f"Change against {first.variant}", fields, others, _change_note(study))


_CHANGE_HEADS = {
    "average_bytes": ("Bytes", " (%)"),
    "ssim": ("SSIM", ""),
    "total_time_s": ("Time", " (%)"),
}
"""Name and unit. SSIM is a difference, as a percentage of a figure with a ceiling says nothing."""


def _change_note(study: Mapping[str, Any]) -> str:
    if not study.get("published"):
        return "Negative bytes and time are savings; a negative SSIM is a loss."
    source = str(study.get("published_source", "")).rstrip(".")
    return (
        "The published figures come from other weights on another machine, so what is to be "
        "compared is the shape: signs and proportions, not levels."
        + (f" Published: {source}." if source else "")
    )


def bd_rate_table(summary: Summary) -> Table:
    """BD-rates against the reference; no rows where no pair of curves has one."""
    rates = summary.bd_rate_percent
    found = {metric for each in rates.values() for metric in each}
    metrics = [metric for metric in metrics_of(summary.points) if metric in found]

    def rate(metric: str) -> _Field[str]:
        head = f"{metric_label(metric)} (%)"
        return _numbers(head, lambda variant: signed(rates[variant].get(metric)), "At equal")

    fields: list[_Field[str]] = [_words("Variant", lambda variant: variant), *map(rate, metrics)]
    note = (
        f"Average difference in bytes against {summary.reference} at equal quality, over the range "
        "of quality that both reach. Negative means fewer bytes for the same quality. SSIM and "
        f"MS-SSIM enter in dB; {NOTHING} where two curves share no range."
    )
    return _fill(f"BD-rate against {summary.reference}", fields, rates, note)


def speed_table(summary: Summary) -> Table:
    """What zeroed weights could have saved beside what they did; no rows where nothing was pruned.

    Expected is the first variant's time, less the share of zeroed weights of each pruned part's
    time: the figure if every multiplication by zero were free and nothing else changed.
    """
    points = middle_points(summary)
    first = points[0]
    before = first.encode_ms + first.decode_ms

    def expected(point: Point) -> float:
        saved = (ratio * _part_ms(first, part) for part, ratio in pruned_parts(point, first))
        return before - sum(saved)

    def achieved(point: Point) -> float:
        return point.encode_ms + point.decode_ms

    fields: list[_Field[Point]] = [
        _words("Variant", lambda p: p.variant),
        _words("Weights set to zero", lambda p: _pruned_words(p, first)),
        _numbers("Expected (ms)", lambda p: number(expected(p), 1)),
        _numbers("Achieved (ms)", lambda p: number(achieved(p), 1)),
        _numbers("Expected change (%)", lambda p: signed(_percent(expected(p), before))),
        _numbers("Achieved change (%)", lambda p: signed(_percent(achieved(p), before))),
    ]
    pruned = [point for point in points[1:] if pruned_parts(point, first)]
    note = (
        f"Encoding and decoding one image; {first.variant} takes {number(before, 1)} ms. Expected "
        "is that time if every multiplication by a zeroed weight were free."
    )
    return _fill("Expected and achieved time", fields, pruned, note)


def rows_table(rows: Sequence[Row]) -> Table:
    """Every measurement, image by image."""
    fields: list[_Field[Row]] = [
        _words("Image", lambda r: r.image),
        _words("Variant", lambda r: r.variant),
        _numbers("Quality", lambda r: plain(r.quality)),
        _numbers("Width (px)", lambda r: plain(r.width)),
        _numbers("Height (px)", lambda r: plain(r.height)),
        _numbers("Size (bytes)", lambda r: number(r.stream_bytes)),
        _numbers("Rate (bpp)", lambda r: number(r.bpp, 3)),
        *_metric_fields(metrics_of(rows)),
        _numbers("Encode (ms)", lambda r: number(r.encode_ms, 1)),
        _numbers("Decode (ms)", lambda r: number(r.decode_ms, 1)),
        _numbers("Spread (%)", lambda r: number(100 * r.spread, 1)),
    ]
    order = {name: n for n, name in enumerate(dict.fromkeys(row.variant for row in rows))}
    ordered = sorted(rows, key=lambda r: (r.image, order[r.variant], r.quality))
    return _fill("Every measurement", fields, ordered)


def part_order(points: Sequence[Point], rows: Sequence[Row] = ()) -> list[str]:
    """Parts as an image meets them: those that only encode, those that do both, those that decode.

    Within each, the order in which the rows name them (points have lost it).
    """
    names = dict.fromkeys(name for row in rows for name in row.parts_ms)
    names |= dict.fromkeys(name for point in points for name in point.parts_ms)
    parts = dict.fromkeys(name.partition(".")[2] for name in names)

    def place(part: str) -> int:
        return (f"decode.{part}" in names) - (f"encode.{part}" in names)

    return sorted(parts, key=place)


def pruned_parts(point: Point, first: Point) -> list[tuple[str, float]]:
    """Parts that the variant's settings name with a share between 0 and 1 and that were clocked."""
    return [
        (name, float(value))
        for name, value in point.settings.items()
        if isinstance(value, float) and 0 < value < 1 and _part_ms(first, name)
    ]


def _part_ms(point: Point, part: str) -> float:
    part = _CLOCKED_AS.get(part, part)
    return sum(point.parts_ms.get(f"{way}.{part}", 0.0) for way in ("encode", "decode"))


def _pruned_words(point: Point, first: Point) -> str:
    said = pruned_parts(point, first)
    return ", ".join(f"{part} {percent(number(100 * ratio))}" for part, ratio in said)


def _metric_fields(names: Sequence[str], group: str = "") -> list[_Field[Any]]:
    def field(name: str) -> _Field[Any]:
        return _numbers(
            metric_heading(name), lambda thing: metric_text(name, thing.metrics.get(name)), group
        )

    return [field(name) for name in names]


def _model_field(points: Sequence[Point], group: str = "") -> list[_Field[Point]]:
    if not any(point.model_bytes for point in points):
        return []
    return [_numbers("Model (bytes)", lambda p: number(p.model_bytes or None), group)]


def _setting_field(name: str, points: Sequence[Point]) -> _Field[Point]:
    """A setting's column. A ratio that a learned variant does not name is 0; else it is nothing."""
    said = [point.settings[name] for point in points if name in point.settings]
    ratios = bool(said) and all(isinstance(v, int | float) and 0 <= v <= 1 for v in said)

    def cell(point: Point) -> str:
        if name in point.settings:
            return plain(point.settings[name])
        return "0" if ratios and point.model_bytes else NOTHING

    return _Field(Column(name.capitalize(), numeric=ratios or not said, group="Settings"), cell)


def _part_field(part: str) -> _Field[Point]:
    def cell(point: Point) -> str:
        names = [f"{way}.{part}" for way in ("encode", "decode")]
        found = [point.parts_ms[name] for name in names if name in point.parts_ms]
        return number(sum(found), 1) if found else NOTHING

    return _numbers(f"{part.capitalize()} (ms)", cell, "Time per part")


def _spread_field(rows: Sequence[Row]) -> list[_Field[Point]]:
    if not rows:
        return []
    spreads: dict[tuple[str, float], list[float]] = {}
    for row in rows:
        spreads.setdefault((row.variant, row.quality), []).append(row.spread)

    def cell(point: Point) -> str:
        found = spreads.get((point.variant, point.quality))
        return number(100 * median(found), 1) if found else NOTHING

    return [_numbers("Spread (%)", cell, "Time per part")]


def _coverage(points: Sequence[Point]) -> str:
    """A warning where points are means over different numbers of images, as after a killed run."""
    most = max(point.images for point in points)
    short = [p for p in points if p.images < most]
    if not short:
        return ""
    names = [f"{name} ({group[0].images})" for name, group in by_variant(short).items()]
    return f"Not all points cover all {plural(most, 'image')}: {join_words(names)}."


def _percent(value: float | None, base: float | None) -> float | None:
    return None if value is None or not base else 100 * (value / base - 1)


def _difference(value: float | None, base: float | None) -> float | None:
    return None if value is None or base is None else value - base
