"""What an encoder may be given to find better symbols with; see ``slimcodec.refine``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from slimcodec.codecs.latents.tile import Latents, Tiles
from slimcodec.codecs.tiles import Box
from slimcodec.types import Clock, Image

__all__ = ["Picture", "Refiner"]


class Picture(NamedTuple):
    """An image, and the tiles that it is coded in.

    Attributes:
        image: uint8 [h, w, 3].
        whole: positions of all of it.
        tiles: of these, row by row.
        halo: positions around a window that its pixels depend on, too.
    """

    image: Image
    whole: Box
    tiles: Sequence[Box]
    halo: int


@runtime_checkable
class Refiner(Protocol):
    """What finds better symbols than rounding does; decoders do not know of it (``refine``).

    Attributes:
        count: of its rounds.
    """

    count: int

    def memory_needed(self, whole: Box) -> float:
        """Bytes that its networks take, of a picture of so many positions."""

    def __call__(
        self,
        coder: Tiles,
        picture: Picture,
        latents: Sequence[Latents],
        step: int,
        weight: float,
        clock: Clock,
    ) -> list[Latents]:
        """What shall be coded in the place of latents.

        Args:
            coder: of tiles.
            picture: that they are of.
            latents: of each tile.
            step: of quality.
            weight: of bits, in that which is usual at this quality.
            clock: is told of each round.
        """
