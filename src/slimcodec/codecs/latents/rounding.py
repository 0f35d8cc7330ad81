"""Rounding that counts bits, for an encoder; decoders do not know of it and need not.

A latent ``v`` becomes the integer ``s`` that minimises

    (v - s)² + rate_weight · bits(s)

over the nearest integer ``n`` and its neighbour towards zero. With ``t = |v| - |n|``, how far ``v``
lies beyond it, the neighbour's squared error is larger by ``2 t + 1``; so a value is coded as ``n``
where ``t >= (rate_weight · (bits(n) - bits(neighbour)) - 1) / 2``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.family import Floats
from slimcodec.stream import Tables
from slimcodec.stream.tables import TOTAL

__all__ = ["Rounding", "rounded"]

_FARTHEST = 64
"""The symbol on either side from which on bits are not told apart: beyond, nothing is gained."""


class Rounding:
    """What symbols cost under the tables that code them.

    Args:
        tables: of the latents.
    """

    def __init__(self, tables: Tables) -> None:
        bits = _bits_of_symbols(tables)
        self._bits = bits
        self._saved = np.zeros_like(bits)
        self._saved[:, _FARTHEST + 1 :] = bits[:, _FARTHEST + 1 :] - bits[:, _FARTHEST:-1]
        self._saved[:, :_FARTHEST] = bits[:, :_FARTHEST] - bits[:, 1 : _FARTHEST + 1]
        # A symbol beyond those that are told apart is dealt with as the last of them, whose
        # neighbour costs as much.
        self._saved[:, [0, -1]] = 0

    def bits(self, symbols: NDArray[np.int32], tables: NDArray[np.int16]) -> Floats:
        """What symbols take, each coded by its table, float32 of the same shape; those that are
        beyond what is told apart take as much as the last that is."""
        own = tables.astype(np.int32)
        own *= self._bits.shape[1]
        own += symbols.clip(-_FARTHEST, _FARTHEST) + _FARTHEST
        taken: Floats = self._bits.ravel().take(own)
        return taken

    def least(self, rate_weight: float) -> Floats | None:
        """How far beyond a symbol a value must lie to be coded as it, [tables, 129]; None where
        bits do not count."""
        if rate_weight == 0:
            return None
        least: Floats = ((rate_weight * self._saved - 1) / 2).astype(np.float32)
        return least


def rounded(values: Floats, tables: NDArray[np.int16], least: Floats | None) -> NDArray[np.int32]:
    """Values to the symbols that will be coded.

    Args:
        values: of one group of latents.
        tables: by which they are coded, of the same shape.
        least: ``Rounding.least`` of the weight; None is plain rounding.
    """
    nearest = np.rint(values)
    if least is not None:
        # Most are 0 already, and stay so.
        moving = (nearest != 0).ravel().nonzero()[0]
        far = nearest.ravel().take(moving)
        own = tables.ravel().take(moving).astype(np.int32)
        own *= least.shape[1]
        own += (far.clip(-_FARTHEST, _FARTHEST) + _FARTHEST).astype(np.int32)
        toward = np.sign(far)
        beyond = values.ravel().take(moving)
        beyond -= far
        beyond *= toward
        toward[beyond >= least.ravel().take(own)] = 0
        far -= toward
        nearest.ravel()[moving] = far
    return nearest.astype(np.int32)


def _bits_of_symbols(tables: Tables) -> Floats:
    """Code length of -64 to 64 under each table, [tables, 129]."""
    bits = np.empty((len(tables), 2 * _FARTHEST + 1), np.float32)
    for number in range(len(tables)):
        middle = int(tables.reaches[number])
        reach = min(middle, _FARTHEST)
        own = -np.log2(tables[number].astype(np.float64) / TOTAL)
        inside = own[middle - reach : middle + reach + 1]
        # An escape costs its own bits and about two for each bit of the excess.
        outside = own[-1] + 2 * np.log2(np.arange(1, _FARTHEST - reach + 1)) + 2
        bits[number] = np.concatenate([outside[::-1], inside, outside])
    return bits
