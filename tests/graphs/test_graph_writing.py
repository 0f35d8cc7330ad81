"""Bytes that ONNX's own library reads as what was meant, and nothing unsound is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper

from slimcodec.graphs import ir, writing
from slimcodec.graphs.building import OPSET, Builder, constant
from tests.onnx_protos import to_proto

FLOAT = ir.TensorType(ir.DataType.FLOAT)


def model_of(*nodes: ir.Node, inputs: tuple[ir.Value, ...] = ()) -> ir.Model:
    graph = ir.Graph(inputs, [], nodes=nodes)
    graph.add_output(nodes[-1].outputs[0])
    return ir.Model(graph, {"": OPSET})


def an_input(name: str = "x") -> ir.Value:
    return ir.Value(name, shape=ir.Shape((1, 3, "h", None)), type=FLOAT)


@given(st.integers(-(2**63), 2**63 - 1))
def test_whole_numbers(value: int) -> None:
    proto = onnx.AttributeProto.FromString(writing._attribute("a", value))
    assert proto.i == value and proto.type == onnx.AttributeProto.INT


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (0, "INT"), (True, "INT"), (0.0, "FLOAT"), (-2.5, "FLOAT"), ("", "STRING"),
        ("reflect", "STRING"), ((1, -1, 0), "INTS"), ((0.5, 1.5), "FLOATS"),
    ],
)  # fmt: skip
def test_attributes(value: Any, kind: str) -> None:
    proto = onnx.AttributeProto.FromString(writing._attribute("a", value))
    assert onnx.AttributeProto.AttributeType.Name(proto.type) == kind
    read = onnx.helper.get_attribute_value(proto)
    read = read.decode() if isinstance(read, bytes) else read
    assert (tuple(read) if isinstance(value, tuple) else read) == value


def test_an_attribute_of_no_kind() -> None:
    with pytest.raises(TypeError, match="shape"):
        writing._attribute("shape", {"a": 1})


@pytest.mark.parametrize("kind", list(ir.DataType))
def test_tensors_of_every_type(kind: ir.DataType) -> None:
    array = np.array([[0, 1, 1], [1, 0, 1]]).astype(kind.numpy())
    graph = ir.Graph([], [])
    value = constant(graph, "c", array)
    proto = onnx.TensorProto.FromString(writing._tensor("c", value))
    np.testing.assert_array_equal(numpy_helper.to_array(proto), array)
    assert proto.data_type == kind and value.dtype is kind
    assert ir.DataType.from_numpy(kind.numpy()) is kind


def test_scalars_and_empty_tensors() -> None:
    for array in (np.array(3, np.int64), np.zeros((0, 3), np.float32)):
        value = constant(ir.Graph([], []), "c", array)
        proto = onnx.TensorProto.FromString(writing._tensor("c", value))
        read = numpy_helper.to_array(proto)
        assert read.shape == array.shape and read.dtype == array.dtype


def test_other_types_have_no_place() -> None:
    with pytest.raises(TypeError, match="complex"):
        ir.tensor(np.zeros(1, np.complex64))


def test_a_whole_model(tmp_path: Path) -> None:
    build = Builder({"l.weight": np.ones((8, 3, 1, 1), np.float32)}, {"x": (1, 3, "16h", "w")})
    model = build.finished({"out": build.conv("l", build["x"])})
    proto = to_proto(model)
    sides = [d.dim_param or d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim]
    assert sides == [1, 3, "16*h", "w"]
    assert [(o.domain, o.version) for o in proto.opset_import] == [("", OPSET)]
    assert proto.graph.node[0].name == "l.weight.layer"
    writing.save(model, tmp_path / "graph.onnx")
    assert (tmp_path / "graph.onnx").read_bytes() == writing.to_bytes(model)


def test_tensors_in_another_file(tmp_path: Path) -> None:
    array = np.arange(12, dtype=np.float32)
    (tmp_path / "weights.bin").write_bytes(b"before" + array.tobytes())
    x = an_input()
    model = model_of(ir.node("Mul", [x, x]), inputs=(x,))
    value = constant(model.graph, "c", array)
    place = ("weights.bin", 6, array.nbytes, ir.DataType.FLOAT, ir.Shape((12,)))
    value.const_value = ir.ExternalTensor(*place, name="c")
    with pytest.raises(TypeError, match=r"lie in weights\.bin"):
        value.const_value.numpy()
    writing.save(model, tmp_path / "graph.onnx")
    proto = onnx.load(tmp_path / "graph.onnx")
    np.testing.assert_array_equal(numpy_helper.to_array(proto.graph.initializer[0]), array)


def test_an_input_that_is_missing_keeps_its_place() -> None:
    x = an_input()
    model = model_of(ir.node("Clip", [x, None, x]), inputs=(x,))
    proto = onnx.ModelProto.FromString(writing.to_bytes(model))
    assert list(proto.graph.node[0].input) == ["x", "", "x"]


def test_what_is_not_sound_is_not_written() -> None:
    x, stranger = an_input(), ir.Value("stranger")
    node = ir.node("Relu", [x], name="a")
    unsound = {
        "which nothing makes": model_of(ir.node("Add", [x, stranger]), inputs=(x,)),
        "no name of its own": model_of(ir.node("Relu", [x], name="a"), node, inputs=(x,)),
        "whose version is not said": model_of(ir.node("Q", [x], domain="some"), inputs=(x,)),
        "no elements": model_of(ir.node("Relu", [x]), inputs=(x,)),
    }
    empty = unsound["no elements"].graph
    empty.initializers["c"] = ir.Value("c")
    for words, model in unsound.items():
        with pytest.raises(ValueError, match=words):
            writing.to_bytes(model)


def test_two_values_of_one_name() -> None:
    x = an_input()
    first, second = ir.node("Relu", [x]), ir.node("Abs", [x])
    model = model_of(first, second, inputs=(x,))
    second.outputs[0].name = first.outputs[0].name
    with pytest.raises(ValueError, match="no name of its own"):
        writing.to_bytes(model)
