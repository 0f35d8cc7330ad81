"""What variants changed: beside the published changes, and in time beside what zeros could save.

Like is compared with like: every figure here is against the first variant made from the same codec
and measured at the same quality (`slimcodec.report.selection.changed_points`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from slimcodec.bench.summary import Point, Summary
from slimcodec.report.columns import Field, Table, fill, number_field, text_field
from slimcodec.report.selection import changed_points
from slimcodec.report.text import join_words, number, percent, signed

__all__ = ["change_table", "part_ms", "pruned_parts", "speed_table"]

_Pair = tuple[Point, Point]
"""A variant's point, and the point that it is a change of."""

_CLOCKED_AS = {"probability": "prior"}
"""Parts of a network whose time runs under another name; every other part keeps its own."""


def change_table(summary: Summary, study: Mapping[str, Any]) -> Table:
    """Changes of every variant of a codec against its first, ours beside the published."""
    pairs = changed_points(summary)
    published: Mapping[str, Mapping[str, float]] = study.get("published", {})
    has_ssim = any("ssim" in point.metrics for pair in pairs for point in pair)

    def change(key: str, ours: Callable[[Point], float | None], digits: int) -> list[Field[_Pair]]:
        compare = _difference if key == "ssim" else _percent
        name, unit = _CHANGE_HEADS[key]

        def there(pair: _Pair) -> str:
            after, before = (published.get(point.variant, {}).get(key) for point in pair)
            return signed(compare(after, before), digits)

        return [
            number_field(
                f"{name} here{unit}", lambda p: signed(compare(ours(p[0]), ours(p[1])), digits)
            ),
            *(
                [number_field(f"{name} published{unit}", there)]
                if any(key in each for each in published.values())
                else []
            ),
        ]

    fields = [
        *_who(pairs),
        *change("average_bytes", lambda p: p.stream_bytes, 1),
        *(change("ssim", lambda p: p.metrics.get("ssim"), 4) if has_ssim else []),
        *change("total_time_s", lambda p: p.image_ms, 1),
    ]
    firsts = _firsts(pairs)
    title = f"Change against {join_words([first.variant for first in firsts])}"
    return fill(title, fields, pairs, _change_note(study))


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


def speed_table(summary: Summary) -> Table:
    """What zeroed weights could have saved beside what they did; no rows where nothing was pruned.

    Expected is the time of the variant that this one is a change of, less the share of zeroed
    weights of each pruned part's time: the figure if every multiplication by zero were free and
    nothing else changed.
    """

    def expected(pair: _Pair) -> float:
        point, first = pair
        saved = (ratio * part_ms(first, part) for part, ratio in pruned_parts(point, first))
        return first.image_ms - sum(saved)

    changed = changed_points(summary)
    pairs = [pair for pair in changed if pruned_parts(*pair)]
    fields: list[Field[_Pair]] = [
        *_who(pairs),
        text_field("Weights set to zero", lambda p: _pruned_words(*p)),
        number_field("Expected (ms)", lambda p: number(expected(p), 1)),
        number_field("Achieved (ms)", lambda p: number(p[0].image_ms, 1)),
        number_field("Expected change (%)", lambda p: signed(_percent(expected(p), p[1].image_ms))),
        number_field(
            "Achieved change (%)", lambda p: signed(_percent(p[0].image_ms, p[1].image_ms))
        ),
    ]
    times = [f"{first.variant} takes {number(first.image_ms, 1)} ms" for first in _firsts(pairs)]
    note = (
        f"Encoding and decoding one image; {join_words(times)}. Expected is that time if every "
        "multiplication by a zeroed weight were free."
    )
    if any(len(_ratios(point)) > len(pruned_parts(point, first)) for point, first in changed):
        note += " Nothing is expected of a part that is not clocked by itself."
    return fill("Expected and achieved time", fields, pairs, note)


def pruned_parts(point: Point, first: Point) -> list[tuple[str, float]]:
    """Parts that the variant's settings name with a share between 0 and 1 and that were clocked."""
    return [(name, ratio) for name, ratio in _ratios(point) if part_ms(first, name)]


def _ratios(point: Point) -> list[tuple[str, float]]:
    settings = point.settings.items()
    return [(name, value) for name, value in settings if isinstance(value, float) and 0 < value < 1]


def _who(pairs: Sequence[_Pair]) -> list[Field[_Pair]]:
    """The variant, and where there are several, which one it is a change of."""
    fields: list[Field[_Pair]] = [text_field("Variant", lambda p: p[0].variant)]
    if len(_firsts(pairs)) > 1:
        fields.append(text_field("Against", lambda p: p[1].variant))
    return fields


def _firsts(pairs: Sequence[_Pair]) -> list[Point]:
    return list({first.variant: first for _, first in pairs}.values())


def part_ms(point: Point, part: str) -> float:
    """Milliseconds of a part of the network, encoding and decoding together."""
    part = _CLOCKED_AS.get(part, part)
    return sum(point.parts_ms.get(f"{way}.{part}", 0.0) for way in ("encode", "decode"))


def _pruned_words(point: Point, first: Point) -> str:
    said = pruned_parts(point, first)
    return ", ".join(f"{part} {percent(number(100 * ratio))}" for part, ratio in said)


def _percent(value: float | None, base: float | None) -> float | None:
    return None if value is None or not base else 100 * (value / base - 1)


def _difference(value: float | None, base: float | None) -> float | None:
    return None if value is None or base is None else value - base
