"""What training minimises: one objective per kind of codec, behind one contract.

``rate-distortion`` is ``bpp + λ · 255² · MSE`` (Ballé et al. 2017), each image of a batch at a
quality of its own. Large λ would drown the small ones in gradient, so an image counts
``sqrt(mean λ / λ)``.

``progressive`` is what each iteration leaves, ``mean |residual|``, and a share of ``1 - MS-SSIM``
(Toderici et al. 2016 train on the first alone). Behind many iterations a gradient costs more than
it tells: a step runs some first iterations without one and a window of them with one, at a place
drawn anew each time. The bit model learns beside them; as far as the rate has a weight, the codec
learns to write what the model expects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from slimcodec.errors import MissingExtraError, TrainingError
from slimcodec.training.config import TrainingConfig

__all__ = ["Loss", "Objective", "Progressive", "RateDistortion", "make_objective"]


@dataclass(frozen=True)
class Loss:
    """The scalar to minimise and what to show beside it."""

    total: Tensor
    bpp: float
    psnr_db: float


@runtime_checkable
class Objective(Protocol):
    """What the loop asks of a loss."""

    def describe(self) -> str:
        """The loss in words, for a model's history."""

    def training_loss(
        self, network: nn.Module, image: Tensor, rng: torch.Generator, learned: bool
    ) -> Loss:
        """One forward pass and its loss; all chance comes from ``rng``.

        Args:
            network: as the family builds it.
            image: [b, 3, h, w], values in [0, 1].
            rng: of this step and process.
            learned: False while only a linear path trains.
        """

    def points(
        self, network: nn.Module, image: Tensor, learned: bool
    ) -> Sequence[tuple[float, float]]:
        """(estimated bpp, dB) at each quality, for one image."""


class RateDistortion:
    """λ-weighted rate and distortion over several qualities.

    Args:
        lambdas: one trade-off per quality, in the network's order.
    """

    def __init__(self, lambdas: tuple[float, ...]) -> None:
        self.lambdas = torch.tensor(lambdas)
        self.weights = (self.lambdas.mean() / self.lambdas).sqrt()

    def describe(self) -> str:
        """See ``Objective``."""
        return f"rate-distortion loss at {len(self.lambdas)} qualities at once"

    def draw_qualities(self, count: int, rng: torch.Generator) -> Float[Tensor, " b"]:
        """Distinct qualities for a batch as far as there are enough, for a calmer gradient."""
        rounds = -(-count // len(self.lambdas))
        drawn = [torch.randperm(len(self.lambdas), generator=rng) for _ in range(rounds)]
        return torch.cat(drawn)[:count].float()

    def training_loss(
        self,
        network: nn.Module,
        image: Float[Tensor, "b 3 h w"],
        rng: torch.Generator,
        learned: bool = True,
    ) -> Loss:
        """See ``Objective``; rounding noise is drawn from torch's own generator, seeded here."""
        quality = self.draw_qualities(len(image), rng).to(image.device)
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=rng)))
        return self(network, image, quality, learned)

    def points(
        self, network: nn.Module, image: Float[Tensor, "b 3 h w"], learned: bool = True
    ) -> Sequence[tuple[float, float]]:
        """See ``Objective``."""
        losses = [
            self(network, image, torch.full((len(image),), float(q), device=image.device), learned)
            for q in range(len(self.lambdas))
        ]
        return [(loss.bpp, loss.psnr_db) for loss in losses]

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


class Progressive:
    """Residuals of a window of iterations, and the bits of their codes.

    Args:
        deepest: the last iteration that is trained, counted from 1.
        window: iterations with a gradient in one step.
        ms_ssim_weight: of ``1 - MS-SSIM`` beside the mean absolute residual, both in [0, 1].
        rate_weight: of an iteration's bits per pixel, as far as the codec can change them.
    """

    FROM_THE_START = 0.5
    """Share of the steps whose window begins at the first iteration: everyone needs those."""
    POINTS = 8

    def __init__(
        self, deepest: int, window: int, ms_ssim_weight: float = 0.0, rate_weight: float = 0.0
    ) -> None:
        self.deepest, self.window = deepest, min(window, deepest)
        self.ms_ssim_weight, self.rate_weight = ms_ssim_weight, rate_weight
        if ms_ssim_weight:
            try:
                from pytorch_msssim import MS_SSIM
            except ImportError as error:
                raise MissingExtraError("training with MS-SSIM", "train") from error
            self.ms_ssim: Any = MS_SSIM(data_range=1.0, size_average=False)

    def describe(self) -> str:
        """See ``Objective``."""
        terms = ["mean absolute residual"]
        terms += [f"{self.ms_ssim_weight:g} (1 - MS-SSIM)"] if self.ms_ssim_weight else []
        terms += [f"{self.rate_weight:g} bpp"] if self.rate_weight else []
        terms += ["the bit model's code length"]
        return f"{' + '.join(terms)} over windows of {self.window} of {self.deepest} iterations"

    def draw_skip(self, rng: torch.Generator) -> int:
        """Iterations before the window."""
        if torch.rand((), generator=rng) < self.FROM_THE_START:
            return 0
        return int(torch.randint(self.deepest - self.window + 1, (1,), generator=rng))

    def training_loss(
        self,
        network: nn.Module,
        image: Float[Tensor, "b 3 h w"],
        rng: torch.Generator,
        learned: bool = True,
    ) -> Loss:
        """See ``Objective``; ``network(image, skip, count, rate_share) -> Iterations``.

        The bit model learns from the whole of the rate, whatever weight it has for the codec.
        """
        if not learned:
            raise TrainingError("a progressive codec has no linear stage; set linear_steps = 0")
        skip = self.draw_skip(rng)
        residuals, bits = network(image, skip, self.window, self.rate_weight)
        pixels = image[:, 0].numel()
        left = residuals.abs().mean()
        rate = bits[skip:].sum() / (pixels * self.window)
        total = left + rate
        if self.ms_ssim_weight:
            pictures = (image - residuals).clamp(0, 1).flatten(0, 1)
            originals = image.expand_as(residuals).flatten(0, 1)
            with torch.autocast(image.device.type, enabled=False):
                similar = self.ms_ssim(pictures.float(), originals)
            total = total + self.ms_ssim_weight * (1 - similar.mean())
        bpp = float(bits.detach().sum()) / pixels
        return Loss(total, bpp, _psnr_db(residuals[-1].detach()))

    def points(
        self, network: nn.Module, image: Float[Tensor, "b 3 h w"], learned: bool = True
    ) -> Sequence[tuple[float, float]]:
        """See ``Objective``: one point per iteration, the first eight."""
        residuals, bits = network(image, 0, min(self.POINTS, self.deepest))
        bpp = bits.sum(dim=1).cumsum(dim=0) / image[:, 0].numel()
        return [(float(b), _psnr_db(r)) for b, r in zip(bpp, residuals, strict=True)]


def make_objective(kind: str, shape: Any, config: TrainingConfig) -> Objective:
    """A family's objective for a network's shape and a run."""
    if kind == "rate-distortion":
        return RateDistortion(shape.lambdas)
    if kind == "progressive":
        deepest = min(config.iterations or shape.iterations, shape.iterations)
        return Progressive(deepest, config.window, config.ms_ssim_weight, config.rate_weight)
    raise TrainingError(f"no objective named {kind!r}; known: progressive, rate-distortion")


def _psnr_db(residual: Tensor) -> float:
    mse = residual.float().square().flatten(1).mean(dim=1)
    return float(-10 * mse.clamp(min=1e-9).log10().mean())
