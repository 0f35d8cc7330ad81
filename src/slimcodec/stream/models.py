"""What the entropy coder needs to know of a set of tables, all of it integers.

``entropy`` says what each thing is for. Everything here follows from the tables' frequencies by
integer arithmetic, so every machine codes with the same numbers. What concerns all tables is
computed at once when a set is first used; a model of the coder is built when it is first needed,
because a picture uses some of them only.
"""

from __future__ import annotations

import math
from functools import cache, cached_property
from typing import TypeAlias
from weakref import WeakKeyDictionary

import constriction
import numpy as np
from numpy.typing import NDArray

from slimcodec.stream.tables import TOTAL, Tables

__all__ = [
    "FLAGS",
    "NEAR",
    "Model",
    "Models",
    "categorical",
    "flag_frequencies",
    "least_bits",
    "models_of",
    "surprise",
    "uniform",
]

Model: TypeAlias = "constriction.stream.model.Model"

FLAGS = 8
"""Flags in one symbol of the coder."""

NEAR = np.array([0, -1, 1, -2, 2], np.int32)
"""Distances from the mode that have a place of their own when it is not the mode; the first place
is that of all others."""

_LIKELY = TOTAL // 4 * 3
"""Least frequency of a mode that is flagged. Below, there are so many exceptions that flag and
value take longer than the symbol."""

_SECOND_BITS, _SHORT = 4, 12
"""Bits after the highest that tell misses' classes apart; and the bit length up to which none do,
because so few misses are hardly ever met."""

_OBVIOUS = TOTAL // 8 * 7
"""Least frequency of a first place that makes a model lazy."""

_THIRD, _THIRD_RATIO = 4, 1 << 10
"""A two-valued table leaves this much to all others than mode and second, and this many times less
than it misses."""


def categorical(frequencies: NDArray[np.integer]) -> Model:
    """The coder's model of frequencies that sum to 2**24."""
    # A lazy model looks places up one by one and gains where the first is nearly always right, any
    # other halves its way. They code alike.
    lazy = bool(frequencies[0] >= _OBVIOUS)
    # The coder adds one to every weight to keep it codable, so weights of count - 1 that sum to
    # 2**24 - n become exactly our counts; tests/stream holds it to that.
    weights = frequencies.astype(np.float64) - 1
    return constriction.stream.model.Categorical(weights, perfect=False, lazy=lazy)


_POPULATION = np.array([byte.bit_count() for byte in range(1 << FLAGS)])


def flag_frequencies(misses: int) -> NDArray[np.int64]:
    """Frequencies of eight flags at once, [256], each of which is set ``misses`` times in 2**24."""
    of_population, set_ones = [], TOTAL - (1 << FLAGS)
    for ones in range(FLAGS + 1):
        share = set_ones
        for _ in range(FLAGS - ones):
            share = share * (TOTAL - misses) >> 24
        of_population.append(share + 1)
        set_ones = set_ones * misses >> 24
    frequencies: NDArray[np.int64] = np.array(of_population, np.int64)[_POPULATION]
    frequencies[0] += TOTAL - frequencies.sum()
    return frequencies


class Models(dict[int, Model]):
    """All that is derived of a set of tables; as a dictionary, the coder's models by key.

    That of a table's number has its places, the escape first; that of a class, its flags, eight at
    once.

    Attributes:
        flagged: bool [n], tables whose symbols are flags first.
        modes: int32 [n], the most frequent symbol of each; the lowest of several.
        all_zero: whether all flagged tables have mode 0.
        two: bool [n], flagged tables that leave to all but mode and second at most 4 parts in
            2**24, and at most a 1024th of what they miss.
        seconds: int32 [n], how far from its mode a table's most frequent other symbol is.
        groups: int64 [n], in whose company a table's symbols are coded: that of no other where they
            are not flagged, its number; then the flagged ones' classes, most misses first.
        classes: how many of these there are.
        weights: float64 [n, 5], of a flagged table's exceptions: counts by ``NEAR``, less one.
        reaches: int32 [n], symbols on either side of a table's centre.
        offsets: int32 [n], the symbol at a table's first place, less one.
    """

    def __init__(self, tables: Tables) -> None:
        super().__init__()
        # The arrays and not the tables: a value that held its key would keep it alive for ever.
        self._frequencies = tables.frequencies
        sizes = 2 * tables.reaches.astype(np.int64) + 2
        self._starts = np.concatenate([[0], np.cumsum(sizes)])
        self.reaches = tables.reaches
        self.offsets = tables.centres - tables.reaches - 1

        largest, places = self._largest(tables.frequencies, sizes)
        without = tables.frequencies.copy()
        without[self._starts[:-1] + places] = 0
        second, second_places = self._largest(without, sizes)
        misses = TOTAL - largest
        rest = misses - second
        symbols_only = places < sizes - 1
        self.two = (
            symbols_only
            & (second_places < sizes - 1)
            & (rest <= _THIRD)
            & (rest * _THIRD_RATIO <= misses)
        )
        self.flagged = self.two | (symbols_only & (largest >= _LIKELY))
        self.modes = (places + self.offsets + 1).astype(np.int32)
        self.all_zero = not self.modes[self.flagged].any()
        self.seconds = (second_places - places).astype(np.int32)
        self.weights = self._exceptions(places, sizes, misses)
        self._classify(misses)

    def __missing__(self, key: int) -> Model:
        model = self[key] = categorical(self._of(key))
        return model

    @cached_property
    def least_bits(self) -> NDArray[np.float64]:
        """Of a symbol under each table, [n]: nothing that is coded takes less, but for what comes
        before the coder's state has filled (a word or two)."""
        bits = np.array([self._fewest(key) for key in range(len(self.reaches) + self.classes)])
        bits[len(self.reaches) :] /= FLAGS
        least: NDArray[np.float64] = bits.take(self.groups)
        return least

    def _fewest(self, key: int) -> float:
        return -math.log2(int(self._of(key).max()) / TOTAL)

    def _of(self, key: int) -> NDArray[np.integer]:
        tables = len(self.reaches)
        if key >= tables:
            return flag_frequencies(int(self._misses[key - tables]))
        start, escape = int(self._starts[key]), int(self._starts[key + 1]) - 1
        return np.concatenate(
            [self._frequencies[escape : escape + 1], self._frequencies[start:escape]]
        )

    def _largest(
        self, frequencies: NDArray[np.uint32], sizes: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The largest frequency of each table and its first place."""
        starts = self._starts[:-1]
        largest = np.maximum.reduceat(frequencies, starts)
        at = np.flatnonzero(frequencies == np.repeat(largest, sizes))
        return largest.astype(np.int64), at[np.searchsorted(at, starts)] - starts

    def _exceptions(
        self, places: NDArray[np.int64], sizes: NDArray[np.int64], misses: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Counts - 1 of the values other than the mode, by ``NEAR``.

        Of 2**24 less one for each place, a place gets its share of the misses, rounded down; what
        is left over goes to the largest, the first of several.
        """
        near = places[:, None] + NEAR
        inside = (near >= 0) & (near < (sizes - 1)[:, None])
        inside[:, 0] = False
        at = self._starts[:-1, None] + np.where(inside, near, 0)
        counts = np.where(inside, self._frequencies[at].astype(np.int64), 0)
        counts[:, 0] = misses - counts.sum(axis=1)
        less_one = counts * (TOTAL - len(NEAR)) // np.maximum(misses, 1)[:, None]
        rest = TOTAL - len(NEAR) - less_one.sum(axis=1)
        less_one[np.arange(len(places)), less_one.argmax(axis=1)] += rest
        return less_one.astype(np.float64)

    def _classify(self, misses: NDArray[np.int64]) -> None:
        """Keys, and the misses of every class: the mean of its tables'."""
        width = np.array([int(m).bit_length() for m in misses])
        digits = np.where(width > _SHORT, _SECOND_BITS, 0)
        classes = (width << _SECOND_BITS) + (misses >> np.maximum(width - 1 - digits, 0)) % (
            1 << digits
        )
        kinds, of = np.unique(-classes[self.flagged], return_inverse=True)
        of = of.reshape(-1)
        self.groups = np.arange(len(misses))
        self.groups[self.flagged] = len(misses) + of
        sums = np.zeros(len(kinds), np.int64)
        np.add.at(sums, of, misses[self.flagged])
        self.classes = len(kinds)
        self._misses = sums // np.bincount(of, minlength=len(kinds))


_MODELS: WeakKeyDictionary[Tables, Models] = WeakKeyDictionary()
"""Kept while the tables live."""


def models_of(tables: Tables) -> Models:
    """What is derived of a set of tables, once."""
    models = _MODELS.get(tables)
    if models is None:
        models = _MODELS[tables] = Models(tables)
    return models


def least_bits(tables: Tables) -> NDArray[np.float64]:
    """The fewest bits that a symbol takes under each table, [n]."""
    return models_of(tables).least_bits


@cache
def surprise() -> Model:
    """Whether an exception of a two-valued table is a third value: 2**-10."""
    return categorical(np.array([TOTAL - (TOTAL >> 10), TOTAL >> 10]))


@cache
def uniform(size: int) -> Model:
    """All numbers below ``size`` alike."""
    return constriction.stream.model.Uniform(size)
