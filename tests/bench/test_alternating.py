"""Works take turns, rounds end when enough is known, and loud ones do not count."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from slimcodec.bench import alternating
from slimcodec.bench.alternating import Limits, Work, compare, order_of
from slimcodec.bench.ratios import FEWEST_ROUNDS
from slimcodec.bench.surroundings import Watch
from slimcodec.errors import UsageError
from slimcodec.types import Clock


class Machine:
    """A clock that works move, the order in which they did, and neighbours as they are told to be.

    A neighbour doubles the time of whatever runs while it has ``loud`` cores.
    """

    def __init__(self) -> None:
        self.now, self.done = 0.0, [""]
        self.others: Iterator[float | None] = itertools.repeat(0.0)
        self.loud = 0.0

    def work(self, name: str, ms: float, noise: float = 0.0, seed: int = 0) -> Work:
        rng = np.random.default_rng(seed)

        def run(clock: Clock) -> None:
            self.done.append(name)
            with clock("encoder"):
                took = ms * math.exp(rng.normal(0, noise)) if noise else ms
                self.now += took * (2 if self.loud else 1) / 1e3

        return Work(name, run)

    @contextmanager
    def watched(self) -> Iterator[Watch]:
        watch = Watch()
        others = next(self.others)
        self.loud = others or 0.0
        yield watch
        watch.others = others
        self.loud = 0.0


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(time, "perf_counter", lambda: machine.now)
    monkeypatch.setattr(time, "process_time", lambda: 2 * machine.now)
    monkeypatch.setattr(alternating, "watched", machine.watched)
    return machine


def test_there_and_back() -> None:
    assert order_of(3, 0) == [0, 1, 2, 2, 1, 0]
    assert order_of(3, 1) == [1, 2, 0, 0, 2, 1]
    assert order_of(2, 1) == [1, 0, 0, 1]
    assert order_of(2, 2) == order_of(2, 0)


def test_works_take_turns_and_the_first_is_its_own_rival(machine: Machine) -> None:
    works = [machine.work("a", 100), machine.work("b", 60)]
    outcome = compare(works, Limits(rounds=2), control=machine.work("c", 100))
    warming = [*"aaaaaabbbbbbcccccc"]
    assert machine.done[1:] == [*warming, *"abccba", *"bcaacb"]
    assert (outcome.rounds, outcome.ended) == (2, "rounds")
    assert outcome.control.name == "c"
    outcome = compare(works, Limits(rounds=1))
    assert machine.done[-6:] == [*"abaaba"]
    assert outcome.control.name == "a, again"


def test_short_work_runs_until_it_fills_a_turn(machine: Machine) -> None:
    compare([machine.work("a", 20), machine.work("b", 500)], Limits(rounds=1))
    assert machine.done[-14:] == [*"aaa", *"b", *"aaaaaa", *"b", *"aaa"]


def test_a_neighbour_at_the_beginning_makes_no_shorter_turns(machine: Machine) -> None:
    """Of two works of one length, one was looked at while the machine was busy."""
    slow = iter([1, 5])  # warming up, then the first that is looked at

    def run(clock: Clock) -> None:
        machine.done.append("a")
        machine.now += 0.015 * next(slow, 1)

    compare([Work("a", run), machine.work("b", 15)], Limits(rounds=1))
    assert machine.done[-24:] == [*"aaaabbbbaaaaaaaabbbbaaaa"]


def test_work_of_no_length_ends(machine: Machine) -> None:
    compare([machine.work("a", 0.0)], Limits(rounds=1))
    # The first and itself again: warming up, looks, and two turns.
    assert len(machine.done) == 1 + 2 * (1 + 1000 + 2 * 1000)


def test_times_of_two_clocks_and_of_parts(machine: Machine) -> None:
    works = [machine.work("a", 100), machine.work("b", 60)]
    first, other = compare(works, Limits(rounds=8), parts=True).competitors
    assert (first.wall_ms, first.cpu_ms) == pytest.approx((100, 200))
    assert other.parts_ms == pytest.approx({"encoder": 60})
    assert other.quartiles_ms == pytest.approx((60, 60))
    assert other.wall_ratio.value == other.cpu_ratio.value == pytest.approx(0.6)
    assert first.wall_ratio.value == 1
    assert first.verdict == ""
    assert other.verdict == "40.0 % less time (95 %: 40.0 to 40.0)"
    assert compare(works, Limits(rounds=1)).competitors[0].parts_ms == {}


def test_rounds_end_when_every_interval_is_narrow(machine: Machine) -> None:
    outcome = compare([machine.work("a", 100), machine.work("b", 60)])
    assert (outcome.rounds, outcome.ended) == (FEWEST_ROUNDS, "narrow")
    noisy = [machine.work("a", 100, 0.02, 1), machine.work("b", 100, 0.02, 2)]
    outcome = compare(noisy, Limits(seconds=1000), control=machine.work("c", 100, 0.02, 3))
    assert outcome.ended == "narrow"
    assert outcome.rounds > FEWEST_ROUNDS
    assert outcome.competitors[1].verdict.startswith("no difference")


def test_rounds_end_when_the_time_is_up(machine: Machine) -> None:
    noisy = [machine.work("a", 100, 0.1, 1), machine.work("b", 100, 0.1, 2)]
    began, told = machine.now, []
    limits = Limits(seconds=3)
    outcome = compare(noisy, limits, on_progress=lambda seconds, rounds: told.append(seconds))
    assert outcome.ended == "seconds"
    assert 2 < told[-1] < 3
    assert machine.now - began > 1.5 + told[-1]  # warming up comes before
    # One is run however little time there is.
    assert compare(noisy, Limits(seconds=0.1)).rounds == 1


def test_loud_rounds_do_not_count_where_quiet_ones_are_enough(machine: Machine) -> None:
    machine.others = itertools.cycle([0.0, 1.5, 1.5])
    outcome = compare([machine.work("a", 100), machine.work("b", 60)], Limits(rounds=18))
    assert outcome.competitors[0].wall_ms == pytest.approx(200)  # ended narrow, among loud ones
    assert (outcome.quiet, outcome.counted, outcome.rounds) == (2, 6, 6)
    noisy = [machine.work("a", 100, 0.2, 1), machine.work("b", 60, 0.2, 2)]
    outcome = compare(noisy, Limits(rounds=18, precision=1e-6))
    assert (outcome.quiet, outcome.counted, outcome.rounds) == (6, 6, 18)
    assert outcome.competitors[0].wall_ms == pytest.approx(100, rel=0.3)
    assert outcome.others == pytest.approx(1)


def test_a_machine_that_never_is_quiet_needs_both_clocks(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.others = itertools.repeat(1.5)
    works = [machine.work("a", 100), machine.work("b", 60)]
    assert compare(works, Limits(rounds=8)).competitors[1].verdict.startswith("40.0 % less time")
    processor = itertools.count()
    monkeypatch.setattr(time, "process_time", lambda: next(processor))  # as much for everybody
    assert compare(works, Limits(rounds=8)).competitors[1].verdict.startswith("unclear: 40.0 %")
    machine.others = itertools.repeat(0.0)
    assert compare(works, Limits(rounds=8)).competitors[1].verdict.startswith("40.0 % less time")


def test_a_system_that_does_not_tell_is_not_called_quiet(machine: Machine) -> None:
    machine.others = itertools.repeat(None)
    outcome = compare([machine.work("a", 100)], Limits(rounds=7))
    assert outcome.others is None
    assert outcome.counted == outcome.rounds


def test_progress_is_told_before_warming_up_and_every_round(machine: Machine) -> None:
    told: list[tuple[float, int]] = []
    compare(
        [machine.work("a", 100)],
        Limits(rounds=2),
        on_progress=lambda seconds, rounds: told.append((round(seconds, 3), rounds)),
    )
    assert told == [(0, 0), (0, 0), (0.4, 1)]


@pytest.mark.parametrize(
    "limits",
    [
        {"rounds": 0},
        {"seconds": 0},
        {"seconds": math.inf},
        {"seconds": math.nan},
        {"precision": 0},
        {"precision": 1},
    ],
)
def test_limits_that_make_no_sense_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=r"got|between"):
        Limits(**limits)  # type: ignore[arg-type]


def test_nothing_to_time_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing to time"):
        compare([])
