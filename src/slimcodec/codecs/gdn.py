"""Generalized divisive normalization (Ballé, Laparra, Simoncelli 2016) and its inverse.

    y[i] = x[i] / sqrt(beta[i] + Σ_j gamma[i, j] · x[j]²)        inverse: times the root

What is under the root is a 1x1 convolution of squares, ``norm``, with gammas for weights and betas
for a bias: a layer as others are, that passes prune, narrow and quantize. Published networks learn
roots of both, so that no gamma is negative; here a step of training that makes one so is taken
back to zero before the next.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from slimcodec.graphs.building import GDN_FLOOR
from slimcodec.quantization.simulation import underneath

__all__ = ["Gdn"]

_BETA_MINIMUM = 1e-6
"""As published."""
_START, _START_OF_OTHERS = 0.1, 1e-6
"""Of gamma, for a channel and itself, and for others."""


class Gdn(nn.Module):
    """A normalization of all channels by all.

    Args:
        channels: of what it is given.
        inverse: whether it multiplies.
    """

    def __init__(self, channels: int, inverse: bool = False) -> None:
        super().__init__()
        self.inverse = inverse
        self.norm = nn.Conv2d(channels, channels, 1)
        with torch.no_grad():
            self.norm.weight.fill_(_START_OF_OTHERS)[:, :, 0, 0].fill_diagonal_(_START)
            self._beta.fill_(1)

    @property
    def _beta(self) -> Tensor:
        assert self.norm.bias is not None
        return self.norm.bias

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        if self.training:
            with torch.no_grad():
                underneath(self.norm).clamp_(min=0)
                self._beta.clamp_(min=_BETA_MINIMUM)
        # Never below, whatever a pass does to betas.
        norm: Tensor = self.norm(x.square()).clamp(min=GDN_FLOOR)
        return x * (norm.sqrt() if self.inverse else norm.rsqrt())
