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
from slimcodec.errors import UsageError

__all__ = [
    "CENTRE",
    "CONDITION",
    "UNIT",
    "RestoreConfig",
    "cas_cnn",
    "restore_s",
]

CENTRE, UNIT = 128.0, 64.0
"""A network sees planes as (v - CENTRE) / UNIT: exact in half precision, about as large as 1."""
CONDITION = 131
"""Numbers that are known of a file; see ``jpeg_file.condition_of``."""
_MOST_BLOCKS = 64
_CAS_LAYERS = 11


@dataclass(frozen=True)
class RestoreConfig:
    """Widths and structure.

    Attributes:
        structure: ``folded`` (see above), or ``cas`` as published.
        width: channels at a quarter of the resolution.
        deep_width: channels at an eighth.
        blocks_before, blocks_inside, blocks_after: residual blocks at a quarter, at an eighth, at
            a quarter again.
        block_widths: channels inside each block; those around it, where nothing is said.
        hidden_widths: channels of the condition's two hidden layers.
        cas_widths: what each layer but the last makes, of ``cas``.
    """

    structure: Literal["folded", "cas"] = "folded"
    width: int = 56
    deep_width: int = 80
    blocks_before: int = 1
    blocks_inside: int = 2
    blocks_after: int = 1
    block_widths: tuple[int, ...] = later(())
    hidden_widths: tuple[int, ...] = (32, 32)
    cas_widths: tuple[int, ...] = later(())

    def __post_init__(self) -> None:
        if not 0 <= len(self.outer_widths) <= _MOST_BLOCKS:
            raise UsageError(f"at most {_MOST_BLOCKS} blocks, got {len(self.outer_widths)}")
        for name, count in (
            ("block_widths", len(self.block_widths) and len(self.outer_widths)),
            ("hidden_widths", 2),
            ("cas_widths", _CAS_LAYERS if self.structure == "cas" else 0),
        ):
            if len(getattr(self, name)) != count:
                raise UsageError(f"{name} must be {count} numbers, got {getattr(self, name)}")
        widths = (*self.block_widths, *self.hidden_widths, *self.cas_widths)
        if min(self.width, self.deep_width, *widths) < 1:
            raise UsageError("every width must be a whole number above 0")

    @property
    def planes(self) -> int:
        """How many of Y, Cb, Cr the network takes; the others stay as they are."""
        return 1 if self.structure == "cas" else 3

    @property
    def outer_widths(self) -> tuple[int, ...]:
        """Channels around each residual block, in their order."""
        inside = (self.deep_width,) * self.blocks_inside
        return (self.width,) * self.blocks_before + inside + (self.width,) * self.blocks_after

    @property
    def inner_widths(self) -> tuple[int, ...]:
        """``block_widths``, said or not."""
        return self.block_widths or self.outer_widths

    @property
    def modulation(self) -> int:
        """Scales and shifts that a file's condition becomes, a pair for each inner channel."""
        return 0 if self.structure == "cas" else 2 * sum(self.inner_widths)

    @property
    def halo(self) -> int:
        """All that the network sees around a pixel, in pixels: with so much around a window, what
        it makes of the window is what it makes of it in the whole picture."""
        if self.structure == "cas":
            # Two layers at full resolution on either side, three at a half, four at a quarter.
            return 4 + 2 * 4 + 4 * 5
        quarter = 3 + 2 * (self.blocks_before + self.blocks_after)
        return 4 * quarter + 8 * 2 * self.blocks_inside

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
