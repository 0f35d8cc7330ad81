"""A known ratio is found in noise, and no difference where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from slimcodec.bench.ratios import (
    FEWEST_ROUNDS,
    Times,
    is_narrow,
    ratio_of,
    resolution_of,
    verdict,
)
from slimcodec.metrics import Interval


def noisy(factor: float, rounds: int, seed: int) -> tuple[Times, Times]:
    """Two works in the order A B B A on a machine that drifts and has loud neighbours."""
    rng = np.random.default_rng(seed)
    machine = np.exp(np.cumsum(rng.normal(0, 0.02, (rounds, 4)).ravel())).reshape(rounds, 4)
    neighbours = 1 + (rng.random((rounds, 4)) < 0.1) * rng.exponential(1, (rounds, 4))
    times = 100 * machine * neighbours * np.exp(rng.normal(0, 0.02, (rounds, 4)))
    return times[:, [0, 3]], factor * times[:, [1, 2]]


@pytest.mark.parametrize("factor", [0.5, 0.97, 1.0, 1.3])
def test_a_known_ratio_lies_in_nine_of_ten_intervals(factor: float) -> None:
    found = [ratio_of(*noisy(factor, 40, seed)) for seed in range(60)]
    assert all(ratio.value == pytest.approx(factor, rel=0.05) for ratio in found)
    held = [r.low is not None and r.high is not None and r.low <= factor <= r.high for r in found]
    assert sum(held) >= 0.85 * len(found)


def test_a_loud_round_and_a_drift_move_nothing() -> None:
    steps = np.linspace(1, 3, 40).reshape(10, 4)
    first, other = steps[:, [0, 3]].copy(), steps[:, [1, 2]].copy()
    first[4, 0] *= 50
    assert ratio_of(first, other).value == pytest.approx(1, abs=0.002)


def test_the_same_times_give_the_same_interval() -> None:
    times = noisy(1.1, 12, 0)
    assert ratio_of(*times) == ratio_of(*times)


def test_few_rounds_have_no_interval() -> None:
    ratio = ratio_of(*noisy(2.0, FEWEST_ROUNDS - 1, 0))
    assert (ratio.low, ratio.high) == (None, None)
    assert not is_narrow(ratio, 0.5)
    assert resolution_of(ratio) is None
    assert verdict(ratio, 0.01).startswith("too few rounds to tell")
    assert ratio_of(*noisy(2.0, FEWEST_ROUNDS, 0)).low is not None


def test_narrow_is_by_the_further_end() -> None:
    assert is_narrow(Interval(2.0, 1.99, 2.019), 0.01)
    assert not is_narrow(Interval(2.0, 1.99, 2.03), 0.01)
    assert not is_narrow(Interval(2.0, 1.97, 2.01), 0.01)


def test_the_resolution_is_the_further_end_from_one() -> None:
    assert resolution_of(Interval(1.0, 0.8, 1.02)) == pytest.approx(0.25)
    assert resolution_of(Interval(1.0, 0.99, 1.02)) == pytest.approx(0.02)


def test_on_a_busy_machine_processor_time_must_agree() -> None:
    more, less = Interval(1.5, 1.4, 1.6), Interval(0.6, 0.58, 0.63)
    assert verdict(more, 0.05, Interval(1.1, 1.01, 1.2)).startswith("50.0 % more time")
    assert verdict(less, 0.05, Interval(0.9, 0.8, 0.99)).startswith("40.0 % less time")
    unclear = "unclear: 50.0 % more wall time, not so processor time; needs a quiet machine"
    for processor in (Interval(1.1, 0.99, 1.2), Interval(0.9, 0.8, 0.99), Interval(1.1)):
        assert verdict(more, 0.05, processor) == unclear
    assert verdict(less, 0.05, Interval(1.0, 0.99, 1.01)).startswith("unclear: 40.0 % less")
    assert verdict(Interval(1.0, 0.9, 1.1), 0.05, more).startswith("no difference")


@pytest.mark.parametrize(
    ("ratio", "resolution", "said"),
    [
        (Interval(1.01, 0.99, 1.03), 0.02, "no difference; one of 3.0 % would have been seen"),
        (Interval(1.001, 0.999, 1.003), 0.02, "no difference; one of 2.0 % would have been seen"),
        (Interval(1.03, 1.02, 1.04), 0.05, "no difference; the first differs from itself by 5.0 %"),
        (Interval(0.97, 0.96, 0.98), 0.05, "no difference; the first differs from itself by 5.0 %"),
        (Interval(0.6, 0.58, 0.63), 0.05, "40.0 % less time (95 %: 37.0 to 42.0)"),
        (Interval(1.5, 1.4, 1.6), 0.05, "50.0 % more time (95 %: 40.0 to 60.0)"),
        (
            Interval(1.5, 1.4, 1.6),
            None,
            "too few rounds to tell; allow 6 or more (--seconds, --rounds)",
        ),
    ],
)
def test_verdicts(ratio: Interval, resolution: float | None, said: str) -> None:
    assert verdict(ratio, resolution) == said
