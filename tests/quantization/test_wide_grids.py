"""Grids of pixels less a half, and of a few bits more than a runtime multiplies."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from slimcodec.errors import ModelFileError
from slimcodec.quantization import ActivationGrid
from slimcodec.quantization.observing import Seen, grid_of
from slimcodec.quantization.simulation import InputGrid

PIXELS = (torch.arange(256).reshape(1, 1, 16, 16) / 255 - 0.5) * 4


def seen(x: torch.Tensor) -> Seen:
    notes = Seen()
    notes.add(x)
    return notes


def test_pixels_less_a_half_lose_nothing_where_zero_may_lie_between_levels() -> None:
    grid = grid_of(seen(PIXELS), 8, "mse", between=True)
    assert grid.between
    assert grid.levels == (-127.5, 127.5)
    torch.testing.assert_close(InputGrid(grid)(PIXELS), PIXELS, rtol=0, atol=1e-6)
    with torch.no_grad():
        torch.testing.assert_close(InputGrid(grid)(PIXELS), PIXELS, rtol=0, atol=1e-6)
    assert ActivationGrid.from_dict(grid.to_dict()) == grid


def test_zero_stays_a_level_where_zeros_are_padded() -> None:
    grid = grid_of(seen(PIXELS), 8, "mse")
    assert not grid.between
    assert InputGrid(grid)(torch.zeros(1)) == 0


def test_levels_lie_on_halves_or_on_whole_numbers() -> None:
    with pytest.raises(ModelFileError):
        ActivationGrid(1.0, 8, -0.25)


@pytest.mark.parametrize(("bits", "parts"), [(9, 2), (10, 4), (11, 8)])
def test_a_few_more_bits_are_sums_of_eight(bits: int, parts: int) -> None:
    grid = ActivationGrid(0.5, bits, -parts * 3)
    assert grid.levels == (-parts * 3, -parts * 3 + parts * 255)
    x = np.random.default_rng(0).normal(size=40_000).astype(np.float32)
    x = np.maximum(x, 0.2 * x)
    found = grid_of(seen(torch.from_numpy(x).reshape(1, 1, 200, 200)), bits, "mse")
    # Where it costs nothing, one padding does for all the integers that are summed.
    assert bits > 9 or found.lowest % parts == 0


@pytest.mark.parametrize(("below", "even"), [(1.0, True), (0.85, True), (0.4, False)])
def test_a_transposed_convolution_gets_as_many_levels_on_either_side_where_that_costs_little(
    below: float, even: bool
) -> None:
    x = np.random.default_rng(0).standard_normal((1, 4, 100, 100)).astype(np.float32)
    given = seen(torch.from_numpy(np.where(x < 0, below * x, x)))
    grid = grid_of(given, 8, "mse", signed=True)
    assert (grid.lowest == -128) is even
    assert even or grid == grid_of(given, 8, "mse")
