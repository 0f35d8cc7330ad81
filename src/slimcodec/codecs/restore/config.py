"""The shape of a network that takes JPEG's artefacts off.

``restore_s()`` is ours: planes folded by four, residual blocks at a quarter and at an eighth of the
resolution (the grid of JPEG's blocks), and a condition that tells it the file's own tables.
``cas_cnn()`` has the structure of Cavigelli et al. 2017: luminance alone, twelve convolutions of
mostly 128 channels, two of stride 2 and two transposed ones back, and skips on every level. Its
losses at coarser scales are training's and no part of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from slimcodec.codecs.fields import from_plain, later, to_plain
from slimcodec.codecs.trunk.config import CENTRE, UNIT, TrunkConfig, check_widths

__all__ = [
    "CENTRE",
    "CONDITION",
    "UNIT",
    "RestoreConfig",
    "cas_cnn",
    "restore_s",
]

CONDITION = 131
"""Numbers that are known of a file; see ``jpeg_file.condition_of``."""
_CAS_LAYERS = 11


@dataclass(frozen=True)
class RestoreConfig(TrunkConfig):
    """Widths and structure.

    Attributes:
        structure: ``folded`` (see above), or ``cas`` as published.
        cas_widths: what each layer but the last makes, of ``cas``.
    """

    structure: Literal["folded", "cas"] = "folded"
    cas_widths: tuple[int, ...] = later(())

    def __post_init__(self) -> None:
        super().__post_init__()
        check_widths("cas_widths", self.cas_widths, _CAS_LAYERS if self.structure == "cas" else 0)

    @property
    def planes(self) -> int:
        """How many of Y, Cb, Cr the network takes; the others stay as they are."""
        return 1 if self.structure == "cas" else 3

    @property
    def modulation(self) -> int:
        """Scales and shifts that a file's condition becomes, a pair for each inner channel."""
        return 0 if self.structure == "cas" else self.scales_and_shifts

    @property
    def halo(self) -> int:
        """All that the network sees around a pixel, in pixels: with so much around a window, what
        it makes of the window is what it makes of it in the whole picture."""
        if self.structure == "cas":
            # Two layers at full resolution on either side, three at a half, four at a quarter.
            return 4 + 2 * 4 + 4 * 5
        return self.trunk_halo

    @property
    def bytes_per_pixel(self) -> float:
        """Memory that the network takes, about: what its widest layers hold, as often as runtimes
        copy that, and the planes."""
        if self.structure == "cas":
            return 4.0 * 6 * max(self.cas_widths)
        return 4.0 * (6 * (self.width + 16) / 16 + 9)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a manifest."""
        return to_plain(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RestoreConfig:
        """The inverse of ``to_dict``.

        Raises:
            UsageError: on a key that is not a field.
        """
        return from_plain(cls, values, "restore")


def restore_s() -> RestoreConfig:
    """The network that slimcodec trains and ships: 476,120 parameters."""
    return RestoreConfig()


def cas_cnn() -> RestoreConfig:
    """The published structure."""
    return RestoreConfig(structure="cas", cas_widths=(128,) * _CAS_LAYERS)
