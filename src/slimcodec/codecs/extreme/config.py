"""The shape of a network whose streams cannot be longer than the picture's size says.

A few channels at a sixteenth of the resolution, each of whose symbols is one of a few levels around
zero (Agustsson et al. 2019, who have five): coded without any model that takes

    channels · log2(levels) / stride²    bits per pixel: 0.0726, 0.0363 and 0.0181 for 8, 4 and 2

and a model that finds nothing is left aside (``packing``), so no picture takes more. Encoder and
generator are HiFiC's transforms.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from slimcodec.codecs.fields import from_plain, to_plain
from slimcodec.codecs.hific.config import TransformsConfig, hific, hific_s
from slimcodec.codecs.latents.config import check_range
from slimcodec.errors import UsageError

__all__ = ["ACTIVITIES", "BUCKETS", "TAPS", "ExtremeConfig", "extreme", "extreme_s"]

TAPS = ((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (0, 0))
"""Positions, down and across, whose symbols say what to expect of one; of its own position those of
the channels before it. Each lies before it in ``codec``'s order of waves."""
BUCKETS = 4
"""Of what is expected, in one level: a table for each."""
ACTIVITIES = (1, 3)
"""How much neighbours differ among themselves, from where on it is more: tables for each."""
_MOST_LEVELS = 31


@dataclass(frozen=True)
class ExtremeConfig(TransformsConfig):
    """Transforms, and what is coded between them.

    Attributes:
        latent_channels: those that are coded; 8, 4 or 2 as published.
        inner_channels: of which the encoder's last layer makes them.
        levels: that a symbol can have, an odd number: 5 are -2, -1, 0, 1 and 2.
        trade_off: what squared error weighs against bits where both are minimised.
    """

    latent_channels: int = 8
    inner_channels: int = 220
    levels: int = 5
    trade_off: float = 0.0002

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("inner_channels", self.inner_channels, 1)
        check_range("levels", self.levels, 3, _MOST_LEVELS)
        if not self.levels % 2:
            raise UsageError(f"levels must be an odd number, got {self.levels}")
        if not self.trade_off > 0:
            raise UsageError(f"trade_off must be above 0, got {self.trade_off}")

    @property
    def half(self) -> int:
        """The highest level; the lowest is its negative."""
        return self.levels // 2

    @property
    def contexts(self) -> int:
        """Tables of a channel: by what is expected, and by how much neighbours differ."""
        return self.levels * BUCKETS * (len(ACTIVITIES) + 1)

    @property
    def bits_per_pixel(self) -> float:
        """The most that a picture takes, but for its frame and whole bytes (``codec.most_bytes``
        counts these too)."""
        return self.latent_channels * math.log2(self.levels) / self.stride**2

    @property
    def lambdas(self) -> tuple[float, ...]:
        """There is one quality."""
        return (self.trade_off,)

    @property
    def qualities(self) -> tuple[float, ...]:
        """One: how much is sent of a picture is the network's shape."""
        return (1.0,)

    def check_quality(self, quality: float, name: str) -> None:
        """A quality that there is.

        Raises:
            UsageError: with the name of the model, when there is none such.
        """
        if quality not in self.qualities:
            raise UsageError(f"{name} has one quality, 1, got {quality:g}")

    @property
    def encoder_halo(self) -> int:
        """One position more: of latents, levels are made by a layer that sees 3x3."""
        return super().encoder_halo + 1

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a manifest."""
        return to_plain(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ExtremeConfig:
        """The inverse of ``to_dict``.

        Raises:
            UsageError: on a key that is not a field.
        """
        return from_plain(cls, values, "extreme")


def extreme(channels: int = 8) -> ExtremeConfig:
    """HiFiC's transforms at their published size: 158 million parameters."""
    return _between(hific(), channels)


def extreme_s(channels: int = 8) -> ExtremeConfig:
    """The small network that slimcodec ships: ``hific-s``'s transforms."""
    return _between(hific_s(), channels)


def _between(transforms: TransformsConfig, channels: int) -> ExtremeConfig:
    shared = {own.name: getattr(transforms, own.name) for own in fields(TransformsConfig)}
    inner = transforms.latent_channels
    return ExtremeConfig(**{**shared, "latent_channels": channels}, inner_channels=inner)
