"""Huffman codes as baseline JPEG has them: of the symbols that there are, 16 bits long at most.

Codes are made as the JPEG standard's annex K.2 says, with libjpeg's choice among equals, so that
`jpegtran -optimize` of libjpeg finds nothing to gain, and gives back the same bytes.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LONGEST", "Code", "code_of"]

LONGEST = 16
"""Bits of a code word."""
_SYMBOLS = 256
_RESERVED = 256
"""A symbol that is never sent: its word is of ones alone, which the format does not allow."""


@dataclass(frozen=True, eq=False)
class Code:
    """A code for symbols from 0 to 255.

    Attributes:
        counts: how many words have 1, 2, ... 16 bits.
        symbols: in the order of their words.
        words: by symbol, ``uint32 [256]``.
        lengths: in bits, by symbol, ``uint8 [256]``; 0 for a symbol that has no word.
    """

    counts: tuple[int, ...]
    symbols: tuple[int, ...]
    words: NDArray[np.uint32]
    lengths: NDArray[np.uint8]


def code_of(histogram: NDArray[np.int64]) -> Code:
    """The code that takes the fewest bits.

    Args:
        histogram: how often each symbol comes, [256].
    """
    depths = _depths(histogram)
    counts = _within(np.bincount([*depths.values()], minlength=LONGEST + 1).tolist())
    del depths[_RESERVED]
    symbols = sorted(depths, key=lambda symbol: (depths[symbol], symbol))
    lengths = np.repeat(np.arange(1, LONGEST + 1), counts)
    words, word = [], 0
    for length, next_length in zip(lengths, [*lengths[1:], 0], strict=True):
        words.append(word)
        word = (word + 1) << max(int(next_length) - int(length), 0)
    by_symbol = np.zeros(_SYMBOLS, np.uint32)
    by_symbol[symbols] = words
    length_of = np.zeros(_SYMBOLS, np.uint8)
    length_of[symbols] = lengths
    return Code(tuple(counts), tuple(symbols), by_symbol, length_of)


def _depths(histogram: NDArray[np.int64]) -> dict[int, int]:
    """Of each symbol that comes and the reserved one, how deep it lies in the tree."""
    there = [(int(histogram[symbol]), -int(symbol)) for symbol in np.flatnonzero(histogram)]
    heap = [(1, -_RESERVED), *there]
    heapq.heapify(heap)
    below = {-name: [-name] for _, name in heap}
    depths = dict.fromkeys(below, 0)
    while len(heap) > 1:
        one, first = heapq.heappop(heap)
        other, second = heapq.heappop(heap)
        below[-first] += below.pop(-second)
        for symbol in below[-first]:
            depths[symbol] += 1
        heapq.heappush(heap, (one + other, first))
    return depths


def _within(counts: list[int]) -> list[int]:
    """Words of each length from 1 to 16, without the reserved one: of those that are too long, a
    pair goes up where it was one, and a shorter word becomes two."""
    for length in range(len(counts) - 1, LONGEST, -1):
        while counts[length] > 0:
            shorter = max(i for i in range(length - 1) if counts[i])
            counts[length] -= 2
            counts[length - 1] += 1
            counts[shorter + 1] += 2
            counts[shorter] -= 1
    longest = max(i for i in range(LONGEST + 1) if counts[i])
    counts[longest] -= 1
    return counts[1 : LONGEST + 1]
