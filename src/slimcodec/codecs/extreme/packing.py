"""Symbols of a few levels in nearly as few bytes as they would take if all were alike: the bound.

So many digits to the base of the levels fit into so many bytes: 31 of base 5 into 9, which is
0.03 % more than 31 log2(5) bits. That is exact arithmetic, so the bound is a formula.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from slimcodec.errors import StreamError

__all__ = ["pack_levels", "packed_bytes", "unpack_levels"]

_LONGEST = 64


@cache
def _block(levels: int) -> tuple[int, int]:
    """Digits, and the bytes that hold any of so many: of those up to 64 the least wasteful."""
    sizes = [(n, ((levels**n - 1).bit_length() + 7) // 8) for n in range(1, _LONGEST + 1)]
    return min(sizes, key=lambda size: (size[1] / size[0], size[0]))


def packed_bytes(count: int, levels: int) -> int:
    """What ``pack_levels`` makes of so many symbols."""
    digits, size = _block(levels)
    return math.ceil(count / digits) * size


def pack_levels(symbols: NDArray[np.integer], levels: int) -> bytes:
    """Symbols from 0 to ``levels`` - 1; the inverse of ``unpack_levels``."""
    digits, size = _block(levels)
    flat = np.zeros(math.ceil(symbols.size / digits) * digits, np.int64)
    flat[: symbols.size] = symbols.ravel()
    packed = bytearray()
    for block in flat.reshape(-1, digits).tolist():
        number = 0
        for digit in block:
            number = number * levels + digit
        packed += number.to_bytes(size, "big")
    return bytes(packed)


def unpack_levels(data: bytes, count: int, levels: int) -> NDArray[np.int32]:
    """So many symbols.

    Raises:
        StreamError: when ``pack_levels`` did not write that.
    """
    digits, size = _block(levels)
    if len(data) != packed_bytes(count, levels):
        raise StreamError(
            f"the stream is damaged: {len(data)} bytes where {packed_bytes(count, levels)} hold "
            f"{count} symbols"
        )
    found = np.empty(math.ceil(count / digits) * digits, np.int32)
    for start in range(0, len(found), digits):
        at = start // digits * size
        number = int.from_bytes(data[at : at + size], "big")
        for place in range(start + digits - 1, start - 1, -1):
            number, found[place] = divmod(number, levels)
        if number:
            raise StreamError("the stream is damaged: it holds a symbol that there is not")
    if found[count:].any():
        raise StreamError("the stream is damaged: it has more symbols than there are")
    return found[:count]
