"""What the tables amount to, in words, and the facts that every figure rests on.

A reader finds here nothing that the tables do not say: each sentence is computed from the same
points. Who wins and who loses is in `slimcodec.report.verdict`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slimcodec.bench.rows import Row
from slimcodec.bench.same_size import size_difference
from slimcodec.bench.summary import Point, Summary
from slimcodec.report.selection import by_variant
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

__all__ = ["absent_metrics", "beside_note", "changes", "extent", "facts", "same_size_notes"]

_SAME_FILE = 0.01
"""Model files that differ by less are equal, but for how well their weights compress."""

_TELLING = ("ms-ssim", "psnr", "lpips", "ssim", "delta-e")


def facts(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Term and text: images, measurements, machine, versions, metrics, memory, energy. No dates."""
    images = list({row.image_digest: row for row in rows}.values())
    sizes = list(dict.fromkeys(f"{row.width} × {row.height}" for row in images))
    shown = join_words(sizes) if len(sizes) <= 3 else f"{len(sizes)} sizes"
    variants = dict.fromkeys(row.variant for row in rows)
    labels = [metric_label(name) for name in metrics_of(rows)]
    runtimes = list(dict.fromkeys(row.runtime for row in rows if row.runtime))
    found = [
        ("Images", f"{plural(len(images), 'image')}, {shown} pixels"),
        ("Measured", f"{plural(len(rows), 'stream')} of {plural(len(variants), 'variant')}"),
        ("Metrics", ", ".join(labels)),
        ("Timed runs of each", _between([plain(n) for n in _ends([row.repeats for row in rows])])),
        ("Beside it ran", " / ".join(dict.fromkeys(row.beside for row in rows if row.beside))),
        ("Machine", " / ".join(_said(rows, "cpu"))),
        ("Cores", " / ".join(_said(rows, "cores"))),
        ("Instruction sets", " / ".join(_said(rows, "flags"))),
        ("Runtime", ", ".join(runtimes)),
        ("Versions", _environments(rows)),
        ("Peak memory", _megabytes([row.peak_mb for row in rows if row.peak_mb is not None])),
        ("Energy", _joules([row.energy_j for row in rows if row.energy_j is not None])),
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


def extent(summary: Summary) -> str:
    """Who was measured, and over which rates and qualities."""
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


def changes(pairs: Sequence[tuple[Point, Point]]) -> list[str]:
    """What the variants of each codec changed, one sentence for each codec.

    Args:
        pairs: a variant's point, and the point that it is a change of.
    """
    changed: dict[str, tuple[Point, list[Point]]] = {}
    for point, first in pairs:
        changed.setdefault(first.variant, (first, []))[1].append(point)
    whose = "its" if len(changed) > 1 else "the"
    return [_changes(first, others, whose) for first, others in changed.values()]


def same_size_notes(study: Mapping[str, Any], rows: Sequence[Row]) -> list[str]:
    """How near "the same size" came, a sentence for each variant that was to match another."""
    found = []
    for name, other in study.get("same_size_as", {}).items():
        own, wanted = ([r for r in rows if r.variant == each] for each in (name, other))
        gap = size_difference(own, wanted)
        if gap is not None:
            found.append(
                f"{name}: its streams together are {percent(signed(gap.mean_percent))} of bytes "
                f"off those of {other}, {percent(signed(gap.worst_percent))} at worst."
            )
    return found


def beside_note(rows: Sequence[Row]) -> str:
    """Whose times are no speeds, because something else had the cores; empty where nothing had."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.beside and row.variant not in found.setdefault(row.beside, []):
            found[row.beside].append(row.variant)
    every = len({row.variant for row in rows})
    clauses = [
        f"{'all variants' if len(names) == every else join_words(names)}: {beside}"
        for beside, names in found.items()
    ]
    if not clauses:
        return ""
    return f"Other work ran beside, so these times are no speeds ({'; '.join(clauses)})."


def _environments(rows: Sequence[Row]) -> str:
    """What decided bytes and pixels besides the models, each said once."""
    found = [f"{name} {value}" for row in rows for name, value in row.environment.items()]
    return ", ".join(dict.fromkeys(found))


def _megabytes(peaks: Sequence[float]) -> str:
    return f"up to {number(max(peaks))} MB" if peaks else ""


def _joules(energies: Sequence[float]) -> str:
    if not energies:
        return ""
    return f"{_between([number(e, 1) for e in _ends(energies)])} J for one encode and decode"


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
    if any(abs(p.model_bytes - first.model_bytes) > _SAME_FILE * first.model_bytes for p in others):
        clauses.append(_percent_clause("the model file", first, others, "model_bytes"))
    clauses.append(_percent_clause("the total time", first, others, "image_ms"))
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
