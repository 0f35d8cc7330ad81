"""``rate-distortion``: ``bpp + λ · 255² · D`` (Ballé et al. 2017).

Each image of a batch is at a quality of its own. D is the mean squared error and, with a weight,
``1 - MS-SSIM``. Large λ would drown the small ones in gradient, so an image counts
``sqrt(mean λ / λ)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from slimcodec.training.objectives.contract import Alone, Draw, Loss, psnr_db
from slimcodec.training.objectives.ms_ssim import MsSsimLoss
from slimcodec.training.objectives.settings import ObjectiveSettings, weight

__all__ = ["RateDistortion", "RateDistortionSettings", "coded_at", "draw_qualities"]


def draw_qualities(count: int, qualities: int, rng: torch.Generator) -> Float[Tensor, " b"]:
    """Distinct qualities for a batch as far as there are enough, for a calmer gradient."""
    drawn = [torch.randperm(qualities, generator=rng) for _ in range(-(-count // qualities))]
    return torch.cat(drawn)[:count].float()


def coded_at(
    network: nn.Module, image: Float[Tensor, "1 3 h w"], qualities: Sequence[int]
) -> list[tuple[Tensor, Tensor]]:
    """``Objective.coded`` of a network that is told a quality: one forward pass for each."""
    found = []
    for quality in qualities:
        index = torch.full((len(image),), float(quality), device=image.device)
        decoded = network(image, index)
        bpp = decoded.likelihoods.bits().mean() / image[0, 0].numel()
        found.append((bpp, decoded.image.float()))
    return found


@dataclass(frozen=True)
class RateDistortionSettings(ObjectiveSettings):
    """``rate-distortion``.

    Attributes:
        ms_ssim_weight: of 1 - MS-SSIM beside the mean squared error; they are equals at about 0.02.
    """

    name: ClassVar[str] = "rate-distortion"
    ms_ssim_weight: float = weight(0.0)

    def build(self, shape: Any, teacher: nn.Module | None = None) -> RateDistortion:
        """See ``ObjectiveSettings``; a shape has ``lambdas``."""
        return RateDistortion(shape.lambdas, self.ms_ssim_weight)


class RateDistortion(Alone):
    """λ-weighted rate and distortion over several qualities.

    Args:
        lambdas: one trade-off per quality, in the network's order.
        ms_ssim_weight: of ``1 - MS-SSIM`` beside the mean squared error, both in [0, 1]. From 0.02
            on it outweighs the other: 1 - MS-SSIM is about fifty times as large.
    """

    def __init__(self, lambdas: tuple[float, ...], ms_ssim_weight: float = 0.0) -> None:
        self.lambdas = torch.tensor(lambdas)
        self.weights = (self.lambdas.mean() / self.lambdas).sqrt()
        self.ms_ssim_weight, self.ms_ssim = ms_ssim_weight, MsSsimLoss()

    def to(self, device: torch.device) -> None:
        """See ``Objective``."""
        self.lambdas, self.weights = self.lambdas.to(device), self.weights.to(device)
        self.ms_ssim.to(device)

    def describe(self) -> str:
        """See ``Objective``."""
        beside = f", {self.ms_ssim_weight:g} (1 - MS-SSIM) beside the mean squared error"
        return f"rate-distortion loss at {len(self.lambdas)} qualities at once" + (
            beside if self.ms_ssim_weight else ""
        )

    def draw(self, count: int, rng: torch.Generator) -> Draw:
        """See ``Objective``."""
        return Draw({"quality": draw_qualities(count, len(self.lambdas), rng)})

    def training_loss(
        self, network: nn.Module, image: Float[Tensor, "b 3 h w"], draw: Draw
    ) -> Loss:
        """See ``Objective``."""
        return self(network, image, draw.data["quality"])

    def coded(
        self,
        network: nn.Module,
        image: Float[Tensor, "1 3 h w"],
        most: int | None = None,
    ) -> Sequence[tuple[Tensor, Tensor]]:
        """See ``Objective``."""
        return coded_at(network, image, range(len(self.lambdas))[:most])

    def __call__(
        self,
        network: nn.Module,
        image: Float[Tensor, "b 3 h w"],
        quality: Float[Tensor, " b"],
    ) -> Loss:
        """One forward pass and its loss.

        Args:
            network: ``network(image, quality)`` has an ``image`` and ``likelihoods``.
            image: values in [0, 1].
            quality: index of each image's λ.
        """
        decoded = network(image, quality)
        bpp = decoded.likelihoods.bits() / image[0, 0].numel()
        error = decoded.image.float() - image
        distortion = error.square().flatten(1).mean(dim=1)
        if self.ms_ssim_weight:
            similar = self.ms_ssim(image, decoded.image)
            distortion = distortion + self.ms_ssim_weight * similar
        index = quality.long()
        total = (self.weights[index] * (bpp + self.lambdas[index] * 255**2 * distortion)).mean()
        return Loss(total, bpp.detach().mean(), psnr_db(error.detach()))
