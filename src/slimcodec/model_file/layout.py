"""Where a model's arrays stand among named tensors, in a model file as in a bundle.

    weight/NAME    half floats, float32 of a model in single precision, or the integers of a
                   quantized layer
    step/NAME      float32, the steps of those integers
    frozen/NAME    integers

How many bits a layer's integers have, along which axis its steps lie, and the positions of levels
that lie in a table, is said elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.errors import ModelFileError
from slimcodec.quantization import WeightGrid

__all__ = ["FROZEN", "HALF", "PRECISIONS", "SINGLE", "STEP", "WEIGHT", "Contents", "same"]

WEIGHT, STEP, FROZEN = "weight/", "step/", "frozen/"
HALF, SINGLE = "half", "single"
PRECISIONS = {HALF: np.float16, SINGLE: np.float32}
"""What weights are stored as that are not quantized."""


@dataclass(frozen=True)
class Contents:
    """A model's arrays, all of them or some.

    Attributes:
        weights: float32, by name.
        grids: integers and steps of those weights that are quantized.
        frozen: integers, by name.
        precision: of the weights that have no grid, a name in ``PRECISIONS``.
    """

    weights: Mapping[str, NDArray[np.float32]]
    grids: Mapping[str, WeightGrid]
    frozen: Mapping[str, NDArray[Any]]
    precision: str = HALF

    def names(self) -> list[str]:
        """Of the tensors that hold them."""
        return [
            *(WEIGHT + name for name in self.weights),
            *(STEP + name for name in self.grids),
            *(FROZEN + name for name in self.frozen),
        ]

    def tensor(self, name: str) -> NDArray[Any]:
        """What stands under a name; made when asked for, as all at once is half a model more.

        Raises:
            ModelFileError: when a weight is not what would be read back.
        """
        kind, _, key = name.partition("/")
        if kind + "/" == FROZEN:
            return np.ascontiguousarray(self.frozen[key])
        grid = self.grids.get(key)
        if kind + "/" == STEP and grid is not None:
            return np.ascontiguousarray(grid.steps)
        weights = self.weights[key]
        with np.errstate(over="ignore"):
            kept_as = PRECISIONS[self.precision]
            stored = weights.astype(kept_as) if grid is None else grid.integers
        if not same(stored.astype(np.float32) if grid is None else grid.weights(), weights):
            form = f"{self.precision} floats" if grid is None else "its integers times their steps"
            raise ModelFileError(f"{key} is not exactly {form}")
        return np.ascontiguousarray(stored)

    @classmethod
    def read(
        cls, tensors: dict[str, NDArray[Any]], quantized: Mapping[str, Mapping[str, Any]]
    ) -> Contents:
        """The inverse of all ``tensor``.

        Args:
            tensors: by their names; taken out one by one, so that no more than a model is in
                memory.
            quantized: of each quantized weight what ``WeightGrid.to_dict`` gave.

        Raises:
            ModelFileError: when integers or their steps are missing, or do not fit together.
        """
        grids = {}
        for name, values in quantized.items():
            integers, steps = tensors.get(WEIGHT + name), tensors.get(STEP + name)
            if integers is None or steps is None or steps.dtype != np.float32:
                raise ModelFileError(f"the integers of {name} are missing, or their steps")
            grids[name] = WeightGrid.from_dict(values, integers, steps)
        stored, frozen, precision = {}, {}, HALF
        for name in sorted(tensors):
            array = tensors.pop(name)
            key = name.partition("/")[2]
            if name.startswith(WEIGHT):
                stored[key] = grids.get(key, array)
                if key not in grids and array.dtype == np.float32:
                    precision = SINGLE
            elif name.startswith(FROZEN):
                frozen[key] = array
        return cls(_Weights(stored), grids, frozen, precision)


class _Weights(Mapping[str, "NDArray[np.float32]"]):
    """Weights in float32, each made when it is first asked for: whoever codes needs few of them.

    Args:
        stored: floats, or a grid.
    """

    def __init__(self, stored: dict[str, WeightGrid | NDArray[Any]]) -> None:
        self._stored = stored

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        own = self._stored[name]
        if isinstance(own, WeightGrid):
            own = own.weights()
        made: NDArray[np.float32] = own.astype(np.float32, copy=False)
        self._stored[name] = made
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)


def same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two arrays are alike to the bit, of one type and shape."""
    return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
