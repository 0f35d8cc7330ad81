"""CompressAI's networks in torch, at any width, and their training path.

    image ─► encoder ─► latents y ─► (probability: what y costs) ─► ŷ ─► generator ─► image

Quantization is noise for the rate and rounding with a straight-through gradient for the picture.
The coded path, in numpy, is ``codecs.latents.codec``; it calls the same graphs.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from slimcodec.codecs.compressai.config import CompressaiConfig
from slimcodec.codecs.gdn import Gdn
from slimcodec.codecs.latents.factorized import Factorized, FactorizedLikelihoods
from slimcodec.codecs.latents.hyperprior import Hyperprior, Likelihoods, gain_of

__all__ = ["CompressaiNetwork", "Decoded", "Encoder", "Generator"]


class Stage(nn.Module):
    """A convolution and a normalization."""

    def __init__(self, conv: nn.Conv2d | nn.ConvTranspose2d, inverse: bool) -> None:
        super().__init__()
        self.conv = conv
        self.gdn = Gdn(conv.out_channels, inverse)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        out: Tensor = self.gdn(self.conv(x))
        return out


class Encoder(nn.Module):
    """Analysis transform: an image in [0, 1] to latents, 16 times smaller on a side."""

    def __init__(self, config: CompressaiConfig) -> None:
        super().__init__()
        sides = pairwise((3, *config.encoder_widths))
        self.stages = nn.ModuleList(Stage(_down(*side), inverse=False) for side in sides)
        self.head = _down(config.encoder_widths[-1], config.latent_channels)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b m h16 w16"]:
        x = image
        for stage in self.stages:
            x = stage(x)
        out: Tensor = self.head(x)
        return out


class Generator(nn.Module):
    """Synthesis transform: decoded latents to an image, [0, 1] up to what clipping must mend."""

    def __init__(self, config: CompressaiConfig) -> None:
        super().__init__()
        sides = pairwise((config.latent_channels, *config.generator_widths))
        self.stages = nn.ModuleList(Stage(_up(*side), inverse=True) for side in sides)
        self.out = _up(config.generator_widths[-1], 3)

    def forward(self, y_hat: Float[Tensor, "b m h16 w16"]) -> Float[Tensor, "b 3 h w"]:
        x = y_hat
        for stage in self.stages:
            x = stage(x)
        out: Tensor = self.out(x)
        return out


def _down(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 5, stride=2, padding=2)


def _up(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(inputs, outputs, 5, stride=2, padding=2, output_padding=1)


class Decoded(NamedTuple):
    """What training sees of a batch: ``image`` [b, 3, h, w]; ``features`` [b, m, h/16, w/16], the
    decoded latents that it is made of."""

    image: Tensor
    likelihoods: Likelihoods | FactorizedLikelihoods
    features: Tensor


class CompressaiNetwork(nn.Module):
    """The whole codec as one module with the parts ``encoder``, ``generator``, ``probability``.

    With a hyperprior, ``log_gain`` and ``log_degain`` [qualities, m] scale the latents before
    rounding and after; published networks have one quality, and zeros there.
    """

    def __init__(self, config: CompressaiConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.generator = Generator(config)
        self.probability: Hyperprior | Factorized
        if config.structure.hyperprior:
            self.probability = Hyperprior(config)
            gains = torch.tensor(config.initial_log_gains)[:, None].repeat(
                1, config.latent_channels
            )
            self.log_gain = nn.Parameter(gains.clone())
            self.log_degain = nn.Parameter(-gains)
        else:
            self.probability = Factorized(config)

    def forward(
        self, image: Float[Tensor, "b 3 h w"], quality: Float[Tensor, " b"] | None = None
    ) -> Decoded:
        """Reconstruction and likelihoods as in training.

        Args:
            image: values in [0, 1]; sides are multiples of 64.
            quality: index into the trained qualities, 0 first; fractions interpolate.
        """
        y = self.encoder(image)
        if isinstance(self.probability, Factorized):
            y_hat, likelihoods = self.probability(y)
            return Decoded(self.generator(y_hat), likelihoods, y_hat)
        if quality is None:
            quality = torch.zeros(image.shape[0], device=image.device)
        y_hat, likelihoods = self.probability(y, gain_of(self.log_gain, quality))
        y_hat = y_hat * gain_of(self.log_degain, quality)
        return Decoded(self.generator(y_hat), likelihoods, y_hat)

    def picture(self, features: Float[Tensor, "b m h16 w16"]) -> Float[Tensor, "b 3 h w"]:
        """Picture of decoded latents alone, for who learns from a teacher's."""
        out: Tensor = self.generator(features.float())
        return out

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Optimizer groups. The factorized density learns five times as fast, or the networks train
        against a rate that is not yet true."""
        density = list(self.probability.density.parameters())
        inside = {id(parameter) for parameter in density}
        rest = [parameter for parameter in self.parameters() if id(parameter) not in inside]
        return [
            {"params": rest, "lr": learning_rate},
            {"params": density, "lr": 5 * learning_rate},
        ]
