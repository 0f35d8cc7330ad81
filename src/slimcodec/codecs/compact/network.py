"""The networks as modules; what they compute is said once more in ``graphs.py``, without torch."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from slimcodec.codecs.compact.config import COMPACTING, FACTOR, FACTS, CompactConfig
from slimcodec.codecs.compact.losses import LOSS_BYTES, facts_of
from slimcodec.codecs.trunk.network import Condition, Trunk

__all__ = [
    "Between",
    "CompactNetwork",
    "Compactor",
    "Passed",
    "PublishedCompactor",
    "PublishedReconstructor",
    "Reconstructor",
    "resized",
]


Between = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Small pictures in units to those that come back, and what is known of each, [b, k]."""


class Passed(NamedTuple):
    """Pictures there and back, in units.

    Attributes:
        small: before the codec in between.
        decoded: behind it.
        made: of that.
    """

    small: Tensor
    decoded: Tensor
    made: Tensor


class Compactor(nn.Module):
    """What is to be added to a picture that a filter made small; a new one adds nothing."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        width, inner = config.compactor_width, config.compactor_inner
        self.conv_in = nn.Conv2d(48, width, 3, padding=1)
        self.conv1 = nn.Conv2d(width, inner, 3, padding=1)
        self.conv2 = nn.Conv2d(inner, width, 3, padding=1)
        self.conv_out = nn.Conv2d(width, 12, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)  # type: ignore[arg-type]

    def forward(self, picture: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h2 w2"]:
        """Args:
        picture: in units; sides are multiples of 4.
        """
        x = F.relu(self.conv_in(F.pixel_unshuffle(picture, 4)))
        x = x + self.conv2(F.relu(self.conv1(x)))
        return F.pixel_shuffle(self.conv_out(x), 2)


class Reconstructor(Trunk):
    """What is to be added to a small picture that a filter made large."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__(config, 12)

    def forward(
        self, small: Float[Tensor, "b 3 h2 w2"], modulation: Float[Tensor, "b m 1 1"]
    ) -> Float[Tensor, "b 3 h w"]:
        """Args:
        small: picture as decoded, in units; sides are multiples of 4.
        modulation: as ``Condition`` makes it.
        """
        return self.correction(F.pixel_unshuffle(small, 2), modulation)


class PublishedCompactor(nn.Module):
    """ComCNN: what is to be added to a picture that a filter made small."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        first, second = config.published_widths[:COMPACTING]
        self.at_full = _conv(3, first)
        self.at_half = _conv(first, second, stride=2)
        self.conv_out = _conv(second, 3)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)  # type: ignore[arg-type]

    def forward(self, picture: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h2 w2"]:
        """Args:
        picture: in units; sides are even.
        """
        out: Tensor = self.conv_out(F.relu(self.at_half(F.relu(self.at_full(picture)))))
        return out


class PublishedReconstructor(nn.Module):
    """RecCNN: what is to be added to a small picture that a filter made large."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        widths = config.published_widths[COMPACTING:]
        self.conv_in = _conv(3, widths[0])
        self.layers = nn.ModuleList(_conv(before, behind) for before, behind in pairwise(widths))
        self.conv_out = _conv(widths[-1], 3)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)  # type: ignore[arg-type]

    def forward(self, picture: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        """Args:
        picture: made large, in units.
        """
        x = F.relu(self.conv_in(picture))
        for layer in self.layers:
            x = F.relu(layer(x))
        out: Tensor = self.conv_out(x)
        return out


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)


class CompactNetwork(nn.Module):
    """Compactor, reconstructor and condition; a new one is two bicubic filters."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.config = config
        self.compactor: nn.Module
        self.reconstructor: nn.Module
        if not config.folded:
            self.compactor = PublishedCompactor(config)
            self.reconstructor = PublishedReconstructor(config)
            return
        self.compactor, self.reconstructor = Compactor(config), Reconstructor(config)
        self.condition = Condition(config, FACTS)

    def compacted(self, picture: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h2 w2"]:
        """A small picture, in units, of one whose sides are multiples of 8."""
        made: Tensor = self.compactor(picture)
        return resized(picture, 1 / FACTOR) + made.to(picture.dtype)

    def reconstructed(
        self, small: Float[Tensor, "b 3 h2 w2"], facts: Float[Tensor, "b k"]
    ) -> Float[Tensor, "b 3 h w"]:
        """A picture, in units.

        Args:
            small: as decoded, in units; sides are multiples of 4.
            facts: ``losses.facts_of`` each.
        """
        large = resized(small, FACTOR)
        given = (small, self.condition(facts)) if self.config.folded else (large,)
        made: Tensor = self.reconstructor(*given)
        return large + made.to(large.dtype)

    def forward(self, picture: Float[Tensor, "b 3 h w"], between: Between | None = None) -> Passed:
        """There and back.

        Args:
            picture: in units; sides are multiples of 8.
            between: what the codec in between makes of small pictures; nothing where there is none.
        """
        small = self.compacted(picture)
        decoded, facts = small, small.new_tensor(facts_of(bytes(LOSS_BYTES))).expand(len(small), -1)
        if between is not None:
            decoded, facts = between(small)
        return Passed(small, decoded, self.reconstructed(decoded, facts))


def resized(picture: Float[Tensor, "b 3 h w"], factor: float) -> Float[Tensor, "b 3 h2 w2"]:
    """By Pillow's bicubic filter."""
    height, width = (round(side * factor) for side in picture.shape[-2:])
    return F.interpolate(picture.float(), size=(height, width), mode="bicubic", antialias=True).to(
        picture.dtype
    )
