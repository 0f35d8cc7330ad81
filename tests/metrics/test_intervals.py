"""Intervals over the choice of images hold what they say, or say nothing."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from scipy.stats import t as students

from slimcodec.errors import UnknownNameError
from slimcodec.metrics import (
    Interval,
    bd_rate_interval,
    curve_quality,
    curve_unit,
    curve_value,
    intervals,
    to_db,
)

PSNR = partial(curve_quality, "psnr")
BPP = np.array([0.1, 0.2, 0.4, 0.8, 1.6])


def pictures(shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two codecs, of which the second takes a share of the other's bytes in each picture."""
    decibels = np.arange(28.0, 38.0, 2)
    reference = np.stack([np.stack([BPP, decibels], axis=1)] * len(shares))
    candidate = reference.copy()
    candidate[..., 0] *= shares[:, None]
    return reference, candidate


def interval(shares: np.ndarray) -> Interval:
    value = 100 * (float(shares.mean()) - 1)
    return bd_rate_interval(*pictures(shares), PSNR, value)


def test_it_is_students_interval_of_a_mean_where_the_rate_is_one() -> None:
    """Equal curves but for a factor: the BD-rate is a mean of factors, and the textbook applies."""
    shares = np.random.default_rng(0).uniform(0.45, 0.55, 24)
    found = interval(shares)
    assert found.low is not None and found.high is not None
    error = shares.std(ddof=1) / math.sqrt(24)
    reach = 100 * float(students.ppf(0.975, 23)) * error
    assert found.low == pytest.approx(found.value - reach, abs=0.05)
    assert found.high == pytest.approx(found.value + reach, abs=0.05)


def test_intervals_of_twelve_pictures_hold_what_all_pictures_would_say() -> None:
    """Of many samples of a population whose BD-rate is known, nineteen in twenty."""
    dice = np.random.default_rng(1)
    held = []
    for _ in range(300):
        found = interval(dice.lognormal(-0.7, 0.2, 12))
        assert found.low is not None and found.high is not None
        held.append(found.low <= 100 * (math.exp(-0.7 + 0.02) - 1) <= found.high)
    assert 0.91 <= np.mean(held) <= 0.98


def test_equal_pictures_leave_no_doubt() -> None:
    found = interval(np.full(6, 0.5))
    assert found.low == pytest.approx(-50) and found.high == pytest.approx(-50)


def test_no_ends_where_there_is_nothing_to_tell() -> None:
    assert interval(np.array([0.5, 0.6, 0.4])) == Interval(-50.0)
    # Only one picture's curve reaches up to the other codec's: without it the two meet no more.
    reference, candidate = pictures(np.full(5, 0.5))
    candidate[..., 1] += 9
    reference[0, :, 1] += 8
    assert bd_rate_interval(reference, candidate, PSNR, -50) == Interval(-50)


@pytest.mark.parametrize("freedom", [3, 5, 11, 23, 100])
def test_students_quantile(freedom: int) -> None:
    found = intervals._students_t(freedom)
    assert found == pytest.approx(float(students.ppf(0.975, freedom)), rel=0.01)


def test_what_curves_take_of_a_metric() -> None:
    assert curve_value("psnr", 31.5) == 31.5
    assert curve_value("ms-ssim", [0.9, 0.99]) == pytest.approx([10, 20])
    assert float(curve_value("ssim", 0.97)) == pytest.approx(to_db(0.97))
    assert curve_value("ms-ssim", 1) == math.inf
    assert curve_value("lpips", 0.2) == 0.2 and curve_quality("lpips", 0.2) == -0.2
    assert curve_quality("ms-ssim", 0.9) == pytest.approx(10)
    assert [curve_unit(m) for m in ("psnr", "ssim", "ms-ssim", "lpips", "delta-e")] == [
        "dB", "dB", "dB", "", "",
    ]  # fmt: skip


def test_of_a_metric_that_is_not_installed_here() -> None:
    assert curve_value("their-own", 3.0) == 3.0
    assert curve_unit("their-own") == ""
    with pytest.raises(UnknownNameError, match="their-own"):
        curve_quality("their-own", 3.0)
