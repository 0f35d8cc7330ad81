"""Values to unsigned pieces of 16 bits at most, small magnitudes to small numbers, and back.

See ``packing``, which codes them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["PACKED_TYPES", "fold", "unfold"]

_INTEGERS = {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
PACKED_TYPES = _INTEGERS | {"float16", "float32"}
"""Names of the types that can be packed."""


def fold(flat: NDArray[Any]) -> list[NDArray[Any]]:
    """Unsigned pieces of at most 16 bits; zero folds to zero."""
    dtype = flat.dtype
    if dtype.name not in PACKED_TYPES:
        raise TypeError(f"{dtype} cannot be packed, only {', '.join(sorted(PACKED_TYPES))}")
    unsigned = np.dtype(f"u{dtype.itemsize}")
    if dtype.kind == "f":
        flat = _turned(flat.view(unsigned), 1)
    if dtype.itemsize > 2:
        little = flat.astype(flat.dtype.newbyteorder("<"))
        pieces = little.view("<u2").reshape(-1, dtype.itemsize // 2)
        return [np.ascontiguousarray(piece) for piece in pieces.astype(np.uint16).T]
    if dtype.kind == "i":
        signed = (flat << 1) ^ (flat >> (8 * dtype.itemsize - 1))
        return [signed.view(unsigned)]
    return [flat]


def unfold(pieces: list[NDArray[Any]], name: str) -> NDArray[Any]:
    dtype, first = np.dtype(name), pieces[0]
    bits = np.dtype(f"u{dtype.itemsize}") if dtype.kind == "f" else dtype
    if len(pieces) > 1:
        wide = np.stack(pieces, axis=1).astype("<u2").view(bits.newbyteorder("<"))
        first = wide.reshape(-1).astype(bits)
    elif dtype.kind == "i":
        first = (first >> 1) ^ np.negative(first & 1)
    return (_turned(first, -1) if dtype.kind == "f" else first).view(dtype)


def _turned(bits: NDArray[Any], left: int) -> NDArray[Any]:
    """Unsigned numbers with their bits turned."""
    width = 8 * bits.itemsize
    turned: NDArray[Any] = (bits << left % width) | (bits >> -left % width)
    return turned
