"""What the glue computes with: codes, and integer tables. Their digest is the streams' identity."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.family import Floats
from slimcodec.codecs.vq.config import Book, VqConfig
from slimcodec.codecs.vq.means import SPREADS
from slimcodec.codecs.vq.planes import surface_of, vectors_of
from slimcodec.codecs.vq.prior import CONTEXTS, DIRECTIONS
from slimcodec.codecs.vq.search import Rates
from slimcodec.errors import ModelFileError
from slimcodec.stream import Tables

__all__ = ["FLAG_ODDS", "LEVELS", "PLANES", "BookCoding", "VqCoding"]

LEVELS = 255.0
"""Weights are in units of the whole range."""
PLANES = 3
"""Whose means are coded: Y, Cb, Cr."""
FLAG_ODDS = 1 << 16
"""Frozen flags are set so many times in this many."""
_TABLE_TOTAL = 1 << 24


@dataclass(frozen=True, eq=False)
class BookCoding:
    """What is known of one book.

    Attributes:
        book: its shape.
        codes: float32 [stages, codes, d], in levels.
        surface: float32 [c · 9, d], see ``planes.surface_of``.
        flags: uint16 [qualities, stages, contexts], how often a code is taken, in ``FLAG_ODDS``.
        numbers: a table for each stage and direction.
    """

    book: Book
    codes: Floats
    surface: Floats
    flags: NDArray[np.uint16]
    numbers: Tables

    @cached_property
    def flag_tables(self) -> Tables:
        """A table for each quality, stage and context, over 0, 1 and what never comes."""
        taken = self.flags.ravel().astype(np.int64) * (_TABLE_TOTAL // FLAG_ODDS)
        never = np.ones_like(taken)
        places = np.stack([_TABLE_TOTAL - taken - 2, taken, never, never], axis=1)
        ones = np.ones(len(taken), np.int32)
        return Tables(ones, ones, places.astype(np.uint32).ravel())

    def rates(self, quality: int) -> Rates:
        """In bits, for the encoder's choice."""
        taken = self.flags[quality].astype(np.float32) / FLAG_ODDS
        sizes = 2 * int(self.numbers.reaches[0]) + 2
        counts = self.numbers.frequencies.reshape(self.book.stages, DIRECTIONS, sizes)
        numbers = counts[:, :, : self.book.codes].astype(np.float32) / _TABLE_TOTAL
        flags = np.stack([1 - taken, taken], axis=-1)
        return Rates(-np.log2(flags), -np.log2(numbers))


@dataclass(frozen=True, eq=False)
class VqCoding:
    """See ``codecs.family.Exportable.coding``.

    Attributes:
        books: luma's and chroma's.
        means: a table for each plane and class of spread.
        steps: of each quality, its step of means and the stages of luma's and chroma's book that it
            uses.
    """

    books: tuple[BookCoding, ...]
    means: Tables
    steps: tuple[tuple[int, int, int], ...]

    @classmethod
    def of(
        cls,
        config: VqConfig,
        weights: Mapping[str, NDArray[np.float32]],
        frozen: Mapping[str, NDArray[Any]],
    ) -> VqCoding:
        """Put together from a model's contents.

        Raises:
            ModelFileError, LookupError: when they make no codec.
        """
        books = []
        for book in config.books:
            kernels = weights[f"decoder.{book.name}.weight"]
            surface = weights[f"decoder.{book.name}_surface.weight"]
            flags = frozen[f"{book.name}.flags"]
            numbers = Tables.from_arrays(frozen, f"{book.name}.numbers")
            reach = book.codes // 2
            if (
                flags.shape != (len(config.lambdas), book.stages, CONTEXTS)
                or flags.dtype != np.uint16
                or not flags.all()
                or len(numbers) != book.stages * DIRECTIONS
                or (numbers.reaches != reach).any()
                or (numbers.centres != reach).any()
                or kernels.shape[:2] != (book.stages * book.codes, book.channels)
            ):
                raise ModelFileError(f"its tables and codes of {book.name} do not fit its shape")
            codes = np.concatenate([vectors_of(kernel) for kernel in kernels]) * np.float32(LEVELS)
            codes = codes.reshape(book.stages, book.codes, book.length)
            books.append(BookCoding(book, codes, surface_of(surface), flags, numbers))
        means = Tables.from_arrays(frozen, "means")
        if len(means) != PLANES * SPREADS:
            raise ModelFileError("its tables of means are not as many as there are planes")
        steps = zip(config.mean_steps, config.luma_used, config.chroma_used, strict=True)
        return cls(tuple(books), means, tuple(steps))

    @cached_property
    def stream_id(self) -> bytes:
        """Digest of everything that reading a stream depends on, 8 bytes."""
        digest = hashlib.sha256(b"vq/1")
        for tables in (self.means, *(own.numbers for own in self.books)):
            digest.update(tables.centres.astype("<i4").tobytes())
            digest.update(tables.reaches.astype("<i4").tobytes())
            digest.update(tables.frequencies.astype("<u4").tobytes())
        for own in self.books:
            digest.update(np.array(own.flags.shape, "<i4").tobytes())
            digest.update(own.flags.astype("<u2").tobytes())
        digest.update(np.array(self.steps, "<i4").tobytes())
        return digest.digest()[:8]
