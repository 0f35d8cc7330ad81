"""The networks as modules; what they compute is said once more in ``graphs.py``, without torch."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from slimcodec.codecs.restore.config import CONDITION, RestoreConfig
from slimcodec.codecs.trunk.network import Condition, Trunk

__all__ = ["CasRestorer", "RestoreNetwork", "Restorer"]


class Restorer(Trunk):
    """From planes as decoded, at the file's own grid, to what they are thought to have been."""

    def __init__(self, config: RestoreConfig) -> None:
        super().__init__(config, 48 + 4)

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
        phases = phases.expand(len(planes), -1, -1, -1)
        folded = torch.cat([F.pixel_unshuffle(planes, 4), phases], dim=1)
        out: Tensor = planes + self.correction(folded, modulation)
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
        self.condition = Condition(config, CONDITION)

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
