"""The shape of a vector quantizer.

A picture is luma, and two chroma planes of half the sides. Both are cut into blocks of 8x8 samples;
the two chroma blocks of a place are one vector (a product code of luma and chroma). A *book* has so
many *stages* of so many *codes*: a block is its surroundings' means and at most one code of each
stage, added up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slimcodec.codecs.fields import from_plain, to_plain
from slimcodec.errors import UsageError

__all__ = ["BLOCK", "STRIDE", "Book", "VqConfig", "vq_s"]

BLOCK = 8
"""Samples on a side of a block, of luma and of chroma."""
STRIDE = 16
"""Pixels on a side of a position: four blocks of luma, one of each chroma plane."""
_MOST_STAGES, _MOST_CODES, _MOST_QUALITIES = 64, 1024, 64


@dataclass(frozen=True)
class Book:
    """Codes for one kind of block.

    Attributes:
        name: ``luma`` or ``chroma``.
        channels: planes that a vector is of.
        stages: codes that may be added up.
        codes: in each stage.
        places: blocks on a side of a position.
        weight: what a squared error counts, against one of luma: errors of pixels that are due to
            a sample of it. A chroma sample is four pixels; interpolation takes some of that back.
    """

    name: str
    channels: int
    stages: int
    codes: int
    places: int
    weight: float

    @property
    def length(self) -> int:
        """Of a vector."""
        return self.channels * BLOCK**2


@dataclass(frozen=True)
class VqConfig:
    """Books, and what each quality does with them.

    Attributes:
        luma_stages, luma_codes, chroma_stages, chroma_codes: see ``Book``.
        lambdas: of each quality, what a squared level of error per pixel is worth in bits, rising.
            Encoders weigh with it; no decoder knows it.
        mean_steps: of each quality, levels from one mean to the next.
        luma_used, chroma_used: of each quality, how many stages, from the first, it has.
    """

    luma_stages: int = 28
    luma_codes: int = 64
    chroma_stages: int = 10
    chroma_codes: int = 64
    lambdas: tuple[float, ...] = (0.001, 0.0022, 0.0048, 0.0106, 0.0234, 0.0515, 0.113, 0.249)
    mean_steps: tuple[int, ...] = (12, 8, 5, 4, 2, 2, 1, 1)
    luma_used: tuple[int, ...] = (9, 12, 15, 18, 21, 24, 27, 28)
    chroma_used: tuple[int, ...] = (4, 5, 6, 8, 9, 10, 10, 10)

    def __post_init__(self) -> None:
        count = len(self.lambdas)
        if not 1 <= count <= _MOST_QUALITIES:
            raise UsageError(f"lambdas must be 1 to {_MOST_QUALITIES} numbers, got {count}")
        for name in ("mean_steps", "luma_used", "chroma_used"):
            if len(getattr(self, name)) != count:
                raise UsageError(f"{name} must be {count} numbers, as lambdas are")
        if self.lambdas[0] <= 0 or list(self.lambdas) != sorted(set(self.lambdas)):
            raise UsageError(f"lambdas must rise from above 0, got {list(self.lambdas)}")
        if not all(1 <= step <= 128 for step in self.mean_steps):
            raise UsageError(f"mean_steps must be 1 to 128, got {list(self.mean_steps)}")
        for book, used in zip(self.books, (self.luma_used, self.chroma_used), strict=True):
            if not 1 <= book.stages <= _MOST_STAGES or not 2 <= book.codes <= _MOST_CODES:
                raise UsageError(
                    f"{book.name} takes 1 to {_MOST_STAGES} stages of 2 to {_MOST_CODES} codes, "
                    f"got {book.stages} of {book.codes}"
                )
            if not all(0 <= number <= book.stages for number in used):
                raise UsageError(f"{book.name}_used must be 0 to {book.stages}, got {list(used)}")

    @property
    def books(self) -> tuple[Book, Book]:
        """Luma and chroma."""
        return (
            Book("luma", 1, self.luma_stages, self.luma_codes, 2, 1.0),
            Book("chroma", 2, self.chroma_stages, self.chroma_codes, 1, 2.0),
        )

    def used(self, quality: int) -> tuple[int, int]:
        """Stages of each book that a quality, counted from 0, has."""
        return self.luma_used[quality], self.chroma_used[quality]

    @property
    def stride(self) -> int:
        """Pixels on a side of a position."""
        return STRIDE

    @property
    def block_size(self) -> int:
        """Pixels on a side of the smallest pieces of photographs that it can be fitted on."""
        return 2 * STRIDE

    @property
    def qualities(self) -> tuple[float, ...]:
        """1, 2, ... as many as there are."""
        return tuple(float(number) for number in range(1, len(self.lambdas) + 1))

    @property
    def quality_range(self) -> tuple[float, float]:
        """See ``types.Ranged``."""
        return self.qualities[0] - 1, self.qualities[-1]

    def check_quality(self, quality: float, name: str) -> None:
        """A quality that there is.

        Raises:
            UsageError: with the name of the model, when there is none such.
        """
        least, most = self.quality_range
        if not least <= quality <= most:
            raise UsageError(
                f"the quality of {name} must be {least:g} to {most:g}, got {quality:g}"
            )

    @property
    def bytes_per_pixel(self) -> float:
        """Memory that coding takes, about: a number for every code of every block, as often as
        runtimes copy that, and the planes."""
        codes = sum(book.stages * book.codes * book.places**2 for book in self.books)
        return 3 * 4.0 * codes / STRIDE**2 + 100

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a manifest."""
        return to_plain(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> VqConfig:
        """The inverse of ``to_dict``.

        Raises:
            UsageError: on a key that is not a field, or values that make no quantizer.
        """
        return from_plain(cls, values, "vq")


def vq_s() -> VqConfig:
    """The quantizer that slimcodec fits and ships."""
    return VqConfig()
