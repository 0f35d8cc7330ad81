"""Pieces of work timed in turn: A B C, C B A, then B C A, A C B, so that the machine cancels.

Whatever a machine does slowly (gets warm, is shared, is throttled) falls on all works alike, and
what it does suddenly falls on one round of many; ``ratios`` says how. Each round begins with the
next work, so that none is always the one behind a pause, or behind itself. Rounds go on until every
ratio is known well enough, or the time is up. That looks at the interval's width and never at the
ratio, so it does not go on until somebody has won; but it stops where an interval happens to be
narrow, and of 95 % intervals 90 % hold the true ratio then (simulated, with drift and neighbours).

A *turn* is one work's share of half a round: as many runs as take 50 ms, because clocks and ticks
mean little in less. Two clocks go side by side: wall time, which a user waits for, and processor
time of all threads, which neighbours move less.

A round during which others kept more than ``surroundings.QUIET`` cores busy is marked. As soon as
there are enough quiet rounds, only those count; a machine that never is quiet is said to be so, and
then a difference of wall times must be one of processor times too.
"""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from slimcodec.bench.ratios import (
    FEWEST_ROUNDS,
    Times,
    is_narrow,
    ratio_of,
    resolution_of,
    verdict,
)
from slimcodec.bench.surroundings import QUIET, energy_counters, energy_j, watched
from slimcodec.bench.timing import PartClock
from slimcodec.errors import UsageError
from slimcodec.metrics import Interval
from slimcodec.showing import line
from slimcodec.types import Clock, no_clock

__all__ = ["Alternation", "Competitor", "Limits", "Round", "Turn", "Work", "compare", "order_of"]

_TURN_MS = 50.0
_MOST_RUNS = 1000
"""In a turn; work of less than 50 µs is no codec's."""
_SHORTEST_MS = 1e-6
"""A clock of the system's may stand still during very little work, and zero has no ratio."""
_LOOKS, _LOOKS_MS = 5, 500.0
"""How often a work is looked at before it takes turns, unless that takes longer."""


class Work(NamedTuple):
    """Something to be timed.

    Attributes:
        name: what people call it.
        run: does it once, and charges the clock it is given.
    """

    name: str
    run: Callable[[Clock], object]


@dataclass(frozen=True)
class Limits:
    """When to stop: whichever comes first.

    Attributes:
        rounds: the most of them.
        seconds: the most that all rounds may take, warming up not counted; one is always run.
        precision: how far, as a share of the ratio, the ends of every interval may be from it.
    """

    rounds: int = 200
    seconds: float = 60.0
    precision: float = 0.01

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise UsageError(f"there must be at least one round, got {self.rounds}")
        if not 0 < self.seconds < math.inf:
            raise UsageError(f"seconds must be a finite number above 0, got {self.seconds}")
        if not 0 < self.precision < 1:
            raise UsageError(f"a precision is a share between 0 and 1, got {self.precision}")


@dataclass(frozen=True)
class Turn:
    """A work's share of half a round, for one run of it.

    Attributes:
        wall_ms: the median of its runs.
        cpu_ms: processor time of all threads, the mean of its runs: that clock may be a coarse one.
        parts_ms: medians per part of what clocks were charged; empty where none were given.
        energy_j: joules of the processors' packages; None where the machine does not tell.
    """

    wall_ms: float
    cpu_ms: float
    parts_ms: dict[str, float]
    energy_j: float | None


@dataclass(frozen=True)
class Round:
    """Every work there and back.

    Attributes:
        turns: of each work, its two.
        others: cores that other processes kept busy; None where the system does not tell.
    """

    turns: Sequence[tuple[Turn, Turn]]
    others: float | None

    @property
    def is_quiet(self) -> bool:
        """Whether others had next to nothing; where that is unknown it is taken for granted."""
        return self.others is None or self.others < QUIET


@dataclass(frozen=True)
class Competitor:
    """What became of one work.

    Attributes:
        name: the work's.
        wall_ms, cpu_ms: medians over turns.
        quartiles_ms: of wall time, a quarter of the turns below and above them.
        parts_ms: medians per part over turns.
        energy_j: for one run, the median over turns; None where the machine does not tell.
        wall_ratio, cpu_ratio: times the first's; of the first, 1.
        verdict: what the ratios say, in words; empty of the first.
    """

    name: str
    wall_ms: float
    cpu_ms: float
    quartiles_ms: tuple[float, float]
    parts_ms: dict[str, float]
    energy_j: float | None
    wall_ratio: Interval
    cpu_ratio: Interval
    verdict: str


@dataclass(frozen=True)
class Alternation:
    """Works that were timed in turn.

    Attributes:
        competitors: as they were given; ratios are to the first.
        control: the first as its own rival.
        resolution: how far from 1, as a share, a ratio of wall times means nothing; None of too
            few rounds.
        rounds: that were run.
        counted: of them, those that the figures are of: the quiet ones, where they are enough.
        quiet: of the rounds, those that were quiet.
        others: cores that other processes kept busy, the mean of all rounds; None where the system
            does not tell.
        ended: why there are no more: every interval is ``"narrow"`` enough, or the most of
            ``"rounds"`` or ``"seconds"`` was reached.
    """

    competitors: Sequence[Competitor]
    control: Competitor
    resolution: float | None
    rounds: int
    counted: int
    quiet: int
    others: float | None
    ended: Literal["narrow", "rounds", "seconds"]

    def __repr__(self) -> str:
        names = " against ".join(competitor.name for competitor in self.competitors)
        return line(self, names, f"{self.rounds} rounds", *(c.verdict for c in self.competitors))


def compare(
    works: Sequence[Work],
    limits: Limits | None = None,
    *,
    control: Work | None = None,
    parts: bool = False,
    on_progress: Callable[[float, int], None] = lambda seconds, rounds: None,
) -> Alternation:
    """Time pieces of work in turn.

    Args:
        works: the first is what the others are compared with.
        limits: when to stop; the usual ones when not given.
        control: what does the same as the first, by means of its own, such as another instance;
            the first itself when not given.
        parts: whether works are given a clock. A codec that is given one does nothing side by side,
            so its whole takes longer than for somebody who is not looking.
        on_progress: called before warming up and before every round, with the seconds that rounds
            took and the rounds done.

    Raises:
        UsageError: when there is no work.
    """
    if not works:
        raise UsageError("nothing to time; name one piece of work or more")
    limits = limits or Limits()
    everyone = [*works, control or Work(f"{works[0].name}, again", works[0].run)]
    on_progress(0.0, 0)
    runs = [_runs_of(work) for work in everyone]
    started = time.perf_counter()
    rounds: list[Round] = []
    ended: Literal["narrow", "rounds", "seconds"] = "rounds"
    longest = 0.0
    while len(rounds) < limits.rounds:
        began = time.perf_counter() - started
        on_progress(began, len(rounds))
        if rounds and began + longest > limits.seconds:
            ended = "seconds"
            break
        rounds.append(_round(everyone, runs, len(rounds), parts))
        longest = max(longest, time.perf_counter() - started - began)
        if all(is_narrow(ratio, limits.precision) for ratio in _wall_ratios(rounds)):
            ended = "narrow"
            break
    return _outcome([work.name for work in everyone], rounds, ended)


def order_of(count: int, number: int) -> list[int]:
    """The order of so many works in a round: there, and back.

    Args:
        count: of works.
        number: of the round, from 0 on.
    """
    there = [(place + number) % count for place in range(count)]
    return [*there, *reversed(there)]


def _runs_of(work: Work) -> int:
    """How many of a work make a turn, by the fastest of some runs behind one to warm up.

    Two works of one length must get the same number, whatever else the machine does just then: the
    first runs of a turn find the caches full of somebody else's, and count for more among few.
    """
    work.run(no_clock)
    fastest, looked_ms, looks = math.inf, 0.0, 0
    while looked_ms < _TURN_MS or (looks < _LOOKS and looked_ms < _LOOKS_MS):
        started = time.perf_counter()
        work.run(no_clock)
        took_ms = 1e3 * (time.perf_counter() - started)
        fastest, looked_ms, looks = min(fastest, took_ms), looked_ms + took_ms, looks + 1
        if looks == _MOST_RUNS:
            break
    return math.ceil(_TURN_MS / max(fastest, _TURN_MS / _MOST_RUNS))


def _round(works: Sequence[Work], runs: Sequence[int], number: int, parts: bool) -> Round:
    turns: list[list[Turn]] = [[] for _ in works]
    with watched() as watch:
        for place in order_of(len(works), number):
            turns[place].append(_turn(works[place], runs[place], parts))
    return Round([(there, back) for there, back in turns], watch.others)


def _turn(work: Work, runs: int, parts: bool) -> Turn:
    walls, spent = [], []
    energy, processor = energy_counters(), time.process_time()
    for _ in range(runs):
        clock = PartClock()
        started = time.perf_counter()
        work.run(clock if parts else no_clock)
        walls.append(1e3 * (time.perf_counter() - started))
        spent.append(clock.ms)
    cpu_ms = 1e3 * (time.process_time() - processor) / runs
    joules = energy_j(energy, energy_counters())
    return Turn(
        statistics.median(walls),
        cpu_ms,
        {part: statistics.median(once.get(part, 0.0) for once in spent) for part in spent[0]},
        None if joules is None else joules / runs,
    )


# From rounds to figures


def _counted(rounds: Sequence[Round]) -> Sequence[Round]:
    """The quiet ones, where they are enough for an interval."""
    quiet = [one for one in rounds if one.is_quiet]
    return quiet if len(quiet) >= FEWEST_ROUNDS else rounds


def _times(rounds: Sequence[Round], place: int, clock: Callable[[Turn], float]) -> Times:
    times: Times = np.array([[clock(turn) for turn in one.turns[place]] for one in rounds])
    return times.clip(min=_SHORTEST_MS)


def _wall(turn: Turn) -> float:
    return turn.wall_ms


def _cpu(turn: Turn) -> float:
    return turn.cpu_ms


def _wall_ratios(rounds: Sequence[Round]) -> list[Interval]:
    """Of every work but the first to the first."""
    counted = _counted(rounds)
    first, *others = (_times(counted, place, _wall) for place in range(len(counted[0].turns)))
    return [ratio_of(first, other) for other in others]


def _outcome(
    names: Sequence[str],
    rounds: Sequence[Round],
    ended: Literal["narrow", "rounds", "seconds"],
) -> Alternation:
    counted = _counted(rounds)
    resolution = resolution_of(_wall_ratios(rounds)[-1])
    everyone = [_competitor(name, place, counted, resolution) for place, name in enumerate(names)]
    known = [one.others for one in rounds if one.others is not None]
    return Alternation(
        everyone[:-1],
        everyone[-1],
        resolution,
        len(rounds),
        len(counted),
        sum(one.is_quiet for one in rounds),
        statistics.fmean(known) if known else None,
        ended,
    )


def _competitor(
    name: str, place: int, rounds: Sequence[Round], resolution: float | None
) -> Competitor:
    quiet = all(one.is_quiet for one in rounds)
    turns = list(itertools.chain.from_iterable(one.turns[place] for one in rounds))
    walls = [turn.wall_ms for turn in turns]
    quarter, three_quarters = np.quantile(walls, [0.25, 0.75])
    joules = [turn.energy_j for turn in turns if turn.energy_j is not None]
    ratios: dict[Any, Interval] = {
        clock: ratio_of(_times(rounds, 0, clock), _times(rounds, place, clock))
        for clock in (_wall, _cpu)
    }
    return Competitor(
        name,
        statistics.median(walls),
        statistics.median(turn.cpu_ms for turn in turns),
        (float(quarter), float(three_quarters)),
        {
            part: statistics.median(turn.parts_ms.get(part, 0.0) for turn in turns)
            for part in turns[0].parts_ms
        },
        statistics.median(joules) if joules else None,
        ratios[_wall],
        ratios[_cpu],
        verdict(ratios[_wall], resolution, None if quiet else ratios[_cpu]) if place else "",
    )
