"""BD-rate against the ``bjontegaard`` package, and its laws."""

from __future__ import annotations

import csv
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator

from slimcodec.errors import UsageError
from slimcodec.metrics import Curve, bd_rate, crossing, to_db

Points = list[tuple[float, float]]

ANCHOR: Points = [(0.12, 28.1), (0.25, 30.6), (0.48, 33.2), (0.91, 36.4)]
BETTER: Points = [(0.10, 28.3), (0.22, 30.9), (0.41, 33.5), (0.80, 36.6)]
CURVED: Points = [(0.08, 25.0), (0.2, 30.5), (0.3, 31.0), (0.9, 36.0), (1.4, 36.3)]
STRAIGHT: Points = [(0.15, 28.0), (0.9, 37.0)]


def theirs(reference: Points, candidate: Points) -> float:
    package = pytest.importorskip("bjontegaard")
    rates, qualities = zip(*reference, strict=True)
    other_rates, other_qualities = zip(*candidate, strict=True)
    return float(
        package.bd_rate(
            rates,
            qualities,
            other_rates,
            other_qualities,
            method="pchip",
            require_matching_points=False,
            min_overlap=0,
        )
    )


@pytest.mark.parametrize(
    ("reference", "candidate"), list(itertools.permutations([ANCHOR, BETTER, CURVED, STRAIGHT], 2))
)
def test_it_agrees_with_bjontegaard(reference: Points, candidate: Points) -> None:
    assert bd_rate(reference, candidate) == pytest.approx(theirs(reference, candidate), abs=1e-6)


@pytest.mark.parametrize("column", ["psnr_db", "ms_ssim"])
def test_it_agrees_with_bjontegaard_on_published_curves(shared: Path, column: str) -> None:
    path = shared / "references" / "kodak_published.csv"
    if not path.is_file():
        pytest.skip(f"needs the published points at {path}")
    curves: dict[str, Points] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            if row[column]:
                quality = float(row[column])
                quality = to_db(quality) if column == "ms_ssim" else quality
                curves.setdefault(row["codec"], []).append((float(row["bpp"]), quality))
    compared = 0
    for first, second in itertools.permutations(curves.values(), 2):
        if not (is_front(first) and is_front(second)) or not overlap(first, second):
            continue
        assert bd_rate(first, second) == pytest.approx(theirs(first, second), abs=1e-6)
        compared += 1
    assert compared >= 20


def is_front(points: Points) -> bool:
    """Whether the other package can take the points as they are."""
    ordered = sorted(points)
    return len(points) > 1 and all(b[1] > a[1] for a, b in itertools.pairwise(ordered))


def overlap(first: Points, second: Points) -> bool:
    lows = [min(q for _, q in points) for points in (first, second)]
    highs = [max(q for _, q in points) for points in (first, second)]
    return max(lows) < min(highs)


def test_the_whole_integral_is_that_of_scipy() -> None:
    for points in (ANCHOR, CURVED, STRAIGHT):
        curve = Curve.from_points(points)
        oracle = PchipInterpolator(curve.quality, curve.log_bpp)
        for low, high in [(28.1, 36.0), (30.5, 31.0), (29.9, 30.0), (33.3, 33.3)]:
            expected = float(oracle.integrate(low, high))
            assert curve.integral(low, high) == pytest.approx(expected, abs=1e-10)


increasing = st.lists(
    st.tuples(st.floats(0.01, 1), st.floats(0.05, 5)), min_size=2, max_size=8
).map(
    lambda steps: [
        (float(rate), float(20 + quality))
        for rate, quality in np.cumsum(np.array(steps), axis=0).tolist()
    ]
)


@given(increasing, st.floats(0.3, 3))
def test_a_constant_factor_of_rate_is_that_many_percent(points: Points, factor: float) -> None:
    scaled = [(rate * factor, quality) for rate, quality in points]
    assert bd_rate(points, scaled) == pytest.approx(100 * (factor - 1), abs=1e-6)


@given(increasing, increasing)
def test_there_and_back_is_nothing(first: Points, second: Points) -> None:
    if not overlap(first, second):
        return
    there, back = 1 + bd_rate(first, second) / 100, 1 + bd_rate(second, first) / 100
    assert there * back == pytest.approx(1, rel=1e-6)


def test_the_sign_and_the_order_of_points() -> None:
    assert bd_rate(ANCHOR, BETTER) < 0 < bd_rate(BETTER, ANCHOR)
    assert bd_rate(ANCHOR[::-1], BETTER[::-1]) == bd_rate(ANCHOR, BETTER)
    assert bd_rate(ANCHOR, ANCHOR) == 0


def test_two_points_make_a_straight_line() -> None:
    curve = Curve.from_points([(math.exp(0), 0.0), (math.exp(2), 1.0)])
    assert curve.integral(0, 1) == pytest.approx(1)
    assert curve.integral(0.5, 1) == pytest.approx(0.75)


def test_dominated_points_are_dropped() -> None:
    worse = [(0.30, 30.0), (0.25, 30.6), (0.91, 36.0), (1.5, 36.4)]
    assert bd_rate(ANCHOR + worse, BETTER) == bd_rate(ANCHOR, BETTER)
    assert Curve.from_points(ANCHOR + worse).quality.tolist() == [q for _, q in ANCHOR]


def test_curves_that_do_not_meet_are_an_error() -> None:
    above = [(rate, quality + 40) for rate, quality in ANCHOR]
    with pytest.raises(UsageError, match=r"reference spans 28\.1 to 36\.4 .* 68\.1 to 76\.4"):
        bd_rate(ANCHOR, above)
    touching = [(rate, quality + 36.4 - 28.1) for rate, quality in ANCHOR]
    with pytest.raises(UsageError, match="share a range"):
        bd_rate(ANCHOR, touching)


@pytest.mark.parametrize("point", [(0, 30), (-1, 30), (math.inf, 30), (1, math.inf), (1, math.nan)])
def test_impossible_points_are_an_error(point: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="finite"):
        bd_rate(ANCHOR, [*BETTER, point])


@pytest.mark.parametrize("points", [[], [(0.3, 30.0)], [(0.3, 30.0), (0.4, 29.0)]])
def test_fewer_than_two_useful_points_are_an_error(points: Points) -> None:
    with pytest.raises(UsageError, match="at least two points"):
        bd_rate(points, ANCHOR)


def test_between_points_it_is_scipys_interpolation() -> None:
    curve = Curve.from_points(CURVED)
    quality = np.linspace(curve.quality[0], curve.quality[-1], 50)
    wanted = PchipInterpolator(curve.quality, curve.log_bpp)(quality)
    np.testing.assert_allclose(curve.at(quality), wanted, rtol=0, atol=1e-12)


def test_where_curves_cross() -> None:
    """Straight lines in decibels over the logarithm of the rate, which meet at 0.4."""
    steep = [(bpp, 30 + 8 * math.log(bpp / 0.4)) for bpp in (0.1, 0.2, 0.8, 1.6)]
    flat = [(bpp, 30 + 5 * math.log(bpp / 0.4)) for bpp in (0.1, 0.2, 0.8, 1.6)]
    assert crossing(steep, flat) == pytest.approx(0.4, rel=0.01)
    # The other way round the candidate is ahead at the end, and a better curve crosses nowhere.
    assert crossing(flat, steep) is None
    assert crossing(ANCHOR, BETTER) is None
    assert crossing(BETTER, ANCHOR) is None
    with pytest.raises(UsageError, match="share a range"):
        crossing(ANCHOR, [(1.0, 50.0), (2.0, 52.0)])
