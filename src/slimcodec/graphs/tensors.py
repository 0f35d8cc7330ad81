"""Elements, their types and how many there are: what constants hold and values are known by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["DataType", "ExternalTensor", "Shape", "Tensor", "TensorType", "tensor"]


class DataType(IntEnum):
    """Types of elements, by ONNX's numbers."""

    FLOAT = 1
    UINT8 = 2
    INT8 = 3
    UINT16 = 4
    INT16 = 5
    INT32 = 6
    INT64 = 7
    BOOL = 9
    FLOAT16 = 10
    DOUBLE = 11

    @classmethod
    def from_numpy(cls, dtype: np.dtype[Any]) -> DataType:
        """The type of an array's elements; ``TypeError`` where graphs have none like it."""
        name = {"float32": "FLOAT", "float64": "DOUBLE"}.get(dtype.name, dtype.name.upper())
        if name not in cls.__members__:
            raise TypeError(f"a tensor of {dtype} has no place in a graph")
        return cls[name]

    def numpy(self) -> np.dtype[Any]:
        """The same, as numpy says it."""
        name = {"FLOAT": "float32", "DOUBLE": "float64"}.get(self.name, self.name.lower())
        return np.dtype(name)


class Shape(tuple[Any, ...]):
    """Sides: a number, or whatever says how one depends on an input's, or None where unknown."""

    __slots__ = ()


@dataclass(frozen=True)
class TensorType:
    """What kind of elements a value has."""

    dtype: DataType


@dataclass(frozen=True)
class Tensor:
    """A constant's elements."""

    array: NDArray[Any]
    name: str | None = None

    @property
    def dtype(self) -> DataType:
        return DataType.from_numpy(self.array.dtype)

    @property
    def shape(self) -> Shape:
        return Shape(self.array.shape)

    @property
    def nbytes(self) -> int:
        return int(self.array.nbytes)

    def numpy(self) -> NDArray[Any]:
        return self.array

    def tobytes(self) -> bytes:
        """Elements in C order, little-endian."""
        return self.array.astype(self.array.dtype.newbyteorder("<"), copy=False).tobytes()


@dataclass(frozen=True)
class ExternalTensor:
    """A constant's elements in a file beside the graph's: so many bytes at an offset."""

    location: str
    offset: int
    length: int
    dtype: DataType
    shape: Shape
    name: str | None = None

    @property
    def nbytes(self) -> int:
        return self.length

    def numpy(self) -> NDArray[Any]:
        """Not to be had: whoever changes a constant does it before it is moved out."""
        raise TypeError(f"the elements of {self.name} lie in {self.location}")


def tensor(array: Any, name: str | None = None) -> Tensor:
    """An array as a constant's elements; a list of whole numbers becomes int64."""
    array = np.asarray(array)
    DataType.from_numpy(array.dtype)
    return Tensor(array, name)
