"""The order in which positions are coded where a model looks at its neighbours: one colour of a
checkerboard, then the other, each all at once (He et al. 2021); for training. What codes is
``slimcodec.integers.checkerboard``."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["GroupNet", "checkerboard"]


def checkerboard(like: Float[Tensor, "b n h w"]) -> Bool[Tensor, "h w"]:
    """True where row + column is even: the colour that is coded first."""
    height, width = like.shape[2:]
    rows = torch.arange(height, device=like.device)[:, None]
    return (rows + torch.arange(width, device=like.device)) % 2 == 0


class GroupNet(nn.Module):
    """What is said of one slice in one colour: relu(1x1 base + 3x3 what is known) ─► 1x1.

    Args:
        known: channels that the 3x3 convolution sees; 0 where nothing is known.
        base: channels of what is known beforehand.
        hidden: channels between.
        outputs: channels of what is said.
    """

    def __init__(self, known: int, base: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(base, hidden, 1)
        self.seen = nn.Conv2d(known, hidden, 3, padding=1, bias=False) if known else None
        self.out = nn.Conv2d(hidden, outputs, 1)

    def forward(
        self, base: Float[Tensor, "b c h w"], seen: Float[Tensor, "b k h w"] | None
    ) -> Float[Tensor, "b n h w"]:
        x = self.mix(base)
        if self.seen is not None:
            x = x + self.seen(seen)
        out: Tensor = self.out(F.relu(x))
        return out
