"""The networks as modules; what they compute is said once more in ``graphs.py``, without torch."""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from slimcodec.codecs.restore.config import CONDITION, RestoreConfig

__all__ = ["CasRestorer", "Condition", "RestoreNetwork", "Restorer"]

_SMALL = 0.1
"""What blocks add in the beginning, of what torch's weights would."""


class Block(nn.Module):
    """x + conv(relu(scale · conv(x) + shift)); scale and shift are the file's, per channel."""

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


class Restorer(nn.Module):
    """From planes as decoded, at the file's own grid, to what they are thought to have been."""

    def __init__(self, config: RestoreConfig) -> None:
        super().__init__()
        self.config = config
        width, deep = config.width, config.deep_width
        self.conv_in = nn.Conv2d(48 + 4, width, 3, padding=1)
        self.down = nn.Conv2d(width, deep, 3, stride=2, padding=1)
        self.up = nn.Conv2d(deep, 4 * width, 1)
        widths = zip(config.outer_widths, config.inner_widths, strict=True)
        self.blocks = nn.ModuleList(Block(outer, inner) for outer, inner in widths)
        self.conv_out = nn.Conv2d(width, 48, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)  # type: ignore[arg-type]

    def forward(
        self,
        planes: Float[Tensor, "b 3 h w"],
        phases: Float[Tensor, "p 4 h4 w4"],
        modulation: Float[Tensor, "b m 1 1"],
    ) -> Float[Tensor, "b 3 h w"]:
        """Restored planes.

        Args:
            planes: (v - CENTRE) / UNIT of Y, Cb, Cr; sides are multiples of 8.
            phases: which quarter of a block of JPEG's each position is, as ``coding.phases``.
            modulation: as ``Condition`` makes it.
        """
        config = self.config
        scales, shifts = (
            torch.split(side, list(config.inner_widths), dim=1)
            for side in modulation.chunk(2, dim=1)
        )
        own = zip(self.blocks, scales, shifts, strict=True)
        steps = [(block, 1 + scale, shift) for block, scale, shift in own]
        x = torch.cat([F.pixel_unshuffle(planes, 4), phases.expand(len(planes), -1, -1, -1)], dim=1)
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
        out: Tensor = planes + F.pixel_shuffle(self.conv_out(x).to(planes.dtype), 4)
        return out


class Condition(nn.Module):
    """What is known of a file to scales, less 1, and shifts of every block."""

    def __init__(self, config: RestoreConfig) -> None:
        super().__init__()
        widths = (CONDITION, *config.hidden_widths, config.modulation)
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


class CasRestorer(nn.Module):
    """The published structure, on luminance; see ``config``."""

    def __init__(self, config: RestoreConfig) -> None:
        super().__init__()
        w = config.cas_widths
        self.at_full = nn.ModuleList([_conv(1, w[0]), _conv(w[0], w[1])])
        self.at_half = nn.ModuleList([_conv(w[1], w[2], 2), _conv(w[2], w[3])])
        self.at_quarter = nn.ModuleList(
            [_conv(w[3], w[4], 2), _conv(w[4], w[5]), _conv(w[5], w[6])]
        )
        self.up_half = nn.ConvTranspose2d(w[6], w[7], 4, stride=2, padding=1)
        self.half_again = _conv(w[7] + w[3], w[8])
        self.up = nn.ConvTranspose2d(w[8], w[9], 4, stride=2, padding=1)
        self.last = _conv(w[9] + w[1], w[10])
        self.conv_out = _conv(w[10], 1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)  # type: ignore[arg-type]

    def forward(self, planes: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 1 h w"]:
        x = planes
        for layer in self.at_full:
            x = F.relu(layer(x))
        whole = x
        for layer in self.at_half:
            x = F.relu(layer(x))
        half = x
        for layer in self.at_quarter:
            x = F.relu(layer(x))
        x = F.relu(self.half_again(torch.cat([F.relu(self.up_half(x)), half], dim=1)))
        x = F.relu(self.last(torch.cat([F.relu(self.up(x)), whole], dim=1)))
        out: Tensor = planes + self.conv_out(x)
        return out


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)


class RestoreNetwork(nn.Module):
    """Restorer and condition as one module; a new one gives back what it is given."""

    def __init__(self, config: RestoreConfig) -> None:
        super().__init__()
        self.config = config
        self.restorer: nn.Module
        if config.structure == "cas":
            self.restorer = CasRestorer(config)
            return
        self.restorer = Restorer(config)
        self.condition = Condition(config)

    def forward(
        self, planes: Float[Tensor, "b 3 h w"], facts: Float[Tensor, "b k"]
    ) -> Float[Tensor, "b 3 h w"]:
        """Restored planes of files.

        Args:
            planes: (v - CENTRE) / UNIT of Y, Cb, Cr; sides are multiples of 8.
            facts: ``jpeg_file.condition_of`` each file.
        """
        if self.config.structure == "cas":
            luma: Tensor = self.restorer(planes[:, :1])
            return torch.cat([luma, planes[:, 1:]], dim=1)
        quarters = torch.eye(4, device=planes.device).view(1, 4, 2, 2)
        phases = quarters.repeat(1, 1, planes.shape[2] // 8, planes.shape[3] // 8)
        out: Tensor = self.restorer(planes, phases, self.condition(facts))
        return out
