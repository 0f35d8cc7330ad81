"""Time per part.

A ``PartClock`` charges wall-clock time to named parts; a measurement runs once to warm up and then
reports medians over repeats, part by part, with the spread of the whole, because a shared machine's
mean is mostly its neighbours.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from slimcodec.types import Clock

__all__ = ["PartClock", "timed"]

T = TypeVar("T")


class PartClock:
    """A ``types.Clock`` that adds up; ``ms`` maps part to milliseconds."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = 1e3 * (time.perf_counter() - started)
            self.ms[part] = self.ms.get(part, 0.0) + spent


def timed(work: Callable[[Clock], T], repeats: int) -> tuple[T, list[float], dict[str, float]]:
    """Run ``repeats`` times.

    Returns:
        the last result, the total of each repeat in ms, and the median of each part in ms.
    """
    totals, clocks = [], []
    for _ in range(repeats):
        clock = PartClock()
        started = time.perf_counter()
        result = work(clock)
        totals.append(1e3 * (time.perf_counter() - started))
        clocks.append(clock.ms)
    parts = {name: statistics.median(ms[name] for ms in clocks) for name in clocks[0]}
    return result, totals, parts
