"""Settling: grids for what coding runs in integers, found once."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from slimcodec.quantization import ActivationGrid, IntegerSum
from slimcodec.quantization.observing import observed
from slimcodec.quantization.settling import CODED_WEIGHT_BITS, settle
from slimcodec.quantization.simulation import (
    InputGrid,
    is_quantized,
    is_settled,
    masked,
    plain_state,
    quantization_of,
)

GIVEN = ActivationGrid(0.125, 8, -128)


class Small(nn.Module):
    """One layer by itself, and a sum of two."""

    def __init__(self) -> None:
        super().__init__()
        self.alone = nn.ConvTranspose2d(3, 4, 5, stride=2, padding=2, output_padding=1)
        self.one = nn.Conv2d(4, 5, 1)
        self.other = nn.Conv2d(3, 5, 3, padding=1, bias=False)
        self.spare = nn.Conv2d(5, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        wide = F.interpolate(x, scale_factor=2.0)
        return self.spare(F.relu(self.one(F.relu(self.alone(x))) + self.other(wide)))


SUMS = [
    IntegerSum(("alone",), ("units",)),
    IntegerSum(("one", "other"), ("seen", GIVEN)),
]
CODED = ("alone", "one", "other")


@pytest.fixture
def network() -> Small:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Small().eval()


def picture(seed: int = 0) -> Tensor:
    return torch.randn(1, 3, 12, 14, generator=torch.Generator().manual_seed(seed))


def settled(network: Small, bits: int = CODED_WEIGHT_BITS) -> int:
    """How often something had to be looked at."""
    runs = 0

    def run() -> None:
        nonlocal runs
        runs += 1
        for seed in range(4):
            network(picture(seed))

    settle(network, SUMS, run, lambda name: bits)
    return runs


def test_grids_are_those_of_the_integers(network: Small) -> None:
    assert settled(network) == 1
    found = quantization_of(network)
    assert set(found.activations) == set(CODED)
    assert set(found.weights) == {f"{name}.weight" for name in CODED}
    assert {grid.bits for grid in found.weights.values()} == {7}
    assert all(np.abs(grid.integers).max() <= 63 for grid in found.weights.values())
    assert [found.weights[f"{name}.weight"].axis for name in CODED] == [1, 0, 0]
    # Behind a rectifier; 1 and -1 on the grid; as given.
    assert found.activations["one"].levels == (0, 255)
    units = found.activations["alone"]
    assert units.levels == (-128, 127)
    assert 1 / units.step == round(1 / units.step)
    assert found.activations["other"] == GIVEN
    assert is_settled(network, CODED)
    assert not is_settled(network, [*CODED, "spare"])
    assert not is_quantized(network)


def test_steps_of_a_sum_are_the_same(network: Small) -> None:
    settled(network)
    found = quantization_of(network)
    one, other = (
        found.weights[f"{name}.weight"].steps.astype(np.float64) * found.activations[name].step
        for name in ("one", "other")
    )
    np.testing.assert_allclose(one, other, rtol=1e-6)


class Beside(Small):
    """A layer that is given what the first is given, later."""

    def __init__(self) -> None:
        super().__init__()
        self.twin = nn.Conv2d(3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        self.twin(x)
        return super().forward(x)


@pytest.mark.parametrize("settled_before", [False, True])
def test_layers_that_are_given_the_same_bytes_have_one_grid(settled_before: bool) -> None:
    """Also when one of them comes to a network that is settled, and sees another picture."""
    network = Beside().eval()
    if settled_before:
        settled(network)
    before = quantization_of(network).activations
    settle(
        network,
        [*SUMS, IntegerSum(("twin",), ("alone",))],
        lambda: network((3 if settled_before else 1) * picture()),
    )
    grids = quantization_of(network).activations
    assert grids["twin"] == grids["alone"]
    assert {name: grids[name] for name in before} == before
    assert is_settled(network, [*CODED, "twin"])


def test_what_is_settled_stays(network: Small) -> None:
    settled(network)
    before = {name: tensor.clone() for name, tensor in plain_state(network).items()}
    grids = quantization_of(network)
    assert settled(network) == 0
    assert settled(network, 8) == 0
    after = quantization_of(network)
    assert after.activations == grids.activations
    for name, grid in grids.weights.items():
        np.testing.assert_array_equal(after.weights[name].integers, grid.integers)
        np.testing.assert_array_equal(after.weights[name].steps, grid.steps)
    for name, tensor in plain_state(network).items():
        assert torch.equal(tensor, before[name])


def test_fewer_bits_round_again_on_the_same_grids_of_inputs(network: Small) -> None:
    settled(network)
    grids = quantization_of(network)
    assert settled(network, 4) == 1
    after = quantization_of(network)
    assert after.activations == grids.activations
    for name, grid in after.weights.items():
        assert grid.bits == 4
        assert np.abs(grid.integers).max() <= 7
        error = np.square(grid.weights() - grids.weights[name].weights()).sum()
        assert error < 0.6 * np.square(grid.weights()).sum()


def test_a_settled_network_computes_nearly_the_same(network: Small) -> None:
    plain = copy.deepcopy(network)
    settled(network)
    with torch.no_grad():
        ours, theirs = network(picture(9)), plain(picture(9))
    assert (ours - theirs).square().mean() < 3e-3 * theirs.square().mean()


def test_weights_that_are_masked_stay_zero(network: Small) -> None:
    settled(network)
    mask = (torch.rand(network.other.weight.shape) > 0.5).float()
    steps = quantization_of(network).weights["other.weight"].steps
    masked(network.other, mask)
    grid = quantization_of(network).weights["other.weight"]
    np.testing.assert_array_equal(grid.steps, steps)
    assert not grid.integers[mask.numpy() == 0].any()
    assert grid.integers.any()
    assert settled(network) == 0
    assert not quantization_of(network).weights["other.weight"].integers[mask.numpy() == 0].any()


def test_looking_leaves_grids_where_they_were(network: Small) -> None:
    settled(network)
    before = quantization_of(network)
    with torch.no_grad(), observed(network, names=["alone", "spare"]) as notes:
        network(picture())
        assert not isinstance(network.alone.input_grid, InputGrid)
        assert isinstance(network.one.input_grid, InputGrid)
    assert {name: seen.calls for name, seen in notes.items()} == {"alone": 1, "spare": 1}
    assert quantization_of(network).activations == before.activations


def test_training_goes_on_through_grids(network: Small) -> None:
    settled(network)
    network(picture()).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name


def test_fewer_bits_are_rounded_for_what_the_layer_sees(network: Small) -> None:
    """A lone layer's outputs are nearer than with the nearest levels."""
    settled(network)
    nearest = copy.deepcopy(network)
    settled(network, 4)
    settle(nearest, SUMS, lambda: None, lambda name: 4)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        plain = Small().eval()
    x = torch.randn(1, 3, 12, 14, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        exact = plain.alone(x)
        ours, theirs = ((each.alone(x) - exact).square().mean() for each in (network, nearest))
    assert ours < theirs


def test_a_copy_that_is_rounded_again_leaves_the_network_as_it_was(network: Small) -> None:
    settled(network)
    before = network.alone.weight.detach().clone()
    settled(copy.deepcopy(network), 4)
    assert torch.equal(network.alone.weight, before)
    assert is_settled(network, CODED)
