"""Time is charged to the part it was spent in."""

from __future__ import annotations

import time

import pytest

from slimcodec.bench.timing import PartClock, timed
from slimcodec.types import Clock


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands until it is set: seconds, in a list of one."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


def test_a_part_adds_up(ticks: list[float]) -> None:
    clock = PartClock()
    for part, seconds in (("encoder", 0.002), ("prior", 0.003), ("encoder", 0.005)):
        with clock(part):
            ticks[0] += seconds
        ticks[0] += 1
    assert clock.ms == pytest.approx({"encoder": 7, "prior": 3})


def test_time_before_an_error_counts(ticks: list[float]) -> None:
    clock = PartClock()
    with pytest.raises(RuntimeError), clock("encoder"):
        ticks[0] += 0.004
        raise RuntimeError
    assert clock.ms == pytest.approx({"encoder": 4})


def test_repeats_give_totals_and_medians_per_part(ticks: list[float]) -> None:
    spent = iter([0.010, 0.002, 0.003])

    def work(clock: Clock) -> float:
        seconds = next(spent)
        with clock("encoder"):
            ticks[0] += seconds
        ticks[0] += 0.001
        return seconds

    result, totals, parts = timed(work, 3)
    assert result == 0.003
    assert totals == pytest.approx([11, 3, 4])
    assert parts == pytest.approx({"encoder": 3})
