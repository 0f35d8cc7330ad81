"""``progressive``: what each iteration leaves, and the bits of its codes.

That is ``mean |residual|`` and a share of ``1 - MS-SSIM`` (Toderici et al. 2016 train on the first
alone). Behind many iterations a gradient costs more than it tells: a step runs some first
iterations without one and a window of them with one, at a place drawn anew each time. The bit model
learns beside them; as far as the rate has a weight, the codec learns to write what the model
expects.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from slimcodec.errors import TrainingError
from slimcodec.training.objectives.contract import Alone, Draw, Loss, psnr_db
from slimcodec.training.objectives.ms_ssim import MsSsimLoss

__all__ = ["Progressive"]


class Progressive(Alone):
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
        self.ms_ssim = MsSsimLoss()

    def to(self, device: torch.device) -> None:
        """See ``Objective``."""
        self.ms_ssim.to(device)

    def describe(self) -> str:
        """See ``Objective``."""
        terms = ["mean absolute residual"]
        terms += [f"{self.ms_ssim_weight:g} (1 - MS-SSIM)"] if self.ms_ssim_weight else []
        terms += [f"{self.rate_weight:g} bpp"] if self.rate_weight else []
        terms += ["the bit model's code length"]
        return f"{' + '.join(terms)} over windows of {self.window} of {self.deepest} iterations"

    def draw(self, count: int, rng: torch.Generator) -> Draw:
        """Iterations before the window."""
        if torch.rand((), generator=rng) < self.FROM_THE_START:
            return Draw(control={"skip": 0})
        skip = int(torch.randint(self.deepest - self.window + 1, (1,), generator=rng))
        return Draw(control={"skip": skip})

    def training_loss(
        self, network: nn.Module, image: Float[Tensor, "b 3 h w"], draw: Draw, learned: bool = True
    ) -> Loss:
        """See ``Objective``; ``network(image, skip, count, rate_share) -> Iterations``.

        The bit model learns from the whole of the rate, whatever weight it has for the codec.
        """
        if not learned:
            raise TrainingError("a progressive codec has no linear stage; set linear_steps = 0")
        skip = draw.control["skip"]
        residuals, bits = network(image, skip, self.window, self.rate_weight)
        pixels = image[:, 0].numel()
        left = residuals.abs().mean()
        rate = bits[skip:].sum() / (pixels * self.window)
        total = left + rate
        if self.ms_ssim_weight:
            pictures = (image - residuals).flatten(0, 1)
            originals = image.expand_as(residuals).flatten(0, 1)
            total = total + self.ms_ssim_weight * self.ms_ssim(originals, pictures).mean()
        return Loss(total, bits.detach().sum() / pixels, psnr_db(residuals[-1].detach()))

    def points(
        self, network: nn.Module, image: Float[Tensor, "b 3 h w"], learned: bool = True
    ) -> Sequence[tuple[float, float]]:
        """See ``Objective``: one point per iteration, the first eight."""
        residuals, bits = network(image, 0, min(self.POINTS, self.deepest))
        bpp = bits.sum(dim=1).cumsum(dim=0) / image[:, 0].numel()
        return [(float(b), float(psnr_db(r))) for b, r in zip(bpp, residuals, strict=True)]
