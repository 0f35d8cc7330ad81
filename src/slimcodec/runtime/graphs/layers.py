"""Layers of an ONNX graph as rewrites see them: read out, and written in changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.graphs import ir
from slimcodec.graphs.building import constant

__all__ = [
    "LIFT",
    "Maker",
    "Rounded",
    "Seen",
    "Weights",
    "array_of",
    "attributes_of",
    "four_times",
    "is_plain",
    "made_by",
    "replace",
    "seen_by_layer",
    "swept",
    "weights_of",
]

LIFT = 128
"""What lifts int8 to uint8."""
_MOST_SUMMED = 8


@dataclass(frozen=True)
class Weights:
    """A layer's weights, floats or integers with steps along ``axis``, and its bias."""

    name: str
    array: NDArray[Any]
    steps: NDArray[np.float32] | None
    bias: NDArray[np.float32] | None
    axis: int

    def every(self, change: Any) -> tuple[Any, Any]:
        """Steps and bias, what there is of them, changed alike."""
        steps = None if self.steps is None else change(self.steps)
        return steps, None if self.bias is None else change(self.bias)

    def changed(
        self, array: NDArray[Any], others: tuple[Any, Any], axis: int | None = None
    ) -> Weights:
        return Weights(self.name, array, *others, self.axis if axis is None else axis)

    def written(self, graph: ir.Graph, before: ir.Node, suffix: str) -> ir.Value:
        """As constants of a graph, with the dequantization that integers need."""
        name = f"{self.name}.{suffix}"
        array = np.ascontiguousarray(self.array)
        if self.steps is None:
            return constant(graph, name, array)
        operands = [
            constant(graph, f"{name}.integers", array),
            constant(graph, f"{name}.steps", self.steps),
            constant(graph, f"{name}.zeros", np.zeros(len(self.steps), array.dtype)),
        ]
        make = Maker(graph, before, f"{name}.dequantize")
        out = make("DequantizeLinear", *operands, axis=self.axis)
        out.shape, out.type = ir.Shape(array.shape), ir.TensorType(ir.DataType.FLOAT)
        return out

    def bias_written(self, graph: ir.Graph, suffix: str) -> ir.Value:
        assert self.bias is not None
        return constant(graph, f"{self.name}.{suffix}.bias", self.bias)


def weights_of(node: ir.Node) -> Weights | None:
    """None where they are not constants of the graph, or not of a plain layer."""
    value = node.inputs[1] if len(node.inputs) > 1 else None
    bias = array_of(node.inputs[2]) if len(node.inputs) > 2 else None
    if value is None or (len(node.inputs) > 2 and node.inputs[2] is not None and bias is None):
        return None
    axis = 1 if node.op_type == "ConvTranspose" else 0
    dequantize = made_by(value, "DequantizeLinear")
    source = value if dequantize is None else dequantize.inputs[0]
    array = array_of(source)
    if source is None or array is None or array.ndim != 4:
        return None
    name = (source.name or "weight").removesuffix(".integers")
    if dequantize is None:
        return Weights(name, array, None, bias, axis)
    steps = array_of(dequantize.inputs[1])
    zeros = array_of(dequantize.inputs[2]) if len(dequantize.inputs) > 2 else None
    if steps is None or steps.ndim != 1 or dequantize.attributes.get_int("axis", 1) != axis:
        return None
    if array.dtype not in (np.int8, np.int16) or (zeros is not None and zeros.any()):
        return None
    return Weights(name, array, steps, bias, axis)


@dataclass(frozen=True)
class Seen:
    """A layer's input as integers: quantization, then padding."""

    quantize: ir.Node
    step: ir.Value
    step_size: np.float32
    signed: bool
    padding: tuple[ir.Node, ...]
    zeros: tuple[int, ...]

    @property
    def lift(self) -> int:
        """What zero is among the unsigned integers."""
        return LIFT if self.signed else 0

    def unsigned(
        self, graph: ir.Graph, before: ir.Node, ready: dict[tuple[Any, ...], ir.Value]
    ) -> ir.Value:
        """The integers as uint8, padded, made once for all layers that see the same."""
        key: tuple[Any, ...] = (self.quantize,)
        value = self.quantize.outputs[0]
        if self.signed:
            make = Maker(graph, self.quantize, f"{self.quantize.name}.unsigned")
            if key not in ready:
                zero = make.number(LIFT, np.uint8)
                x = self.quantize.inputs[0]
                ready[key] = make("QuantizeLinear", x, self.step, zero)
                ready[key].shape, ready[key].type = value.shape, ir.TensorType(ir.DataType.UINT8)
            value = ready[key]
        for pad in self.padding:
            key = (*key, pad)
            if key not in ready:
                make = Maker(graph, pad, f"{pad.name}.unsigned")
                mode = pad.attributes.get_string("mode", "constant")
                fill = [make.number(self.lift, np.uint8)] if mode == "constant" else []
                ready[key] = make("Pad", value, pad.inputs[1], *fill, mode=mode)
            value = ready[key]
        if any(self.zeros):
            key = (*key, self.zeros)
            if key not in ready:
                make = Maker(graph, before, f"{value.name}.padded")
                top, left, bottom, right = self.zeros
                sides = make.number([0, 0, top, left, 0, 0, bottom, right])
                ready[key] = make("Pad", value, sides, make.number(self.lift, np.uint8))
            value = ready[key]
        return value


def seen_by_layer(node: ir.Node) -> Seen | None:
    """None where the input is not quantized by one step, to eight bits around zero."""
    value, step, padding = node.inputs[0], None, []
    while True:
        producer = value.producer() if value is not None else None
        if producer is None:
            return None
        if producer.op_type == "Pad" and len(producer.inputs) == 2:
            padding.append(producer)
        elif producer.op_type == "DequantizeLinear" and step is None:
            step = producer.inputs[1]
        elif producer.op_type == "QuantizeLinear" and step is not None:
            break
        else:
            return None
        value = producer.inputs[0]
    size, zero = array_of(step), array_of(producer.inputs[2]) if len(producer.inputs) > 2 else None
    if size is None or size.ndim or zero is None or zero.any():
        return None
    if zero.dtype not in (np.int8, np.uint8) or not is_plain(node):
        return None
    zeros = tuple(node.attributes.get_ints("pads", [0] * 4))
    return Seen(
        producer, step, np.float32(size), zero.dtype == np.int8, tuple(reversed(padding)), zeros
    )


@dataclass(frozen=True)
class Rounded:
    """x on a grid of more than eight bits, as ``grids`` writes it in floats."""

    x: ir.Value
    step: np.float32
    lowest: int
    highest: int

    @classmethod
    def of(cls, value: ir.Value | None) -> Rounded | None:
        multiply = made_by(value, "Mul")
        clip = made_by(multiply.inputs[0], "Clip") if multiply is not None else None
        rounded = made_by(clip.inputs[0], "Round") if clip is not None else None
        divide = made_by(rounded.inputs[0], "Div") if rounded is not None else None
        if multiply is None or clip is None or divide is None or divide.inputs[0] is None:
            return None
        step, again = array_of(divide.inputs[1]), array_of(multiply.inputs[1])
        ends = [array_of(value) for value in clip.inputs[1:3]]
        if step is None or step.ndim or again is None or (step != again).any():
            return None
        lowest, highest = (int(end) for end in ends if end is not None)
        return cls(divide.inputs[0], np.float32(step), lowest, highest)

    @property
    def parts(self) -> int | None:
        """How many integers of eight bits it is the sum of; None where it is two bytes."""
        parts, rest = divmod(self.highest - self.lowest, 255)
        return parts if rest == 0 and 1 < parts <= _MOST_SUMMED else None


class Maker:
    """Makes nodes before another one."""

    def __init__(self, graph: ir.Graph, before: ir.Node, name: str) -> None:
        self.graph, self.before, self.name = graph, before, name
        self.count = 0

    def __call__(
        self, kind: str, *inputs: ir.Value | None, domain: str = "", **attributes: Any
    ) -> ir.Value:
        self.count += 1
        name = f"{self.name}.{self.count}"
        node = ir.node(kind, inputs, attributes, domain=domain, name=name)
        self.graph.insert_before(self.before, node)
        return node.outputs[0]

    def number(self, value: Any, kind: Any = np.int64) -> ir.Value:
        array = np.array(value, kind)
        text = "_".join(map(str, array.ravel().tolist()))
        return constant(self.graph, f"{array.dtype}.{array.ndim}.{text}", array)


def array_of(value: ir.Value | None) -> NDArray[Any] | None:
    """What a constant holds."""
    tensor = value.const_value if value is not None else None
    return tensor.numpy() if isinstance(tensor, ir.Tensor) else None


def made_by(value: ir.Value | None, *kinds: str) -> ir.Node | None:
    node = value.producer() if value is not None else None
    return node if node is not None and node.op_type in kinds else None


def is_plain(node: ir.Node) -> bool:
    """Neither groups nor dilations nor padding by name."""
    return (
        node.attributes.get_int("group", 1) == 1
        and set(node.attributes.get_ints("dilations", [1])) == {1}
        and node.attributes.get_string("auto_pad", "NOTSET") == "NOTSET"
    )


def attributes_of(node: ir.Node) -> dict[str, Any]:
    return dict(node.attributes)


def four_times(values: NDArray[Any]) -> NDArray[Any]:
    return np.tile(values, 4)


def replace(graph: ir.Graph, node: ir.Node, value: ir.Value) -> None:
    """One output for another, and its shape and type with it."""
    old = node.outputs[0]
    value.shape, value.type = old.shape, old.type
    old.replace_all_uses_with(value, replace_graph_outputs=True)
    graph.remove(node, safe=True)


def swept(model: ir.Model) -> ir.Model:
    """Without what nothing uses any more."""
    graph = model.graph
    kept = set(graph.outputs)
    for node in reversed(list(graph)):
        if not any(out.uses() or out in kept for out in node.outputs):
            graph.remove(node, safe=True)
    for name, value in list(graph.initializers.items()):
        if not value.uses() and value not in kept:
            del graph.initializers[name]
    return model
