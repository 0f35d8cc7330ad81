"""Whether what was published elsewhere happens here too: sign, size, and why, as far as measured.

Figures of other weights on another machine do not compare, but what a change *does* may: more bytes
or fewer, a loss of SSIM, time saved. Each published change is set beside ours, against the first
variant of the same codec that was published too. The two agree where they have the same sign, or
where neither moves. A change below what is printed, or below what a clock can tell, is no movement;
nor is one of ours whose interval over the images contains zero. Times count only of images where
both were timed alone and on one machine; where there is none, nothing is said of agreement.

Reasons are given only where the rows themselves show them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from slimcodec.bench.rows import Row
from slimcodec.bench.summary import Point, Summary
from slimcodec.metrics import Interval
from slimcodec.report.changes import part_ms, pruned_parts
from slimcodec.report.columns import Field, Table, fill, number_field, text_field
from slimcodec.report.intervals import mean_interval, ratio_interval
from slimcodec.report.selection import changed_points
from slimcodec.report.text import (
    NOTHING,
    brackets,
    interval_text,
    join_words,
    metric_digits,
    metric_label,
    metric_unit,
    number,
    percent,
    percent_interval,
    plain,
    plural,
    signed,
)

__all__ = ["FIGURES", "Agreement", "Trend", "find_trends", "trend_sentences", "trend_table"]

Agreement = Literal["agrees", "differs", ""]

FIGURES: Mapping[str, tuple[str, str, int]] = {
    "average_bytes": ("Bytes", "%", 1),
    "ssim": ("SSIM", "", 4),
    "total_time_s": ("Time", "%", 1),
}
"""Key of a published figure to its name, unit of its change and digits. SSIM is a difference, as a
percentage of a figure with a ceiling says nothing."""

_NAMES = {"average_bytes": "bytes", "ssim": "SSIM", "total_time_s": "time"}
"""As they stand within a sentence."""

_STILL = {"average_bytes": 0.1, "ssim": 0.0005, "total_time_s": 1.5}
"""Below it a change is none: SSIM has four digits in print, time whole seconds of a hundred."""


_SEEN = {"psnr": 0.05, "lpips": 0.005}
"""Of other metrics, what is a change that one can speak of."""


@dataclass(frozen=True)
class Trend:
    """One figure of one variant, as a change against the first of its codec.

    Attributes:
        variant, first: who changed, and against whom.
        key: of the figure, as studies name it.
        here: our change, percent or a difference.
        published: the published change; None where there is none.
        why: what the rows show of the reason; empty where they show none.
        doubt: why ours is not to be believed, and nothing is said of agreement; empty where it is.
    """

    variant: str
    first: str
    key: str
    here: Interval
    published: float | None
    why: str
    doubt: str = ""

    @property
    def moves_here(self) -> bool:
        """Whether ours is a change at all."""
        low, high = self.here.low, self.here.high
        contains_zero = low is not None and high is not None and low <= 0 <= high
        return abs(self.here.value) >= _STILL[self.key] and not contains_zero

    @property
    def moves_there(self) -> bool:
        """Whether the published one is a change at all."""
        return self.published is not None and abs(self.published) >= _STILL[self.key]

    @property
    def agreement(self) -> Agreement:
        """Empty where nothing was published, or ours is not to be believed."""
        if self.published is None or self.doubt:
            return ""
        if self.moves_here != self.moves_there:
            return "differs"
        same = not self.moves_here or (self.here.value > 0) == (self.published > 0)
        return "agrees" if same else "differs"

    @property
    def ratio(self) -> float | None:
        """How many times as large ours is; None where either is no change."""
        if self.published is None or not (self.moves_here and self.moves_there):
            return None
        return self.here.value / self.published

    @property
    def words(self) -> str:
        """What is the same or not."""
        if self.published is None:
            return ""
        if self.doubt:
            return f"not judged: {self.doubt}"
        if not self.moves_here and not self.moves_there:
            return "agrees: no change in either"
        if not self.moves_here:
            return "differs: no change here"
        if not self.moves_there:
            return "differs: no change there"
        if self.agreement == "differs":
            return "differs: the other direction"
        ratio = self.ratio or 0.0
        large = number(ratio) if abs(ratio) >= 10 else plain(float(f"{ratio:.2g}"))
        times = f"{large} times as large here"
        return f"agrees: {times}" if self.is_alike else f"direction agrees, size does not: {times}"

    @property
    def is_alike(self) -> bool:
        """Whether the two agree, and where both move, ours is half to twice as large."""
        ratio = self.ratio
        return self.agreement == "agrees" and (ratio is None or 0.5 <= ratio <= 2)


def find_trends(summary: Summary, rows: Sequence[Row], study: Mapping[str, Any]) -> list[Trend]:
    """Every figure of every variant that is a change of another one.

    Args:
        summary: of the study's rows.
        rows: what the intervals are computed from.
        study: what the study says of itself; its ``published`` figures by variant.
    """
    published: Mapping[str, Mapping[str, float]] = study.get("published", {})
    images: dict[tuple[str, float], dict[str, Row]] = {}
    for row in rows:
        images.setdefault((row.variant, row.quality), {})[row.image_digest] = row
    found = []
    for point, first in changed_points(summary):
        after, before = (images[p.variant, p.quality] for p in (point, first))
        pairs = [(after[image], before[image]) for image in after if image in before]
        for key in FIGURES:
            counted, doubt = _believed(pairs) if key == "total_time_s" else (pairs, "")
            here = _change_here(key, counted)
            if here is not None:
                there = _change_there(
                    key, published.get(point.variant, {}), published.get(first.variant, {})
                )
                trend = Trend(point.variant, first.variant, key, here, there, "", doubt)
                why = "" if doubt else _why(trend, point, first, pairs)
                found.append(replace(trend, why=why))
    return found


def _believed(pairs: Sequence[tuple[Row, Row]]) -> tuple[Sequence[tuple[Row, Row]], str]:
    """Those whose times compare; where there are none, all of them and why not."""
    doubts = [_doubt(*pair) for pair in pairs]
    alone = [pair for pair, doubt in zip(pairs, doubts, strict=True) if not doubt]
    return (alone, "") if alone or not pairs else (pairs, doubts[0])


def _doubt(after: Row, before: Row) -> str:
    """Why the times of two rows do not compare; empty where they do."""
    if after.clocked_on != before.clocked_on:
        return "timed on different machines or numbers of threads"
    return "timed beside other work" if after.beside or before.beside else ""


def trend_table(trends: Sequence[Trend]) -> Table:
    """Those of which something was published; no rows where nothing was."""

    def change(value: Interval | None, key: str) -> str:
        _, unit, digits = FIGURES[key]
        if value is None:
            return NOTHING
        return percent_interval(value, digits) if unit else interval_text(value, digits)

    said = [trend for trend in trends if trend.published is not None]
    fields: list[Field[Trend]] = [
        text_field("Variant", lambda t: t.variant),
        text_field("Change of", lambda t: FIGURES[t.key][0]),
        number_field("Published", lambda t: change(Interval(t.published or 0.0), t.key)),
        number_field("Here", lambda t: change(t.here, t.key)),
        text_field("Verdict", lambda t: t.words),
        text_field("Why, as far as measured", lambda t: t.why or NOTHING),
    ]
    note = (
        "Changes against the first published variant of the same codec. "
        f"{brackets(trend.here for trend in said)}Changes below "
        f"{percent(number(_STILL['average_bytes'], 1))} of bytes, "
        f"{number(_STILL['ssim'], 4)} of SSIM or {percent(number(_STILL['total_time_s'], 1))} of "
        "time count as none."
    )
    return fill("Published trends", fields, said, note)


def trend_sentences(trends: Sequence[Trend]) -> list[str]:
    """What of the published trends is seen here; empty where nothing was published."""
    unjudged = list(dict.fromkeys(t.doubt for t in trends if t.published is not None and t.doubt))
    doubts = [f"Times are not judged, as they were {join_words(unjudged)}."] if unjudged else []
    said = [trend for trend in trends if trend.agreement]
    if not said:
        return doubts
    by_key = {key: [t for t in said if t.key == key] for key in FIGURES}
    counts = [
        f"{_NAMES[key]} {_agreeing(each)} of {len(each)}" for key, each in by_key.items() if each
    ]
    found = [
        f"Of {plural(len(said), 'published change')}, {_agreeing(said)} "
        f"{'agrees' if _agreeing(said) == 1 else 'agree'} in direction ({join_words(counts)}), "
        f"{sum(trend.is_alike for trend in said)} of them in size too, to a factor of two."
    ]
    for key, each in by_key.items():
        differing = [t for t in each if t.agreement == "differs"]
        if not differing:
            continue
        there = _span([t.published or 0.0 for t in differing], key)
        here = _span([t.here.value for t in differing], key)
        reasons = [t.why for t in differing if t.why]
        why = f" Measured: {reasons[0]}." if reasons else ""
        found.append(f"Where {_NAMES[key]} differs, {there} is published and {here} here.{why}")
    return [*found, *doubts]


def _agreeing(trends: Sequence[Trend]) -> int:
    return sum(trend.agreement == "agrees" for trend in trends)


def _span(values: Sequence[float], key: str) -> str:
    _, unit, digits = FIGURES[key]
    low, high = (signed(end, digits) for end in (min(values), max(values)))
    text = low if low == high else f"{low} to {high}"
    return percent(text) if unit else text


def _change_here(key: str, pairs: Sequence[tuple[Row, Row]]) -> Interval | None:
    if not pairs:
        return None
    if key == "ssim":
        if not all("ssim" in row.metrics for pair in pairs for row in pair):
            return None
        return mean_interval([a.metrics["ssim"] - b.metrics["ssim"] for a, b in pairs])
    if key == "average_bytes":
        return ratio_interval(
            [a.stream_bytes for a, _ in pairs], [b.stream_bytes for _, b in pairs]
        )
    after, before = (
        [row.encode_ms + row.decode_ms for row in side] for side in zip(*pairs, strict=True)
    )
    return ratio_interval(after, before) if all(before) else None


def _change_there(
    key: str, after: Mapping[str, float], before: Mapping[str, float]
) -> float | None:
    if key not in after or not before.get(key):
        return None
    return after[key] - before[key] if key == "ssim" else 100 * (after[key] / before[key] - 1)


def _why(trend: Trend, point: Point, first: Point, pairs: Sequence[tuple[Row, Row]]) -> str:
    """What the rows show of a change here, or of its absence."""
    if trend.key == "total_time_s":
        return _why_time(trend, point, first)
    if trend.key == "average_bytes":
        zeroed = [part for part, _ in pruned_parts(point, first)]
        if all(a.stream_bytes == b.stream_bytes for a, b in pairs):
            return "every stream is as long as before, so what was pruned writes none of it"
        runs = [part for part in zeroed if f"encode.{part}" in first.parts_ms]
        if trend.moves_here and not trend.moves_there and runs:
            return f"the {join_words(runs)} runs while encoding, so other bits are written"
        return ""
    return _why_quality(point, first) if trend.moves_here else ""


def _why_quality(point: Point, first: Point) -> str:
    """Whether it is SSIM alone that moves."""
    others = [name for name in _SEEN if name in point.metrics and name in first.metrics]
    if not others:
        return ""
    gaps = {name: point.metrics[name] - first.metrics[name] for name in others}
    moved = [
        f"{metric_label(name)} {signed(gap, metric_digits(name))} {metric_unit(name)}".strip()
        for name, gap in gaps.items()
        if abs(gap) >= _SEEN[name]
    ]
    if moved:
        return f"not SSIM alone: {join_words(moved)}"
    labels = [metric_label(name) for name in others]
    return f"SSIM alone: {join_words(labels)} {'stays' if len(labels) == 1 else 'stay'}"


def _why_time(trend: Trend, point: Point, first: Point) -> str:
    zeroed = pruned_parts(point, first)
    if not trend.moves_here and zeroed:
        parts = [
            f"{part} {percent(number(100 * share))} zeros, its time "
            f"{percent(signed(100 * (part_ms(point, part) / part_ms(first, part) - 1)))}"
            for part, share in zeroed
        ]
        return f"{'; '.join(parts)}: the kernels multiply by zeros too"
    if not trend.moves_here:
        return ""
    names = sorted({*point.parts_ms, *first.parts_ms})
    gaps = {name: point.parts_ms.get(name, 0.0) - first.parts_ms.get(name, 0.0) for name in names}
    if not gaps:
        return ""
    most = max(gaps, key=lambda name: abs(gaps[name]))
    way, _, part = most.partition(".")
    return f"most of it in {part} while {way[:-1]}ing: {signed(gaps[most], 1)} ms"
