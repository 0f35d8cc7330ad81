"""The scale net in integers: which table codes each latent, the same on every machine.

A decoder that picks one table differently from the encoder decodes garbage from there on, and
floating-point sums differ between runtimes, thread counts and CPUs. So the net that decides tables
runs here, in numpy, on integers held in float64: every product and every partial sum is an integer
below 2**53, hence exact, hence independent of the order in which BLAS adds. The bound is proved
from the weights when the prior is built.

    ẑ (integers) ─► deconv ─► relu, shift ─► deconv ─► relu, shift ─► deconv ─► accumulator
    accumulator ─► count of thresholds passed = place on a fine logarithmic grid of scales
    place + shift(quality, channel) ─► clamp, reduce ─► table index

The last non-linearity (softplus, or none) is monotone, so it becomes a sorted list of integer
thresholds, made once when a model is frozen. A channel's usual spread and a quality's gain multiply
the scale: on a logarithmic grid, an integer shift. Decoding evaluates no exp, log or division.

``codecs.integers`` says how weights and activations become integers; both are derived exactly from
the model file's half-precision weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.integers import (
    ACTIVATION_LIMIT,
    FRACTION_BITS,
    Integers,
    prove_exact,
    relu,
    weight_bits,
)
from slimcodec.errors import ModelFileError
from slimcodec.stream import SYMBOL_LIMIT

__all__ = ["GRID_STEP", "SUBSTEPS", "TABLE_SCALES", "IntegerPrior", "ScaleGrid"]

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
SHIFT_SCALE = 4.0
"""Tables of larger scales know no fraction of a shift: it would save a thousandth of a bit."""

SUBSTEPS = 8
GRID_STEP = _TABLE_STEP / SUBSTEPS
"""Natural logarithm between neighbours of the fine grid."""


@dataclass(frozen=True)
class ScaleGrid:
    """From accumulator to place on the fine grid, and from there to a table.

    Attributes:
        thresholds: int64 [g], ascending: the accumulator values where the next place begins.
        lowest: place of an accumulator below every threshold.
        shifts: int32 [q, m]: log gain of each quality and channel, in grid steps.
    """

    thresholds: NDArray[np.int64]
    lowest: int
    shifts: NDArray[np.int32]

    @classmethod
    def build(cls, fraction_bits: int, softplus: bool, log_gains: NDArray[np.float64]) -> ScaleGrid:
        """Make the grid when a model is frozen (the only place where logarithms are taken).

        Args:
            fraction_bits: of the accumulator.
            softplus: whether scale = softplus(accumulator) or the accumulator itself.
            log_gains: [q, m], what multiplies a channel's scale at a quality.
        """
        shifts = np.rint(log_gains / GRID_STEP).astype(np.int32)
        lowest = -int(shifts.max()) - SUBSTEPS
        highest = SUBSTEPS * TABLE_COUNT - int(shifts.min())
        places = np.arange(lowest + 1, highest + 1)
        scale = SCALE_MIN * np.exp((places - 0.5) * GRID_STEP)
        # softplus⁻¹(s) = log(e^s - 1), written so that a large s does not overflow.
        accumulator = scale + np.log(-np.expm1(-scale)) if softplus else scale
        thresholds = np.ceil(accumulator * 2.0**fraction_bits)
        return cls(thresholds.astype(np.int64), lowest, shifts)

    def places(self, accumulator: Integers, quality: int, steps: int) -> NDArray[np.int64]:
        """Places on the fine grid, 0 at the least scale of a table, for accumulators [h, w, m] at a
        quality in ``steps``-ths between trained ones."""
        passed = self._buckets.thresholds_passed(accumulator)
        shifted: NDArray[np.int64] = passed + (self._shift(quality, steps) + self.lowest)
        return shifted

    def table_indexes(self, accumulator: Integers, quality: int, steps: int) -> NDArray[np.int16]:
        """Tables for accumulators [h, w, m]; see ``places``."""
        return tables_at(self.places(accumulator, quality, steps))

    @cached_property
    def _buckets(self) -> _Buckets:
        return _Buckets(self.thresholds)

    def _shift(self, quality: int, steps: int) -> NDArray[np.int64]:
        low, rest = divmod(quality, steps)
        high = min(low + 1, len(self.shifts) - 1)
        below, above = self.shifts[low].astype(np.int64), self.shifts[high].astype(np.int64)
        shift: NDArray[np.int64] = (below * (steps - rest) + above * rest) // steps
        return shift


class _Buckets:
    """Sorted thresholds, found in a fraction of a binary search's time.

    A value's distance from the first threshold is sorted into buckets by its exponent and its
    mantissa's first bits, which lie about as densely as thresholds on a logarithmic grid do. A
    bucket knows how many thresholds lie before it; the one or two inside are compared.
    """

    def __init__(self, thresholds: NDArray[np.int64]) -> None:
        # With one that nothing reaches after the last, so that it is compared like the others.
        self._thresholds = np.append(thresholds.astype(np.float64), np.inf)
        self._first = float(self._thresholds[0])
        numbers = self._numbers(self._thresholds[:-1])
        count = int(numbers.max(initial=0)) + 2
        self._before = np.searchsorted(numbers, np.arange(count), side="left")
        self._most = int(np.bincount(numbers, minlength=1).max())

    def thresholds_passed(self, accumulator: Integers) -> NDArray[np.int64]:
        """How many thresholds each value has reached."""
        numbers = np.minimum(self._numbers(accumulator), len(self._before) - 1)
        passed: NDArray[np.int64] = self._before.take(numbers)
        for _ in range(self._most):
            passed += accumulator >= self._thresholds.take(passed)
        return passed

    def _numbers(self, values: Integers) -> NDArray[np.int64]:
        distance = np.maximum(values - self._first, 0) + 1
        bits = distance.view(np.int64)
        bits >>= _MANTISSA_BITS - _BUCKETS_PER_OCTAVE_BITS
        bits -= _EXPONENT_OF_ONE << _BUCKETS_PER_OCTAVE_BITS
        return bits


_MANTISSA_BITS, _EXPONENT_OF_ONE = 52, 1023
_BUCKETS_PER_OCTAVE_BITS = 9


@dataclass(frozen=True)
class _Layer:
    """A transposed convolution on integers.

    Attributes:
        weight: [c_in, k · k · c_out].
        bias: [c_out], in accumulator units.
        kernel, stride, padding: as in torch; output padding is stride - 1.
        right_shift: from accumulator to the next layer's input; None after the last.
    """

    weight: Integers
    bias: Integers
    kernel: int
    stride: int
    padding: int
    right_shift: int | None

    def __call__(self, x: Integers) -> Integers:
        """[h, w, c_in] to [h · stride, w · stride, c_out]."""
        height, width, _ = x.shape
        k, s, p = self.kernel, self.stride, self.padding
        channels = len(self.bias)
        taps = (x.reshape(height * width, -1) @ self.weight).reshape(height, width, k, k, channels)
        canvas = np.zeros((s * (height - 1) + k + s - 1, s * (width - 1) + k + s - 1, channels))
        for i in range(k):
            for j in range(k):
                canvas[i : i + s * height : s, j : j + s * width : s] += taps[:, :, i, j]
        out = canvas[p : p + s * height, p : p + s * width] + self.bias
        if self.right_shift is None:
            return out
        return relu(out, self.right_shift)


def tables_at(places: NDArray[np.int64]) -> NDArray[np.int16]:
    """The nearest table to each place on the fine grid."""
    nearest = (places + SUBSTEPS // 2) // SUBSTEPS
    tables: NDArray[np.int16] = np.clip(nearest, 0, TABLE_COUNT - 1).astype(np.int16)
    return tables


class IntegerPrior:
    """ẑ to table indexes.

    Args:
        weights: three torch-shaped transposed-convolution weights [c_in, c_out, k, k].
        biases: three biases [c_out].
        grid: thresholds and shifts, frozen with the model.
    """

    def __init__(
        self,
        weights: Sequence[NDArray[np.float32]],
        biases: Sequence[NDArray[np.float32]],
        grid: ScaleGrid | None = None,
    ) -> None:
        self.layers: list[_Layer] = []
        fraction, largest = 0, float(SYMBOL_LIMIT)
        for number, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            last = number == len(weights) - 1
            layer, fraction = _integer_layer(weight, bias, fraction, last)
            _prove_exact(layer, largest)
            self.layers.append(layer)
            if not last:
                fraction, largest = FRACTION_BITS, ACTIVATION_LIMIT
        self.fraction_bits = fraction
        self.grid = grid

    def accumulate(self, z_hat: NDArray[np.int32]) -> Integers:
        """The last accumulator, [4h, 4w, m], for hyper-latents [n, h, w]."""
        x = np.ascontiguousarray(z_hat.transpose(1, 2, 0), dtype=np.float64)
        for layer in self.layers:
            x = layer(x)
        return x

    def table_indexes(
        self, z_hat: NDArray[np.int32], height: int, width: int, quality: int, steps: int
    ) -> NDArray[np.int16]:
        """Tables of latents, [m, height, width], of which only that corner is wanted."""
        assert self.grid is not None
        wanted = self.accumulate(z_hat)[:height, :width]
        return self.grid.table_indexes(wanted, quality, steps).transpose(2, 0, 1)

    def to_bytes(self) -> bytes:
        """Everything that decides an index, for the stream's identity."""
        assert self.grid is not None
        pieces = [
            b"".join(
                a.astype("<i8").tobytes()
                for a in (layer.weight, layer.bias, np.array([layer.right_shift or 0]))
            )
            for layer in self.layers
        ]
        pieces.append(self.grid.thresholds.astype("<i8").tobytes())
        pieces.append(self.grid.shifts.astype("<i4").tobytes())
        pieces.append(self.grid.lowest.to_bytes(4, "little", signed=True))
        return b"".join(pieces)


def grid_to_arrays(grid: ScaleGrid) -> dict[str, NDArray[np.generic]]:
    """Named arrays for a model file; the inverse of ``grid_from_arrays``."""
    return {
        "grid.thresholds": grid.thresholds,
        "grid.lowest": np.array([grid.lowest], np.int32),
        "grid.shifts": grid.shifts,
    }


def grid_from_arrays(arrays: Mapping[str, NDArray[np.generic]]) -> ScaleGrid:
    """The frozen grid of a model file."""
    thresholds = arrays["grid.thresholds"].astype(np.int64, casting="same_kind")
    if (np.diff(thresholds) < 0).any():
        raise ModelFileError("the model's scale thresholds are not in order")
    shifts = arrays["grid.shifts"].astype(np.int32, casting="same_kind")
    return ScaleGrid(thresholds, int(arrays["grid.lowest"].astype(np.int64)[0]), shifts)


def _integer_layer(
    weight: NDArray[np.float32], bias: NDArray[np.float32], fraction: int, last: bool
) -> tuple[_Layer, int]:
    """Round one layer; returns it with its accumulator's fractional bits."""
    inputs, outputs, kernel, _ = weight.shape
    bits = weight_bits(weight)
    accumulator = fraction + bits
    integers = np.rint(weight.astype(np.float64) * 2.0**bits)
    flat = integers.transpose(0, 2, 3, 1).reshape(inputs, kernel * kernel * outputs)
    layer = _Layer(
        np.ascontiguousarray(flat),
        np.rint(bias.astype(np.float64) * 2.0**accumulator),
        kernel,
        stride=1 if kernel == 3 else 2,
        padding=kernel // 2,
        right_shift=None if last else accumulator - FRACTION_BITS,
    )
    return layer, accumulator


def _prove_exact(layer: _Layer, largest_input: float) -> None:
    """No accumulator can reach 2**53 however its inputs fall, so no sum ever rounds."""
    per_output = (
        np.abs(layer.weight).reshape(len(layer.weight), -1, len(layer.bias)).sum(axis=(0, 1))
    )
    prove_exact(float((per_output * largest_input + np.abs(layer.bias)).max()))
