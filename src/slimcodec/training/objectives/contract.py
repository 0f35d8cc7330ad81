"""What the loop asks of a loss, whichever it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from slimcodec.errors import TrainingError

if TYPE_CHECKING:
    from slimcodec.training.data import Samples

__all__ = ["Alone", "Draw", "Loss", "Objective", "Sampling", "psnr_db", "samples_for"]


@dataclass(frozen=True)
class Draw:
    """What chance decides about one step, but for rounding noise."""

    data: Mapping[str, Tensor] = field(default_factory=dict)
    """What is computed with; it goes where the network is. What samples bring with them besides
    their images (``training.data.Samples``) is here too, and counts before what was drawn."""
    control: Mapping[str, int] = field(default_factory=dict)
    """What decides which computation it is."""


@dataclass(frozen=True)
class Loss:
    """The scalar to minimise, and what to show beside it, scalars too."""

    total: Tensor
    bpp: Tensor
    psnr_db: Tensor
    pictures: tuple[Tensor, ...] = ()
    """Of an objective with an adversary: what that one learns from."""


@runtime_checkable
class Objective(Protocol):
    """What the loop asks of a loss."""

    adversary: nn.Module | None
    """A network that learns to tell decoded pictures from photographs, beside the codec."""

    def to(self, device: torch.device) -> None:
        """Constants and adversary to where the network is."""

    def describe(self) -> str:
        """The loss in words, for a model's history."""

    def draw(self, count: int, rng: torch.Generator) -> Draw:
        """Everything that chance decides about a step on ``count`` images, but for noise."""

    def training_loss(self, network: nn.Module, image: Tensor, draw: Draw) -> Loss:
        """One forward pass and its loss.

        Args:
            network: as the objective calls it.
            image: [b, 3, h, w], values in [0, 1].
            draw: of this step and process.
        """

    def adversary_loss(self, pictures: tuple[Tensor, ...]) -> Tensor:
        """What the adversary minimises, given ``Loss.pictures``."""

    def coded(
        self, network: nn.Module, image: Tensor, most: int | None = None
    ) -> Sequence[tuple[Tensor, Tensor]]:
        """One image at each quality: estimated bits per pixel, a scalar, and the decoded picture,
        [1, 3, h, w], unclamped.

        Args:
            network: as the objective calls it.
            image: [1, 3, h, w], values in [0, 1].
            most: of the qualities, so many first ones; all when None.
        """


@runtime_checkable
class Sampling(Protocol):
    """An objective that learns from more than crops."""

    def samples(self, crops: Samples) -> Samples:
        """What it learns from, made of crops."""

    def noise(self, count: int, side: int) -> Mapping[str, Tensor]:
        """A batch of the same shapes, to see how long a step takes."""


def samples_for(objective: Objective, crops: Samples) -> Samples:
    """What an objective learns from: the crops themselves, where it says nothing else."""
    return objective.samples(crops) if isinstance(objective, Sampling) else crops


class Alone:
    """An objective without an adversary."""

    adversary: nn.Module | None = None

    def adversary_loss(self, pictures: tuple[Tensor, ...]) -> Tensor:
        raise TrainingError("this objective has no adversary")


def psnr_db(residual: Float[Tensor, "b 3 h w"]) -> Float[Tensor, ""]:
    """Of images in [0, 1], from what they lack; the mean over them."""
    mse = residual.float().square().flatten(1).mean(dim=1)
    return -10 * mse.clamp(min=1e-9).log10().mean()
