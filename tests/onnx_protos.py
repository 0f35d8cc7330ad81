"""ONNX's own library as the other side: its messages as our graphs, our bytes as its messages."""

from __future__ import annotations

from typing import Any

import onnx
from onnx import numpy_helper

from slimcodec.graphs import ir
from slimcodec.graphs.building import constant
from slimcodec.graphs.writing import to_bytes


def to_proto(model: ir.Model) -> onnx.ModelProto:
    """What is written, read by onnx and checked, types and shapes too."""
    proto = onnx.load_from_string(to_bytes(model))
    if not set(model.opset_imports) - {""}:
        onnx.checker.check_model(proto, full_check=True)
    return proto


def from_proto(proto: onnx.ModelProto) -> ir.Model:
    """A model whose tensors lie inside it."""
    inputs = [_value(info) for info in proto.graph.input]
    graph = ir.Graph(inputs, [])
    known: dict[str, ir.Value] = {str(value.name): value for value in inputs}
    for initializer in proto.graph.initializer:
        array = numpy_helper.to_array(initializer)
        known[initializer.name] = constant(graph, initializer.name, array)
    for own in proto.graph.node:
        attributes = {a.name: _plain(onnx.helper.get_attribute_value(a)) for a in own.attribute}
        node = ir.node(
            own.op_type,
            [known[name] if name else None for name in own.input],
            attributes,
            domain=own.domain,
            num_outputs=len(own.output),
            name=own.name or None,
        )
        for out, name in zip(node.outputs, own.output, strict=True):
            out.name = name
            known[name] = out
        graph.append(node)
    for info in (*proto.graph.value_info, *proto.graph.output):
        shaped = _value(info)
        known[info.name].shape, known[info.name].type = shaped.shape, shaped.type
    for info in proto.graph.output:
        graph.add_output(known[info.name])
    return ir.Model(graph, {each.domain: each.version for each in proto.opset_import})


def _value(info: Any) -> ir.Value:
    kind = info.type.tensor_type
    sides = [side.dim_param or (side.dim_value or None) for side in kind.shape.dim]
    return ir.Value(
        info.name, shape=ir.Shape(sides), type=ir.TensorType(ir.DataType(kind.elem_type))
    )


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    return tuple(value) if isinstance(value, list) else value
