"""Time per part, and per step of a codec that works in steps.

A ``PartClock`` charges wall-clock time to named parts, and a measurement reports medians over its
repeats, part by part, because a shared machine's mean is mostly its neighbours.

The spread that rows have (``measure``) is from the smallest to the largest: repeats are three or
five, of which quartiles are made up, and what a reader wants to know is whether any of them was
another one. Where there are dozens (``alternating``) it is quartiles, because one of dozens always
is.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from slimcodec.bench.surroundings import watched
from slimcodec.types import Clock

__all__ = ["PartClock", "Timing", "timed"]

T = TypeVar("T")

Spent = dict[str, dict[int, float]]
"""Part to step to milliseconds; step 0 is time that belongs to none."""


class PartClock:
    """A ``types.Clock`` that adds up, per part and step."""

    def __init__(self) -> None:
        self.spent: Spent = {}

    @contextmanager
    def __call__(self, part: str, step: int = 0, /) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            steps = self.spent.setdefault(part, {})
            steps[step] = steps.get(step, 0.0) + 1e3 * (time.perf_counter() - started)

    @property
    def ms(self) -> dict[str, float]:
        """Milliseconds per part, all steps together."""
        return {part: sum(steps.values()) for part, steps in self.spent.items()}


@dataclass(frozen=True)
class Timing:
    """What every repeat of one piece of work took.

    Attributes:
        totals_ms: of each repeat, in its order.
        spent: of each repeat, what its clock was charged.
        peak_mb: largest resident memory of this process during all of them, in 10^6 bytes, with
            whatever else it holds; None where the system does not tell.
    """

    totals_ms: Sequence[float]
    spent: Sequence[Mapping[str, Mapping[int, float]]]
    peak_mb: float | None = None

    @property
    def median_ms(self) -> float:
        """Of the whole."""
        return statistics.median(self.totals_ms)

    @property
    def parts_ms(self) -> dict[str, float]:
        """Medians per part, all steps together."""
        return {
            part: statistics.median(sum(once.get(part, {}).values()) for once in self.spent)
            for part in self.spent[0]
        }

    @property
    def steps_ms(self) -> dict[str, list[float]]:
        """Medians per part and step, equally many for each part; empty for work without steps."""
        last = max(
            (step for once in self.spent for part in once.values() for step in part), default=0
        )
        return {
            part: [
                statistics.median(once.get(part, {}).get(step, 0.0) for once in self.spent)
                for step in range(1, last + 1)
            ]
            for part, steps in self.spent[0].items()
            if any(steps)
        }

    def up_to(self, step: int) -> Timing:
        """What it would have been had the work ended after that step.

        Each repeat loses the time it charged to later steps, and a part that only they needed is
        gone; what was charged to no step, or to no part, stays, and so does the memory.
        """
        kept = []
        for once in self.spent:
            early = {
                part: {n: ms for n, ms in steps.items() if n <= step}
                for part, steps in once.items()
            }
            kept.append({part: steps for part, steps in early.items() if steps})
        later = [_sum(whole) - _sum(part) for whole, part in zip(self.spent, kept, strict=True)]
        totals = [total - ms for total, ms in zip(self.totals_ms, later, strict=True)]
        return replace(self, totals_ms=totals, spent=kept)


def timed(work: Callable[[Clock], T], repeats: int) -> tuple[T, Timing]:
    """Run ``repeats`` times; the last result, and what each run took.

    Args:
        work: what to time; it charges the clock it is given.
        repeats: timed runs, one or more.
    """
    totals, spent = [], []
    with watched() as watch:
        for _ in range(repeats):
            clock = PartClock()
            started = time.perf_counter()
            result = work(clock)
            totals.append(1e3 * (time.perf_counter() - started))
            spent.append(clock.spent)
    return result, Timing(totals, spent, watch.peak_mb)


def _sum(spent: Mapping[str, Mapping[int, float]]) -> float:
    return sum(ms for steps in spent.values() for ms in steps.values())
