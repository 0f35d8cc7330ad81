"""The shape of a trunk, which configs of codecs that have one begin with.

Everything is computed at a quarter of the picture's resolution and, in between, at an eighth: a
picture is folded on its way in and a correction of it unfolded on its way out.
"""

from __future__ import annotations

from dataclasses import dataclass

from slimcodec.codecs.fields import later
from slimcodec.errors import UsageError

__all__ = ["CENTRE", "UNIT", "TrunkConfig", "check_widths"]

CENTRE, UNIT = 128.0, 64.0
"""A network sees levels as (v - CENTRE) / UNIT: exact in half precision, about as large as 1."""
_MOST_BLOCKS = 64


@dataclass(frozen=True)
class TrunkConfig:
    """Widths.

    Attributes:
        width: channels at a quarter of the resolution.
        deep_width: channels at an eighth.
        blocks_before, blocks_inside, blocks_after: residual blocks at a quarter, at an eighth, at
            a quarter again.
        block_widths: channels inside each block; those around it, where nothing is said.
        hidden_widths: channels of the condition's two hidden layers.
    """

    width: int = 56
    deep_width: int = 80
    blocks_before: int = 1
    blocks_inside: int = 2
    blocks_after: int = 1
    block_widths: tuple[int, ...] = later(())
    hidden_widths: tuple[int, ...] = (32, 32)

    def __post_init__(self) -> None:
        if not 0 <= len(self.outer_widths) <= _MOST_BLOCKS:
            raise UsageError(f"at most {_MOST_BLOCKS} blocks, got {len(self.outer_widths)}")
        inner = len(self.block_widths) and len(self.outer_widths)
        check_widths("block_widths", self.block_widths, inner)
        check_widths("hidden_widths", self.hidden_widths, 2)
        check_widths("width and deep_width", (self.width, self.deep_width), 2)

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
    def scales_and_shifts(self) -> int:
        """What is known of a picture becomes these: a pair for each inner channel."""
        return 2 * sum(self.inner_widths)

    @property
    def trunk_halo(self) -> int:
        """All that a trunk sees around a pixel, in pixels: with so much around a window, what it
        makes of the window is what it makes of it in the whole picture."""
        quarter = 3 + 2 * (self.blocks_before + self.blocks_after)
        return 4 * quarter + 8 * 2 * self.blocks_inside


def check_widths(name: str, widths: tuple[int, ...], count: int) -> None:
    """So many numbers of channels.

    Raises:
        UsageError: when there are more or fewer, or one is 0.
    """
    if len(widths) != count:
        raise UsageError(f"{name} must be {count} numbers, got {widths}")
    if min(widths, default=1) < 1:
        raise UsageError(f"{name}: every width must be a whole number above 0, got {widths}")
