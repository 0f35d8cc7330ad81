"""Tables of what a learned codec is up against: curves that others published, and the download of
its own model."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from slimcodec.bench.break_even import BreakEven, break_even
from slimcodec.bench.published import PublishedCurve, published_rates
from slimcodec.bench.rows import Row
from slimcodec.bench.summary import Summary
from slimcodec.report.columns import Field, Table, fill, number_field, text_field
from slimcodec.report.text import (
    NOTHING,
    join_words,
    metric_label,
    metrics_of,
    number,
    plural,
    signed,
)

__all__ = ["break_even_table", "of_other_pictures", "published_table"]


@dataclass(frozen=True)
class _Pair:
    """A variant, what it is set against, and a figure for each metric."""

    variant: str
    other: str
    figures: dict[str, float]


def published_table(
    summary: Summary, curves: Sequence[PublishedCurve], images: Collection[str]
) -> Table:
    """BD-rates against published curves, a variant a row; no rows where none can be compared.

    Args:
        summary: of what was measured.
        curves: from elsewhere; those of other pictures are left out.
        images: names, without suffix, of the pictures that were measured.
    """
    curves = [curve for curve in curves if curve.is_of(images)]
    rates = published_rates(summary.points, curves)
    found = {(rate.variant, rate.metric, rate.codec): rate.percent for rate in rates}
    variants = dict.fromkeys(rate.variant for rate in rates)
    columns = dict.fromkeys((rate.metric, rate.codec) for rate in rates)

    def field(metric: str, codec: str) -> Field[str]:
        group = f"Against, at equal {metric_label(metric)}"
        return number_field(
            f"{codec} (%)", lambda variant: signed(found.get((variant, metric, codec))), group
        )

    fields: list[Field[str]] = [
        text_field("Variant", lambda variant: variant),
        *[
            field(metric, codec)
            for metric in metrics_of(summary.points)
            for name, codec in columns
            if name == metric
        ],
    ]
    sources = list(dict.fromkeys(curve.source for curve in curves))
    note = (
        "Average difference in bytes against curves that others published, of the same pictures "
        "where they say which. They are means, so there are no intervals. Sources: "
        f"{join_words(sources)}."
    )
    return fill("BD-rate against published curves", fields, variants, note)


def of_other_pictures(curves: Sequence[PublishedCurve], images: Collection[str]) -> str:
    """A sentence on published curves that are drawn and not compared; empty without such."""
    apart = [curve for curve in curves if not curve.is_of(images)]
    if not apart:
        return ""
    numbers = sorted({len(curve.images) for curve in apart})
    return (
        f"The published curves are of {join_words([plural(n, 'other picture') for n in numbers])}, "
        "so they are drawn to show about where they lie, and nothing is counted against them."
    )


def break_even_table(rows: Sequence[Row]) -> Table:
    """After how many pictures a model's download is paid for; no rows where nothing compares."""
    found: dict[tuple[str, str], dict[str, BreakEven]] = {}
    for each in break_even(rows):
        found.setdefault((each.variant, each.peer), {})[each.metric] = each
    models = {variant: next(iter(of.values())).model_bytes for (variant, _), of in found.items()}
    pairs = [
        _Pair(variant, peer, {metric: each.pictures for metric, each in of.items()})
        for (variant, peer), of in found.items()
    ]

    def field(metric: str) -> Field[_Pair]:
        def cell(pair: _Pair) -> str:
            pictures = pair.figures.get(metric)
            if pictures is None:
                return NOTHING
            return "never" if pictures == float("inf") else number(pictures)

        return number_field(metric_label(metric), cell, "Pictures at equal")

    fields: list[Field[_Pair]] = [
        text_field("Variant", lambda pair: pair.variant),
        number_field("Model (bytes)", lambda pair: number(models[pair.variant])),
        text_field("Against", lambda pair: pair.other),
        *[field(metric) for metric in metrics_of(rows) if any(metric in p.figures for p in pairs)],
    ]
    note = (
        "Pictures like these until smaller streams have saved as many bytes as the model file has, "
        "at the quality of the variant’s middle point. Never: its streams are not smaller."
    )
    return fill("When a model is paid for", fields, pairs, note)
