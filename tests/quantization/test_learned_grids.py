"""Levels in a table, and grids that learn: gradients by brute force, what stays, what is kept."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from slimcodec.errors import ModelFileError
from slimcodec.quantization import WeightGrid, levels
from slimcodec.quantization.compensation import round_layer
from slimcodec.quantization.rounding import WeightRounding, near_levels, nearest, short, to_level
from slimcodec.quantization.simulation import (
    attach_mask,
    attach_weights,
    convolved,
    hold_grids,
    let_grids_learn,
    plain_state,
    weight_grids,
)
from slimcodec.quantization.tables import placed_levels

TABLE = torch.tensor([-3.5, -2.25, -1.5, -0.75, 0.0, 0.625, 1.25, 2.75])
STEPS = torch.tensor([0.0625, 0.125])


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def network_of(bits: int = 3, table: Tensor | None = TABLE, *, coded: bool = False) -> Any:
    """One layer of two outputs, in a part of the name "generator"; some weights beyond its grid."""
    network: Any = nn.Module()
    network.generator = nn.Conv2d(3, 2, 3)
    with torch.no_grad():
        network.generator.weight.copy_(0.2 * drawn(2, 3, 3, 3))
    attach_weights(network.generator, STEPS, bits, 0, coded=coded, table=table)
    return network


def rounding_of(network: Any) -> WeightRounding:
    return network.generator.parametrizations.weight[0]


def error_of(weight: Tensor, rounded: Tensor) -> float:
    return float((rounded - weight).square().sum())


# Gradients


@pytest.mark.parametrize("table", [TABLE, None], ids=["placed", "even"])
def test_gradients_are_sums_over_the_weights(table: Tensor | None) -> None:
    network = network_of(table=table)
    let_grids_learn(network, 3, ["generator"])
    layer, rounding = network.generator, rounding_of(network)
    weight = layer.parametrizations.weight.original
    cost = drawn(2, 3, 3, 3, seed=1)
    (layer.weight * cost).sum().backward()
    positions = list(range(-3, 4)) if table is None else table.tolist()
    low, high = min(positions), max(positions)
    to_weights, to_growth = torch.zeros(2, 3, 3, 3), torch.zeros(2)
    to_moves = dict.fromkeys(positions, 0.0)
    for at in np.ndindex(2, 3, 3, 3):
        step, w, g = float(STEPS[at[0]]), float(weight.detach()[at]), float(cost[at])
        x = w / step
        level = min(positions, key=lambda p, x=x: abs(p - x))
        within = low < x < high
        to_weights[at] = g * within
        # d(step · level) / d log(step), the choice of the level being constant.
        to_growth[at[0]] += g * step * (level - x * within)
        to_moves[level] += g * step
    assert 0 < int((to_weights == 0).sum()) < to_weights.numel() / 2
    torch.testing.assert_close(weight.grad, to_weights)
    share = 1 / math.sqrt(27 * 3)
    torch.testing.assert_close(rounding.growth.grad.flatten(), share * to_growth)
    if table is not None:
        to_moves[0.0] = 0.0
        share = 1 / math.sqrt(54 // 8 * 3)
        expected = share * torch.tensor([to_moves[p] for p in positions])
        torch.testing.assert_close(rounding.moves.grad, expected)


def test_a_position_may_pass_another() -> None:
    table = torch.tensor([2.0, -1.0, 0.0, 1.0])
    x = torch.tensor([-9.0, -0.6, -0.4, 0.4, 0.6, 1.4, 1.6])
    assert nearest(x, table).tolist() == [1, 1, 2, 2, 3, 3, 0]


# What stays


def learned(network: nn.Module, steps: int = 4) -> list[str]:
    names = let_grids_learn(network, 4, ["generator"])
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    for number in range(steps):
        optimizer.zero_grad()
        out = network.generator(drawn(1, 3, 8, 8, seed=number))
        (out - out.detach().mean() - 0.3).square().mean().backward()
        optimizer.step()
    return names


@pytest.mark.parametrize("table", [TABLE, None], ids=["placed", "even"])
def test_what_was_learned_is_held_as_it_is(table: Tensor | None) -> None:
    network = network_of(table=table)
    before = set(network.state_dict())
    assert learned(network) == ["generator"]
    assert set(plain_state(network)) == {"generator.weight", "generator.bias"}
    running, grid = network.generator.weight.detach().clone(), weight_grids(network)
    hold_grids(network)
    assert set(network.state_dict()) == before
    assert torch.equal(network.generator.weight, running)
    rounding = rounding_of(network)
    assert not torch.equal(rounding.steps.flatten(), STEPS)
    assert torch.equal(short(rounding.steps), rounding.steps)
    for each in (grid["generator.weight"], weight_grids(network)["generator.weight"]):
        np.testing.assert_array_equal(each.weights(), running.numpy())
    if table is not None:
        assert rounding.table is not None
        assert not torch.equal(rounding.table, table)
        assert torch.equal(short(rounding.table), rounding.table)
        assert float(rounding.table[4]) == 0


def test_pruned_weights_stay_zero_while_levels_move() -> None:
    network = network_of()
    mask = (drawn(2, 3, 3, 3, seed=5) > 0).float()
    attach_mask(network.generator, mask)
    learned(network)
    hold_grids(network)
    grid = weight_grids(network)["generator.weight"]
    assert not network.generator.weight[mask == 0].any()
    assert not grid.integers[mask.numpy() == 0].any()


def test_which_grids_learn() -> None:
    assert let_grids_learn(network_of(), 3, ["generator"]) == ["generator"]
    assert let_grids_learn(network_of(), 2, ["generator"]) == []
    assert let_grids_learn(network_of(), 3, ["encoder"]) == []
    assert let_grids_learn(network_of(coded=True, table=None), 3, ["generator"]) == []
    network = network_of()
    kept = copy.deepcopy(network.state_dict())
    hold_grids(network)
    assert set(network.state_dict()) == set(kept)
    assert torch.equal(rounding_of(network).steps.flatten(), STEPS)


@pytest.mark.parametrize("table", [TABLE, None], ids=["placed", "even"])
def test_weights_that_learn_on_begin_near_where_they_were(table: Tensor | None) -> None:
    weight, choices = 0.2 * drawn(2, 300), levels(3) if table is None else table
    weight[:, ::7] = 0
    steps = STEPS[:, None]
    # Not always the nearest, as compensation chooses.
    moved = weight + 0.03 * drawn(2, 300, seed=1) * (weight != 0)
    rounded = to_level(moved / steps, choices) * steps
    near = near_levels(weight, rounded, steps, table)
    assert torch.equal(to_level(near / steps, choices) * steps, rounded)
    assert torch.equal(near == 0, weight == 0)
    assert error_of(weight, near) < 0.8 * error_of(weight, rounded)


# Where levels lie


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_placed_levels_are_no_farther_than_even_ones(bits: int) -> None:
    # A long tail to one side, channels that reach differently far.
    weight = (drawn(6, 500).exp() - 1) * torch.logspace(-3, 0, 6)[:, None]
    half = levels(bits)[1]
    steps = short(weight.abs().amax(dim=1, keepdim=True) / (2 * half))
    importance = drawn(1, 500, seed=2).square()
    placed, table = placed_levels(weight, steps, bits, importance)
    assert table.shape == (2**bits,)
    assert float(table[2 ** (bits - 1)]) == 0
    assert torch.equal(short(table), table) and torch.equal(short(placed), placed)

    def error(rounded: Tensor) -> float:
        return float((importance * (rounded - weight).square()).sum())

    even = error(to_level(weight / steps, levels(bits)) * steps)
    assert error(to_level(weight / placed, table) * placed) < 0.6 * even
    assert (table > 0).sum() > (table < 0).sum()


def test_compensation_rounds_to_a_table() -> None:
    layer = nn.Conv2d(6, 8, 3, padding=1)
    with torch.no_grad():
        layer.weight.copy_(0.2 * drawn(8, 6, 3, 3))
    weight, steps = layer.weight.detach(), torch.full((1, 1, 1, 1), 0.125)
    seen = [drawn(1, 1, 24, 24, seed=s) + 0.1 * drawn(1, 6, 24, 24, seed=9 + s) for s in range(3)]
    rounded = round_layer(layer, steps, TABLE, seen)
    assert torch.isin(rounded / steps, TABLE).all()
    near = to_level(weight / steps, TABLE) * steps
    new = drawn(1, 1, 24, 24, seed=50) + 0.1 * drawn(1, 6, 24, 24, seed=51)
    with torch.no_grad():
        wanted = convolved(layer, new, weight)
        errors = [error_of(wanted, convolved(layer, new, w)) for w in (rounded, near)]
    assert errors[0] < 0.7 * errors[1]


# As data


def test_a_grid_with_a_table_goes_through_plain_values() -> None:
    grid = weight_grids(network_of())["generator.weight"]
    assert grid.table == tuple(TABLE.tolist())
    again = WeightGrid.from_dict(grid.to_dict(), grid.integers, grid.steps)
    np.testing.assert_array_equal(again.weights(), grid.weights())
    even = weight_grids(network_of(table=None))["generator.weight"]
    assert even.to_dict() == {"bits": 3, "axis": 0}


@pytest.mark.parametrize(
    ("bits", "table"),
    [
        (3, [0.0] * 7),
        (3, [-4.0, -3.0, -2.0, -1.0, 0.5, 1.0, 2.0, 3.0]),
        (3, [-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, math.inf]),
        (3, [-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 0.1]),
        (3, "wide"),
        (3, 7),
        (5, [0.0] * 32),
    ],
)
def test_what_is_no_table(bits: int, table: object) -> None:
    integers, steps = np.zeros((2, 3), np.int8), np.ones(2, np.float32)
    with pytest.raises(ModelFileError, match=r"is no (table of levels|grid of weights)"):
        WeightGrid.from_dict({"bits": bits, "axis": 0, "table": table}, integers, steps)
