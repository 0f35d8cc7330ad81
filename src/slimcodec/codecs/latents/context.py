"""What latents that are decoded already say about the next: a context beside the hyperprior.

    base = relu(1x1 log scales + 1x1 features)     what the hyperprior says, of all channels
    group g: relu(1x1 base + 3x3 symbols seen) ─► 1x1 ─► (shift, change of log scale)

Latents are coded in groups: slices of the channels, the strongest first, each in the two colours of
a checkerboard (Minnen and Singh 2020; He et al. 2021). A group sees the earlier slices everywhere
and the other colour of its own. A hyperprior on a grid of 64 pixels cannot say how bright the next
block of 16 is; its neighbours can. Scales alone say little of what a block looks like, so there may
be features beside them, which the hyperprior makes for nothing else. What codes is the integer twin
in ``prior.py``; everything is measured in units of the hyperprior's scale, so one network serves
all qualities.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from slimcodec.codecs.checkerboard import GroupNet, checkerboard
from slimcodec.codecs.latents.config import LatentsConfig
from slimcodec.codecs.latents.scales import NORMAL_LIMIT, SCALE_MAX, SCALE_MIN, UNIT_MIN

__all__ = ["Context"]


class _Features(nn.Conv2d):
    """The 1x1 for features."""

    @torch.no_grad()
    def reset(self) -> None:
        """For a context that did without: it says what it said."""
        nn.init.zeros_(self.weight)


class Context(nn.Module):
    """Shifts and scales of all latents, each from what its group sees."""

    def __init__(self, config: LatentsConfig) -> None:
        super().__init__()
        self.slices, width = config.context_slices, config.context_channels
        self.hyper = nn.Conv2d(config.latent_channels, width, 1)
        made = config.context_features
        self.features = _Features(made, width, 1, bias=False) if made else None
        starts = [sum(self.slices[:i]) for i in range(len(self.slices))]
        sizes = [
            (start + (size if second else 0), size)
            for start, size in zip(starts, self.slices, strict=True)
            for second in (False, True)
        ]
        self.groups = nn.ModuleList(
            GroupNet(2 * known, width, hidden, 2 * size)
            for (known, size), hidden in zip(sizes, config.inner_context, strict=True)
        )

    def forward(
        self,
        symbols: Float[Tensor, "b m h w"],
        scale: Float[Tensor, "b m h w"],
        features: Float[Tensor, "b f h w"] | None = None,
    ) -> tuple[Float[Tensor, "b m h w"], Float[Tensor, "b m h w"]]:
        """
        Args:
            symbols: as they will be coded.
            scale: of the hyperprior, gained, not yet floored.
            features: of the hyperprior, rectified, where the context sees any.

        Returns:
            what to expect of a symbol, and how far from it.
        """
        with torch.autocast(symbols.device.type, enabled=False):
            scale = scale.float()
            logarithm = scale.detach().clamp(SCALE_MIN, SCALE_MAX).log() - math.log(SCALE_MIN)
            said = self.hyper(logarithm)
            if self.features is not None:
                assert features is not None
                # Not detached: made for nothing else, they learn from here alone.
                said = said + self.features(features.float())
            base = F.relu(said)
            unit = scale.detach().clamp(UNIT_MIN, SCALE_MAX)
            normal = (symbols.float() / unit).clamp(-NORMAL_LIMIT, NORMAL_LIMIT)
            first = checkerboard(symbols)
            outputs, start = [], 0
            pairs = zip(self.slices, self.groups[::2], self.groups[1::2], strict=True)
            for size, one, two in pairs:
                before, own = normal[:, :start], normal[:, start : start + size] * first
                know_one = torch.cat([before, before.abs()], dim=1) if start else None
                both = torch.cat([before, own], dim=1)
                know_two = torch.cat([both, both.abs()], dim=1)
                outputs.append(torch.where(first, one(base, know_one), two(base, know_two)))
                start += size
            halves = [out.chunk(2, dim=1) for out in outputs]
            shift = torch.cat([shift for shift, _ in halves], dim=1) * unit
            return shift, scale * torch.cat([log for _, log in halves], dim=1).exp()

    def reset(self) -> None:
        """Start by saying what the hyperprior says."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for group in self.groups:
            nn.init.zeros_(group.out.weight)  # type: ignore[arg-type,union-attr]
