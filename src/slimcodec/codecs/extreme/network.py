"""The networks in torch, and what training sees of them.

    image ─► encoder ─► levels (what do they cost?) ─► generator ─► image

Forward, a symbol is the nearest level; backward, it moves as a soft choice among the levels does,
weighted by their distances (Mentzer et al. 2018). Of what symbols cost the gradient is taken
through the same soft choice. The coded path, in numpy, is ``codec``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from slimcodec.codecs.extreme.config import ACTIVITIES, BUCKETS, TAPS, ExtremeConfig
from slimcodec.codecs.hific.network import Encoder, Generator, in_float32

__all__ = ["Bits", "Decoded", "ExtremeNetwork", "LevelEncoder", "Probability"]


class Bits(NamedTuple):
    """What images cost, [b]."""

    of_images: Tensor

    def bits(self) -> Float[Tensor, " b"]:
        """Ideal code length of each image, in bits."""
        return self.of_images


class Decoded(NamedTuple):
    """What training sees of a batch.

    Shapes: ``image`` [b, 3, h, w]; ``features`` [b, c, h/16, w/16], the levels.
    """

    image: Tensor
    likelihoods: Bits
    features: Tensor


class LevelEncoder(Encoder):
    """HiFiC's, and behind its latents a layer that makes of them what is rounded to levels."""

    def __init__(self, config: ExtremeConfig) -> None:
        super().__init__(replace(config, latent_channels=config.inner_channels))
        self.to_code = nn.Conv2d(
            config.inner_channels, config.latent_channels, 3, padding=1, padding_mode="reflect"
        )

    def forward(
        self, image: Float[Tensor, "b 3 h w"], learned: bool = True
    ) -> Float[Tensor, "b c h16 w16"]:
        """In units of a level, not rounded yet; ``learned=False`` leaves the linear path alone."""
        return in_float32(self.to_code, super().forward(image, learned))


class Probability(nn.Module):
    """What symbols cost, each by a table that its neighbours choose.

    A linear map of neighbours says where a symbol is to be expected. Coding takes the table of the
    bucket in which that lies; training goes from one table's logits to the next one's, so that the
    map learns too.
    """

    def __init__(self, config: ExtremeConfig) -> None:
        super().__init__()
        self.count = config.levels
        channels = config.latent_channels
        self.expected = nn.Conv2d(len(TAPS) * channels, channels, 1)
        self.logits = nn.Parameter(torch.zeros(channels, config.contexts, config.levels))

    @property
    def levels(self) -> Float[Tensor, " k"]:
        """The values of a symbol."""
        return torch.arange(self.count, device=self.logits.device) - (self.count - 1) / 2

    def known(self) -> Float[Tensor, "c n 1 1"]:
        """The weights of the map, but for those of what is not known before a symbol is."""
        channels = len(self.logits)
        weight = self.expected.weight.reshape(channels, len(TAPS), channels, 1, 1)
        known = torch.ones_like(weight)
        # Of its own position, the channels before it.
        known[:, -1, :, 0, 0] = known[:, -1, :, 0, 0].tril(-1)
        return (weight * known).flatten(1, 2)

    def reset(self) -> None:
        """A symbol is expected where the one before it lies, and all levels are likely that are
        near."""
        nn.init.zeros_(self.expected.weight)
        channels = len(self.logits)
        with torch.no_grad():
            assert self.expected.bias is not None
            self.expected.bias.zero_()
            for own in range(channels):
                self.expected.weight[own, own] = 0.5  # the first tap
            middles = (torch.arange(self.count * BUCKETS) + 0.5) / BUCKETS - self.count / 2
            logits = -(middles[:, None] - self.levels).abs()
            self.logits.copy_(logits.repeat_interleave(len(ACTIVITIES) + 1, dim=0))

    def forward(
        self, code: Float[Tensor, "b c h w"], chosen: Float[Tensor, "b c h w k"]
    ) -> Float[Tensor, " b"]:
        """Bits of each image.

        Args:
            code: symbols.
            chosen: of each symbol, which level it is.
        """
        taps = _taps(code)
        at = F.conv2d(taps.flatten(1, 2), self.known(), self.expected.bias)
        place = ((at + self.count / 2) * BUCKETS - 0.5).clamp(0, self.count * BUCKETS - 1)
        low = place.detach().floor().clamp(max=self.count * BUCKETS - 2)
        share = (place - low)[..., None]
        table = low.long() * (len(ACTIVITIES) + 1) + _activity(taps)
        beside = self.logits.shape[1] * torch.arange(len(self.logits), device=code.device)
        table = table + beside[:, None, None]
        flat = self.logits.flatten(0, 1)
        near, far = flat[table], flat[table + len(ACTIVITIES) + 1]
        likely = torch.log_softmax(near + share * (far - near), dim=-1)
        return -(chosen * likely).sum(dim=(1, 2, 3, 4)) / torch.tensor(2.0).log()


def _taps(code: Float[Tensor, "b c h w"]) -> Float[Tensor, "b n c h w"]:
    """The neighbours of every symbol, 0 where there are none."""
    height, width = code.shape[2:]
    padded = F.pad(code, (2, 2, 2, 2))
    return torch.stack(
        [padded[:, :, 2 + y : 2 + y + height, 2 + x : 2 + x + width] for y, x in TAPS], dim=1
    )


def _activity(taps: Float[Tensor, "b n c h w"]) -> Tensor:
    """How much neighbours differ, as a number of ``ACTIVITIES`` that are reached."""
    left, above, corner, right = taps.detach()[:, :4].unbind(dim=1)
    sums = (left - corner).abs() + (above - corner).abs() + (above - right).abs()
    reached = torch.stack([sums.round() >= least for least in ACTIVITIES])
    return reached.sum(dim=0)


class ExtremeNetwork(nn.Module):
    """The whole codec as one module with the parts ``encoder``, ``generator``, ``probability``."""

    def __init__(self, config: ExtremeConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = LevelEncoder(config)
        self.generator = Generator(config)
        self.probability = Probability(config)

    def code(
        self, image: Float[Tensor, "b 3 h w"]
    ) -> tuple[Float[Tensor, "b c h16 w16"], Float[Tensor, "b c h16 w16 k"]]:
        """Symbols, and of each which level it is; see the head for their gradients."""
        made = self.encoder(image).float()
        levels, half = self.probability.levels, self.config.half
        soft = torch.softmax(-(made[..., None] - levels).square(), dim=-1)
        moving = (soft * levels).sum(dim=-1)
        code = made.detach().round().clamp(-half, half)
        hard = F.one_hot((code + half).long(), len(levels)).to(soft)
        return moving + (code - moving).detach(), soft + (hard - soft).detach()

    def forward(
        self, image: Float[Tensor, "b 3 h w"], quality: Float[Tensor, " b"] | None = None
    ) -> Decoded:
        """Reconstruction, what it costs, and levels, as in training; there is one quality.

        Args:
            image: values in [0, 1]; sides are multiples of the stride.
            quality: of each image, 0.
        """
        code, chosen = self.code(image)
        with torch.autocast(image.device.type, enabled=False):
            bits = self.probability(code, chosen)
        return Decoded(self.generator(code), Bits(bits), code)

    def picture(self, features: Float[Tensor, "b c h16 w16"]) -> Float[Tensor, "b 3 h w"]:
        """The generator alone, on levels."""
        out: Tensor = self.generator(features)
        return out

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Optimizer groups. Tables learn five times as fast, or the networks train against a rate
        that is not yet true."""
        tables = list(self.probability.parameters())
        inside = {id(p) for p in tables}
        rest = [p for p in self.parameters() if id(p) not in inside]
        return [
            {"params": rest, "lr": learning_rate},
            {"params": tables, "lr": 5 * learning_rate},
        ]
