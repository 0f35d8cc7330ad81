"""The probability model of latents: its formulas against other implementations."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import scipy.stats
import torch

from slimcodec.codecs.hific.config import HificConfig
from slimcodec.codecs.latents.density import FactorizedDensity
from slimcodec.codecs.latents.hyperprior import (
    SCALE_FLOOR,
    Hyperprior,
    lower_bound,
    round_through,
)

Likelihood = Literal["gaussian", "logistic"]


@pytest.mark.parametrize("likelihood", ["gaussian", "logistic"])
def test_likelihoods_against_scipy(tiny_config: HificConfig, likelihood: Likelihood) -> None:
    prior = Hyperprior(replace(tiny_config, likelihood=likelihood))
    distribution = {"gaussian": scipy.stats.norm, "logistic": scipy.stats.logistic}[likelihood]
    symbols = np.arange(-8.0, 9.0)
    scales = np.array([0.02, 0.11, 0.3, 1.0, 4.0, 60.0])
    centred, scale = (a.astype(np.float32) for a in np.meshgrid(symbols, scales))
    shape = (1, 1, *centred.shape)
    with torch.no_grad():
        ours = prior.likelihoods(
            torch.from_numpy(centred).reshape(shape),
            torch.from_numpy(scale).reshape(shape),
            torch.zeros(1, 8, 1, 1),
        ).latents
    floored = np.maximum(scale.astype(np.float64), SCALE_FLOOR)
    # The bin on the lower tail, where a difference of cumulatives keeps its digits.
    lower = -np.abs(centred)
    bins = [distribution.cdf((lower + side) / floored) for side in (0.5, -0.5)]
    expected = np.maximum(bins[0] - bins[1], 1e-9)
    np.testing.assert_allclose(ours.numpy().reshape(expected.shape), expected, rtol=2e-4)


def test_the_factorized_density_is_a_density() -> None:
    torch.manual_seed(3)
    density = FactorizedDensity(4)
    with torch.no_grad():
        for gate in density.gates:
            gate.uniform_(-0.5, 0.5)
        values = torch.arange(-300.0, 301.0).expand(1, 4, 1, -1)
        likelihood = density(values)
        assert (density.logits(values[0]).diff(dim=-1) >= 0).all()
    assert (likelihood >= 0).all()
    torch.testing.assert_close(likelihood.sum(dim=-1), torch.ones(1, 4, 1), atol=1e-4, rtol=0)


def test_rounding_and_bounding_let_gradients_through() -> None:
    x = torch.tensor([0.2, 0.8, -1.6], requires_grad=True)
    y = round_through(x)
    assert y.tolist() == [0, 1, -2]
    y.backward(torch.tensor([1.0, 2.0, 3.0]))
    assert x.grad is not None
    assert x.grad.tolist() == [1, 2, 3]
    below = torch.tensor([0.0, 0.0, 1.0], requires_grad=True)
    lower_bound(below, 0.5).backward(torch.tensor([1.0, -1.0, 1.0]))
    assert below.grad is not None
    assert below.grad.tolist() == [0, -1, 1]
