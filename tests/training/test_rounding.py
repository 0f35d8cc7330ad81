"""Learned rounding keeps a layer's output better than rounding each weight to its nearest level."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from slimcodec.quantization.simulation import convolved
from slimcodec.training.rounding import learn_rounding


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_the_output_comes_closer(kind: type[nn.Conv2d] | type[nn.ConvTranspose2d]) -> None:
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer = kind(6, 5, 3, padding=1)
    weight = layer.weight.detach()
    steps = weight.abs().max() / 3 * torch.ones(1, 1, 1, 1)
    # Neighbours alike, as in pictures: then errors of weights can cancel.
    inputs = [
        torch.rand(1, 6, 3, 3, generator=generator).repeat_interleave(8, 2).repeat_interleave(8, 3)
        for _ in range(6)
    ]
    learned = learn_rounding(
        lambda x, w: convolved(layer, x, w), weight, steps, (-3, 3), inputs[:4]
    )
    integers = learned / steps
    torch.testing.assert_close(integers, integers.round())
    assert ((learned - weight).abs() <= steps + 1e-6).all()

    def error(rounded: torch.Tensor) -> float:
        return float(sum(convolved(layer, x, rounded - weight).square().mean() for x in inputs[4:]))

    nearest = (weight / steps).round().clamp(-3, 3) * steps
    assert error(learned) < 0.6 * error(nearest)
