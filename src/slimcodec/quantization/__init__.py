"""Quantization as data (``grids``, numpy) and as something that a network runs with
(``simulation``, torch)."""

from slimcodec.quantization.grids import (
    ACTIVATION_BITS,
    INTEGER_BITS,
    SUMMED_BITS,
    TABLE_BITS,
    WEIGHT_BITS,
    ActivationGrid,
    IntegerSum,
    Quantization,
    WeightGrid,
    levels,
    reach,
)

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
