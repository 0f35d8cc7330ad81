"""A trunk as modules; what they compute is said once more in ``graphs.py``, without torch."""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from slimcodec.codecs.trunk.config import TrunkConfig

__all__ = ["Block", "Condition", "Trunk"]

_SMALL = 0.1
"""What blocks add in the beginning, of what torch's weights would."""


class Block(nn.Module):
    """x + conv(relu(scale · conv(x) + shift)); scale and shift are the picture's, per channel."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, inner, 3, padding=1)
        self.conv2 = nn.Conv2d(inner, width, 3, padding=1)
        with torch.no_grad():
            self.conv2.weight.mul_(_SMALL)

    def forward(
        self,
        x: Float[Tensor, "b c h w"],
        scale: Float[Tensor, "b d 1 1"],
        shift: Float[Tensor, "b d 1 1"],
    ) -> Float[Tensor, "b c h w"]:
        out: Tensor = x + self.conv2(F.relu(self.conv1(x) * scale + shift))
        return out


class Trunk(nn.Module):
    """From what a picture is at a quarter of its resolution to what is to be added to each sixteen
    of its pixels; a new one adds nothing.

    Args:
        config: widths.
        inputs: channels that are given.
    """

    def __init__(self, config: TrunkConfig, inputs: int) -> None:
        super().__init__()
        self.config = config
        width, deep = config.width, config.deep_width
        self.conv_in = nn.Conv2d(inputs, width, 3, padding=1)
        self.down = nn.Conv2d(width, deep, 3, stride=2, padding=1)
        self.up = nn.Conv2d(deep, 4 * width, 1)
        widths = zip(config.outer_widths, config.inner_widths, strict=True)
        self.blocks = nn.ModuleList(Block(outer, inner) for outer, inner in widths)
        self.conv_out = nn.Conv2d(width, 48, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)  # type: ignore[arg-type]

    def correction(
        self, x: Float[Tensor, "b k h4 w4"], modulation: Float[Tensor, "b m 1 1"]
    ) -> Float[Tensor, "b 3 h w"]:
        """What is to be added to the picture.

        Args:
            x: of it; sides are even.
            modulation: as ``Condition`` makes it.
        """
        config = self.config
        scales, shifts = (
            torch.split(side, list(config.inner_widths), dim=1)
            for side in modulation.chunk(2, dim=1)
        )
        own = zip(self.blocks, scales, shifts, strict=True)
        steps = [(block, 1 + scale, shift) for block, scale, shift in own]
        x = self.conv_in(x)
        inside = config.blocks_before + config.blocks_inside
        for block, scale, shift in steps[: config.blocks_before]:
            x = block(x, scale.to(x.dtype), shift.to(x.dtype))
        skip, x = x, F.relu(self.down(x))
        for block, scale, shift in steps[config.blocks_before : inside]:
            x = block(x, scale.to(x.dtype), shift.to(x.dtype))
        x = skip + F.pixel_shuffle(self.up(x), 2)
        for block, scale, shift in steps[inside:]:
            x = block(x, scale.to(x.dtype), shift.to(x.dtype))
        return F.pixel_shuffle(self.conv_out(x).to(modulation.dtype), 4)


class Condition(nn.Module):
    """What is known of a picture to scales, less 1, and shifts of every block.

    Args:
        config: widths.
        facts: numbers that are known.
    """

    def __init__(self, config: TrunkConfig, facts: int) -> None:
        super().__init__()
        widths = (facts, *config.hidden_widths, config.scales_and_shifts)
        self.layers = nn.ModuleList(
            nn.Conv2d(before, behind, 1) for before, behind in pairwise(widths)
        )
        nn.init.zeros_(self.layers[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.layers[-1].bias)  # type: ignore[arg-type]

    def forward(self, facts: Float[Tensor, "b k"]) -> Float[Tensor, "b m 1 1"]:
        with torch.autocast(facts.device.type, enabled=False):
            x = facts.float()[:, :, None, None]
            *first, last = self.layers
            for layer in first:
                x = F.relu(layer(x))
            out: Tensor = last(x)
        return out
