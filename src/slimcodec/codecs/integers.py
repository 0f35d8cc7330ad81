"""Networks in integers, exact on every machine: what decides a probability table is computed so.

Integers are held in float64 and multiplied by BLAS. As long as every product and every partial sum
stays below 2**53 nothing ever rounds, so the result does not depend on the order in which a
library, a thread count or a CPU adds. Weights are rounded to 16 bits of a layer's largest, hidden
activations to 12 fractional bits; scaling by a power of two and taking the floor are exact too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slimcodec.errors import ModelFileError

__all__ = [
    "ACTIVATION_LIMIT",
    "FRACTION_BITS",
    "Integers",
    "Linear",
    "around",
    "fixed_point",
    "prove_exact",
    "relu",
    "rounded",
    "weight_bits",
]

Integers = NDArray[np.float64]
"""float64 holding integers below 2**53."""

FRACTION_BITS = 12
"""Of a hidden activation."""
ACTIVATION_LIMIT = float(1 << 22)
"""Hidden activations are clipped here, in units of their last bit."""
_WEIGHT_BITS = 15
_EXACT = float(1 << 53)


@dataclass(frozen=True)
class Linear:
    """Weights [taps, c_in, c_out] and bias [c_out] in accumulator units, and what brings the
    accumulator back to the fraction of what comes next."""

    weight: Integers
    bias: Integers
    right_shift: int

    def bound(self, largest_inputs: NDArray[np.float64]) -> float:
        """The largest accumulator that inputs within ± these, [c_in], can reach."""
        reach = np.abs(self.weight).sum(axis=0) * largest_inputs[:, None]
        return float((reach.sum(axis=0) + np.abs(self.bias)).max())

    def to_bytes(self) -> bytes:
        """Everything that decides its outputs, for a stream's identity."""
        arrays = (self.weight, self.bias, np.array([self.right_shift]))
        return b"".join(array.astype("<i8").tobytes() for array in arrays)


def rounded(weight: NDArray[np.floating], bits: int) -> Integers:
    """Torch's [c_out, c_in, k, k] to integers [k · k, c_in, c_out] of so many fractional bits."""
    integers = np.rint(weight.astype(np.float64) * 2.0**bits)
    outputs, inputs, _, _ = weight.shape
    return np.ascontiguousarray(integers.reshape(outputs, inputs, -1).transpose(2, 1, 0))


def around(
    padded: Integers, rows: NDArray[np.intp], columns: NDArray[np.intp], channels: int
) -> Integers:
    """What a 3x3 kernel sees at some positions, so that one product does all nine taps.

    Args:
        padded: [h + 2, w + 2, c], a border of one around the picture's positions.
        rows, columns: of the positions, without that border.
        channels: how many of the first are looked at.

    Returns:
        [positions, 9 · channels], taps in the order of ``rounded``.
    """
    width = padded.shape[1]
    flat = np.ascontiguousarray(padded[:, :, :channels]).reshape(-1, channels)
    taps = np.arange(3)
    corners = rows * width + columns
    places = corners[:, None] + (taps[:, None] * width + taps).ravel()
    seen = np.empty((len(rows), 9, channels))
    # With a mode other than "raise", take writes straight into what it is given.
    np.take(flat, places, axis=0, out=seen, mode="clip")
    return seen.reshape(len(rows), -1)


def fixed_point(values: NDArray[np.floating], bits: int) -> Integers:
    """Values as integers of so many fractional bits."""
    return np.rint(values.astype(np.float64) * 2.0**bits)


def weight_bits(*weights: NDArray[np.floating]) -> int:
    """Fractional bits that leave the largest of all these weights 15 bits and a sign."""
    largest = max(float(np.abs(weight).max(initial=0)) for weight in weights)
    return _WEIGHT_BITS - math.frexp(largest)[1] if largest > 0 else 0


def relu(accumulator: Integers, right_shift: int) -> Integers:
    """An accumulator to the next layer's input: not below zero, scaled, rounded, clipped."""
    rounded = np.floor(np.maximum(accumulator, 0) * 2.0**-right_shift + 0.5)
    return np.minimum(rounded, ACTIVATION_LIMIT)


def prove_exact(largest_accumulator: float) -> None:
    """No accumulator can reach 2**53 however its inputs fall, so no sum ever rounds.

    Raises:
        ModelFileError: when one could.
    """
    if not largest_accumulator < _EXACT:
        raise ModelFileError(
            f"the probability model's weights are too large to be exact in integers "
            f"(an accumulator could reach 2^{math.log2(largest_accumulator):.1f}, "
            "the limit is 2^53)"
        )
