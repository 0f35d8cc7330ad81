"""Intervals of means and ratios over the choice of images."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slimcodec.report.intervals import mean_interval, ratio_interval

STUDENTS_T = {5: 2.5706, 23: 2.0687}
"""Of so many degrees of freedom, at 95 %, from the usual table."""


@pytest.mark.parametrize("freedom", sorted(STUDENTS_T))
def test_a_mean_has_the_usual_interval(freedom: int) -> None:
    values = np.random.default_rng(0).normal(30, 2, freedom + 1)
    error = values.std(ddof=1) / np.sqrt(len(values))
    found = mean_interval(list(values))
    assert found.value == pytest.approx(values.mean())
    assert found.high is not None and found.low is not None
    reach = STUDENTS_T[freedom] * error
    assert (found.high - found.value) == pytest.approx(reach, rel=0.01)
    assert (found.value - found.low) == pytest.approx(reach, rel=0.01)


def test_few_images_have_no_interval() -> None:
    assert mean_interval([1.0, 2.0, 3.0]).low is None
    assert ratio_interval([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]).high is None


@given(st.lists(st.floats(100, 1e6), min_size=4, max_size=30), st.floats(0.2, 5))
def test_what_is_the_same_share_everywhere_is_certain(sizes: list[float], share: float) -> None:
    found = ratio_interval([share * size for size in sizes], sizes)
    expected = pytest.approx(100 * (share - 1), abs=1e-3)
    assert found.value == found.low == found.high or (
        found.value == expected and found.low == expected and found.high == expected
    )


def test_a_ratio_is_one_of_means_and_its_interval_contains_it() -> None:
    values, bases = [110.0, 190.0, 330.0, 410.0], [100.0, 200.0, 300.0, 400.0]
    found = ratio_interval(values, bases)
    assert found.value == pytest.approx(4.0)
    assert found.low is not None and found.high is not None
    assert found.low < found.value < found.high


def test_intervals_of_means_hold_what_they_promise() -> None:
    """Nineteen of twenty samples of twelve, to what a hundred and fifty samples can tell."""
    generator = np.random.default_rng(1)
    held = 0
    for _ in range(150):
        found = mean_interval(list(generator.normal(5, 3, 12)))
        assert found.low is not None and found.high is not None
        held += found.low <= 5 <= found.high
    assert 133 <= held <= 149
