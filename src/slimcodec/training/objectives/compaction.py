"""``compaction``: what is lost of a picture that went small through a codec, over a power of what a
filter would have lost.

    (error(made) + rate_weight · step² · bits) / error(filtered) ** balance

of each crop (``codecs.compact.error``). There are two ways from a small picture to what comes back:

``files``     through a real codec, one of those named and at any of its low qualities. It has no
              gradient, so the compactor learns little; this is how a reconstructor learns.
``stand-in``  through a codec that has one: coefficients of 8 x 8 blocks, rounded to steps of a size
              drawn anew for each crop, and bits that grow with their logarithms. Rounding passes
              its gradient on. This is how a compactor learns, with ``parts = ["compactor"]``,
              through a reconstructor that stays as it is.

Training alternates between them, as Jiang et al. 2017 do; they have nothing in between where the
compactor learns. On five held-out photographs through WebP that cost 0.3 % of the bytes against no
compactor at all, and the stand-in saved 0.3 %, before the reconstructor had seen either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from slimcodec import registry
from slimcodec.codecs.compact.coding import ladder_of, opened
from slimcodec.codecs.compact.config import FACTOR, UNIT
from slimcodec.codecs.compact.error import as_values, cost_of, in_units, through
from slimcodec.codecs.compact.network import resized
from slimcodec.codecs.compact.stand_in import stand_in
from slimcodec.errors import TrainingError, UsageError
from slimcodec.settings import within
from slimcodec.training.objectives.contract import Alone, Draw, Loss, psnr_db
from slimcodec.training.objectives.settings import ObjectiveSettings, weight
from slimcodec.types import Codec

__all__ = ["Compaction", "CompactionSettings"]

_QUALITIES = (10, 20, 30, 40, 50, 60)
"""Of the files that validation looks at, of the first codec."""
_FINEST, _COARSEST = 10.0, 60.0
"""Steps of the stand-in, in levels."""


@dataclass(frozen=True)
class CompactionSettings(ObjectiveSettings):
    """``compaction``.

    Attributes:
        through: ``files`` or ``stand-in``; see the head.
        inners: codecs that write the files, names in ``registry.codecs``.
        balance: 0 counts squared errors, 1 decibels.
        rate_weight: of the stand-in's bits; 0.13 of a squared step is what a bit is worth where
            coefficients are rounded at best.
    """

    name: ClassVar[str] = "compaction"
    has_rate: ClassVar[bool] = False
    for_decoders: ClassVar[bool] = True
    through: Literal["files", "stand-in"] = "files"
    inners: Sequence[str] = ("jpeg", "webp")
    balance: float = within(0.5, 0, 1)
    rate_weight: float = weight(0.13)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.inners:
            raise UsageError("inners must name a codec or more, such as jpeg")
        for name in self.inners:
            registry.codecs.target(name)

    def build(self, shape: Any, teacher: nn.Module | None = None) -> Compaction:
        """See ``ObjectiveSettings``.

        Raises:
            UnknownNameError, MissingExtraError: when a codec cannot be had.
        """
        return Compaction(self)


class Compaction(Alone):
    """See the head.

    Args:
        settings: of it.
    """

    def __init__(self, settings: CompactionSettings) -> None:
        self.settings = settings
        self.inners = tuple(opened(name) for name in settings.inners)

    def to(self, device: torch.device) -> None:
        """See ``Objective``; there is nothing to move."""

    def describe(self) -> str:
        """See ``Objective``."""
        own = self.settings
        error = (
            "squared error, half of R, G, B and half of luma, over that of a filter to the power "
            f"{own.balance:g}"
        )
        if own.through == "files":
            return f"{error}, of small crops through {', '.join(own.inners)}"
        return f"{error}, and {own.rate_weight:g} of a squared step a bit, through a stand-in"

    def draw(self, count: int, rng: torch.Generator) -> Draw:
        """See ``Objective``: which codec, and how coarse, each as a number from 0 to 1."""
        return Draw({name: torch.rand(count, generator=rng) for name in ("codec", "coarseness")})

    def training_loss(
        self, network: nn.Module, image: Float[Tensor, "b 3 h w"], draw: Draw
    ) -> Loss:
        """See ``Objective``; ``network(picture, between)`` goes there and back.

        Raises:
            TrainingError: where files are written in a step that is being recorded.
        """
        picture, bits = in_units(image), image.new_zeros(len(image))
        coarseness = draw.data["coarseness"]
        step = _FINEST * (_COARSEST / _FINEST) ** coarseness
        if self.settings.through == "files":
            inners, qualities = self._files(draw, image)
            passed = network(picture, lambda small: through(inners, qualities, small)[1:])
        else:
            passed = network(picture, lambda small: stand_in(small, step)[:2])
            bits = stand_in(passed.small, step)[2]
        priced = self.settings.rate_weight * (step / UNIT) ** 2 * bits
        filtered = resized(passed.decoded, FACTOR)
        cost = cost_of(passed.made, filtered, picture, self.settings.balance, priced)
        residual = as_values(passed.made.detach()) - image
        return Loss(cost, image.new_zeros(()), psnr_db(residual))

    def _files(self, draw: Draw, image: Tensor) -> tuple[list[Codec], list[float]]:
        """Of each crop, which codec writes it and at which quality."""
        if image.is_cuda and torch.cuda.is_current_stream_capturing():
            raise TrainingError(
                "compaction writes files in every step, which no GPU records; set "
                "record_steps = false"
            )
        numbers = (draw.data["codec"] * len(self.inners)).long().tolist()
        inners = [self.inners[min(number, len(self.inners) - 1)] for number in numbers]
        shares = draw.data["coarseness"].tolist()
        return inners, [_quality(*pair) for pair in zip(inners, shares, strict=True)]

    def coded(
        self, network: nn.Module, image: Float[Tensor, "1 3 h w"], most: int | None = None
    ) -> Sequence[tuple[Tensor, Tensor]]:
        """See ``Objective``: files of the first codec at several qualities, and the pictures."""
        return [self._at(network, image, quality) for quality in _QUALITIES[:most]]

    def _at(self, network: nn.Module, image: Tensor, quality: float) -> tuple[Tensor, Tensor]:
        """Bits per pixel and picture at a quality of the first codec."""
        lengths: list[int] = []

        def between(small: Tensor) -> tuple[Tensor, Tensor]:
            (length,), decoded, facts = through([self.inners[0]], [quality], small)
            lengths.append(length)
            return decoded, facts

        passed = network(in_units(image), between)
        return image.new_tensor(8 * lengths[0] / image[0, 0].numel()), as_values(passed.made)


def _quality(inner: Codec, coarseness: float) -> float:
    """A place on a codec's ladder: 0 is its top, 1 its foot."""
    ladder = ladder_of(inner)
    return float(np.interp((1 - coarseness) * (len(ladder) - 1), range(len(ladder)), ladder))
