"""Tensors of a checkpoint: described first, read when they are asked for.

A description is a claim. Before a number is read it must fit into the bytes that come with it: a
view of one number can claim terabytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.torch_file.pickles import Named, Record
from slimcodec.errors import CheckpointError

__all__ = ["DTYPES", "Storage", "Tensor", "bytes_of", "numpy_dtype", "storage_dtype", "tensor_of"]

DTYPES: Mapping[str, str] = {
    "float64": "f8", "float32": "f4", "float16": "f2", "bfloat16": "u2",
    "int64": "i8", "int32": "i4", "int16": "i2", "int8": "i1", "uint8": "u1", "bool": "?",
    "uint16": "u2", "uint32": "u4", "uint64": "u8",
}  # fmt: skip
"""Plain numbers by torch's name, as numpy reads their bytes; bfloat16 as the halves they are."""
_STORAGES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16", "LongStorage": "int64", "IntStorage": "int32",
    "ShortStorage": "int16", "CharStorage": "int8", "ByteStorage": "uint8", "BoolStorage": "bool",
}  # fmt: skip
_UNTYPED = "untyped"
_REBUILT = {"torch._utils._rebuild_tensor": 4, "torch._utils._rebuild_tensor_v2": 4}
_REBUILT_WITH_TYPE = "torch._utils._rebuild_tensor_v3"
_PARAMETERS = {"torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"}
_OF_TYPE = "torch._tensor._rebuild_from_type_v2"
_ARRAYS = {
    f"numpy.{core}.{made}"
    for core in ("core", "_core")
    for made in ("multiarray._reconstruct", "numeric._frombuffer")
}
_WRAPPERS = 4
"""Parameters of parameters: so deep at most."""
MOST_AXES = 16
_MOST_PLACES = 1 << 48
"""Of a tensor, its sides of nothing counted as one."""


@dataclass
class Storage:
    """Numbers in a row, as a file has them.

    Attributes:
        dtype: torch's name, ``"untyped"``, or the storage's own where it is of no plain numbers.
        count: of numbers that the pickle claims, of bytes where it is untyped.
        read: their bytes; checks that there are so many.
        big: whether the highest byte comes first.
    """

    dtype: str
    count: int
    read: Callable[[], bytes | memoryview]
    big: bool = False


@dataclass(frozen=True, eq=False)
class Tensor:
    """A view of a storage; an array once it is asked for (``numpy.asarray``).

    Attributes:
        dtype: torch's name.
        offset, shape, strides: in numbers.
    """

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def ndim(self) -> int:
        """Axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Numbers."""
        return math.prod(self.shape)

    def check(self, name: str) -> None:
        """Raises:
        CheckpointError: naming the tensor, when it is of no plain numbers, or claims more of them
            than its storage has.
        """
        if self.dtype not in DTYPES:
            raise CheckpointError(f"{name} is not a plain array of numbers")
        if math.prod(max(side, 1) for side in self.shape) > _MOST_PLACES:
            raise CheckpointError(f"{name} has sides that no memory holds")
        count = self.storage.count
        if self.storage.dtype == _UNTYPED:
            count //= np.dtype(DTYPES[self.dtype]).itemsize
        reach = self.offset + sum(
            (n - 1) * s for n, s in zip(self.shape, self.strides, strict=True)
        )
        if self.size and (self.size > count or reach >= count):
            raise CheckpointError(f"{name} claims {self.size:,} numbers, more than the file holds")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        self.check("a tensor")
        form = np.dtype(DTYPES[self.dtype]).newbyteorder(">" if self.storage.big else "<")
        data = memoryview(self.storage.read())
        row = np.frombuffer(data[: len(data) // form.itemsize * form.itemsize], form)
        if self.size and row.size < self.storage.count // (
            form.itemsize if self.storage.dtype == _UNTYPED else 1
        ):
            raise CheckpointError("a tensor claims more numbers than the file holds")
        if not self.size:
            view = np.zeros(self.shape, form)
        else:
            steps = tuple(own * form.itemsize for own in self.strides)
            view = np.lib.stride_tricks.as_strided(
                row[self.offset :], self.shape, steps, writeable=False
            )
        if self.dtype == "bfloat16":
            halves = view.astype(np.uint16)
            view = (halves.astype(np.uint32) << 16).view(np.float32)
        return np.array(view, dtype=dtype or np.float32, order="C")


def storage_dtype(kind: Any) -> str:
    """Of a storage's class as a pickle names it, ``torch.FloatStorage``."""
    name = kind.name.rpartition(".")[2] if isinstance(kind, Named) else "?"
    return _UNTYPED if name == "UntypedStorage" else _STORAGES.get(name, name)


def tensor_of(value: Any, depth: int = 0) -> Tensor | NDArray[Any] | None:
    """The tensor that a record describes; None where it describes none of a kind that is known.

    Raises:
        CheckpointError: when a description makes no sense.
    """
    if isinstance(value, Tensor):
        return value
    if not isinstance(value, Record) or depth > _WRAPPERS:
        return None
    name, arguments = value.name, value.arguments
    if name in _PARAMETERS and arguments:
        return tensor_of(arguments[0], depth + 1)
    if name == _OF_TYPE and len(arguments) > 2 and isinstance(arguments[0], Named):
        inner = arguments[2]
        made = Record(arguments[0].name, inner if type(inner) is tuple else ())
        return tensor_of(made, depth + 1)
    if name in _ARRAYS:
        return _numpy_array(value)
    if name not in _REBUILT and name != _REBUILT_WITH_TYPE:
        return None
    if len(arguments) < 4 or not isinstance(arguments[0], Storage):
        return None
    storage, offset, shape, strides = arguments[:4]
    dtype = storage.dtype
    if name == _REBUILT_WITH_TYPE:
        own = arguments[6] if len(arguments) > 6 else None
        dtype = own.name.removeprefix("torch.") if isinstance(own, Named) else "?"
    shape, strides = _whole(shape), _whole(strides)
    if shape is None or strides is None or len(shape) != len(strides) or not _is_place(offset):
        raise CheckpointError("a tensor's shape is no list of whole numbers")
    return Tensor(storage, dtype, offset, shape, strides)


def _whole(value: Any) -> tuple[int, ...] | None:
    if isinstance(value, Record) and value.name == "torch.Size" and value.arguments:
        value = value.arguments[0]
    if not isinstance(value, tuple | list) or len(value) > MOST_AXES:
        return None
    return tuple(value) if all(map(_is_place, value)) else None


def _is_place(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 62


def _numpy_array(record: Record) -> NDArray[Any] | None:
    """An array that numpy pickled: its bytes, type and shape, and whether columns come first."""
    match record.state, record.arguments:
        case (int(), shape, Record(name="numpy.dtype") as kind, bool(columns), data), _:
            order = "F" if columns else "C"
        case None, (data, Record(name="numpy.dtype") as kind, shape, ("C" | "F") as order):
            pass
        case _:
            return None
    form, sides, row = numpy_dtype(kind), _whole(shape), bytes_of(data)
    if form is None or sides is None or row is None or math.prod(sides) * form.itemsize != len(row):
        return None
    if order == "F":
        return np.frombuffer(row, form).reshape(sides[::-1]).T
    return np.frombuffer(row, form).reshape(sides)


def bytes_of(value: Any) -> bytes | None:
    """As protocols before 3 write them, too: a text and how to encode it."""
    match value:
        case bytes() | bytearray():
            return bytes(value)
        case Record(name="_codecs.encode", arguments=(str(text), "latin1")):
            return text.encode("latin1", "replace")
    return None


def numpy_dtype(kind: Record) -> np.dtype[Any] | None:
    """Of plain numbers, as a pickle has it; None for all others."""
    text = kind.arguments[0] if kind.arguments else None
    order = kind.state[1] if type(kind.state) is tuple and len(kind.state) > 1 else "<"
    if type(text) is not str or text.lstrip("<>=|") not in _NUMPY or order not in ("<", ">", "|"):
        return None
    return np.dtype((">" if order == ">" else "<") + text.lstrip("<>=|"))


_NUMPY = {f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)} | {"f2", "f4", "f8", "b1"}
