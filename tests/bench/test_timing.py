"""Time is charged to the part it was spent in."""

from __future__ import annotations

import mmap
import time

import pytest

from slimcodec.bench.timing import PartClock, Timing, timed
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

    result, timing = timed(work, 3)
    assert result == 0.003
    assert timing.totals_ms == pytest.approx([11, 3, 4])
    assert timing.median_ms == pytest.approx(4)
    assert timing.parts_ms == pytest.approx({"encoder": 3})
    assert timing.steps_ms == {}
    assert timing.up_to(1) == timing  # nothing here belongs to a later step


def test_memory_is_that_of_the_largest_repeat() -> None:
    sizes = iter([1, 48_000_000, 1])

    def work(clock: Clock) -> None:
        # Past an allocator that keeps what it has.
        with mmap.mmap(-1, size := next(sizes)) as memory:
            memory[:: mmap.PAGESIZE] = bytes(len(range(0, size, mmap.PAGESIZE)))

    small = timed(lambda clock: None, 1)[1].peak_mb
    large = timed(work, 3)[1].peak_mb
    if small is None or large is None:
        pytest.skip("this system does not count anew")
    assert large > small + 40


@pytest.fixture
def stepwise(ticks: list[float]) -> Timing:
    """Three steps, each fed back through the decoder but the first; 1 ms belongs to no part.

    Repeats take one, two and nine times as long.
    """
    factors = iter([1, 2, 9])

    def work(clock: Clock) -> None:
        unit = 0.001 * next(factors)
        ticks[0] += unit
        with clock("padding"):
            ticks[0] += unit
        for step in (1, 2, 3):
            if step > 1:
                with clock("decoder", step):
                    ticks[0] += 10 * unit
            for _ in range(2):
                with clock("encoder", step):
                    ticks[0] += step * unit

    return timed(work, 3)[1]


def test_steps_are_told_apart(stepwise: Timing) -> None:
    assert stepwise.totals_ms == pytest.approx([34, 68, 306])
    assert stepwise.parts_ms == pytest.approx({"padding": 2, "encoder": 24, "decoder": 40})
    assert list(stepwise.steps_ms) == ["encoder", "decoder"]
    assert stepwise.steps_ms["encoder"] == pytest.approx([4, 8, 12])
    assert stepwise.steps_ms["decoder"] == pytest.approx([0, 20, 20])  # as many as the encoder


def test_work_that_ends_after_a_step_loses_what_later_steps_took(stepwise: Timing) -> None:
    two = stepwise.up_to(2)
    assert two.totals_ms == pytest.approx([18, 36, 162])
    assert two.parts_ms == pytest.approx({"padding": 2, "encoder": 12, "decoder": 20})
    assert two.steps_ms["encoder"] == pytest.approx([4, 8])
    one = stepwise.up_to(1)
    assert one.totals_ms == pytest.approx([4, 8, 36])  # with what belongs to no step, or no part
    assert one.parts_ms == pytest.approx({"padding": 2, "encoder": 4})
    assert stepwise.up_to(3).totals_ms == pytest.approx(stepwise.totals_ms)
