"""Scales on a logarithmic grid: from what the scale net says to the number of a table.

    output of the scale net ─► place on a fine grid of scales ─► + shift(quality, channel)
    place ─► clamp, reduce ─► table

The last non-linearity (softplus, or none) is monotone, so it becomes a sorted list of thresholds,
made once when a model is frozen. A channel's usual spread and a quality's gain multiply the scale:
on a logarithmic grid, an integer shift. Coding evaluates no exp, log or division.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.errors import ModelFileError

__all__ = [
    "GRID_STEP",
    "LAST_PLACE",
    "NORMAL_LIMIT",
    "OUTPUT_FRACTION",
    "SCALE_MAX",
    "SCALE_MIN",
    "SHIFT_STEPS",
    "SHIFT_TABLES",
    "SUBSTEPS",
    "TABLE_COUNT",
    "TABLE_SCALES",
    "UNIT_MIN",
    "ScaleGrid",
    "Units",
    "tables_at",
]

SCALE_MIN, SCALE_MAX, TABLE_COUNT = 0.11, 256.0, 128
_TABLE_STEP = math.log(SCALE_MAX / SCALE_MIN) / (TABLE_COUNT - 1)
TABLE_SCALES = tuple(SCALE_MIN * math.exp(i * _TABLE_STEP) for i in range(TABLE_COUNT))
"""The scales that tables are made for, log-spaced; 128 of them cost 0.04 % over the ideal."""

UNIT_MIN = 0.3
"""A context measures symbols in units of their scale, but of no smaller one than this."""
NORMAL_LIMIT = 6.0
"""Where symbols in these units are clipped."""
SHIFT_STEPS = 8
"""A context's shift is coded in eighths of a symbol's step."""
_SHIFT_SCALE = 4.0
"""Tables of larger scales know no fraction of a shift: it would save a thousandth of a bit."""
SHIFT_TABLES = sum(scale <= _SHIFT_SCALE for scale in TABLE_SCALES)
"""Tables, from the least scale on, that exist for every rest of a shift."""

SUBSTEPS = 8
GRID_STEP = _TABLE_STEP / SUBSTEPS
"""Natural logarithm between neighbours of the fine grid."""
LAST_PLACE = SUBSTEPS * (TABLE_COUNT - 1)

OUTPUT_FRACTION = 10
"""Fractional bits of the scale net's outputs."""
_MOST_OUTPUTS = 1 << 18
"""Of which so many are told apart: 256 units, as far as tables reach."""
_FARTHEST = 1 << 30
"""Outputs that are compared with; those of a network of 32 bits, less them, still fit."""


@dataclass(frozen=True)
class ScaleGrid:
    """From an output to a place on the fine grid.

    Attributes:
        thresholds: int64 [g], ascending: the outputs where the next place begins.
        lowest: place of an output below every threshold.
        shifts: int32 [q, m]: log gain of each quality and channel, in grid steps.
    """

    thresholds: NDArray[np.int64]
    lowest: int
    shifts: NDArray[np.int32]

    @classmethod
    def build(cls, softplus: bool, log_gains: NDArray[np.float64]) -> ScaleGrid:
        """Make the grid when a model is frozen (the only place where logarithms are taken).

        Args:
            softplus: whether scale = softplus(output) or the output itself.
            log_gains: [q, m], what multiplies a channel's scale at a quality.
        """
        shifts = np.rint(log_gains / GRID_STEP).astype(np.int32)
        lowest = -int(shifts.max()) - SUBSTEPS
        highest = SUBSTEPS * TABLE_COUNT - int(shifts.min())
        places = np.arange(lowest + 1, highest + 1)
        scale = SCALE_MIN * np.exp((places - 0.5) * GRID_STEP)
        # softplus⁻¹(s) = log(e^s - 1), written so that a large s does not overflow.
        output = scale + np.log(-np.expm1(-scale)) if softplus else scale
        thresholds = np.ceil(output * 2.0**OUTPUT_FRACTION).astype(np.int64)
        kept = thresholds <= thresholds[0] + _MOST_OUTPUTS
        return cls(thresholds[kept], lowest, shifts)

    @property
    def limits(self) -> tuple[int, int]:
        """The lowest and the highest output that need to be told apart."""
        return int(self.thresholds[0]) - 1, int(self.thresholds[-1])

    def places(self, outputs: NDArray[np.int32], quality: int, steps: int) -> NDArray[np.int32]:
        """Places on the fine grid, 0 at the least scale of a table, for outputs [n, m] within
        ``limits``, at a quality in ``steps``-ths between trained ones."""
        found: NDArray[np.int32] = self._passed.take(outputs - self.limits[0], mode="clip")
        found += self._shift(quality, steps)
        return found

    @cached_property
    def _passed(self) -> NDArray[np.int32]:
        """For every output the place that it has reached."""
        low, high = self.limits
        counts = np.bincount(self.thresholds - low, minlength=high - low + 1)
        return (counts.cumsum() + self.lowest).astype(np.int32)

    def _shift(self, quality: int, steps: int) -> NDArray[np.int32]:
        low, rest = divmod(quality, steps)
        high = min(low + 1, len(self.shifts) - 1)
        below, above = self.shifts[low].astype(np.int64), self.shifts[high].astype(np.int64)
        shift: NDArray[np.int64] = (below * (steps - rest) + above * rest) // steps
        return shift.astype(np.int32)

    def to_bytes(self) -> bytes:
        """For a stream's identity."""
        pieces = (self.thresholds, self.shifts, np.array([self.lowest]))
        return b"".join(piece.astype("<i8").tobytes() for piece in pieces)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Named arrays for a model file; the inverse of ``from_arrays``."""
        return {
            "grid.thresholds": self.thresholds,
            "grid.lowest": np.array([self.lowest], np.int32),
            "grid.shifts": self.shifts,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> ScaleGrid:
        """Of a model file.

        Raises:
            ModelFileError: when they are no grid.
        """
        thresholds = arrays["grid.thresholds"].astype(np.int64, casting="same_kind")
        # In order, outputs of 32 bits all, and not so far apart that a table of all outputs would
        # take memory. Differences of 64 bits could wrap.
        ordered = thresholds.size and (thresholds[1:] >= thresholds[:-1]).all()
        reached = ordered and thresholds[0] > -_FARTHEST and thresholds[-1] < _FARTHEST
        if not reached or int(thresholds[-1]) - int(thresholds[0]) > _MOST_OUTPUTS:
            raise ModelFileError("the model's scale thresholds are not in order")
        shifts = arrays["grid.shifts"].astype(np.int32, casting="same_kind")
        return cls(thresholds, int(arrays["grid.lowest"].astype(np.int64)[0]), shifts)


@dataclass(frozen=True)
class Units:
    """What a context had to compute with logarithms and exponentials, once, when it was frozen.

    Attributes:
        step: int64 [1], the grid's step in natural logarithm, 40 fractional bits.
        units: int32 [places], what symbols are measured in at each place, ``FRACTION`` bits.
        reciprocals: int32 [places], bytes of a normal symbol for a symbol, ``RECIPROCAL`` bits.
    """

    step: NDArray[np.int64]
    units: NDArray[np.int32]
    reciprocals: NDArray[np.int32]

    FRACTION, RECIPROCAL, _STEP = 6, 13, 40

    @classmethod
    def build(cls) -> Units:
        """From the grid's own constants."""
        scales = SCALE_MIN * np.exp(np.arange(LAST_PLACE + 1) * GRID_STEP)
        units = np.maximum(scales, UNIT_MIN)
        return cls(
            np.array([round(GRID_STEP * 2**cls._STEP)], np.int64),
            np.rint(units * 2**cls.FRACTION).astype(np.int32),
            np.rint(127 / NORMAL_LIMIT * 2**cls.RECIPROCAL / units).astype(np.int32),
        )

    @property
    def grid_step(self) -> float:
        """The grid's step as it was when the model was frozen."""
        return float(self.step[0]) * 2.0**-self._STEP

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Named arrays for a model file; the inverse of ``from_arrays``."""
        return {
            "context.step": self.step,
            "context.units": self.units,
            "context.reciprocals": self.reciprocals,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Units:
        """Of a model file.

        Raises:
            ModelFileError: when sums with them could be inexact.
        """
        units = arrays["context.units"].astype(np.int32, casting="same_kind")
        reciprocals = arrays["context.reciprocals"].astype(np.int32, casting="same_kind")
        sizes = units.shape == reciprocals.shape == (LAST_PLACE + 1,)
        if not sizes or not (units > 0).all() or not (units <= 1 << 14).all():
            raise ModelFileError("the model's units are damaged")
        if not (reciprocals >= 0).all() or not (reciprocals < 1 << 20).all():
            raise ModelFileError("the model's reciprocals of units are damaged")
        step = arrays["context.step"].astype(np.int64, casting="same_kind")
        return cls(step, units, reciprocals)

    def to_bytes(self) -> bytes:
        """For a stream's identity."""
        arrays = (self.step, self.units, self.reciprocals)
        return b"".join(array.astype("<i8").tobytes() for array in arrays)


def tables_at(places: NDArray[np.int32]) -> NDArray[np.int16]:
    """The nearest table to each place on the fine grid."""
    nearest = (places + SUBSTEPS // 2) // SUBSTEPS
    tables: NDArray[np.int16] = np.clip(nearest, 0, TABLE_COUNT - 1).astype(np.int16)
    return tables
