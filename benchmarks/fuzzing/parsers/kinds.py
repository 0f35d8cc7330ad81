"""What every parser is, and what a finding is that no error of a library says."""

from __future__ import annotations

import random
from typing import Any, Protocol

__all__ = ["Parser", "WrongPicture", "WrongStream", "check_picture"]


class WrongPicture(Exception):
    """A picture of another size than was declared, or none."""


class WrongStream(Exception):
    """Two functions say different things of one stream."""


class Parser(Protocol):
    """See the head of the package.

    Args of a class: the folder that ``seeds.make_seeds`` filled, and an empty one to work in.
    """

    def seeds(self) -> list[bytes]:
        """Sound inputs."""

    def edited(self, data: bytes, rng: random.Random) -> bytes:
        """Something in it changed that the format knows of; bytes, where it is of no format."""

    def forged(self, data: bytes) -> bytes:
        """Checks and digests of what it holds put right, as far as it is of the format."""

    def use(self, data: bytes) -> None:
        """What a user does with such a file.

        Raises:
            SlimcodecError: when it is refused.
            WrongPicture: when what comes out is not what was declared.
        """


def check_picture(picture: Any, height: int, width: int) -> None:
    if picture.shape != (height, width, 3) or picture.dtype.name != "uint8":
        raise WrongPicture(f"{picture.dtype} {picture.shape} where {height}x{width} was declared")
