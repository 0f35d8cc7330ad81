"""Networks in integers, exact on every machine: what decides a probability table is computed so.

Integers are held in float64 and multiplied by BLAS. As long as every product and every partial sum
stays below 2**53 nothing ever rounds, so the result does not depend on the order in which a
library, a thread count or a CPU adds. Weights are rounded to 16 bits of a layer's largest, hidden
activations to 12 fractional bits; scaling by a power of two and taking the floor are exact too.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from slimcodec.errors import ModelFileError

__all__ = ["ACTIVATION_LIMIT", "FRACTION_BITS", "Integers", "prove_exact", "relu", "weight_bits"]

Integers = NDArray[np.float64]
"""float64 holding integers below 2**53."""

FRACTION_BITS = 12
"""Of a hidden activation."""
ACTIVATION_LIMIT = float(1 << 22)
"""Hidden activations are clipped here, in units of their last bit."""
_WEIGHT_BITS = 15
_EXACT = float(1 << 53)


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
