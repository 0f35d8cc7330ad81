"""Bits of a layer, as a recipe says them, its family widens them, and coding bounds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slimcodec.errors import UsageError
from slimcodec.quantization import ACTIVATION_BITS, WEIGHT_BITS

if TYPE_CHECKING:
    from slimcodec.codecs.family import Wide

__all__ = ["FLOAT", "Bits", "check_bits", "in_coding", "in_words", "wider"]

FLOAT = "float"


@dataclass(frozen=True)
class Bits:
    """Of one layer; None leaves it in floats.

    Attributes:
        weights: 2 to 16.
        activations: of its input, 4 to 16.
        placed: whether levels of weights are, instead of even.
    """

    weights: int | None = None
    activations: int | None = None
    placed: bool = False


def check_bits(weights: Any, activations: Any, where: str) -> None:
    """What a recipe says of them, of whom ``where`` tells, to stand before the setting.

    Raises:
        UsageError: when there are no such bits.
    """
    for key, bits, known in (
        ("weights", weights, WEIGHT_BITS),
        ("activations", activations, ACTIVATION_BITS),
    ):
        if bits not in (None, FLOAT) and (type(bits) is not int or bits not in known):
            raise UsageError(
                f"{where}{key} takes {known.start} to {known.stop - 1} bits or {FLOAT!r}, "
                f"got {bits!r}"
            )


def wider(merged: Mapping[str, Any], wide: Wide) -> dict[str, Any]:
    """Bits of a layer that its family declares wide."""
    more = {"weights": wide.weights, "activations": wide.inputs}
    most = {"weights": WEIGHT_BITS.stop - 1, "activations": ACTIVATION_BITS.stop - 1}
    return {
        key: bits if bits in (None, FLOAT) else min(most[key], bits + more[key])
        for key, bits in merged.items()
    }


def in_coding(bits: Bits) -> Bits:
    """Of a layer that coding runs in integers of its own: 8 bits of input, 7 or fewer of weight."""
    return Bits(None if bits.weights is None else min(bits.weights, 7), 8)


def in_words(bits: Bits) -> str:
    """For a plan."""
    weights = "weights as they are" if bits.weights is None else f"weights {bits.weights} bits"
    inputs = "" if bits.activations is None else f", inputs {bits.activations} bits"
    return "as they are" if bits == Bits() else weights + inputs
