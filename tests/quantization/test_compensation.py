"""Compensated rounding: what it is for, checked on cases small enough to know the answer."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from slimcodec.quantization.compensation import compensated, round_layer
from slimcodec.quantization.simulation import convolved

LEVELS = (-31, 31)


def test_the_second_of_two_equal_inputs_makes_up_for_the_first() -> None:
    weight = torch.tensor([[0.4, 0.4]])
    gram = torch.ones(2, 2, dtype=torch.float64)
    rounded = compensated(weight, torch.ones_like(weight), LEVELS, gram)
    assert sorted(rounded[0].tolist()) == [0.0, 1.0]


def test_what_was_pruned_stays_zero() -> None:
    weight = torch.tensor([[0.45, 0.0, 0.45, 0.0]])
    gram = torch.ones(4, 4, dtype=torch.float64)
    rounded = compensated(weight, torch.ones_like(weight), LEVELS, gram)
    assert rounded[0, [1, 3]].tolist() == [0.0, 0.0]
    assert rounded.sum() == 1


def test_inputs_that_have_nothing_in_common_are_rounded_to_the_nearest_level() -> None:
    weight = torch.randn(5, 300, generator=torch.Generator().manual_seed(0))
    steps = torch.full_like(weight, 0.1)
    rounded = compensated(weight, steps, LEVELS, torch.eye(300, dtype=torch.float64))
    torch.testing.assert_close(rounded, (weight / 0.1).round().clamp(*LEVELS) * 0.1)


def test_inputs_that_were_never_seen_are_rounded_to_the_nearest_level() -> None:
    weight = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    steps = torch.full_like(weight, 0.5)
    rounded = compensated(weight, steps, LEVELS, torch.zeros(4, 4, dtype=torch.float64))
    torch.testing.assert_close(rounded, (weight / 0.5).round() * 0.5)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(6, 8, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(6, 8, 5, stride=2, padding=2),
        nn.Conv2d(6, 8, 1),
        nn.ConvTranspose2d(6, 8, 5, stride=2, padding=2, output_padding=1),
        nn.ConvTranspose2d(6, 8, 3, stride=2, padding=1, output_padding=1),
        nn.ConvTranspose2d(6, 8, 3, stride=1, padding=1),
        nn.ConvTranspose2d(6, 3, 4, stride=4),
    ],
    ids=str,
)
def test_a_layer_keeps_its_output_better_than_with_nearest_levels(
    layer: nn.Conv2d | nn.ConvTranspose2d,
) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer.reset_parameters()
    weight = layer.weight.detach()
    steps = torch.full([1] * 4, float(weight.abs().max()) / 7)
    seen = [_smooth(seed) for seed in range(4)]
    rounded = round_layer(layer, steps, (-7, 7), seen)
    integers = rounded / steps
    torch.testing.assert_close(integers, integers.round(), atol=1e-4, rtol=0)
    assert integers.abs().max() < 7.001

    def error(weights: Tensor, x: Tensor) -> float:
        return float((convolved(layer, x, weights) - convolved(layer, x, weight)).square().mean())

    nearest = (weight / steps).round().clamp(-7, 7) * steps
    # On inputs like those seen, but not those.
    new = _smooth(99)
    with torch.no_grad():
        assert error(rounded, new) < 0.7 * error(nearest, new)


def _smooth(seed: int) -> Tensor:
    """Channels that resemble each other, and places their neighbours."""
    draw = torch.Generator().manual_seed(seed)
    low = torch.randn(1, 3, 9, 11, generator=draw)
    wide = nn.functional.interpolate(low, (36, 44), mode="bilinear")
    mixed = torch.einsum("oc,bchw->bohw", torch.randn(6, 3, generator=draw.manual_seed(7)), wide)
    return mixed + 0.1 * torch.randn(mixed.shape, generator=draw)
