"""A graph as the bytes of an ONNX file.

A protobuf message is a list of fields, each its number, a kind and a value: a whole number of seven
bits to a byte, or bytes with their length before them. Which number means what is ONNX's schema
(``onnx.proto``); the constants below are the part of it that is written. Fields with the value that
a reader takes for granted are left out, as in every protobuf.

Only what is written can be wrong, so this is strict: a name that is missing or given twice, an
operator's domain without a version, or a value that nothing makes is an error and not a file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from slimcodec.graphs.ir import DataType, ExternalTensor, Graph, Model, Node, Tensor, Value

__all__ = ["save", "to_bytes"]

_VARINT, _BYTES, _FLOAT = 0, 2, 5
_EXTERNAL = 1
_ATTRIBUTE_FLOAT, _ATTRIBUTE_INT, _ATTRIBUTE_STRING = 1, 2, 3
_ATTRIBUTE_FLOATS, _ATTRIBUTE_INTS = 6, 7


def save(model: Model, path: Path) -> None:
    """Write a model; tensors that lie in another file are looked for beside it."""
    path.write_bytes(to_bytes(model))


def to_bytes(model: Model) -> bytes:
    """A model as the content of an ONNX file.

    Raises:
        ValueError: when the graph is not sound.
        TypeError: when an attribute is of no kind that ONNX knows.
    """
    _check(model)
    return b"".join(
        (
            _number(1, model.ir_version),
            _text(2, "slimcodec"),
            _bytes(7, _graph(model.graph)),
            *(
                _bytes(8, _text(1, domain) + _number(2, version))
                for domain, version in sorted(model.opset_imports.items())
            ),
        )
    )


def _graph(graph: Graph) -> bytes:
    return b"".join(
        (
            *(_bytes(1, _node(node)) for node in graph),
            _text(2, graph.name),
            *(_bytes(5, _tensor(name, value)) for name, value in graph.initializers.items()),
            *(_bytes(11, _value(value)) for value in graph.inputs),
            *(_bytes(12, _value(value)) for value in graph.outputs),
            *(_bytes(13, _value(value)) for value in _between(graph)),
        )
    )


def _between(graph: Graph) -> Iterator[Value]:
    """Values inside the graph whose type and shape are known. A runtime cannot tell by itself that
    two sides behind strides or shuffles are equal, and ONNX Runtime adds what two convolutions make
    inside the second one only where it knows."""
    outer = {*graph.inputs, *graph.outputs}
    for node in graph:
        for out in node.outputs:
            if out not in outer and out.shape is not None and out.dtype is not None:
                yield out


def _node(node: Node) -> bytes:
    return b"".join(
        (
            # Those that are missing are written too: an input is known by its place.
            *(_bytes(1, (value.name or "").encode() if value else b"") for value in node.inputs),
            *(_text(2, out.name or "") for out in node.outputs),
            _text(3, node.name or ""),
            _text(4, node.op_type),
            *(_bytes(5, _attribute(*item)) for item in sorted(node.attributes.items())),
            _text(7, node.domain),
        )
    )


def _attribute(name: str, value: Any) -> bytes:
    key = _text(1, name)
    if isinstance(value, bool):
        value = int(value)
    if isinstance(value, float):
        return key + _tag(2, _FLOAT) + struct.pack("<f", value) + _number(20, _ATTRIBUTE_FLOAT)
    if isinstance(value, int):
        return key + _number(3, value) + _number(20, _ATTRIBUTE_INT)
    if isinstance(value, str):
        return key + _bytes(4, value.encode()) + _number(20, _ATTRIBUTE_STRING)
    if isinstance(value, tuple) and all(isinstance(each, int) for each in value):
        numbers = b"".join(_tag(8, _VARINT) + _varint(each) for each in value)
        return key + numbers + _number(20, _ATTRIBUTE_INTS)
    if isinstance(value, tuple) and all(isinstance(each, float) for each in value):
        numbers = b"".join(_tag(7, _FLOAT) + struct.pack("<f", each) for each in value)
        return key + numbers + _number(20, _ATTRIBUTE_FLOATS)
    raise TypeError(f"the attribute {name} cannot be {value!r}")


def _tensor(name: str, value: Value) -> bytes:
    tensor = value.const_value
    assert tensor is not None
    facts = b"".join(_tag(1, _VARINT) + _varint(side) for side in tensor.shape)
    facts += _number(2, tensor.dtype) + _text(8, name)
    if isinstance(tensor, Tensor):
        return facts + _bytes(9, tensor.tobytes())
    place = {"location": tensor.location, "offset": tensor.offset, "length": tensor.length}
    entries = (_bytes(13, _text(1, key) + _text(2, str(own))) for key, own in place.items())
    return facts + b"".join(entries) + _number(14, _EXTERNAL)


def _value(value: Value) -> bytes:
    kind = DataType.FLOAT if value.dtype is None else value.dtype
    facts = _number(1, kind)
    if value.shape is not None:
        facts += _bytes(2, b"".join(_bytes(1, _side(side)) for side in value.shape))
    return _text(1, value.name or "") + _bytes(2, _bytes(1, facts))


def _side(side: Any) -> bytes:
    if side is None:
        return b""
    return _tag(1, _VARINT) + _varint(side) if isinstance(side, int) else _text(2, str(side))


def _text(field: int, text: str) -> bytes:
    return _bytes(field, text.encode()) if text else b""


def _number(field: int, value: int) -> bytes:
    return _tag(field, _VARINT) + _varint(value) if value else b""


def _bytes(field: int, data: bytes) -> bytes:
    return _tag(field, _BYTES) + _varint(len(data)) + data


def _tag(field: int, kind: int) -> bytes:
    return _varint(field << 3 | kind)


def _varint(value: int) -> bytes:
    """A whole number, those below zero as the 64-bit number that has their bits."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _check(model: Model) -> None:
    graph = model.graph
    known: dict[str, Value] = {}
    for value in (*graph.inputs, *graph.initializers.values()):
        _meet(known, value)
    for name, value in graph.initializers.items():
        if value.name != name or not isinstance(value.const_value, Tensor | ExternalTensor):
            raise ValueError(f"the constant {name} has another name or no elements")
    names: set[str | None] = {""}
    for node in graph:
        if node.name in names or node.name is None:
            raise ValueError(f"an operator {node.op_type} has no name of its own: {node.name!r}")
        names.add(node.name)
        if node.domain not in model.opset_imports:
            raise ValueError(f"{node.name} is of {node.domain!r}, whose version is not said")
        for value in _there(node.inputs):
            _find(known, value, node.name)
        for out in node.outputs:
            _meet(known, out)
    for out in graph.outputs:
        _find(known, out, "the graph")


def _meet(known: dict[str, Value], value: Value) -> None:
    if not value.name or value.name in known:
        raise ValueError(f"a value has no name of its own: {value.name!r}")
    known[value.name] = value


def _find(known: Mapping[str, Value], value: Value, reader: str) -> None:
    if known.get(value.name or "") is not value:
        raise ValueError(f"{reader} reads {value.name}, which nothing makes before it")


def _there(values: Iterable[Value | None]) -> Iterator[Value]:
    return (value for value in values if value is not None)
