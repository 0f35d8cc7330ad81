"""The loss is the formula it says: bits per pixel and weighted squared error, image by image."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from slimcodec.codecs.hific.hyperprior import Likelihoods
from slimcodec.training.losses import RateDistortion


class Fixed(nn.Module):
    """A network with known outputs: the image moved by ``off``, every likelihood a half."""

    def __init__(self, off: float, symbols: int) -> None:
        super().__init__()
        self.off, self.symbols = off, symbols

    def forward(
        self, image: torch.Tensor, quality: torch.Tensor, learned: bool
    ) -> tuple[torch.Tensor, Likelihoods]:
        halves = torch.full((len(image), 1, 1, self.symbols), 0.5)
        return image + self.off, Likelihoods(halves, halves)


def test_rate_and_distortion() -> None:
    objective = RateDistortion((0.01, 0.04))
    images, quality = torch.rand(2, 3, 64, 64), torch.tensor([0.0, 1.0])
    loss = objective(Fixed(0.1, 4096), images, quality)
    bpp = 2.0  # two arrays of as many symbols as pixels, a bit each
    distortion = 255**2 * 0.01
    weights = [math.sqrt(0.025 / 0.01), math.sqrt(0.025 / 0.04)]
    parts = [w * (bpp + lam * distortion) for w, lam in zip(weights, (0.01, 0.04), strict=True)]
    assert float(loss.total) == pytest.approx(sum(parts) / 2, rel=1e-4)
    assert loss.bpp == pytest.approx(bpp)
    assert loss.psnr_db == pytest.approx(20, abs=1e-3)


def test_a_batch_has_distinct_qualities_as_far_as_there_are_enough() -> None:
    objective = RateDistortion((1.0, 2.0, 3.0))
    rng = torch.Generator().manual_seed(0)
    assert sorted(objective.draw_qualities(3, rng).tolist()) == [0, 1, 2]
    many = objective.draw_qualities(7, rng).tolist()
    assert len(many) == 7
    assert all(many.count(q) >= 2 for q in (0, 1, 2))
    again = torch.Generator().manual_seed(0)
    assert torch.equal(
        RateDistortion((1.0, 2.0, 3.0)).draw_qualities(3, again),
        RateDistortion((1.0, 2.0, 3.0)).draw_qualities(3, torch.Generator().manual_seed(0)),
    )
