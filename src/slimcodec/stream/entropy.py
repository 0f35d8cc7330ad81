"""Symbols to bytes and back: constriction's ANS, symbols grouped by table.

Coding all symbols of one table in a row needs one call into the coder per table instead of one per
symbol, which makes a Kodak image cost milliseconds. ANS is a stack: the encoder buffers what it is
given and pushes it in reverse when it finishes, so the decoder reads in the order written.

A symbol outside its table is coded as the table's escape; its value follows after all groups of the
same call, as sign, bit length and bits of the excess (Elias 1975), under uniform models.
"""

from __future__ import annotations

from functools import cache
from typing import TypeAlias
from weakref import WeakKeyDictionary

import constriction
import numpy as np
from numpy.typing import NDArray

from slimcodec.errors import StreamError
from slimcodec.stream.tables import Tables

__all__ = ["SYMBOL_LIMIT", "SymbolDecoder", "SymbolEncoder"]

SYMBOL_LIMIT = 1 << 20
"""Symbols lie within ± this; the encoder clips what a broken network might send beyond."""

_LENGTH_CODES = 22
_Model: TypeAlias = "constriction.stream.model.Model"


class _Models:
    """The coder's model of each table, built when first used and kept."""

    def __init__(self, frequencies: NDArray[np.uint32], reaches: NDArray[np.int32]) -> None:
        # The arrays and not the tables: a value that held its key would keep it alive for ever.
        self.frequencies = frequencies
        self.starts = np.concatenate([[0], np.cumsum(2 * reaches.astype(np.int64) + 2)])
        self._built: dict[int, _Model] = {}

    def __getitem__(self, number: int) -> _Model:
        if number not in self._built:
            counts = self.frequencies[self.starts[number] : self.starts[number + 1]]
            # The coder adds one to every weight to keep it codable, so weights of count - 1 that
            # sum to 2**24 - n become exactly our counts; tests/stream holds it to that.
            weights = counts.astype(np.float64) - 1
            self._built[number] = constriction.stream.model.Categorical(weights, perfect=False)
        return self._built[number]


_MODELS: WeakKeyDictionary[Tables, _Models] = WeakKeyDictionary()
"""Kept while the tables live: building them costs more than coding an image."""


def _models(tables: Tables) -> _Models:
    models = _MODELS.get(tables)
    if models is None:
        models = _MODELS[tables] = _Models(tables.frequencies, tables.reaches)
    return models


@cache
def _uniform(size: int) -> _Model:
    return constriction.stream.model.Uniform(size)


def _groups(indexes: NDArray[np.integer], count: int) -> tuple[NDArray[np.int64], list[int]]:
    """A stable order that brings equal table numbers together, and how many there are of each."""
    flat = np.ascontiguousarray(indexes, dtype=np.int16 if count < 1 << 15 else np.int32).ravel()
    return np.argsort(flat, kind="stable"), np.bincount(flat, minlength=count).tolist()


class SymbolEncoder:
    """Collects symbol arrays and writes them as one payload."""

    def __init__(self) -> None:
        self._steps: list[tuple[NDArray[np.int32], _Model]] = []

    def put(
        self, symbols: NDArray[np.integer], indexes: NDArray[np.integer], tables: Tables
    ) -> None:
        """Append symbols, int of any shape, each under the table that ``indexes`` names."""
        models = _models(tables)
        order, counts = _groups(indexes, len(tables))
        flat = np.clip(symbols, -SYMBOL_LIMIT, SYMBOL_LIMIT).astype(np.int32).ravel()[order]
        numbers = np.repeat(np.arange(len(tables)), counts)
        reach = tables.reaches[numbers]
        local = flat - tables.centres[numbers]
        outside = np.abs(local) > reach
        coded = np.where(outside, 2 * reach + 1, local + reach).astype(np.int32)
        at = 0
        for number, count in enumerate(counts):
            if count:
                self._steps.append((coded[at : at + count], models[number]))
                at += count
        if outside.any():
            self._put_escapes(local[outside], reach[outside])

    def _put_escapes(self, local: NDArray[np.int32], reach: NDArray[np.int32]) -> None:
        excess = np.abs(local).astype(np.int64) - reach
        for value, sign in zip(excess.tolist(), (local < 0).tolist(), strict=True):
            bits = value.bit_length() - 1
            for number, size in (
                (sign, 2),
                (bits, _LENGTH_CODES),
                (value - (1 << bits), 1 << bits),
            ):
                if size > 1:
                    self._steps.append((np.array([number], np.int32), _uniform(size)))

    def finish(self) -> bytes:
        """The payload, a whole number of little-endian 32-bit words."""
        coder = constriction.stream.stack.AnsCoder()
        for symbols, model in reversed(self._steps):
            coder.encode_reverse(symbols, model)
        words: NDArray[np.uint32] = coder.get_compressed()
        return words.astype("<u4").tobytes()


class SymbolDecoder:
    """Reads back what ``SymbolEncoder`` wrote, call for call.

    Raises:
        StreamError: when the payload cannot have been written by an encoder.
    """

    def __init__(self, payload: bytes) -> None:
        if len(payload) % 4:
            raise StreamError("the stream is damaged: its payload is not whole 32-bit words")
        try:
            words = np.frombuffer(payload, "<u4").astype(np.uint32)
            self._coder = constriction.stream.stack.AnsCoder(words)
        except ValueError as error:
            raise StreamError("the stream is damaged: its payload ends in a zero word") from error

    def take(self, indexes: NDArray[np.integer], tables: Tables) -> NDArray[np.int32]:
        """Symbols in the shape of ``indexes``, int32, within ± SYMBOL_LIMIT."""
        models = _models(tables)
        order, counts = _groups(indexes, len(tables))
        coded = np.empty(order.size, np.int32)
        at = 0
        for number, count in enumerate(counts):
            if count:
                coded[at : at + count] = self._coder.decode(models[number], count)
                at += count
        numbers = np.repeat(np.arange(len(tables)), counts)
        reach, centre = tables.reaches[numbers], tables.centres[numbers]
        values = coded - reach
        for place in np.flatnonzero(coded == 2 * reach + 1).tolist():
            values[place] = self._take_escape(int(reach[place]))
            if abs(int(values[place]) + int(centre[place])) > SYMBOL_LIMIT:
                # No encoder writes it, and the integer prior is proved exact up to the limit only.
                raise StreamError("the stream is damaged: it holds a symbol beyond the limit")
        symbols = np.empty(order.size, np.int32)
        symbols[order] = values + centre
        return symbols.reshape(indexes.shape)

    def _take_escape(self, reach: int) -> int:
        negative = bool(self._one(2))
        bits = self._one(_LENGTH_CODES)
        excess = (1 << bits) + (self._one(1 << bits) if bits else 0)
        return -(reach + excess) if negative else reach + excess

    def _one(self, size: int) -> int:
        return int(self._coder.decode(_uniform(size)))

    def finish(self) -> None:
        """Make sure that nothing is left over: a sound payload is used up to the last bit."""
        if not self._coder.is_empty():
            raise StreamError("the stream is damaged: symbols are left over after decoding")
