"""Tables as plain words, for whoever prints them: the page with HTML, the command line with rich.

Here are those that show what was measured: points, a study, BD-rates, every row. What variants
changed is in `slimcodec.report.changes`, time per iteration in `slimcodec.report.steps`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from slimcodec.bench.rows import Row
from slimcodec.bench.summary import Point, Summary
from slimcodec.report.columns import Column, Field, Table, fill, number_field, text_field
from slimcodec.report.selection import akin, by_variant, has_several_qualities
from slimcodec.report.text import (
    NOTHING,
    brackets,
    interval_text,
    join_words,
    metric_heading,
    metric_label,
    metric_text,
    metrics_of,
    number,
    plain,
    plural,
)

__all__ = ["bd_rate_table", "part_order", "points_table", "rows_table", "study_table"]


def points_table(summary: Summary) -> Table:
    """Every point of a bench: rate, metrics and times, as means over the images."""
    points = summary.points
    fields = [
        text_field("Variant", lambda p: p.variant),
        number_field("Quality", lambda p: plain(p.quality)),
        number_field("Size (bytes)", lambda p: number(p.stream_bytes)),
        number_field("Rate (bpp)", lambda p: number(p.bpp, 3)),
        *_metric_fields(metrics_of(points)),
        *_model_field(points),
        number_field("Encode (ms)", lambda p: number(p.encode_ms, 1)),
        number_field("Decode (ms)", lambda p: number(p.decode_ms, 1)),
    ]
    note = "Means over the images. " + _coverage(points)
    return fill("All measured points", fields, points, note.strip())


def study_table(summary: Summary, study: Mapping[str, Any], rows: Sequence[Row] = ()) -> Table:
    """A study's result: its settings, the published table's columns, then what we add.

    Args:
        summary: of the study's rows.
        study: what the study says of itself; ``columns`` names the settings to show.
        rows: give them too, and the table has the spread of the times, and parts in working order.
    """
    points = summary.points
    metrics = metrics_of(points)
    quality: Field[Point] = number_field("Quality", lambda p: plain(p.quality))
    fields = [
        text_field("Variant", lambda p: p.variant),
        *([quality] if has_several_qualities(points) else []),
        *[_setting_field(name, points) for name in _settings_said(study, points)],
        number_field("Total time (s)", lambda p: number(p.total_s, 2), "As published"),
        *_metric_fields([m for m in metrics if m == "ssim"], "As published"),
        number_field("Average size (bytes)", lambda p: number(p.stream_bytes), "As published"),
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
    return fill(str(study.get("title", "Study")), fields, points, note.strip())


def bd_rate_table(summary: Summary) -> Table:
    """BD-rates against the reference; no rows where no pair of curves has one."""
    rates = summary.bd_rates
    found = {metric for each in rates.values() for metric in each}
    metrics = [metric for metric in metrics_of(summary.points) if metric in found]

    def rate(metric: str) -> Field[str]:
        head = f"{metric_label(metric)} (%)"
        return number_field(
            head, lambda variant: interval_text(rates[variant].get(metric)), "At equal"
        )

    fields: list[Field[str]] = [text_field("Variant", lambda variant: variant), *map(rate, metrics)]
    note = (
        f"Average difference in bytes against {summary.reference} at equal quality, over the range "
        "of quality that both reach. Negative means fewer bytes for the same quality. "
        f"{brackets(each for of in rates.values() for each in of.values())}"
        f"SSIM and MS-SSIM enter in dB; {NOTHING} where two curves share no range."
    )
    return fill(f"BD-rate against {summary.reference}", fields, rates, note)


def rows_table(rows: Sequence[Row]) -> Table:
    """Every measurement, image by image."""
    fields: list[Field[Row]] = [
        text_field("Image", lambda r: r.image),
        text_field("Variant", lambda r: r.variant),
        number_field("Quality", lambda r: plain(r.quality)),
        number_field("Width (px)", lambda r: plain(r.width)),
        number_field("Height (px)", lambda r: plain(r.height)),
        number_field("Size (bytes)", lambda r: number(r.stream_bytes)),
        number_field("Rate (bpp)", lambda r: number(r.bpp, 3)),
        *_metric_fields(metrics_of(rows)),
        number_field("Encode (ms)", lambda r: number(r.encode_ms, 1)),
        number_field("Decode (ms)", lambda r: number(r.decode_ms, 1)),
        number_field("Spread (%)", lambda r: _spread(r.spread)),
        *_known_fields(rows),
    ]
    order = {name: n for n, name in enumerate(dict.fromkeys(row.variant for row in rows))}
    ordered = sorted(rows, key=lambda r: (r.image, order[r.variant], r.quality))
    return fill("Every measurement", fields, ordered)


def _known_fields(rows: Sequence[Row]) -> list[Field[Row]]:
    """What only some machines and runs tell of a measurement."""
    fields: list[tuple[bool, Field[Row]]] = [
        (
            any(row.peak_mb is not None for row in rows),
            number_field("Peak memory (MB)", lambda r: number(r.peak_mb)),
        ),
        (
            any(row.energy_j is not None for row in rows),
            number_field("Energy (J)", lambda r: number(r.energy_j, 2)),
        ),
        (
            any(row.beside for row in rows),
            text_field("Timed beside", lambda r: r.beside or NOTHING),
        ),
    ]
    return [field for is_known, field in fields if is_known]


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


def _metric_fields(names: Sequence[str], group: str = "") -> list[Field[Any]]:
    def field(name: str) -> Field[Any]:
        return number_field(
            metric_heading(name), lambda thing: metric_text(name, thing.metrics.get(name)), group
        )

    return [field(name) for name in names]


def _model_field(points: Sequence[Point], group: str = "") -> list[Field[Point]]:
    if not any(point.model_bytes for point in points):
        return []
    return [number_field("Model (bytes)", lambda p: number(p.model_bytes or None), group)]


def _settings_said(study: Mapping[str, Any], points: Sequence[Point]) -> Sequence[str]:
    """Those that a study shows; none where rows are of text that does not say any."""
    return study.get("columns", ()) if any(point.settings for point in points) else ()


def _setting_field(name: str, points: Sequence[Point]) -> Field[Point]:
    """A setting's column. A ratio that a variant does not name but one akin to it does is 0."""
    said = [point.settings[name] for point in points if name in point.settings]
    ratios = bool(said) and all(isinstance(v, int | float) and 0 <= v <= 1 for v in said)

    def cell(point: Point) -> str:
        if name in point.settings:
            return plain(point.settings[name])
        is_known = any(name in other.settings for other in points if akin(point, other))
        return "0" if ratios and is_known else NOTHING

    return Field(Column(name.capitalize(), numeric=ratios or not said, group="Settings"), cell)


def _part_field(part: str) -> Field[Point]:
    def cell(point: Point) -> str:
        names = [f"{way}.{part}" for way in ("encode", "decode")]
        found = [point.parts_ms[name] for name in names if name in point.parts_ms]
        return number(sum(found), 1) if found else NOTHING

    return number_field(f"{part.capitalize()} (ms)", cell, "Time per part")


def _spread_field(rows: Sequence[Row]) -> list[Field[Point]]:
    if not rows:
        return []
    spreads: dict[tuple[str, float], list[float]] = {}
    for row in rows:
        if row.spread is not None:
            spreads.setdefault((row.variant, row.quality), []).append(row.spread)

    def cell(point: Point) -> str:
        found = spreads.get((point.variant, point.quality))
        return _spread(median(found) if found else None)

    return [number_field("Spread (%)", cell, "Time per part")]


def _spread(share: float | None) -> str:
    return NOTHING if share is None else number(100 * share, 1)


def _coverage(points: Sequence[Point]) -> str:
    """A warning where points are means over different numbers of images, as after a killed run."""
    most = max(point.images for point in points)
    short = [p for p in points if p.images < most]
    if not short:
        return ""
    names = [f"{name} ({group[0].images})" for name, group in by_variant(short).items()]
    return f"Not all points cover all {plural(most, 'image')}: {join_words(names)}."
