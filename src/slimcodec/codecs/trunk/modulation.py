"""The condition of a trunk, without torch: it runs once a picture, on three small matrices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.errors import ModelFileError

__all__ = ["LAYERS", "Condition"]

Floats = NDArray[np.float32]

LAYERS = 3
"""Of a condition."""


@dataclass(frozen=True)
class Condition:
    """What becomes of what is known of a picture: layers [o, i], [o], rectifiers between them."""

    layers: tuple[tuple[Floats, Floats], ...]

    @classmethod
    def of(cls, weights: Mapping[str, NDArray[Any]], count: int) -> Condition:
        """So many layers, by their names in the network.

        Raises:
            ModelFileError: when they do not fit together.
        """
        found = []
        for number in range(count):
            kernel, bias = (weights[f"condition.layers.{number}.{k}"] for k in ("weight", "bias"))
            found.append((kernel.reshape(kernel.shape[0], -1), bias))
        for (first, _), (second, _) in pairwise(found):
            if len(first) != second.shape[1]:
                raise ModelFileError("the layers of the condition do not fit together")
        return cls(tuple(found))

    def modulation(self, facts: Floats) -> Floats:
        """Scales, less 1, and shifts of every block, [1, m, 1, 1]."""
        x = facts
        for number, (kernel, bias) in enumerate(self.layers):
            x = kernel @ (np.maximum(x, 0) if number else x) + bias
        return x[None, :, None, None]
