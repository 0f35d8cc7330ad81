"""``progressive``: the picture and the rate after each iteration.

    mean over t of  k_t · (λ_t · 255² · D_t + R_t)        k_t = λ_t^-½, the mean over all t being 1

with R_t the bits per pixel of those iterations up to t that have a gradient, λ_t what the network's
shape says an iteration is meant for, and D_t squared error and, by weight, mean absolute error
(which Toderici et al. 2016 train on alone), 1 - MS-SSIM and LPIPS, together as large as the squared
error would be. k_t makes a percent of rate worth about the same everywhere.

MS-SSIM and LPIPS are dear. A step asks them about two iterations, one drawn from each half of its
window, which count for their halves.

Behind many iterations a gradient costs more than it tells: a step runs some first iterations
without one and a window of them with one, at a place drawn anew each time. The bit model learns
from the rate; as far as the rate has a weight, the codec learns to write what the model expects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from slimcodec.metrics import Lpips
from slimcodec.settings import within
from slimcodec.stream import MAX_SECTIONS
from slimcodec.training.objectives.contract import Alone, Draw, Loss, psnr_db
from slimcodec.training.objectives.ms_ssim import MsSsimLoss
from slimcodec.training.objectives.settings import ObjectiveSettings, weight

__all__ = ["Distortion", "Progressive", "ProgressiveSettings"]


@dataclass(frozen=True)
class Distortion:
    """Weights beside that of the mean squared error, which is 1; all of values in [0, 1].

    Attributes:
        absolute: of the mean absolute error; 0.05 makes it about the equal of the squared error.
        ms_ssim: of 1 - MS-SSIM; 0.02 does.
        lpips: of LPIPS; 0.005 does.
        in_loop: of the mean squared residual that the next iteration sees, which is another one
            than the picture's where there is a filter.
    """

    absolute: float = 0.0
    ms_ssim: float = 0.0
    lpips: float = 0.0
    in_loop: float = 0.25

    @property
    def whole(self) -> float:
        """About how many times the squared error it comes to."""
        return 1 + self.in_loop + self.absolute / 0.05 + self.ms_ssim / 0.02 + self.lpips / 0.005

    def describe(self) -> str:
        """In words."""
        names = {"mean absolute error": self.absolute, "(1 - MS-SSIM)": self.ms_ssim}
        names |= {"LPIPS": self.lpips, "squared residual in the loop": self.in_loop}
        terms = [f"{weight:g} {name}" for name, weight in names.items() if weight]
        return " + ".join(["mean squared error", *terms])


@dataclass(frozen=True)
class ProgressiveSettings(ObjectiveSettings):
    """``progressive``.

    Attributes:
        iterations: the last one trained; all when 0.
        window: iterations with a gradient in one step.
        absolute_weight: of the mean absolute error beside the squared one.
        ms_ssim_weight: of 1 - MS-SSIM.
        lpips_weight: of LPIPS.
        rate_weight: how much of the rate's gradient reaches the codec.
    """

    name: ClassVar[str] = "progressive"
    iterations: int = within(0, 0, MAX_SECTIONS)
    window: int = within(3, 0, MAX_SECTIONS, above=True)
    absolute_weight: float = weight(0.0)
    ms_ssim_weight: float = weight(0.0)
    lpips_weight: float = weight(0.0)
    rate_weight: float = weight(0.0)

    def in_brief(self) -> ProgressiveSettings:
        """One of two iterations has a gradient."""
        return replace(self, iterations=2, window=1)

    def build(self, shape: Any, teacher: nn.Module | None = None) -> Progressive:
        """See ``ObjectiveSettings``; a shape has ``lambdas`` and ``iterations``."""
        deepest = min(self.iterations or shape.iterations, shape.iterations)
        distortion = Distortion(self.absolute_weight, self.ms_ssim_weight, self.lpips_weight)
        return Progressive(shape.lambdas, deepest, self.window, distortion, self.rate_weight)


class Progressive(Alone):
    """Pictures and rates of a window of iterations.

    Args:
        lambdas: of each iteration, what the squared error weighs against bits per pixel.
        deepest: the last iteration that is trained, counted from 1.
        window: iterations with a gradient in one step.
        distortion: what a picture is judged by.
        rate_weight: how much of the gradient of the rate reaches the codec; the bit model always
            gets all of it.
    """

    FROM_THE_START = 0.5
    """Share of the steps whose window begins at the first iteration: everyone needs those."""

    def __init__(
        self,
        lambdas: Sequence[float],
        deepest: int,
        window: int,
        distortion: Distortion | None = None,
        rate_weight: float = 0.0,
    ) -> None:
        self.deepest, self.window = deepest, min(window, deepest)
        self.distortion, self.rate_weight = distortion or Distortion(), rate_weight
        trade_offs = torch.tensor(lambdas[:deepest])
        scale = trade_offs.rsqrt()
        self.scale = scale / scale.mean()
        self.squares = 255**2 * trade_offs
        self.sizes = torch.tensor([float(end - start) for start, end in self.halves])
        self.ms_ssim = MsSsimLoss()
        self.lpips = Lpips() if self.distortion.lpips else None

    def to(self, device: torch.device) -> None:
        """See ``Objective``."""
        self.ms_ssim.to(device)
        for name in ("scale", "squares", "sizes"):
            setattr(self, name, getattr(self, name).to(device))
        if self.lpips is not None:
            self.lpips.to(device)

    def describe(self) -> str:
        """See ``Objective``."""
        return (
            f"lambda 255^2 ({self.distortion.describe()}) / {self.distortion.whole:g} + bits per "
            "pixel, of which the codec "
            f"sees {self.rate_weight:g}, over windows of {self.window} of {self.deepest} iterations"
        )

    @property
    def places(self) -> list[int]:
        """Where a window may begin, behind the first iteration: half a window apart, so that there
        are few different steps to record."""
        last = self.deepest - self.window
        return sorted({*range(0, last, max(1, self.window // 2)), last})

    @property
    def halves(self) -> list[tuple[int, int]]:
        """Of the window, first iteration and the one behind the last; a window of one has one."""
        ends = sorted({0, self.window // 2, self.window})
        return list(pairwise(ends))

    def draw(self, count: int, rng: torch.Generator) -> Draw:
        """Iterations before the window, and those in it that MS-SSIM and LPIPS judge."""
        judged = torch.cat([torch.randint(*half, (1,), generator=rng) for half in self.halves])
        skip = 0
        if torch.rand((), generator=rng) >= self.FROM_THE_START:
            skip = self.places[int(torch.randint(len(self.places), (1,), generator=rng))]
        return Draw({"judged": judged}, {"skip": skip})

    def training_loss(
        self, network: nn.Module, image: Float[Tensor, "b 3 h w"], draw: Draw
    ) -> Loss:
        """See ``Objective``; ``network(image, skip, count, rate_share) -> Iterations``."""
        skip = draw.control["skip"]
        residuals, errors, bits = network(image, skip, self.window, self.rate_weight)
        pixels = image[:, 0].numel()
        here = slice(skip, skip + self.window)
        distortion = self._distortion(image, residuals, errors, draw.data["judged"])
        rate = bits.sum(dim=1)[here].cumsum(dim=0) / pixels
        total = (self.scale[here] * (self.squares[here] * distortion + rate)).mean()
        return Loss(total, bits.detach().sum() / pixels, psnr_db(errors[-1].detach()))

    def _distortion(
        self,
        image: Float[Tensor, "b 3 h w"],
        residuals: Float[Tensor, "n b 3 h w"],
        errors: Float[Tensor, "n b 3 h w"],
        judged: Int[Tensor, " m"],
    ) -> Float[Tensor, " n"]:
        weights = self.distortion
        found = errors.square().flatten(1).mean(dim=1)
        found = found + weights.in_loop * residuals.square().flatten(1).mean(dim=1)
        if weights.absolute:
            found = found + weights.absolute * errors.abs().flatten(1).mean(dim=1)
        if weights.ms_ssim or self.lpips is not None:
            unlike = self._unlike(image, errors.index_select(0, judged))
            found = found.index_add(0, judged, self.sizes * unlike)
        return found / weights.whole

    def _unlike(
        self, image: Float[Tensor, "b 3 h w"], errors: Float[Tensor, "m b 3 h w"]
    ) -> Float[Tensor, " m"]:
        """MS-SSIM and LPIPS of some iterations' pictures, as they weigh."""
        pictures = (image - errors).flatten(0, 1)
        originals = image.expand_as(errors).flatten(0, 1)
        found = torch.zeros(len(pictures), device=image.device)
        if self.distortion.ms_ssim:
            found = found + self.distortion.ms_ssim * self.ms_ssim(originals, pictures)
        if self.lpips is not None:
            found = found + self.distortion.lpips * self.lpips.distances(originals, pictures)
        return found.view(len(errors), -1).mean(dim=1)

    def coded(
        self,
        network: nn.Module,
        image: Float[Tensor, "1 3 h w"],
        most: int | None = None,
    ) -> Sequence[tuple[Tensor, Tensor]]:
        """See ``Objective``: one quality per iteration, as far as they are trained."""
        count = self.deepest if most is None else min(most, self.deepest)
        _, errors, bits = network(image, 0, count)
        bpp = bits.sum(dim=1).cumsum(dim=0) / image[:, 0].numel()
        return [(b, image - e.float()) for b, e in zip(bpp, errors, strict=True)]
