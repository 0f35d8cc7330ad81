"""The shape of a compactor, which makes a picture small, and of a reconstructor, which brings it
back.

``compact_s()`` is ours: a correction of what an antialiased filter makes of a picture, and a trunk
(``codecs.trunk``) that makes the correction of what a bicubic filter makes of a small one, told how
much the codec between the two lost. ``com_rec_cnn()`` has the structure of Jiang et al. 2017:
ComCNN, three convolutions, the second of stride 2, and RecCNN, twenty at full resolution. There are
two departures: batch norms, which once trained are part of the convolutions before them, stand
nowhere here; and ComCNN has a skip around it as RecCNN has, so that a new one is a filter as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from slimcodec.codecs.fields import from_plain, later, to_plain
from slimcodec.codecs.trunk.config import CENTRE, UNIT, TrunkConfig, check_widths

__all__ = [
    "CENTRE",
    "COMPACTING",
    "FACTOR",
    "FACTS",
    "UNIT",
    "CompactConfig",
    "com_rec_cnn",
    "compact_s",
]

FACTOR = 2
"""By how much a picture is made smaller, on each side. It is a matter of the format."""
FACTS = 2
"""Numbers that are known of a small picture; see ``losses.facts_of``."""
COMPACTING, _RECONSTRUCTING = 2, 19
"""Layers of the published networks, but for the last of each."""


@dataclass(frozen=True)
class CompactConfig(TrunkConfig):
    """Widths and structure.

    Attributes:
        structure: ``folded`` (see above), or ``published``.
        inner: the codec in between, a name in ``registry.codecs``, where nobody names another.
        compactor_width: channels of ``folded``'s compactor.
        compactor_inner: those inside its residual block.
        published_widths: what each layer makes, of ``published``, but for the last of each network.
    """

    hidden_widths: tuple[int, ...] = (16, 16)
    structure: Literal["folded", "published"] = "folded"
    inner: str = "webp"
    compactor_width: int = 32
    compactor_inner: int = 32
    published_widths: tuple[int, ...] = later(())

    def __post_init__(self) -> None:
        super().__post_init__()
        own = (self.compactor_width, self.compactor_inner)
        check_widths("compactor_width and compactor_inner", own, 2)
        count = 0 if self.folded else COMPACTING + _RECONSTRUCTING
        check_widths("published_widths", self.published_widths, count)

    @property
    def folded(self) -> bool:
        """Whether networks work at lower resolutions, and the reconstructor is told of losses."""
        return self.structure == "folded"

    @property
    def modulation(self) -> int:
        """Scales and shifts that what is known of a small picture becomes."""
        return self.scales_and_shifts if self.folded else 0

    @property
    def halo(self) -> int:
        """All that either network sees around a pixel, in pixels of the whole picture."""
        return self.trunk_halo if self.folded else len(self.published_widths) - 1

    @property
    def bytes_per_pixel(self) -> float:
        """Memory that the larger network takes, about: what its widest layers hold, as often as
        runtimes copy that, and the picture."""
        if not self.folded:
            return 4.0 * 6 * max(self.published_widths)
        return 4.0 * (6 * max(self.width + 16, self.compactor_width + 48) / 16 + 9)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a manifest."""
        return to_plain(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CompactConfig:
        """The inverse of ``to_dict``.

        Raises:
            UsageError: on a key that is not a field.
        """
        return from_plain(cls, values, "compact")


def compact_s() -> CompactConfig:
    """The network that slimcodec trains and ships."""
    return CompactConfig()


def com_rec_cnn() -> CompactConfig:
    """The published structure, of colours: 0.71 M parameters, 0.67 M of them RecCNN's."""
    widths = (64,) * (COMPACTING + _RECONSTRUCTING)
    return CompactConfig(structure="published", published_widths=widths)
