"""Symbols to bytes and back: constriction's ANS, as few symbols of the coder as will do.

The coder is an asymmetric numeral system (Duda 2013) with a state of 64 bits, words of 32 and
probabilities of 24. It is a stack: the encoder buffers what it is given and pushes it in reverse
when it finishes, so the decoder reads in the order written. Every call into it costs time, and so
does every symbol; hence symbols are brought together by model, and where nearly all are the same,
eight of them are one symbol of the coder. One call of ``put`` writes five parts, in this order.

1. Plain symbols, by table, in the order of the tables' numbers; those of a table in the order
   given. A table has places 1 to ``2 reach + 1`` for its symbols and place 0, the escape, for all
   others. Plain are all tables that are not flagged.
2. Flags. A table is flagged when its most frequent symbol, its mode (the lowest, if there are
   several), is at least as frequent as its escape and either has three quarters or leaves all but
   nothing to others than the next, its second (``Models.two`` says what that is). A flag says
   whether a symbol is *not* its mode, an exception. Flagged tables fall into classes by their
   misses, the parts in 2**24 that are not the mode's: by their bit length and, from 13 bits on, by
   the four bits after the highest. Flags stand by class, that of the most misses first, those of
   a class in the order given; clear ones at the end fill up to a multiple of eight. Eight flags are
   a symbol from 0 to 255, the first of them its highest bit, of the class to which the first of
   them belongs. In a class a flag is set as often as all tables of the set that belong to it miss
   on average, rounded down; ``models.flag_frequencies`` makes eight of it.
3. If there are exceptions of two-valued tables: 1 if any of them is not its table's second, a
   surprise (2**-10), and 0 otherwise.
4. The values of the exceptions, in the order of their flags: of all after a surprise, otherwise
   only of those whose table is not two-valued. A value is its distance from the mode: -1, 1, -2 and
   2 have places 1 to 4, all others place 0, again an escape. Frequencies are the table's own,
   brought to 2**24 by ``Models._exceptions``.
5. The values that escaped, first the plain ones, then the exceptions: sign, bit length and bits of
   the excess over ``reach``, or over 2, of the distance from the centre, or from the mode (Elias
   1975), under uniform models over 2 (1 is negative), over 22 (the length, less one) and over as
   many as the length leaves. Of n places, each has 2**24 // n, the last also what is left.

Eight flags as one symbol cost no bits, for their model is a product; but none is rarer than 2**-24,
so where tables are often wrong, bytes are fewer than the tables promise. That the tables of a class
share one does: a ten-thousandth of a picture where most symbols are flagged, less elsewhere. Part 3
spares a codec of bits, whose tables are all two-valued, the values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import constriction
import numpy as np
from numpy.typing import NDArray

from slimcodec.errors import StreamError
from slimcodec.stream.models import FLAGS, NEAR, Models, models_of, surprise, uniform
from slimcodec.stream.tables import SYMBOL_LIMIT, Tables

__all__ = ["SYMBOL_LIMIT", "SymbolDecoder", "SymbolEncoder"]

_LENGTH_CODES = 22
_NEAREST = (len(NEAR) - 1) // 2
_FAMILY = constriction.stream.model.Categorical(perfect=False)


_Escaped: TypeAlias = tuple[int, int, int]
"""Where a symbol stands, what its distance is counted from, and how far the table reaches."""


@dataclass(frozen=True)
class _Order:
    """Where the symbols of a call stand, read off their table numbers.

    Attributes:
        numbers: int, tables of all symbols in the order given.
        plain, flagged: int64, places of the symbols in the order of parts 1 and 2.
        keys, counts: int64, the tables of part 1, and how many symbols there are of each.
        flag_keys, eights: int64, the classes of part 2, and how many eights of flags each has.
    """

    numbers: NDArray[Any]
    plain: NDArray[np.int64]
    flagged: NDArray[np.int64]
    keys: NDArray[np.int64]
    counts: NDArray[np.int64]
    flag_keys: NDArray[np.int64]
    eights: NDArray[np.int64]

    def of_plain(self, per_table: NDArray[np.int32]) -> NDArray[np.int32]:
        """What each table has, for each plain symbol."""
        return np.repeat(per_table.take(self.keys), self.counts)


def _order(indexes: NDArray[np.integer], models: Models) -> _Order:
    numbers: NDArray[Any] = indexes.ravel()
    of_tables = np.bincount(numbers, minlength=len(models.groups))
    used = of_tables.nonzero()[0]
    # Sorting takes a pass for every byte, and a picture seldom needs more than 256 keys at once.
    present = np.zeros(len(models.groups) + models.classes, np.bool_)
    present[models.groups.take(used)] = True
    keys = present.nonzero()[0]
    ranks: NDArray[Any] = np.zeros(len(present), np.uint8 if len(keys) <= 256 else np.uint16)
    ranks[keys] = np.arange(len(keys))
    ranks_of_tables: NDArray[Any] = ranks.take(models.groups)
    order = ranks_of_tables.take(numbers, mode="clip").argsort(kind="stable")
    counts = np.zeros(len(keys), np.int64)
    np.add.at(counts, ranks_of_tables.take(used), of_tables.take(used))
    plains = int(keys.searchsorted(len(models.groups)))
    plain = int(counts[:plains].sum())
    eights = (counts[plains:].cumsum() + FLAGS - 1) // FLAGS
    eights[1:] -= eights[:-1].copy()
    return _Order(
        numbers,
        order[:plain],
        order[plain:],
        keys[:plains],
        counts[:plains],
        keys[plains:],
        eights,
    )


class SymbolEncoder:
    """Collects symbol arrays and writes them as one payload."""

    def __init__(self) -> None:
        self._steps: list[tuple[Any, ...]] = []

    def put(
        self, symbols: NDArray[np.integer], indexes: NDArray[np.integer], tables: Tables
    ) -> None:
        """Append symbols, int of any shape, each under the table that ``indexes`` names."""
        models = models_of(tables)
        order = _order(indexes, models)
        flat = np.clip(symbols, -SYMBOL_LIMIT, SYMBOL_LIMIT).astype(np.int32, copy=False).ravel()
        escapes = []
        if len(order.plain):
            escapes.append(self._put_plain(flat.take(order.plain), order, models))
        if len(order.flagged):
            escapes.append(self._put_flagged(flat.take(order.flagged), order, models))
        for far in escapes:
            for excess in far.tolist():
                self._put_escape(excess)

    def _put_plain(
        self, symbols: NDArray[np.int32], order: _Order, models: Models
    ) -> NDArray[np.int32]:
        """Part 1; gives the excesses of what escapes, with the distances' signs."""
        reach = order.of_plain(models.reaches)
        coded = symbols - order.of_plain(models.offsets)
        outside = np.flatnonzero((coded < 1) | (coded > 2 * reach + 1))
        reach = reach[outside]
        local = coded[outside] - reach - 1
        coded[outside] = 0
        self._put_groups(coded, order.keys, order.counts, models)
        excess: NDArray[np.int32] = local - np.sign(local) * reach
        return excess

    def _put_flagged(
        self, symbols: NDArray[np.int32], order: _Order, models: Models
    ) -> NDArray[np.int32]:
        """Parts 2 to 4; gives the excesses of what escapes, with the distances' signs."""
        if models.all_zero:
            flags = symbols != 0
        else:
            flags = symbols != models.modes.take(order.numbers.take(order.flagged))
        coded = np.packbits(flags).astype(np.int32)
        self._put_groups(coded, order.flag_keys, order.eights, models)
        at = flags.nonzero()[0]
        numbers = order.numbers.take(order.flagged.take(at))
        distances = symbols.take(at) - models.modes.take(numbers)
        two = models.two.take(numbers)
        if two.any():
            surprised = bool((distances != models.seconds.take(numbers))[two].any())
            self._steps.append((np.array([surprised], np.int32), surprise()))
            if not surprised:
                distances, numbers = distances[~two], numbers[~two]
        places = 2 * np.abs(distances) - (distances < 0)
        far = np.abs(distances) > _NEAREST
        places[far] = 0
        if len(places):
            self._steps.append((places, _FAMILY, models.weights[numbers]))
        distances = distances[far]
        excess: NDArray[np.int32] = distances - np.sign(distances) * _NEAREST
        return excess

    def _put_groups(
        self,
        coded: NDArray[np.int32],
        keys: NDArray[np.int64],
        counts: NDArray[np.int64],
        models: Models,
    ) -> None:
        at = 0
        for key, end in zip(keys.tolist(), counts.cumsum().tolist(), strict=True):
            if end > at:
                self._steps.append((coded[at:end], models[key]))
                at = end

    def _put_escape(self, excess: int) -> None:
        value = abs(excess)
        bits = value.bit_length() - 1
        for number, size in (
            (int(excess < 0), 2),
            (bits, _LENGTH_CODES),
            (value - (1 << bits), 1 << bits),
        ):
            if size > 1:
                self._steps.append((np.array([number], np.int32), uniform(size)))

    def put_levels(self, levels: NDArray[np.int32], weights: NDArray[np.float64]) -> None:
        """Append symbols from 0 to k - 1, [n], each under frequencies of its own, [n, k], that sum
        to 2**24; they are given less one. Nothing is sorted: for the few that are known at once."""
        self._steps.append((levels, _FAMILY, weights))

    def finish(self) -> bytes:
        """The payload, a whole number of little-endian 32-bit words."""
        coder = constriction.stream.stack.AnsCoder()
        for step in reversed(self._steps):
            coder.encode_reverse(*step)
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
        models = models_of(tables)
        order = _order(indexes, models)
        if models.all_zero:
            symbols = np.zeros(order.numbers.size, np.int32)
        else:
            symbols = models.modes.take(order.numbers)
        escaped, surprised = [], np.empty(0, np.int64)
        if len(order.plain):
            escaped += self._take_plain(symbols, order, models)
        if len(order.flagged):
            far, surprised = self._take_flagged(symbols, order, models)
            escaped += far
        for place, origin, reach in escaped:
            value = origin + self._take_escape(reach)
            if abs(value) > SYMBOL_LIMIT:
                # No encoder writes it, and the integer prior is proved exact up to the limit only.
                raise StreamError("the stream is damaged: it holds a symbol beyond the limit")
            symbols[place] = value
        if len(surprised):
            numbers = order.numbers.take(surprised)
            usual = models.modes.take(numbers) + models.seconds.take(numbers)
            if (symbols.take(surprised) == usual).all():
                raise StreamError("the stream is damaged: it announces a symbol that is not there")
        return symbols.reshape(indexes.shape)

    def _take_plain(
        self, symbols: NDArray[np.int32], order: _Order, models: Models
    ) -> list[_Escaped]:
        """Part 1 into ``symbols``; gives what escaped."""
        coded = self._take_groups(order.keys, order.counts, models)
        symbols[order.plain] = coded + order.of_plain(models.offsets)
        if coded.all():
            return []
        places = order.plain[coded == 0]
        numbers = order.numbers[places]
        reaches = models.reaches[numbers]
        centres = models.offsets[numbers] + reaches + 1
        return list(zip(places.tolist(), centres.tolist(), reaches.tolist(), strict=True))

    def _take_flagged(
        self, symbols: NDArray[np.int32], order: _Order, models: Models
    ) -> tuple[list[_Escaped], NDArray[np.int64]]:
        """Parts 2 to 4 into ``symbols``; gives what escaped, and where a surprise must be."""
        eights = self._take_groups(order.flag_keys, order.eights, models).astype(np.uint8)
        at = np.unpackbits(eights).view(np.bool_).nonzero()[0]
        if len(at) and at[-1] >= len(order.flagged):
            raise StreamError("the stream is damaged: it has more symbols than there are")
        places = order.flagged.take(at)
        numbers = order.numbers.take(places)
        two = models.two.take(numbers)
        surprised = places[:0]
        if two.any():
            if self._coder.decode(surprise()):
                surprised = places[two]
            else:
                symbols[places[two]] += models.seconds.take(numbers[two])
                places, numbers = places[~two], numbers[~two]
        if not len(places):
            return [], surprised
        coded = self._coder.decode(_FAMILY, models.weights.take(numbers, axis=0))
        symbols[places] += NEAR.take(coded)
        if coded.all():
            return [], surprised
        far = coded == 0
        origins = models.modes[numbers[far]].tolist()
        return [(p, o, _NEAREST) for p, o in zip(places[far].tolist(), origins, strict=True)], (
            surprised
        )

    def _take_groups(
        self, keys: NDArray[np.int64], counts: NDArray[np.int64], models: Models
    ) -> NDArray[np.int32]:
        decode = self._coder.decode
        wanted = zip(keys.tolist(), counts.tolist(), strict=True)
        return np.concatenate([decode(models[key], count) for key, count in wanted if count])

    def _take_escape(self, reach: int) -> int:
        negative = bool(self._one(2))
        bits = self._one(_LENGTH_CODES)
        excess = (1 << bits) + (self._one(1 << bits) if bits else 0)
        return -(reach + excess) if negative else reach + excess

    def _one(self, size: int) -> int:
        return int(self._coder.decode(uniform(size)))

    def take_levels(self, weights: NDArray[np.float64]) -> NDArray[np.int32]:
        """What ``put_levels`` wrote under the same frequencies, [n]."""
        levels: NDArray[np.int32] = self._coder.decode(_FAMILY, weights)
        return levels

    def finish(self) -> None:
        """Make sure that nothing is left over: a sound payload is used up to the last bit."""
        if not self._coder.is_empty():
            raise StreamError("the stream is damaged: symbols are left over after decoding")
