"""``perception``: pictures that look right, as HiFiC trains them (Mentzer et al. 2020).

    generator    d · MSE + p · LPIPS + a · softplus(-D(x̂, ŷ))
    adversary    softplus(-D(x, ŷ)) + softplus(D(x̂, ŷ))          (non-saturating)

There is no rate in it: the generator alone learns, and streams stay what they are. With a
``rate_weight`` bits per pixel are a third term of the first line, and all may learn.

The adversary judges patches, and it sees the latents beside them: not whether a picture is likely,
but whether it is likely for what the stream says. LPIPS and the adversary both reward detail that
the stream does not carry, so what is fine in such a picture is invented.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from slimcodec.metrics import Lpips
from slimcodec.training.objectives.contract import Draw, Loss, psnr_db
from slimcodec.training.objectives.rate_distortion import coded_at, draw_qualities
from slimcodec.training.objectives.settings import ObjectiveSettings, weight
from slimcodec.types import NATURAL

__all__ = ["Discriminator", "Perception", "PerceptionSettings"]


@dataclass(frozen=True)
class PerceptionSettings(ObjectiveSettings):
    """``perception``.

    Attributes:
        distortion_weight: of the mean squared error, values in [0, 1].
        lpips_weight: of LPIPS.
        adversarial_weight: of a discriminator's verdict; 0 trains none.
        rate_weight: of bits per pixel.
    """

    name: ClassVar[str] = "perception"
    look: ClassVar[str] = NATURAL
    distortion_weight: float = weight(150.0)
    lpips_weight: float = weight(0.0)
    adversarial_weight: float = weight(0.15)
    rate_weight: float = weight(0.0)

    @property
    def has_rate(self) -> bool:
        """See ``ObjectiveSettings``."""
        return self.rate_weight > 0

    def build(self, shape: Any, teacher: nn.Module | None = None) -> Perception:
        """See ``ObjectiveSettings``; a shape has ``lambdas``, ``latent_channels`` and
        ``stride``."""
        return Perception(
            len(shape.lambdas),
            shape.latent_channels,
            shape.stride,
            distortion_weight=self.distortion_weight,
            lpips_weight=self.lpips_weight,
            adversarial_weight=self.adversarial_weight,
            rate_weight=self.rate_weight,
        )


class Discriminator(nn.Module):
    """Logits of patches of 70 pixels being photographed, given what was sent of them.

    Spectral norm on every layer (Miyato et al. 2018). It is computed in full precision: a norm
    rounded to eight bits is no bound.
    """

    WIDTHS = ((64, 2), (128, 2), (256, 2), (512, 1))
    SEEN = 12
    """Channels into which the latents are drawn together."""

    def __init__(self, latent_channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        seen = nn.Conv2d(latent_channels, self.SEEN, 3, padding=1)
        layers, width = [seen], 3 + self.SEEN
        for outputs, step in self.WIDTHS:
            layers.append(nn.Conv2d(width, outputs, 4, stride=step, padding=1))
            width = outputs
        layers.append(nn.Conv2d(width, 1, 1))
        self.layers = nn.ModuleList(spectral_norm(layer) for layer in layers)

    def forward(
        self, image: Float[Tensor, "b 3 h w"], latents: Float[Tensor, "b m h16 w16"]
    ) -> Float[Tensor, "b 1 p q"]:
        """
        Args:
            image: values in [0, 1].
            latents: decoded, in units of their usual spread.
        """
        with torch.autocast(image.device.type, enabled=False):
            convolutions: list[Any] = [
                partial(
                    F.conv2d,
                    weight=layer.weight,
                    bias=layer.bias,
                    stride=layer.stride,
                    padding=layer.padding,
                )
                for layer in self.layers
            ]  # each access to a weight takes the norm anew
        draw_together, *judge, last = convolutions
        seen = F.leaky_relu(draw_together(latents), 0.2)
        seen = F.interpolate(seen, scale_factor=float(self.stride), mode="nearest")
        x = torch.cat([image * 2 - 1, seen], dim=1)
        for convolution in judge:
            x = F.leaky_relu(convolution(x), 0.2)
        out: Tensor = last(x)
        return out


class Perception:
    """Distortion, LPIPS and a discriminator over all qualities of a codec.

    Args:
        qualities: how many the network was trained for.
        latent_channels: of the network.
        stride: pixels per latent position on a side.
        distortion_weight: of the mean squared error, values in [0, 1].
        lpips_weight: of LPIPS (AlexNet); its weights are looked for as ``metrics.Lpips`` says.
        adversarial_weight: of the discriminator's verdict.
        rate_weight: of bits per pixel.
    """

    def __init__(
        self,
        qualities: int,
        latent_channels: int,
        stride: int,
        *,
        distortion_weight: float,
        lpips_weight: float,
        adversarial_weight: float,
        rate_weight: float = 0.0,
    ) -> None:
        self.qualities = qualities
        self.weights = (distortion_weight, lpips_weight, adversarial_weight)
        self.rate_weight = rate_weight
        self.lpips = Lpips() if lpips_weight else None
        judge = Discriminator(latent_channels, stride) if adversarial_weight else None
        # The loop may wrap the adversary to train it in many processes; its verdict on the codec
        # needs no gradient of its own, so that goes past the wrapping.
        self.judge = judge
        self.adversary: nn.Module | None = judge

    def to(self, device: torch.device) -> None:
        """See ``Objective``."""
        if self.lpips is not None:
            self.lpips.to(device)
        if self.judge is not None:
            self.judge.to(device)

    def describe(self) -> str:
        """See ``Objective``."""
        names = ("mean squared error", "LPIPS", "non-saturating adversarial loss")
        terms = [f"{w:g} {name}" for w, name in zip(self.weights, names, strict=True) if w]
        terms += [f"{self.rate_weight:g} bits per pixel"] if self.rate_weight else []
        return f"{' + '.join(terms)}, at {self.qualities} qualities at once"

    def draw(self, count: int, rng: torch.Generator) -> Draw:
        """See ``Objective``."""
        return Draw({"quality": draw_qualities(count, self.qualities, rng)})

    def training_loss(
        self, network: nn.Module, image: Float[Tensor, "b 3 h w"], draw: Draw
    ) -> Loss:
        """See ``Objective``; ``network(image, quality)`` has ``image``, ``likelihoods`` and
        ``features`` (latents for the adversary)."""
        decoded = network(image, draw.data["quality"])
        picture = decoded.image.float()
        error = picture - image
        for_distortion, for_lpips, for_adversary = self.weights
        total = for_distortion * error.square().mean()
        if self.lpips is not None:
            total = total + for_lpips * self.lpips.distances(image, picture).mean()
        pictures: tuple[Tensor, ...] = ()
        if self.judge is not None:
            seen = decoded.features.detach()
            self.judge.requires_grad_(False)
            verdict = self.judge(picture, seen)
            self.judge.requires_grad_(True)
            total = total + for_adversary * F.softplus(-verdict.float()).mean()
            pictures = (image, picture.detach(), seen)
        bpp = decoded.likelihoods.bits().mean() / image[0, 0].numel()
        if self.rate_weight:
            total = total + self.rate_weight * bpp
        return Loss(total, bpp.detach(), psnr_db(error.detach()), pictures)

    def adversary_loss(self, pictures: tuple[Tensor, ...]) -> Tensor:
        """See ``Objective``."""
        assert self.adversary is not None
        image, decoded, seen = pictures
        verdicts = self.adversary(torch.cat([image, decoded]), torch.cat([seen, seen])).float()
        real, made = verdicts.chunk(2)
        return F.softplus(-real).mean() + F.softplus(made).mean()

    def coded(
        self,
        network: nn.Module,
        image: Float[Tensor, "1 3 h w"],
        most: int | None = None,
    ) -> Sequence[tuple[Tensor, Tensor]]:
        """See ``Objective``."""
        return coded_at(network, image, range(self.qualities)[:most])
