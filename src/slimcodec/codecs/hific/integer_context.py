"""The context model in integers: the twin of ``context.Context``, in numpy.

Everything is an integer held in float64 (``codecs.integers`` says why that is exact). Scales are
places on the prior's fine logarithmic grid, so a change of log scale is added to a place; symbols
enter in units of their scale by a frozen table of reciprocals; a shift comes out in eighths of a
symbol's step. Its whole steps are subtracted from the symbol, the rest picks a table of its own,
and a negative rest mirrors the symbol, so the tables know rests of 0 to 4 eighths.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.hific.prior import (
    GRID_STEP,
    NORMAL_LIMIT,
    SCALE_MIN,
    SHIFT_SCALE,
    SHIFT_STEPS,
    SUBSTEPS,
    TABLE_COUNT,
    TABLE_SCALES,
    UNIT_MIN,
    tables_at,
)
from slimcodec.codecs.integers import (
    ACTIVATION_LIMIT,
    FRACTION_BITS,
    Integers,
    Linear,
    around,
    fixed_point,
    prove_exact,
    relu,
    rounded,
    weight_bits,
)
from slimcodec.stream import SYMBOL_LIMIT

__all__ = ["SHIFT_TABLES", "Guess", "IntegerContext", "Shifted", "Units", "Walk"]

SHIFT_TABLES = sum(scale <= SHIFT_SCALE for scale in TABLE_SCALES)
"""Tables, from the least scale on, that exist for every rest of a shift."""
_LAST_PLACE = SUBSTEPS * (TABLE_COUNT - 1)
_NORMAL_FRACTION, _UNIT_FRACTION, _RECIPROCAL_FRACTION, _STEP_FRACTION = 10, 10, 16, 40
_LARGEST_OUTPUT = float(64 << _NORMAL_FRACTION)
"""A shift of 64 scales; as a change of log scale, more than the grid is long."""

Weights = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Units:
    """What had to be computed with logarithms and exponentials, once, when the model was frozen.

    Attributes:
        step: int64 [1], the grid's step in natural logarithm, 40 fractional bits.
        units: int32 [places], what symbols are measured in at each place, 10 fractional bits.
        reciprocals: int32 [places], one over that, 16 fractional bits.
    """

    step: NDArray[np.int64]
    units: NDArray[np.int32]
    reciprocals: NDArray[np.int32]

    @classmethod
    def build(cls) -> Units:
        """From the grid's own constants."""
        scales = SCALE_MIN * np.exp(np.arange(_LAST_PLACE + 1) * GRID_STEP)
        units = np.maximum(scales, UNIT_MIN)
        return cls(
            np.array([round(GRID_STEP * 2**_STEP_FRACTION)], np.int64),
            np.rint(units * 2**_UNIT_FRACTION).astype(np.int32),
            np.rint(2**_RECIPROCAL_FRACTION / units).astype(np.int32),
        )

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Named arrays for a model file; the inverse of ``from_arrays``."""
        return {
            "context.step": self.step,
            "context.units": self.units,
            "context.reciprocals": self.reciprocals,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Units:
        """Of a model file."""
        return cls(
            arrays["context.step"].astype(np.int64, casting="same_kind"),
            arrays["context.units"].astype(np.int32, casting="same_kind"),
            arrays["context.reciprocals"].astype(np.int32, casting="same_kind"),
        )

    def to_bytes(self) -> bytes:
        """For a stream's identity."""
        arrays = (self.step, self.units, self.reciprocals)
        return b"".join(array.astype("<i8").tobytes() for array in arrays)


@dataclass(frozen=True)
class Shifted:
    """Where a group's symbols lie, and where they are expected to be.

    Attributes:
        channels, rows, columns: the group's channels, and its positions.
        whole: int32 [positions, channels], to be subtracted from a symbol.
        mirrored: bool, whether the difference is coded with its sign turned.
    """

    channels: slice
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    whole: NDArray[np.int32]
    mirrored: NDArray[np.bool_]


@dataclass(frozen=True)
class Guess:
    """What is known of a group of symbols before they are coded.

    Attributes:
        tables: int16, in the shape in which the group is coded.
        shifted: of a context; None where all latents are coded at once, around zero.
    """

    tables: NDArray[np.int16]
    shifted: Shifted | None = None

    def coded(self, latents: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of latents [m, h, w], the group's as its tables see them, unrounded."""
        own = self.shifted
        if own is None:
            return latents
        values = latents[own.channels, own.rows, own.columns].T - own.whole.astype(np.float32)
        return np.where(own.mirrored, -values, values)

    def symbols(self, coded: NDArray[np.int32]) -> NDArray[np.int32]:
        """The group's symbols, from what was coded."""
        own = self.shifted
        if own is None:
            return coded
        return np.where(own.mirrored, -coded, coded) + own.whole


Walk = Generator[Guess, NDArray[np.int32], NDArray[np.int32]]
"""Guesses at one group after another; takes what was coded of each; ends with all symbols,
[m, h, w]."""


@dataclass(frozen=True)
class _Group:
    """One slice in one colour; ``seen`` is None where nothing is known. ``taps`` are the same
    weights in the order that one product takes; a stream's identity is that of ``seen``."""

    channels: slice
    second: bool
    mix: Linear
    seen: Integers | None
    taps: Integers | None
    shift: Linear
    log: Linear


class IntegerContext:
    """All groups.

    Args:
        weights: by the names of ``context.Context``.
        units: frozen with the model.

    Raises:
        ModelFileError: when the weights are too large for sums to be exact.
    """

    def __init__(self, weights: Weights, units: Units) -> None:
        self.units = units
        self._step = float(units.step[0]) * 2.0**-_STEP_FRACTION
        hyper = weights["hyper.weight"].astype(np.float64) * self._step
        bits = weight_bits(hyper)
        bias = fixed_point(weights["hyper.bias"], bits)
        self._hyper = Linear(rounded(hyper, bits), bias, bits - FRACTION_BITS)
        prove_exact(self._hyper.bound(np.full(hyper.shape[1], float(_LAST_PLACE))))
        self._groups: list[_Group] = []
        start = 0
        while f"groups.{len(self._groups)}.out.weight" in weights:
            for second in (False, True):
                prefix = f"groups.{len(self._groups)}."
                self._groups.append(self._group(weights, prefix, start, second))
            start = self._groups[-1].channels.stop

    def walk(self, places: NDArray[np.int64]) -> Walk:
        """Go through the groups.

        Args:
            places: of the hyperprior's scales on the fine grid, [h, w, m].
        """
        height, width, channels = places.shape
        inside = np.clip(places, 0, _LAST_PLACE)
        units = self.units.units[inside].astype(np.float64)
        reciprocals = self.units.reciprocals[inside].astype(np.float64)
        base = relu(
            inside.astype(np.float64) @ self._hyper.weight[0] + self._hyper.bias,
            self._hyper.right_shift,
        )
        symbols = np.zeros((channels, height, width), np.int32)
        # Each symbol with its magnitude after it, and a border around the picture.
        normal = np.zeros((height + 2, width + 2, 2 * channels))
        colours = [np.nonzero(np.indices((height, width)).sum(axis=0) % 2 == c) for c in (0, 1)]
        for group in self._groups:
            rows, columns = colours[group.second]
            if len(rows) == 0:
                continue
            own = (rows, columns, group.channels)
            accumulator = base[rows, columns] @ group.mix.weight[0] + group.mix.bias
            if group.taps is not None:
                known = len(group.taps) // 9
                accumulator += around(normal, rows, columns, known) @ group.taps
            hidden = relu(accumulator, group.mix.right_shift)
            tables, whole, mirrored = _expected(
                _scaled(hidden, group.shift) * units[own],
                places[own] + _scaled(hidden, group.log).astype(np.int64),
            )
            guess = Guess(tables, Shifted(group.channels, rows, columns, whole, mirrored))
            coded = yield guess
            found = guess.symbols(coded)
            symbols[group.channels, rows, columns] = found.T
            exact = np.clip(found, -SYMBOL_LIMIT, SYMBOL_LIMIT) * reciprocals[own]
            limit = NORMAL_LIMIT * 2**_NORMAL_FRACTION
            fraction = _RECIPROCAL_FRACTION - _NORMAL_FRACTION
            own_normal = np.clip(np.floor(exact * 2.0**-fraction + 0.5), -limit, limit)
            both = np.stack([own_normal, np.abs(own_normal)], axis=2).reshape(len(rows), -1)
            first, last = 2 * group.channels.start, 2 * group.channels.stop
            normal[rows + 1, columns + 1, first:last] = both
        return symbols

    def to_bytes(self) -> bytes:
        """Everything that decides a guess, for the stream's identity."""
        digest = hashlib.sha256(self.units.to_bytes() + self._hyper.to_bytes())
        for group in self._groups:
            for layer in (group.mix, group.shift, group.log):
                digest.update(layer.to_bytes())
            if group.seen is not None:
                digest.update(group.seen.astype("<i8").tobytes())
        return digest.digest()

    def _group(self, weights: Weights, prefix: str, start: int, second: bool) -> _Group:
        mix, seen = weights[f"{prefix}mix.weight"], weights.get(f"{prefix}seen.weight")
        both = weight_bits(mix) if seen is None else weight_bits(mix, seen)
        fraction = both + FRACTION_BITS
        hidden = Linear(
            rounded(mix, both),
            fixed_point(weights[f"{prefix}mix.bias"], fraction),
            fraction - FRACTION_BITS,
        )
        taps, reach = None, 0.0
        if seen is not None:
            taps = rounded(seen, both) * 2.0 ** (FRACTION_BITS - _NORMAL_FRACTION)
            reach = float(np.abs(taps).sum(axis=(0, 1)).max()) * NORMAL_LIMIT * 2**_NORMAL_FRACTION
        prove_exact(hidden.bound(np.full(mix.shape[1], ACTIVATION_LIMIT)) + reach)
        out = weights[f"{prefix}out.weight"].astype(np.float64)
        bias = weights[f"{prefix}out.bias"].astype(np.float64)
        half = len(out) // 2
        return _Group(
            slice(start, start + half),
            second,
            hidden,
            taps,
            None if taps is None else _in_pairs(taps),
            _out(out[:half], bias[:half], _NORMAL_FRACTION),
            # In steps of the grid.
            _out(out[half:] / self._step, bias[half:] / self._step, 0),
        )


def _in_pairs(taps: Integers) -> Integers:
    """Taps of symbols and then of magnitudes, for input where each symbol's magnitude follows it:
    [9, 2 · known, width] to [9 · 2 · known, width]."""
    count, known, width = taps.shape
    pairs = taps.reshape(count, 2, known // 2, width).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(pairs).reshape(-1, width)


def _out(weight: NDArray[np.float64], bias: NDArray[np.float64], fraction: int) -> Linear:
    """A last layer whose outputs have so many fractional bits."""
    bits = weight_bits(weight)
    accumulator = bits + FRACTION_BITS
    layer = Linear(rounded(weight, bits), fixed_point(bias, accumulator), accumulator - fraction)
    prove_exact(layer.bound(np.full(weight.shape[1], ACTIVATION_LIMIT)))
    return layer


def _scaled(hidden: Integers, layer: Linear) -> Integers:
    """Outputs of a last layer, clipped where nothing sensible lies."""
    accumulator = hidden @ layer.weight[0] + layer.bias
    outputs: Integers = np.floor(accumulator * 2.0**-layer.right_shift + 0.5)
    return np.clip(outputs, -_LARGEST_OUTPUT, _LARGEST_OUTPUT)


def _expected(
    shift: Integers, places: NDArray[np.int64]
) -> tuple[NDArray[np.int16], NDArray[np.int32], NDArray[np.bool_]]:
    """Tables, whole steps and mirrored rests.

    Args:
        shift: in steps of a symbol, with the fractions of an output and of a unit.
        places: of the scale on the fine grid.
    """
    fraction = _NORMAL_FRACTION + _UNIT_FRACTION
    eighths = np.floor(shift * SHIFT_STEPS * 2.0**-fraction + 0.5).astype(np.int64)
    tables = tables_at(places)
    whole = (eighths + SHIFT_STEPS // 2) // SHIFT_STEPS
    rest = np.where(tables < SHIFT_TABLES, eighths - SHIFT_STEPS * whole, 0)
    own = TABLE_COUNT + (np.abs(rest) - 1) * SHIFT_TABLES + tables
    return np.where(rest == 0, tables, own).astype(np.int16), whole.astype(np.int32), rest < 0
