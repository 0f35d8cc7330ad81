"""What training minimises.

Rate-distortion: ``bpp + λ · 255² · MSE`` (Ballé et al. 2017), each image of a batch at a quality of
its own. Large λ would drown the small ones in gradient, so an image counts ``sqrt(mean λ / λ)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Loss", "RateDistortion"]


@dataclass(frozen=True)
class Loss:
    """The scalar to minimise and what to show beside it."""

    total: Tensor
    bpp: float
    psnr_db: float


class RateDistortion:
    """λ-weighted rate and distortion over several qualities.

    Args:
        lambdas: one trade-off per quality, in the network's order.
    """

    def __init__(self, lambdas: tuple[float, ...]) -> None:
        self.lambdas = torch.tensor(lambdas)
        self.weights = (self.lambdas.mean() / self.lambdas).sqrt()

    def draw_qualities(self, count: int, rng: torch.Generator) -> Float[Tensor, " b"]:
        """Distinct qualities for a batch as far as there are enough, for a calmer gradient."""
        rounds = -(-count // len(self.lambdas))
        drawn = [torch.randperm(len(self.lambdas), generator=rng) for _ in range(rounds)]
        return torch.cat(drawn)[:count].float()

    def __call__(
        self,
        network: nn.Module,
        image: Float[Tensor, "b 3 h w"],
        quality: Float[Tensor, " b"],
        learned: bool = True,
    ) -> Loss:
        """One forward pass and its loss.

        Args:
            network: ``network(image, quality, learned) -> (image, likelihoods)``.
            image: values in [0, 1].
            quality: index of each image's λ.
            learned: False while only the linear path trains.
        """
        decoded, likelihoods = network(image, quality, learned)
        bpp = likelihoods.bits() / image[0, 0].numel()
        mse = (decoded.float() - image).square().flatten(1).mean(dim=1)
        index = quality.long().cpu()
        lambdas = self.lambdas[index].to(image.device)
        weights = self.weights[index].to(image.device)
        total = (weights * (bpp + lambdas * 255**2 * mse)).mean()
        psnr = -10 * mse.detach().clamp(min=1e-9).log10().mean()
        return Loss(total, float(bpp.detach().mean()), float(psnr))
