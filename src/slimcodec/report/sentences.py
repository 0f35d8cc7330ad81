"""What the tables amount to, in words, and the facts that every figure rests on.

A reader should get the result from the first line and find there nothing that the tables below do
not say; so each sentence is computed from the same points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slimcodec.bench.rows import Row
from slimcodec.bench.summary import Point, Summary
from slimcodec.metrics import Interval
from slimcodec.report.selection import by_variant, changed_points, leader
from slimcodec.report.text import (
    USUAL_METRICS,
    join_words,
    metric_label,
    metric_text,
    metrics_of,
    number,
    percent,
    plain,
    plural,
    signed,
)

__all__ = ["absent_metrics", "facts", "headline"]

_TELLING = ("ms-ssim", "psnr", "lpips", "ssim", "delta-e")


def headline(summary: Summary, *, is_study: bool) -> str:
    """The result in a sentence: of a study the changes of each codec, of a bench its BD-rates or
    its range."""
    if is_study:
        changed: dict[str, tuple[Point, list[Point]]] = {}
        for point, first in changed_points(summary):
            changed.setdefault(first.variant, (first, []))[1].append(point)
        if changed:
            whose = "its" if len(changed) > 1 else "the"
            return " ".join(_changes(first, others, whose) for first, others in changed.values())
    subject = leader(summary).variant
    rates = summary.bd_rates
    if rates:
        subject = subject if subject in rates else next(iter(rates))
        return _equal_quality(subject, summary.reference, rates[subject])
    return _range(summary)


def facts(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Term and text: images, measurements, machine, version, runtimes, metrics. No dates."""
    images = list({row.image_digest: row for row in rows}.values())
    sizes = list(dict.fromkeys(f"{row.width} × {row.height}" for row in images))
    shown = join_words(sizes) if len(sizes) <= 3 else f"{len(sizes)} sizes"
    variants = dict.fromkeys(row.variant for row in rows)
    labels = [metric_label(name) for name in metrics_of(rows)]
    machine = _said(rows, "cpu")
    cores = _said(rows, "cores")
    runtimes = list(dict.fromkeys(row.runtime for row in rows if row.runtime))
    found = [
        ("Images", f"{plural(len(images), 'image')}, {shown} pixels"),
        ("Measured", f"{plural(len(rows), 'stream')} of {plural(len(variants), 'variant')}"),
        ("Metrics", ", ".join(labels)),
        ("Machine", " / ".join(machine)),
        ("Cores", " / ".join(cores)),
        ("Instruction sets", " / ".join(_said(rows, "flags"))),
        ("Runtime", ", ".join(runtimes)),
        ("slimcodec", " / ".join(_said(rows, "slimcodec"))),
    ]
    return [(term, text) for term, text in found if text]


def absent_metrics(rows: Sequence[Row]) -> str:
    """One line on metrics that have no column, or not everywhere; empty when all are there."""
    found = metrics_of(rows)
    absent = [metric_label(name) for name in USUAL_METRICS if name not in found]
    partial = [metric_label(n) for n in found if not all(n in row.metrics for row in rows)]
    lines = []
    if absent:
        was = "was" if len(absent) == 1 else "were"
        has = "it has" if len(absent) == 1 else "they have"
        lines.append(f"{join_words(absent)} {was} not measured, so {has} no column.")
    if partial:
        lines.append(
            f"{join_words(partial)} {'is' if len(partial) == 1 else 'are'} missing for some images "
            "and left out of the means there."
        )
    return " ".join(lines)


def _said(rows: Sequence[Row], key: str) -> list[str]:
    """Every different value that the machines give for a key."""
    values = [row.machine[key] for row in rows if row.machine.get(key)]
    texts = (", ".join(map(str, v)) if isinstance(v, list | tuple) else plain(v) for v in values)
    return list(dict.fromkeys(texts))


def _changes(first: Point, others: Sequence[Point], whose: str) -> str:
    points = [first, *others]
    quality = next((m for m in ("ssim", *_TELLING) if all(m in p.metrics for p in points)), None)
    clauses = [_percent_clause("the average stream", first, others, "stream_bytes")]
    if quality is not None:
        gaps = [p.metrics[quality] - first.metrics[quality] for p in others]
        label, digits = metric_label(quality), 2 if quality in ("psnr", "delta-e") else 3
        clauses.append(f"{label} by {_between([signed(g, digits) for g in _ends(gaps)])}")
    clauses.append(_percent_clause("the total time", first, others, "total_s"))
    is_one = len(others) == 1
    subject = others[0].variant if is_one else f"{whose} {plural(len(others), 'other variant')}"
    verb = "changes" if is_one else "change"
    return f"Against {first.variant}, {subject} {verb} {join_words(clauses)}."


def _percent_clause(what: str, first: Point, others: Sequence[Point], field: str) -> str:
    base = getattr(first, field) or 1
    gaps = [100 * (getattr(point, field) / base - 1) for point in others]
    return f"{what} by {_between([percent(signed(g)) for g in _ends(gaps)])}"


def _ends(values: Sequence[float]) -> list[float]:
    return [min(values), max(values)]


def _between(texts: Sequence[str]) -> str:
    low, high = texts
    return low if low == high else f"{low} to {high}"


def _equal_quality(subject: str, reference: str, rates: Mapping[str, Interval]) -> str:
    clauses: list[str] = []
    for metric in (m for m in _TELLING[:3] if m in rates):
        rate = rates[metric].value
        amount = f"{percent(number(abs(rate), 1))} {'fewer' if rate < 0 else 'more'}"
        # Said in full once: "1 % fewer bytes than jpeg at equal PSNR and 2 % fewer at equal LPIPS".
        than = "" if clauses else f" bytes than {reference}"
        clauses.append(f"{amount}{than} at equal {metric_label(metric)}")
    if not clauses:
        metric, first = next(iter(rates.items()))
        amount = percent(signed(first.value))
        clauses = [f"{amount} bytes against {reference} at equal {metric_label(metric)}"]
    return f"{subject} needs {join_words(clauses)}."


def _range(summary: Summary) -> str:
    points: Any = summary.points
    names = list(by_variant(points))
    rates = _ends([p.bpp for p in points])
    text = f"{join_words(names) if len(names) <= 4 else plural(len(names), 'variant')}, "
    text += f"{_between([number(rate, 3) for rate in rates])} bits per pixel"
    metric = next((m for m in _TELLING if all(m in p.metrics for p in points)), None)
    if metric is not None:
        ends = _ends([p.metrics[metric] for p in points])
        label = metric_label(metric)
        text += f" and {label} {_between([metric_text(metric, end) for end in ends])}"
    return f"{text}."
