"""What an integer network computes, said once, in integers alone.

A layer takes unsigned bytes and gives unsigned bytes, or integers on a finer grid:

    sum[c] = Σ_k x[k] · w[k, c] + bias[c]                  x: 0 to 255, w: -63 to 63
    y[c]   = clip(floor((sum[c] · multiplier[c] + half) / 2^shift), lowest, highest)

No operation here rounds but the last, which is written out, so every machine, every order of
summation and every engine gives the same y. That sums fit 32 bits and products 53 is proved from
the weights when a layer is made. Weights of seven bits are enough for what decides tables (rates
in ``docs/log.md``), and the product instruction of CPUs before VNNI, which adds pairs of products
in 16 bits, cannot saturate: 2 · 255 · 63 < 2^15.

Behind a leaky rectifier negative sums have multipliers of their own, and y a zero point (``Leak``).

What is negative is moved up by a *zero point*, which the bias takes off again, and around a picture
stands the zero point. ``integer_layer`` makes a layer from quantized weights by operations that
IEEE 754 defines to the last bit, so a model file need not hold both.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.errors import ModelFileError
from slimcodec.integers.engines import Engine, Product

__all__ = [
    "WEIGHT_LIMIT",
    "CompiledLayer",
    "IntegerLayer",
    "IntegerNet",
    "Leak",
    "Output",
    "Part",
    "integer_layer",
]

WEIGHT_LIMIT = 63
BYTE = 255
_SUM_BITS, _PRODUCT_BITS, _MULTIPLIER_BITS = 31, 53, 15
_MOST_SHIFT = 62
_AT_ONCE = 128
"""Rows whose floats a core keeps at hand while they are worked on."""


@dataclass(frozen=True)
class Leak:
    """What a leaky rectifier lets through of negative sums.

    Attributes:
        multiplier: int32 [c] of these, from 0 to that of other sums.
        zero: what stands for zero among the outputs.
    """

    multiplier: NDArray[np.int32]
    zero: int


@dataclass(frozen=True)
class IntegerLayer:
    """See the head of this file.

    Attributes:
        weights: int8 [k, c].
        bias: int32 [c], zero points of inputs taken off.
        multiplier: int32 [c], not negative.
        shift: 1 or more.
        lowest, highest: of the outputs.
        leak: of a leaky rectifier, where one stands behind the sums.

    Raises:
        ModelFileError: when a sum could be wrong on some machine, however the inputs fall.
    """

    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    multiplier: NDArray[np.int32]
    shift: int
    lowest: int
    highest: int
    leak: Leak | None = None

    def __post_init__(self) -> None:
        bias, multiplier = (a.astype(np.int64) for a in (self.bias, self.multiplier))
        lowest, highest = self.weights.min(initial=0), self.weights.max(initial=0)
        if not -WEIGHT_LIMIT <= lowest <= highest <= WEIGHT_LIMIT or multiplier.min(initial=0) < 0:
            raise ModelFileError(
                f"the probability model's weights do not lie within ±{WEIGHT_LIMIT}, or a "
                "multiplier is negative"
            )
        if not 1 <= self.shift <= _MOST_SHIFT or self.lowest > self.highest:
            raise ModelFileError("the probability model's shifts or limits are damaged")
        # Of bytes, which have their magnitude in bytes, as the weights lie within the limit.
        reach = BYTE * np.abs(self.weights).sum(axis=0, dtype=np.int64)
        largest = (reach + np.abs(bias)).max(initial=0)
        # In Python's integers: a forged multiplier must not overflow the proof itself.
        product = int(largest) * int(multiplier.max(initial=0)) + (1 << (self.shift - 1))
        if self.leak is not None:
            slower = self.leak.multiplier
            if not (slower >= 0).all() or not (slower <= self.multiplier).all():
                raise ModelFileError("a multiplier of negative sums is beyond the other's")
            if not 0 <= self.leak.zero <= BYTE:
                raise ModelFileError(f"a zero point must be 0 to {BYTE}, got {self.leak.zero}")
            product += self.leak.zero << self.shift
        if largest >= 1 << _SUM_BITS or product >= 1 << _PRODUCT_BITS:
            raise ModelFileError(
                "the probability model's weights are too large to be exact in integers (a sum "
                f"could reach 2^{math.log2(max(int(largest), 1)):.1f}, the limit is "
                f"2^{_SUM_BITS}, and with its multiplier 2^{math.log2(max(product, 1)):.1f}, the "
                f"limit is 2^{_PRODUCT_BITS})"
            )

    @property
    def bytes_out(self) -> bool:
        """Whether outputs are unsigned bytes; otherwise they are int32."""
        return self.lowest >= 0 and self.highest <= BYTE

    def to_bytes(self) -> bytes:
        """Everything that decides its outputs and nothing else, for a stream's identity."""
        facts = np.array([*self.weights.shape, self.shift, self.lowest, self.highest], "<i8")
        return b"".join(
            (
                facts.tobytes(),
                self.weights.astype("<i1").tobytes(),
                self.bias.astype("<i4").tobytes(),
                self.multiplier.astype("<i4").tobytes(),
                *self._leak_to_bytes(),
            )
        )

    def _leak_to_bytes(self) -> tuple[bytes, ...]:
        if self.leak is None:
            return ()
        return self.leak.multiplier.astype("<i4").tobytes(), np.array(
            [self.leak.zero], "<i8"
        ).tobytes()


class Requantizer:
    """Sums to outputs, in float64: all that it holds are integers below 2^53 times a power of two,
    so nothing rounds but the floor."""

    def __init__(self, layer: IntegerLayer) -> None:
        unit = 2.0**-layer.shift
        half = 1 << (layer.shift - 1)
        self._scale = layer.multiplier * unit
        self._offset = (layer.bias.astype(np.int64) * layer.multiplier + half) * unit
        self._leak = layer.leak
        if layer.leak is not None:
            self._bias = layer.bias.astype(np.float64)
            self._slower = layer.leak.multiplier * unit
            self._offset = np.full(layer.bias.shape, layer.leak.zero + half * unit)
        self._limits = float(layer.lowest), float(layer.highest)
        self._kind: Any = np.uint8 if layer.bytes_out else np.int32

    def __call__(self, sums: NDArray[np.int32]) -> NDArray[Any]:
        """int32 [n, c], without the bias, to bytes or int32 [n, c]."""
        out: NDArray[Any] = np.empty(sums.shape, self._kind)
        floats = np.empty((min(len(sums), _AT_ONCE), sums.shape[1]))
        for start in range(0, len(sums), _AT_ONCE):
            stop = min(start + _AT_ONCE, len(sums))
            x = floats[: stop - start]
            x[:] = sums[start:stop]
            if self._leak is None:
                x *= self._scale
            else:
                x += self._bias
                np.maximum(x * self._scale, x * self._slower, out=x)
            x += self._offset
            if self._limits[0] < 0:
                np.floor(x, out=x)
            # What is not negative is cut off to the floor when it becomes an integer again.
            x.clip(*self._limits, out=x)
            out[start:stop] = x
        return out


class CompiledLayer:
    """A layer on an engine."""

    def __init__(self, layer: IntegerLayer, engine: Engine) -> None:
        self._layer, self._engine = layer, engine
        self._requantized = Requantizer(layer)
        self._products: dict[tuple[int, int], Product] = {}

    def __call__(self, *inputs: NDArray[np.uint8]) -> NDArray[Any]:
        """Bytes [n, k] to bytes or int32 [n, c].

        Args:
            inputs: together k wide; one product for each is less than putting them side by side.
        """
        sums: NDArray[np.int32] | None = None
        start = 0
        for x in inputs:
            own = self._product(start, start + x.shape[1])(x)
            if sums is None:
                sums = own
            else:
                sums += own
            start += x.shape[1]
        if sums is None or start != len(self._layer.weights):
            raise ValueError(f"a layer of {len(self._layer.weights)} inputs was given {start}")
        return self._requantized(sums)

    def _product(self, start: int, stop: int) -> Product:
        if (start, stop) not in self._products:
            self._products[start, stop] = self._engine.product(self._layer.weights[start:stop])
        return self._products[start, stop]


@dataclass(frozen=True)
class IntegerNet:
    """Layers by name. How they are put together is its owner's business; what each computes is
    settled here, in canonical bytes."""

    layers: Mapping[str, IntegerLayer]

    def on(self, engine: Engine) -> Mapping[str, CompiledLayer]:
        """Every layer, ready to run."""
        return {name: CompiledLayer(layer, engine) for name, layer in self.layers.items()}

    def to_bytes(self) -> bytes:
        """A digest of names and layers, for a stream's identity."""
        digest = hashlib.sha256()
        for name in sorted(self.layers):
            digest.update(name.encode() + b"\0")
            digest.update(self.layers[name].to_bytes())
        return digest.digest()


@dataclass(frozen=True)
class Part:
    """Quantized weights that see one kind of input.

    Attributes:
        integers: int8 [k, c].
        steps: float32 [c], of the weights.
        input_step: of the input, in the units of the float network.
        zero: what stands for zero among its bytes: one for all inputs, or [k].
    """

    integers: NDArray[np.int8]
    steps: NDArray[np.float32]
    input_step: float
    zero: int | NDArray[np.integer[Any]] = 0


@dataclass(frozen=True)
class Output:
    """The grid of a layer's outputs: integers times a step, or a step for each, clipped.

    Attributes:
        step: of the grid, in the units of the float network.
        lowest, highest: of the integers.
        slope: of a leaky rectifier; where there is none, 0, which clipping at zero is.
        zero: what stands for zero among the integers of a leaky one.
    """

    step: float | NDArray[np.float64]
    lowest: int = 0
    highest: int = BYTE
    slope: float = 0.0
    zero: int = 0


def integer_layer(
    parts: Sequence[Part], bias: NDArray[np.floating[Any]], output: Output
) -> IntegerLayer:
    """A layer that adds what its parts make of their inputs, which stand one after another.

    Args:
        parts: steps times input step must be the same for all, up to a float's last bits.
        bias: [c], in the units of the float network.
        output: what comes out.

    Raises:
        ModelFileError: as ``IntegerLayer`` does, or when a step or bias is no sensible number.
    """
    first = parts[0]
    unit = first.steps.astype(np.float64) * first.input_step
    with np.errstate(over="ignore", invalid="ignore"):
        ratio = unit / output.step
    largest = float(ratio.max(initial=0.0))
    if not np.isfinite(ratio).all() or not np.isfinite(bias).all() or not largest > 0:
        raise ModelFileError("the probability model's steps or biases are damaged")
    shift = min(_MULTIPLIER_BITS - math.frexp(largest)[1], _MOST_SHIFT)
    multiplier = np.rint(ratio * 2.0**shift)
    taken_off = np.zeros(len(unit), np.int64)
    for part in parts:
        zeros = np.broadcast_to(np.asarray(part.zero, np.int64), part.integers.shape[:1])
        # Few are told apart, and weights in 64 bits would be eight times as much memory.
        for zero in set(zeros.tolist()) - {0}:
            taken_off += zero * part.integers[zeros == zero].sum(axis=0, dtype=np.int64)
    # A bias beyond what a sum can be would clip whatever is added to it.
    limit = float(1 << (_SUM_BITS - 1))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        in_sums = np.nan_to_num(
            np.rint(bias.astype(np.float64) / unit), posinf=limit, neginf=-limit
        )
    total = np.clip(in_sums, -limit, limit) - taken_off
    leak: Leak | None = None
    if output.slope:
        leak = Leak(np.rint(multiplier * output.slope).astype(np.int32), output.zero)
    return IntegerLayer(
        np.ascontiguousarray(np.concatenate([part.integers for part in parts])),
        total.astype(np.int32),
        multiplier.astype(np.int32),
        shift,
        output.lowest,
        output.highest,
        leak,
    )
