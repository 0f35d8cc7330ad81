"""Frozen integer probability tables.

A table gives every symbol within ``centre ± reach`` and one escape an integer frequency of at least
one; they sum to 2**24. Tables are made once, in float64, when a model is frozen, and from then on
only their integers count, so every machine codes with the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slimcodec.errors import ModelFileError

__all__ = ["SYMBOL_LIMIT", "TOTAL", "Tables"]

TOTAL = 1 << 24
SYMBOL_LIMIT = 1 << 20
"""Symbols lie within ± this, and so do those of tables, or the way from one to the other would be
longer than an escape can say; the encoder clips what a broken network might send beyond."""


@dataclass(frozen=True, eq=False)
class Tables:
    """A numbered set of tables.

    Attributes:
        centres: int32 [n], the middle symbol of each.
        reaches: int32 [n], symbols on either side of it.
        frequencies: uint32, all tables after each other: ``2 reach + 1`` symbols, then the escape.
    """

    centres: NDArray[np.int32]
    reaches: NDArray[np.int32]
    frequencies: NDArray[np.uint32]

    def __post_init__(self) -> None:
        sizes = 2 * self.reaches.astype(np.int64) + 2
        sound = (
            self.centres.shape == self.reaches.shape
            and bool((self.reaches >= 0).all())
            and bool((abs(self.centres.astype(np.int64)) + self.reaches <= SYMBOL_LIMIT).all())
            and int(sizes.sum()) == len(self.frequencies)
            and bool((self.frequencies > 0).all())
        )
        if sound and len(sizes):
            sums = np.add.reduceat(self.frequencies, sizes.cumsum() - sizes, dtype=np.int64)
            sound = bool((sums == TOTAL).all())
        if not sound:
            raise ModelFileError("the model's probability tables are damaged")

    def __len__(self) -> int:
        return len(self.reaches)

    def __getitem__(self, number: int) -> NDArray[np.uint32]:
        """Frequencies of one table, the escape last."""
        start = int((2 * self.reaches[:number].astype(np.int64) + 2).sum())
        return self.frequencies[start : start + 2 * int(self.reaches[number]) + 2]

    @classmethod
    def from_probabilities(
        cls, centres: Sequence[int], probabilities: Sequence[NDArray[np.float64]]
    ) -> Tables:
        """Quantize probabilities, each array over ``centre ± reach``; the rest is the escape's."""
        frequencies = []
        for p in probabilities:
            with_escape = np.append(p, max(0.0, 1.0 - float(p.sum())))
            share = with_escape / with_escape.sum() * (TOTAL - len(with_escape))
            counts = np.floor(share).astype(np.int64) + 1
            counts[np.argmax(counts)] += TOTAL - counts.sum()
            frequencies.append(counts.astype(np.uint32))
        reaches = [(len(p) - 1) // 2 for p in probabilities]
        return cls(
            np.asarray(centres, np.int32),
            np.asarray(reaches, np.int32),
            np.concatenate(frequencies),
        )

    def to_bytes(self) -> bytes:
        """For a stream's identity."""
        pieces = ((self.centres, "<i4"), (self.reaches, "<i4"), (self.frequencies, "<u4"))
        return b"".join(array.astype(kind).tobytes() for array, kind in pieces)

    def to_arrays(self, prefix: str) -> dict[str, NDArray[np.generic]]:
        """Named arrays for a model file; the inverse of ``from_arrays``."""
        return {
            f"{prefix}.centres": self.centres,
            f"{prefix}.reaches": self.reaches,
            f"{prefix}.frequencies": self.frequencies,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]], prefix: str) -> Tables:
        """Tables from a model file's arrays."""
        return cls(
            arrays[f"{prefix}.centres"].astype(np.int32, casting="same_kind"),
            arrays[f"{prefix}.reaches"].astype(np.int32, casting="same_kind"),
            arrays[f"{prefix}.frequencies"].astype(np.uint32, casting="same_kind"),
        )
