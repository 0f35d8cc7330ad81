"""Generalized divisive normalization (Ballé, Laparra, Simoncelli 2016) and its inverse.

    y[i] = x[i] / sqrt(beta[i] + Σ_j gamma[i, j] · x[j]²)        inverse: times the root
    beta = max(beta_root², 1e-6)      gamma = gamma_root²

What is learned and stored are the roots. So gamma is never negative and beta never zero, whatever
a step of training or a pruned channel does; an optimizer's step is as fine for a small gamma as for
a large one; and half precision, which has nothing between 0 and 6e-8, holds gammas down to 4e-15.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from slimcodec.graphs.building import GDN_FLOOR

__all__ = ["Gdn"]

_START, _START_OF_OTHERS = 0.1, 1e-6
"""Of gamma, for a channel and itself, and for others: at zero a root would not learn."""


class Gdn(nn.Module):
    """A normalization of all channels by all.

    Args:
        channels: of what it is given.
        inverse: whether it multiplies.
    """

    def __init__(self, channels: int, inverse: bool = False) -> None:
        super().__init__()
        self.inverse = inverse
        gamma = torch.full((channels, channels), math.sqrt(_START_OF_OTHERS))
        gamma.fill_diagonal_(math.sqrt(_START))
        self.gamma_root = nn.Parameter(gamma[:, :, None, None])
        self.beta_root = nn.Parameter(torch.ones(channels))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        beta = self.beta_root.square().clamp(min=GDN_FLOOR)
        norm = F.conv2d(x.square(), self.gamma_root.square(), beta)
        return x * (norm.sqrt() if self.inverse else norm.rsqrt())
