"""Rewritten graphs compute what the graphs computed, on ONNX Runtime, at any sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from slimcodec.graphs.shapes import Side
from slimcodec.graphs.tensors import Shape
from slimcodec.runtime.graphs.rewrites import (
    convolutions_as_products,
    few_outputs_as_blocks,
    gates_apart,
    transposed_as_convolution,
)
from slimcodec.runtime.graphs.wide import wide_as_integers
from tests.onnx_protos import from_proto, to_proto

Rewrite = Callable[[Any], Any]


class Graph:
    """An ONNX graph in the making; every operator's output is named after it."""

    def __init__(self, channels: int, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.channels = channels
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, array: Any, name: str | None = None) -> str:
        name = name or f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def add(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        names = [f"{kind}{len(self.nodes)}.{number}" for number in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, name=names[0], **attributes))
        return names[0] if outputs == 1 else names

    def weight(
        self, *shape: int, axis: int = 0, integers: bool = True, kind: type[Any] = np.int8
    ) -> str:
        """Integers with a step per output channel, as ``write_grids`` writes them, or floats."""
        most = 127 if kind is np.int8 else 2047
        name = f"layer{len(self.nodes)}.weight"
        if not integers:
            return self.constant(self.random.normal(size=shape).astype(np.float32), name)
        values = self.random.integers(-most, most + 1, shape).astype(kind)
        steps = self.random.uniform(0.001, 0.002, shape[axis]).astype(np.float32)
        return str(
            self.add(
                "DequantizeLinear",
                self.constant(values, f"{name}.integers"),
                self.constant(steps, f"{name}.steps"),
                self.constant(np.zeros(shape[axis], kind), f"{name}.zeros"),
                axis=axis,
            )
        )

    def bias(self, count: int) -> str:
        return self.constant(self.random.normal(size=count).astype(np.float32))

    def seen(self, x: str, signed: bool, reflect: Sequence[int] = (), inner: bool = False) -> str:
        """x on a grid; reflected around, before the dequantization or after."""
        step = self.constant(np.float32(1 / 64))
        zero = self.constant(np.array(0, np.int8 if signed else np.uint8))

        def padded(value: str) -> str:
            top, left, bottom, right = reflect
            sides = self.constant(np.array([0, 0, top, left, 0, 0, bottom, right]))
            return str(self.add("Pad", value, sides, mode="reflect"))

        x = self.add("QuantizeLinear", x, step, zero)
        x = padded(x) if reflect and inner else x
        x = self.add("DequantizeLinear", x, step, zero)
        return padded(x) if reflect and not inner else x

    def rounded(self, x: str, step: float, lowest: int, highest: int) -> str:
        """x on a grid of more than eight bits, in floats, as ``write_grids`` writes it."""
        size, *ends = (self.constant(np.float32(value)) for value in (step, lowest, highest))
        return str(
            self.add(
                "Mul", self.add("Clip", self.add("Round", self.add("Div", x, size)), *ends), size
            )
        )

    def model(self, out: str) -> Any:
        self.nodes.append(helper.make_node("Identity", [out], ["out"]))
        graph = helper.make_graph(
            self.nodes,
            "graph",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, self.channels, "h", "w"])],
            [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, None, None, None])],
            self.constants,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def run(model: Any, sides: tuple[int, int]) -> NDArray[np.float32]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # As the nodes say it, not as the runtime would take them together.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    channels = session.get_inputs()[0].shape[1]
    x = np.random.default_rng(1).normal(size=(1, channels, *sides)).astype(np.float32)
    out: NDArray[np.float32] = session.run(None, {"x": x})[0]
    return out


def same_after(model: Any, rewrite: Rewrite, *every_sides: tuple[int, int]) -> Counter[str]:
    """The operators of the rewritten graph, which computes the same."""
    rewritten = to_proto(rewrite(from_proto(model)))
    for sides in every_sides:
        before, after = run(model, sides), run(rewritten, sides)
        assert after.shape == before.shape
        np.testing.assert_allclose(after, before, rtol=0, atol=2e-6 * np.abs(before).max())
    return Counter(node.op_type for node in rewritten.graph.node)


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("integers", [False, True])
def test_gates_come_apart(hidden: bool, integers: bool) -> None:
    g = Graph(6)
    gates = g.add("Conv", g.seen("x", True), g.weight(12, 6, 3, 3, integers=integers), g.bias(12),
                  pads=[1] * 4)  # fmt: skip
    if hidden:
        more = g.add("Conv", g.seen("x", True), g.weight(12, 6, 1, 1, integers=integers))
        gates = g.add("Add", gates, more)
    enter, forget, new, out = g.add("Split", gates, outputs=4, axis=1, num_outputs=4)
    kept = g.add("Mul", g.add("Sigmoid", enter), g.add("Tanh", new))
    model = g.model(g.add("Add", kept, g.add("Mul", forget, g.add("Sigmoid", out))))
    kinds = same_after(model, gates_apart, (8, 6), (5, 7))
    assert kinds["Split"] == 0
    assert kinds["Conv"] == 4 * (1 + hidden)


def test_gates_that_something_else_reads_stay() -> None:
    g = Graph(4)
    gates = g.add("Conv", "x", g.weight(8, 4, 1, 1))
    first, second = g.add("Split", gates, outputs=2, axis=1, num_outputs=2)
    both = g.add("Concat", second, first, axis=1)
    assert same_after(g.model(g.add("Add", gates, both)), gates_apart, (3, 4))["Split"] == 1


@pytest.mark.parametrize("inner", [False, True])
def test_integer_convolutions_of_every_padding(inner: bool) -> None:
    g = Graph(5)
    x = g.seen("x", True, (1, 0, 2, 1), inner)
    x = g.add("Conv", x, g.weight(8, 5, 3, 3), g.bias(8), strides=[2, 2], pads=[1, 1, 0, 1])
    x = g.add("Conv", g.seen(x, True), g.weight(9, 8, 1, 1))
    x = g.add("Conv", g.seen(x, False), g.weight(4, 9, 3, 5), pads=[1, 2, 1, 2])
    kinds = same_after(
        g.model(x), lambda model: convolutions_as_products(model, 4), (10, 12), (9, 7)
    )
    assert kinds["Conv"] == 0


def test_convolutions_of_few_channels_or_floats_stay() -> None:
    g = Graph(5)
    x = g.add("Conv", g.seen("x", True), g.weight(8, 5, 1, 1))
    x = g.add("Conv", x, g.weight(8, 8, 1, 1))
    kinds = same_after(g.model(x), lambda model: convolutions_as_products(model, 6), (4, 4))
    assert kinds["Conv"] == 2


@pytest.mark.parametrize("integers", [False, True])
def test_few_outputs_become_blocks(integers: bool) -> None:
    g = Graph(6)
    x = g.seen("x", False, (3, 3, 3, 3))
    x = g.add("Conv", x, g.weight(3, 6, 7, 7, integers=integers), g.bias(3))
    x = g.add("Conv", x, g.weight(2, 3, 3, 3, integers=integers), pads=[1] * 4)
    kinds = same_after(g.model(x), few_outputs_as_blocks, (8, 10), (14, 6))
    assert kinds["DepthToSpace"] == 2


def test_few_outputs_whose_sides_may_be_odd_stay() -> None:
    g = Graph(6)
    x = g.seen("x", False, (1, 1, 1, 1))
    x = g.add("Conv", x, g.weight(3, 6, 3, 3), g.bias(3))
    model = from_proto(g.model(x))
    (layer,) = [node for node in model.graph if node.op_type == "Conv"]
    layer.outputs[0].shape = Shape((1, 3, Side.parse("h"), Side.parse("16w")))
    kinds = [node.op_type for node in few_outputs_as_blocks(model).graph]
    assert "Conv" in kinds and "DepthToSpace" not in kinds


@pytest.mark.parametrize("integers", [False, True])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "extra"),
    [
        (3, 2, 1, 1),  # HiFiC's
        (8, 4, 6, 0),  # windows that overlap by half, the outer ones cut off
        (8, 4, 2, 0),
        (6, 4, 5, 2),
        (5, 2, 2, 1),  # its hyperprior's
        (16, 16, 0, 0),  # a linear path's
        (3, 1, 1, 0),
        (4, 2, 1, 0),
        (2, 3, 0, 2),
        (5, 3, 0, 0),
        (7, 2, 1, 0),
        (3, 2, 2, 0),
    ],
)
def test_a_transposed_convolution_is_a_convolution_in_phases(
    kernel: int, stride: int, padding: int, extra: int, integers: bool
) -> None:
    g = Graph(5)
    x = g.add(
        "ConvTranspose",
        g.seen("x", False),
        g.weight(5, 3, kernel, kernel, axis=1, integers=integers),
        g.bias(3),
        strides=[stride] * 2,
        pads=[padding] * 4,
        output_padding=[extra] * 2,
    )
    kinds = same_after(g.model(x), transposed_as_convolution, (4, 6), (7, 5))
    assert kinds["ConvTranspose"] == 0
    assert kinds["Conv"] == 1


def test_windows_twice_as_wide_as_their_distance_see_two_inputs() -> None:
    """Not three: what is computed beside the picture is cut off."""
    g = Graph(5)
    x = g.add(
        "ConvTranspose", g.seen("x", False), g.weight(5, 3, 8, 8, axis=1), strides=[4, 4],
        pads=[6] * 4,
    )  # fmt: skip
    model = transposed_as_convolution(from_proto(g.model(x)))
    (conv,) = (node for node in model.graph if node.op_type == "Conv")
    assert list(conv.attributes.get_ints("kernel_shape", [])) == [2, 2]


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize(
    ("lowest", "highest", "kind", "products"),
    [
        (-20, 490, np.int8, 1),  # nine bits: two integers, one product of both
        (-400, 1640, np.int8, 1),
        (-21, 489, np.int8, 1),  # zero is not the same level of both
        (-32768, 32767, np.int8, 2),
        (-32768, 32767, np.int16, 4),
        (-2048, 2047, np.int16, 4),
    ],
)
def test_wide_layers_become_products_of_eight_bits(
    lowest: int, highest: int, kind: type[Any], products: int, behind: bool
) -> None:
    g = Graph(5)
    x = "x"
    if behind:
        x = g.add("Conv", g.seen(x, True), g.weight(6, 5, 1, 1), g.bias(6))
        x = g.add("LeakyRelu", x, alpha=0.25)
    channels = 6 if behind else 5
    step = 8 / (highest - lowest)
    x = g.rounded(x, step, lowest, highest)
    x = g.add("Conv", x, g.weight(4, channels, 3, 3, kind=kind), g.bias(4), pads=[1, 1, 1, 1])
    kinds = same_after(g.model(x), wide_as_integers, (8, 6), (5, 7))
    assert kinds["Conv"] == products + behind
    assert not kinds["Round"]


def test_constants_keep_their_layers_name() -> None:
    g = Graph(5)
    x = g.add("ConvTranspose", g.seen("x", False), g.weight(5, 3, 3, 3, axis=1), strides=[2, 2])
    model = transposed_as_convolution(from_proto(g.model(x)))
    assert "layer2.weight.phases.integers" in model.graph.initializers
    # What was replaced is gone.
    assert "layer2.weight.integers" not in model.graph.initializers
