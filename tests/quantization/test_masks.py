"""Masks: weights that are pruned stay so, rounded or not."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from slimcodec.quantization.simulation import (
    attach_mask,
    attach_weights,
    hold_zeros,
    masked,
    plain_state,
    plain_weights,
    set_weights,
    underneath,
    weight_grids,
)

STEPS = torch.full((4,), 0.05)


def layer_of(seed: int = 0) -> nn.Conv2d:
    layer = nn.Conv2d(3, 4, 3)
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        layer.weight.uniform_(-0.3, 0.3, generator=rng)
    return layer


def a_mask() -> torch.Tensor:
    return (torch.rand(4, 3, 3, 3, generator=torch.Generator().manual_seed(1)) > 0.4).float()


@pytest.mark.parametrize("order", ["mask", "mask, rounding", "rounding, mask"])
def test_zeros_stay_while_the_others_learn(order: str) -> None:
    network, mask = nn.Sequential(layer_of()), a_mask()
    layer: Any = network[0]
    for what in order.split(", "):
        if what == "mask":
            attach_mask(layer, mask)
        else:
            attach_weights(layer, STEPS, 6, 0)
    before = underneath(layer).detach().clone()
    # With a moment that still points somewhere, weights underneath would go on by themselves.
    optimizer = torch.optim.Adam(network.parameters(), 0.05)
    for _ in range(3):
        optimizer.zero_grad()
        network(torch.rand(2, 3, 8, 8)).square().mean().backward()
        optimizer.step()
    written = torch.from_numpy(plain_weights(network)["0.weight"])
    for weight in (layer.weight, underneath(layer), written):
        assert not weight[mask == 0].any()
    assert (underneath(layer) != before)[mask == 1].all()
    assert set(plain_state(network)) == {"0.weight", "0.bias"}
    if "rounding" in order:
        levels = layer.weight / 0.05
        torch.testing.assert_close(levels, levels.round())
        grid = weight_grids(network)["0.weight"]
        torch.testing.assert_close(torch.from_numpy(grid.weights()), layer.weight.detach())


def test_what_is_zero_is_held() -> None:
    network: Any = nn.Sequential(layer_of(), nn.ReLU(), nn.Conv2d(4, 2, 1))
    masked(network[0], a_mask())
    kept = copy.deepcopy(network)
    hold_zeros(network)
    assert set(network.state_dict()) == {
        "0.parametrizations.weight.original", "0.bias", "2.weight", "2.bias",
    }  # fmt: skip
    set_weights(network[0], torch.ones(4, 3, 3, 3))
    assert torch.equal(network[0].weight, a_mask())
    assert not hasattr(kept[0], "parametrizations")


def test_a_later_mask_takes_the_place_of_the_first() -> None:
    layer: Any = layer_of()
    attach_mask(layer, a_mask())
    attach_weights(layer, STEPS, 6, 0)
    less = a_mask()
    less[0] = 0
    attach_mask(layer, less)
    assert len(layer.parametrizations.weight) == 2
    assert not layer.weight[0].any()
