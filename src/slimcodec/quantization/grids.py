"""What a quantized layer is, in numpy: integers times steps. No torch.

    weight      w = step[c] · n,            n an integer of b bits, one step per output channel c
                w = step[c] · table[n],     where levels were placed: one table of 2^b per layer
    activation  x ≈ step · clip(rint(x / step), lowest, highest)

Zero is on both grids and means zero, so padding and sparsity cost nothing. (Not so where pixels
less a half are a layer's input, and it pads no zeros: their levels are halves, and zero is none of
them.) Weights have as many levels below zero as above. An activation has them where its values are:
all above zero behind a rectifier, most of them above zero behind a leaky one. No runtime multiplies
integers of more than eight bits. Such a layer runs as several products that add up to it
(``runtime.graphs.wide``), or in floats.

Weights in a model *are* ``step · n`` in float32, exactly: a step has eleven significant bits, so a
product with an integer of up to thirteen needs no rounding, and one with a larger integer rounds
the same on every machine. So have the positions in a table, and their products need none either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.errors import ModelFileError

__all__ = [
    "ACTIVATION_BITS",
    "INTEGER_BITS",
    "SUMMED_BITS",
    "TABLE_BITS",
    "WEIGHT_BITS",
    "ActivationGrid",
    "IntegerSum",
    "Quantization",
    "WeightGrid",
    "levels",
    "reach",
]

WEIGHT_BITS = range(2, 17)
TABLE_BITS = range(2, 5)
"""Of weights whose levels may lie in a table."""
ACTIVATION_BITS = range(4, 17)
INTEGER_BITS = 8
"""The most bits that the integer multiplications of today's runtimes take."""
SUMMED_BITS = 11
"""Up to so many bits, an activation is a sum of integers of eight bits: of the value itself and of
the value moved by parts of a step. Above, it is two bytes, a high one and a low one."""


def levels(bits: int) -> tuple[int, int]:
    """The lowest and the highest integer of a weight: symmetric, so -2^(b-1) is left out."""
    return 1 - 2 ** (bits - 1), 2 ** (bits - 1) - 1


@dataclass(frozen=True)
class WeightGrid:
    """A layer's weights as integers.

    Attributes:
        integers: int8 or int16, shaped like the weights.
        steps: float32 [c], of eleven significant bits.
        axis: along which the steps lie. Integer kernels want the output channels: 0 of a
            convolution, 1 of a transposed one.
        bits: 2 to 16.
        table: positions of the levels in steps, 2^bits of them, of eleven significant bits; the
            integer n stands for the one at n + 2^(bits - 1), and 0 for 0. Else the levels are the
            integers. No kernel multiplies by a table: such a layer runs in floats.
    """

    integers: NDArray[Any]
    steps: NDArray[np.float32]
    axis: int
    bits: int
    table: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        lowest, highest = levels(self.bits) if self.bits in WEIGHT_BITS else (0, 0)
        if self.table is not None:
            lowest -= 1
            self._check_table(self.table)
        fits = (
            self.integers.dtype == storage(self.bits)
            and self.axis in range(self.integers.ndim)
            and self.steps.shape == (self.integers.shape[self.axis],)
            and np.isfinite(self.steps).all()
            and (self.integers.size == 0 or lowest <= self.integers.min())
            and (self.integers.size == 0 or self.integers.max() <= highest)
        )
        if not fits:
            raise ModelFileError(f"weights of {self.bits} bits and their steps do not fit together")

    def _check_table(self, table: tuple[float, ...]) -> None:
        with np.errstate(over="ignore"):
            short = np.asarray(table, np.float32)
        sound = (
            self.bits in TABLE_BITS
            and len(table) == 2**self.bits
            and table[len(table) // 2] == 0
            and np.isfinite(short).all()
            and bool((short == np.asarray(table)).all())
        )
        if not sound:
            raise ModelFileError(f"{table!r:.80} is no table of levels of {self.bits} bits")

    def weights(self) -> NDArray[np.float32]:
        """The weights, float32."""
        if self.table is None:
            positions = self.integers.astype(np.float32)
        else:
            half = len(self.table) // 2
            positions = np.asarray(self.table, np.float32)[self.integers.astype(np.intp) + half]
        return positions * self.broadcast_steps()

    def to_dict(self) -> dict[str, Any]:
        """All but integers and steps, plain values, for a manifest."""
        table = {} if self.table is None else {"table": list(self.table)}
        return {"bits": self.bits, "axis": self.axis, **table}

    @classmethod
    def from_dict(
        cls, values: Mapping[str, Any], integers: NDArray[Any], steps: NDArray[np.float32]
    ) -> WeightGrid:
        """The inverse of ``to_dict``, with what it leaves out."""
        try:
            table = values.get("table")
            positions = None if table is None else tuple(map(float, table))
            return cls(integers, steps, values["axis"], values["bits"], positions)
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise ModelFileError(f"{values!r:.80} is no grid of weights") from error

    def broadcast_steps(self) -> NDArray[np.float32]:
        """The steps, shaped to multiply the integers."""
        shape = [1] * self.integers.ndim
        shape[self.axis] = -1
        return self.steps.reshape(shape)


def reach(bits: int) -> int:
    """From the lowest integer of an activation to its highest."""
    if INTEGER_BITS < bits <= SUMMED_BITS:
        return int(2 ** (bits - INTEGER_BITS) * (2**INTEGER_BITS - 1))
    return int(2**bits - 1)


def storage(bits: int) -> np.dtype[Any]:
    """The integer type that holds weights of so many bits."""
    return np.dtype(np.int8 if bits <= INTEGER_BITS else np.int16)


@dataclass(frozen=True)
class ActivationGrid:
    """What a layer sees of its input.

    Attributes:
        step: distance between levels.
        bits: 4 to 16.
        lowest: the lowest of its 2^bits levels: 0 behind a rectifier, at least -2^(bits - 1). A
            whole number, or a whole number and a half, and then all levels are.
    """

    step: float
    bits: int
    lowest: float

    def __post_init__(self) -> None:
        if (
            self.bits not in ACTIVATION_BITS
            or not -(2 ** (self.bits - 1)) <= self.lowest <= 0
            or not float(2 * self.lowest).is_integer()
            or not np.isfinite(self.step)
            or self.step <= 0
        ):
            raise ModelFileError(
                f"an activation grid of {self.bits} bits, step {self.step} and integers from "
                f"{self.lowest} cannot be"
            )

    @property
    def between(self) -> bool:
        """Whether levels are halves, and zero lies between two of them."""
        return not float(self.lowest).is_integer()

    @property
    def signed(self) -> bool:
        """Whether its integers are those of a signed type; otherwise they are an unsigned type's,
        moved down."""
        return bool(self.lowest == -(2 ** (self.bits - 1)))

    @property
    def levels(self) -> tuple[float, float]:
        """The lowest and the highest level.

        From nine bits to eleven they are sums of two, four or eight integers of eight bits, so
        some are missing: nine bits have 511 levels.
        """
        return self.lowest, self.lowest + reach(self.bits)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a manifest."""
        lowest = int(self.lowest) if float(self.lowest).is_integer() else self.lowest
        return {"step": float(self.step), "bits": self.bits, "lowest": lowest}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ActivationGrid:
        """The inverse of ``to_dict``."""
        try:
            return cls(float(values["step"]), int(values["bits"]), float(values["lowest"]))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ModelFileError(f"{dict(values)!r} is no activation grid") from error


@dataclass(frozen=True)
class IntegerSum:
    """Layers that coding runs in integers of its own, whose outputs are added as such: steps of
    weights times steps of inputs are the same for all.

    Attributes:
        layers: by name.
        inputs: what each sees: a grid; ``"seen"``, one that is found on photographs and begins at
            zero; ``"leaky"``, one that may begin below it; ``"units"``, likewise, and 1 and -1
            are on it; or the name of a layer of an earlier sum, whose bytes these are.
    """

    layers: tuple[str, ...]
    inputs: tuple[ActivationGrid | str, ...]


@dataclass(frozen=True)
class Quantization:
    """Every grid of a model.

    Attributes:
        weights: by tensor name, for example ``"generator.head.weight"``.
        activations: by layer name, for example ``"generator.head"``; a layer without one sees its
            input as it is.
    """

    weights: Mapping[str, WeightGrid] = field(default_factory=dict)
    activations: Mapping[str, ActivationGrid] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.weights or self.activations)

    def to_dict(self) -> dict[str, Any]:
        """All but the integers and steps, plain values, for a manifest."""
        return {
            "weights": {name: grid.to_dict() for name, grid in self.weights.items()},
            "activations": {name: grid.to_dict() for name, grid in self.activations.items()},
        }
