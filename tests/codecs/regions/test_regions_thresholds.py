"""The choice of coefficients: the best there is, and never worse than the nearest."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from slimcodec.codecs.regions.jpeg_file import ac_histogram
from slimcodec.codecs.regions.thresholds import (
    Prices,
    cost_of,
    prices_of,
    quantized,
    worth_keeping,
)

STEPS = np.arange(3, 67).astype(np.uint8)


def photograph_like(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Coefficients that fall off as those of photographs do."""
    rng = np.random.default_rng(seed)
    blocks = rng.laplace(size=(count, 64)) * 300 / (1 + np.arange(64)) ** 0.9
    return blocks.astype(np.float32)


def ones(count: int) -> NDArray[np.float32]:
    return np.ones(count, np.float32)


def prices_for(blocks: NDArray[np.float32]) -> Prices:
    return prices_of(quantized(blocks, STEPS))


@pytest.mark.parametrize("price", [0.1, 10.0, 60.0, 1e4])
def test_it_is_the_best_of_all_choices(price: float) -> None:
    """Against every choice: each coefficient as it is, as the largest of a bit less, or not at
    all."""
    prices = prices_for(photograph_like(300))
    blocks = np.zeros((12, 64), np.float32)
    rng = np.random.default_rng(1)
    for row in range(12):
        places = np.sort(rng.choice(np.arange(1, 64), 5, replace=False))
        places[-1] = 63 if row % 3 == 0 else places[-1]
        blocks[row, places] = rng.choice([-1, 1], 5) * STEPS[places] * rng.uniform(0.6, 5, 5)
    weights = rng.uniform(0.3, 3, 12).astype(np.float32)
    chosen = worth_keeping(blocks, STEPS, weights, prices, price)
    nearest = quantized(blocks, STEPS)
    for row in range(12):
        own = slice(row, row + 1)
        given = blocks[own], STEPS, weights[own], prices, price
        places = np.flatnonzero(nearest[row])
        choices = []
        for value in nearest[row, places].tolist():
            less = (1 << (abs(value).bit_length() - 1)) - 1
            choices.append({0, value, int(np.sign(value)) * less})
        costs = []
        for values in product(*choices):
            trial = np.zeros((1, 64), np.int16)
            trial[0, places] = values
            costs.append(cost_of(trial, *given))
        assert cost_of(chosen[own], *given) == pytest.approx(min(costs), rel=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_it_is_never_worse_than_the_nearest(seed: int) -> None:
    blocks = photograph_like(200, seed)
    prices = prices_for(blocks)
    for price in (1.0, 20.0, 300.0):
        given = blocks, STEPS, ones(200), prices, price
        nearest = cost_of(quantized(blocks, STEPS), *given)
        assert cost_of(worth_keeping(*given), *given) < nearest


def test_bits_cost_nothing() -> None:
    blocks = photograph_like(100)
    chosen = worth_keeping(blocks, STEPS, ones(100), prices_for(blocks), 0)
    np.testing.assert_array_equal(chosen, quantized(blocks, STEPS))


def test_thresholds_take_coefficients_and_never_the_mean() -> None:
    blocks = photograph_like(100)
    prices, nearest = prices_for(blocks), quantized(blocks, STEPS)
    left = [np.count_nonzero(nearest)]
    for price in (5.0, 50.0, 500.0, 1e9):
        chosen = worth_keeping(blocks, STEPS, ones(100), prices, price)
        assert (np.abs(chosen) <= np.abs(nearest)).all()
        assert (np.sign(chosen) * np.sign(nearest) >= 0).all()
        np.testing.assert_array_equal(chosen[:, 0], nearest[:, 0])
        left.append(np.count_nonzero(chosen))
    assert left == sorted(left, reverse=True) and len(set(left)) == len(left)
    assert left[-1] == np.count_nonzero(nearest[:, 0])


def test_blocks_do_not_know_each_other() -> None:
    """Nor how many there are: pieces that go through together change nothing."""
    blocks = photograph_like(60)
    prices = prices_for(blocks)
    weights = np.linspace(0.2, 4, 60).astype(np.float32)
    together = worth_keeping(blocks, STEPS, weights, prices, 40.0)
    for row in range(60):
        own = slice(row, row + 1)
        alone = worth_keeping(blocks[own], STEPS, weights[own], prices, 40.0)
        np.testing.assert_array_equal(alone, together[own])


def test_nothing_to_choose() -> None:
    blocks = np.zeros((5, 64), np.float32)
    blocks[:, 0] = 400
    chosen = worth_keeping(blocks, STEPS, ones(5), prices_for(photograph_like(50)), 10.0)
    np.testing.assert_array_equal(chosen, quantized(blocks, STEPS))


def test_symbols_are_counted() -> None:
    blocks = np.zeros((3, 64), np.int16)
    blocks[0, [1, 2, 40]] = 5, -1, 3  # 37 zeros: two sixteens and five
    blocks[1, 63] = 1  # 62 zeros: three sixteens and fourteen, and no end
    found = ac_histogram(blocks)
    expected = {0x03: 1, 0x01: 1, 0xF0: 5, 0x52: 1, 0xE1: 1, 0x00: 2}
    assert {symbol: int(found[symbol]) for symbol in np.flatnonzero(found)} == expected
