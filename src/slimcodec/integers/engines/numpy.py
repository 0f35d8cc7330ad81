"""The reference engine, which needs nothing but numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slimcodec.integers.engines import Product

__all__ = ["NumpyEngine"]

_EXACT = 1 << 24
_BYTE = 255


class NumpyEngine:
    """Float32 products. Inputs are cut into pieces whose sums stay below 2^24 whatever the bytes
    are; within one nothing rounds, in any order, and pieces are added as integers."""

    name, version = "numpy", np.__version__

    def product(self, weights: NDArray[np.int8]) -> Product:
        pieces = [(piece, weights[piece].astype(np.float32)) for piece in _pieces(weights)]

        def call(x: NDArray[np.uint8]) -> NDArray[np.int32]:
            floats = x.astype(np.float32)
            sums = np.zeros((len(x), weights.shape[1]), np.int32)
            for piece, own in pieces:
                sums += (floats[:, piece] @ own).astype(np.int32)
            return sums

        return call


def _pieces(weights: NDArray[np.int8]) -> list[slice]:
    """As few pieces of the inputs as their weights allow."""
    reach = _BYTE * np.abs(weights.astype(np.int64)).cumsum(axis=0)
    found, start, before = [], 0, np.zeros(weights.shape[1], np.int64)
    while start < len(weights):
        inside = ((reach[start:] - before).max(axis=1, initial=0) < _EXACT).sum()
        stop = start + max(1, int(inside))
        found.append(slice(start, stop))
        start, before = stop, reach[stop - 1]
    return found
