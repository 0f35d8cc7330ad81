"""The probability model without a hyperprior: each latent by its channel's factorized density
(Ballé et al. 2018), rounded around the channel's median where the structure says so."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from slimcodec.codecs.latents.config import LatentsConfig
from slimcodec.codecs.latents.density import FactorizedDensity
from slimcodec.codecs.latents.hyperprior import (
    LIKELIHOOD_FLOOR,
    lower_bound,
    noisy,
    round_through,
)

__all__ = ["Factorized", "FactorizedLikelihoods"]


class FactorizedLikelihoods(NamedTuple):
    """Probability of each symbol, [b, m, h, w]; bits are ``-log2`` of it."""

    latents: Tensor

    def bits(self) -> Float[Tensor, " b"]:
        """Ideal code length of each image, in bits."""
        return -self.latents.log2().flatten(1).sum(dim=1)


class Factorized(nn.Module):
    """The part ``probability``.

    Attributes:
        median: of each latent.
    """

    median: Tensor

    def __init__(self, config: LatentsConfig) -> None:
        super().__init__()
        channels = config.latent_channels
        self.register_buffer("median", torch.zeros(1, channels, 1, 1))
        self.density = FactorizedDensity(channels, config.structure.density_filters)

    def forward(
        self, y: Float[Tensor, "b m h w"]
    ) -> tuple[Float[Tensor, "b m h w"], FactorizedLikelihoods]:
        """Decoded latents, rounded with a straight-through gradient, and likelihoods: of noisy
        latents in training mode, whose expectation is smooth."""
        with torch.autocast(y.device.type, enabled=False):
            y = y.float()
            y_hat = round_through(y - self.median) + self.median
            probability = self.density(noisy(y) if self.training else y_hat)
            return y_hat, FactorizedLikelihoods(lower_bound(probability, LIKELIHOOD_FLOOR))
