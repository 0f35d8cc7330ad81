"""Bars of time, part by part; a part has the same colour on every page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slimcodec.bench.rows import Row
from slimcodec.bench.summary import Point, Summary
from slimcodec.report.figures.looks import OTHER_PART, Look, part_look
from slimcodec.report.selection import has_several_qualities, middle_points
from slimcodec.report.tables import part_order
from slimcodec.report.text import number, plain

__all__ = ["Bar", "BarGroup", "Segment", "time_bars"]

_WAYS = ("encode", "decode")


@dataclass(frozen=True)
class Segment:
    """A part's stretch of a bar, as a share of the longest bar, in percent."""

    part: str
    look: Look
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
    """A variant's bars; ``beside`` says what else had the cores, and is empty where nothing had."""

    label: str
    detail: str
    bars: list[Bar]
    beside: str = ""


def time_bars(summary: Summary, rows: Sequence[Row]) -> tuple[list[BarGroup], list[Segment]]:
    """Bars of every variant at its middle quality, and a legend of the parts."""
    points = middle_points(summary)
    parts = part_order(points, rows)
    longest = max(max(_whole(point, way) for way in _WAYS) for point in points) or 1.0
    needs_quality = has_several_qualities(summary.points)
    beside = {row.variant: row.beside for row in rows if row.beside}
    groups = [
        BarGroup(
            point.variant,
            f"quality {plain(point.quality)}" if needs_quality else "",
            [_bar(point, way, parts, longest) for way in _WAYS],
            beside.get(point.variant, ""),
        )
        for point in points
    ]
    used = {s.part: s for group in groups for bar in group.bars for s in bar.segments}
    return groups, [used[part] for part in [*parts, OTHER_PART] if part in used]


def _whole(point: Point, way: str) -> float:
    """What a bar shows: the measured time, or its parts' sum where the medians add up to more."""
    measured = point.encode_ms if way == "encode" else point.decode_ms
    parts = sum(ms for name, ms in point.parts_ms.items() if name.startswith(f"{way}."))
    return max(measured, parts)


def _bar(point: Point, way: str, parts: Sequence[str], longest: float) -> Bar:
    measured = point.encode_ms if way == "encode" else point.decode_ms
    times = [(part, point.parts_ms.get(f"{way}.{part}", 0.0)) for part in parts]
    if way == "decode":
        times.reverse()  # a decoder meets the parts in the opposite order
    rest = _whole(point, way) - sum(ms for _, ms in times)
    if rest > 0.005 * measured:
        times.append((OTHER_PART, rest))
    segments = [
        Segment(part, part_look(part), round(100 * ms / longest, 3), f"{part} {number(ms, 1)} ms")
        for part, ms in times
        if ms > 0
    ]
    words = f"{way}: {number(measured, 1)} ms"
    if segments:
        words += f", of which {', '.join(segment.words for segment in segments)}"
    return Bar(way, number(measured, 1), segments, words)
