"""CompressAI's entropy coder, read: an asymmetric numeral system (Duda 2009) with a state of 64
bits, words of 32 and tables of 16.

A state ``x`` holds everything that is still to be read. Its lowest 16 bits lie in the interval
``[start, start + size)`` of the next symbol, and

    x ← size · (x >> 16) + (x mod 2^16) - start        and, where x < 2^31, x ← x · 2^32 + a word

undoes what the encoder did. A table's last symbol is an escape: behind it are, in pieces of four
bits, the number of pieces and the pieces of a value outside the table.

Encoders begin at 2^31. So a reader that is there after the last symbol, with no word left, had the
encoder's tables at every symbol that mattered; one that had others is there with a chance below
2^-31. What is not noticed is a wrong table that has the very interval of the right one: two tables
of neighbouring scales have such far out, at symbols that an encoder meets once in a billion.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["TOTAL", "Decoder", "Place", "Tables"]

PRECISION = 16
TOTAL = 1 << PRECISION
_MASK = TOTAL - 1
_START = 1 << 31
_WORD = 32
_PIECE = 4
_PIECE_MASK = (1 << _PIECE) - 1
_MOST_PIECES = 32 // _PIECE
_BLOCK = 1 << 16
"""Symbols between two looks at the clock, and as Python's numbers at once."""


@dataclass(frozen=True)
class Tables:
    """Cumulative frequencies, ascending from 0 to 65,536, one list for each table.

    Attributes:
        edges: of the symbols; of the last, the escape, too.
        offsets: what the first symbol of each stands for.
    """

    edges: Sequence[list[int]]
    offsets: Sequence[int]

    @cached_property
    def least_bits(self) -> NDArray[np.float64]:
        """What the most likely symbol of each table takes."""
        return np.array([-np.log2(max(np.diff(own)) / TOTAL) for own in self.edges])


class Place(NamedTuple):
    """Where a reader is: its state, and the word that comes next."""

    state: int
    word: int


class Decoder:
    """Reads one string.

    Args:
        string: as an encoder flushed it.
        tables: what it was written with.
    """

    def __init__(self, string: bytes, tables: Tables) -> None:
        self._words: list[int] = []
        if len(string) % 4 == 0:
            self._words = np.frombuffer(string, "<u4").tolist()
        self._tables = tables
        self._escapes = [len(own) - 2 for own in tables.edges]

    @property
    def begin(self) -> Place | None:
        """Before the first symbol; None where the string cannot be an encoder's."""
        if len(self._words) < 2:
            return None
        state = self._words[0] | self._words[1] << _WORD
        return Place(state, 2) if _START <= state < _START << _WORD else None

    def is_end(self, place: Place | None) -> bool:
        """Whether an encoder began here."""
        return place == (_START, len(self._words))

    def read(
        self,
        place: Place | None,
        picked: NDArray[np.integer],
        symbols: NDArray[np.int32],
        on_block: Callable[[int], None] = lambda count: None,
    ) -> Place | None:
        """Symbols from a place on.

        Args:
            place: where to begin; None gives None.
            picked: the table of each symbol, in a row.
            symbols: where they go, of the same length.
            on_block: is told how many more were read.

        Returns:
            The place behind them; None where the words end before.
        """
        for start in range(0, len(picked), _BLOCK):
            block = picked[start : start + _BLOCK].tolist()
            if place is None:
                return None
            place = self._read(place, block, symbols[start : start + _BLOCK])
            on_block(len(block))
        return place

    def _read(
        self, place: Place, picked: Sequence[int], symbols: NDArray[np.int32]
    ) -> Place | None:
        state, at = place
        edges, offsets, escapes = self._tables.edges, self._tables.offsets, self._escapes
        words, found = self._words, []
        for table in picked:
            own = edges[table]
            low = state & _MASK
            number = bisect_right(own, low) - 1
            first = own[number]
            state = (own[number + 1] - first) * (state >> PRECISION) + low - first
            if state < _START:
                if at == len(words):
                    return None
                state = state << _WORD | words[at]
                at += 1
            if number == escapes[table]:
                escaped = self._escaped(Place(state, at), number)
                if escaped is None:
                    return None
                number, (state, at) = escaped
            found.append(number + offsets[table])
        outside = max(map(abs, found)) >= _START
        if outside:
            return None
        symbols[:] = found
        return Place(state, at)

    def _escaped(self, place: Place, last: int) -> tuple[int, Place] | None:
        """A value outside a table whose escape is ``last``, counted as its symbols are."""
        count = 0
        while True:
            taken = self._piece(place)
            if taken is None:
                return None
            piece, place = taken
            count += piece
            if count > _MOST_PIECES:
                return None
            if piece < _PIECE_MASK:
                break
        value = 0
        for number in range(count):
            taken = self._piece(place)
            if taken is None:
                return None
            piece, place = taken
            value |= piece << (number * _PIECE)
        # Values below the table are odd, those above it even.
        return (-(value >> 1) - 1 if value & 1 else (value >> 1) + last), place

    def _piece(self, place: Place) -> tuple[int, Place] | None:
        state, at = place
        piece, state = state & _PIECE_MASK, state >> _PIECE
        if state < _START:
            if at == len(self._words):
                return None
            state, at = state << _WORD | self._words[at], at + 1
        return piece, Place(state, at)
