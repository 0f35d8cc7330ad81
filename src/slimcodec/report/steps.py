"""Time per iteration of codecs that work in steps.

The figures are those of the highest quality: one encode and one decode through all steps. An encode
of fewer iterations is the same encode ended earlier, so what it takes stands in the same table,
under "up to here". Of each codec only the first variant is shown: a dozen tables of nearly the same
times would hide them, and what passes changed in time has a table of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slimcodec.bench.summary import Point, Summary
from slimcodec.report.columns import Field, Table, fill, number_field, text_field
from slimcodec.report.selection import by_variant, changed_points
from slimcodec.report.text import join_words, number, plain

__all__ = ["steps_table"]

_WAYS = ("encode", "decode")


@dataclass(frozen=True)
class _Step:
    """One iteration of one variant, counted from 1."""

    point: Point
    number: int

    def ms(self, name: str) -> float | None:
        """Of one part in this step; None where the variant has no such part."""
        steps = self.point.steps_ms.get(name)
        return None if steps is None else steps[self.number - 1]

    def up_to_here_ms(self, way: str) -> float:
        """Of all parts, in this step and those before it."""
        return sum(
            sum(steps[: self.number])
            for name, steps in self.point.steps_ms.items()
            if name.startswith(f"{way}.")
        )


def steps_table(summary: Summary) -> Table:
    """One row per iteration of every codec that has any; no rows where none has."""
    changed = {point.variant for point, _ in changed_points(summary)}
    points = [
        max((p for p in points if p.steps_ms), key=lambda p: p.quality)
        for variant, points in by_variant(summary.points).items()
        if variant not in changed and any(p.steps_ms for p in points)
    ]
    steps = [
        _Step(point, number)
        for point in points
        for number in range(1, max(map(len, point.steps_ms.values())) + 1)
    ]
    variant: Field[_Step] = text_field("Variant", lambda step: step.point.variant)
    fields: list[Field[_Step]] = [
        *([variant] if len(points) > 1 else []),
        text_field("Iteration", lambda step: plain(step.number)),
        *[field for way in _WAYS for field in _fields(way, points)],
    ]
    who = join_words([point.variant for point in points])
    note = (
        f"Milliseconds of {who} for one image, as means over the images. An iteration is "
        "charged with all it needs, so the parts of an encode or a decode of n iterations take "
        "together what stands under “up to here” in row n; what is needed once, such as rounding "
        "to pixels, is in no row."
    )
    return fill("Time per iteration", fields, steps, note)


def _fields(way: str, points: Sequence[Point]) -> list[Field[_Step]]:
    """The parts of one way, and what they add up to from the first iteration on."""
    names = dict.fromkeys(name for point in points for name in point.steps_ms)

    def part(name: str) -> Field[_Step]:
        head = f"{name.partition('.')[2].capitalize()} (ms)"
        return number_field(head, lambda step: number(step.ms(name), 1), way.capitalize())

    own = [name for name in names if name.startswith(f"{way}.")]
    total: Field[_Step] = number_field(
        "Up to here (ms)",
        lambda step: number(step.up_to_here_ms(way), 1),
        way.capitalize(),
    )
    return [*map(part, own), total] if own else []
