"""Reading a string whose tables are not all sure, by what its end says.

Of some symbols two tables are possible. With none of them changed, then one, then two and so on,
the string is read again from the first change on, until it ends where an encoder begins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.compressai.theirs.rans import Decoder, Place

__all__ = ["read_doubtful", "read_sure"]

_MOST_SYMBOLS = 1 << 26
"""That are read over all tries: half a minute or a minute."""

OnBlock = Callable[[int], None]


def read_sure(
    decoder: Decoder, picked: NDArray[np.integer], on_block: OnBlock
) -> NDArray[np.int32] | None:
    """All symbols of a string; None where it does not end as one that these tables wrote.

    Args:
        decoder: of the string.
        picked: the table of each symbol, in a row.
        on_block: is told how many more were read.
    """
    symbols = np.empty(len(picked), np.int32)
    place = decoder.read(decoder.begin, picked, symbols, on_block)
    return symbols if decoder.is_end(place) else None


def read_doubtful(
    decoder: Decoder,
    picked: NDArray[np.integer],
    doubts: Sequence[tuple[int, int]],
    on_block: OnBlock,
) -> tuple[NDArray[np.int32], int] | None:
    """All symbols of a string, and of how many of them the other table was taken; None where no
    choice that was tried leads to the end.

    Args:
        decoder: of the string.
        picked: the table of each symbol, in a row.
        doubts: places in it, ascending, each with its other table.
        on_block: is told how many more were read.
    """
    tries = _Tries(decoder, np.array(picked), doubts, on_block)
    for changes in range(1, len(doubts) + 1):
        if tries.ends(decoder.begin, 0, 0, changes):
            return tries.symbols, changes
        if tries.left <= 0:
            return None
    return None


class _Tries:
    def __init__(
        self,
        decoder: Decoder,
        picked: NDArray[np.integer],
        doubts: Sequence[tuple[int, int]],
        on_block: OnBlock,
    ) -> None:
        self._decoder, self._picked, self._doubts = decoder, picked, doubts
        self._on_block = on_block
        self.symbols = np.empty(len(picked), np.int32)
        self.left = _MOST_SYMBOLS

    def ends(self, place: Place | None, start: int, doubt: int, changes: int) -> bool:
        """Whether the string ends right with so many changes from here on.

        Args:
            place: before symbol ``start``, with the changes that were made before.
            start: of the symbols.
            doubt: the first that may be changed.
            changes: exactly so many.
        """
        if not changes:
            return self._decoder.is_end(self._read(place, start, len(self._picked)))
        for number in range(doubt, len(self._doubts) - changes + 1):
            at, other = self._doubts[number]
            place, start = self._read(place, start, at), at
            if place is None or self.left <= 0:
                return False
            own, self._picked[at] = self._picked[at], other
            if self.ends(place, at, number + 1, changes - 1):
                return True
            self._picked[at] = own
        return False

    def _read(self, place: Place | None, start: int, stop: int) -> Place | None:
        self.left -= stop - start
        inside = slice(start, stop)
        return self._decoder.read(place, self._picked[inside], self.symbols[inside], self._on_block)
