"""``restoration``: the error that is left of a JPEG's, over a power of what there was.

    error(restored) / error(file) ** balance

of each crop (``codecs.restore.error``). Nothing is said of bits: the files are what they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from slimcodec import registry
from slimcodec.codecs.restore.config import CONDITION
from slimcodec.codecs.restore.error import as_rgb, damaged, errors_of, in_units
from slimcodec.settings import within
from slimcodec.training.objectives.contract import Alone, Draw, Loss, psnr_db
from slimcodec.training.objectives.settings import ObjectiveSettings

if TYPE_CHECKING:
    from slimcodec.training.data import Samples

__all__ = ["Restoration", "RestorationSettings"]

_QUALITIES = (10, 20, 30, 45, 60, 80)
"""Of the files that validation looks at."""


@dataclass(frozen=True)
class RestorationSettings(ObjectiveSettings):
    """``restoration``.

    Attributes:
        balance: 0 counts squared errors, 1 decibels.
    """

    name: ClassVar[str] = "restoration"
    for_decoders: ClassVar[bool] = True
    balance: float = within(0.5, 0, 1)

    @property
    def has_rate(self) -> bool:
        """See ``ObjectiveSettings``."""
        return False

    def build(self, shape: Any, teacher: nn.Module | None = None) -> Restoration:
        """See ``ObjectiveSettings``."""
        return Restoration(self.balance)


class Restoration(Alone):
    """See the head.

    Args:
        balance: see ``RestorationSettings``.
    """

    def __init__(self, balance: float) -> None:
        self.balance = balance
        self.inner = registry.codecs.get("jpeg")()

    def to(self, device: torch.device) -> None:
        """See ``Objective``; there is nothing to move."""

    def describe(self) -> str:
        """See ``Objective``."""
        return (
            "squared error, half of R, G, B and half of luma, over that of the crop's own JPEG to "
            f"the power {self.balance:g}"
        )

    def samples(self, crops: Samples) -> Samples:
        """See ``Sampling``."""
        from slimcodec.training.jpegs import Jpegs

        return Jpegs(crops)

    def noise(self, count: int, side: int) -> Mapping[str, Tensor]:
        """See ``Sampling``."""
        image, planes = (torch.rand(count, 3, side, side) for _ in range(2))
        return {"image": image, "planes": planes, "facts": torch.zeros(count, CONDITION)}

    def draw(self, count: int, rng: torch.Generator) -> Draw:
        """See ``Objective``; chance decided when the samples were made."""
        return Draw()

    def training_loss(
        self, network: nn.Module, image: Float[Tensor, "b 3 h w"], draw: Draw
    ) -> Loss:
        """See ``Objective``; ``network(planes, facts)`` gives planes."""
        given = in_units(draw.data["planes"] * 255)
        restored = network(given, draw.data["facts"])
        errors = errors_of(restored, given, image)
        residual = as_rgb(restored.detach()) - image
        return Loss(errors.cost(self.balance), image.new_zeros(()), psnr_db(residual))

    def coded(
        self, network: nn.Module, image: Float[Tensor, "1 3 h w"], most: int | None = None
    ) -> Sequence[tuple[Tensor, Tensor]]:
        """See ``Objective``: files of several qualities, and the pictures of them."""
        found = []
        for quality in _QUALITIES[:most]:
            file, planes, facts = damaged(self.inner, image, quality)
            bpp = image.new_tensor(8 * file / image[0, 0].numel())
            found.append((bpp, as_rgb(network(planes, facts))))
        return found
