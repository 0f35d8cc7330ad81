"""A model's quantization written into an ONNX graph, as quantize and dequantize nodes.

    weights     integers as they are stored ─► DequantizeLinear ─► the layer
    inputs      x ─► QuantizeLinear ─► DequantizeLinear ─► the layer

A runtime that knows integer kernels takes the nodes around a layer into the layer; one that does
not computes what they say, which is the same. Reflection padding moves values and makes none, so
the nodes stand before it, and a padding of integers is a quarter of the traffic; ONNX Runtime wants
the dequantization right before the layer, OpenVINO right behind the quantization.

Integers of fewer than eight bits are a runtime's eight with levels left out; for inputs, a clip
before the quantization leaves them out. From nine bits on no kernel multiplies integers: inputs are
rounded by plain float nodes, weights are the floats that they were rounded to, or integers all the
same where ``wide.wide_as_integers`` makes several products of each such layer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slimcodec.graphs import ir
from slimcodec.graphs.building import constant, layers_of
from slimcodec.quantization import INTEGER_BITS, ActivationGrid, Quantization, WeightGrid

__all__ = ["write_grids"]


def write_grids(
    model: ir.Model,
    quantization: Quantization,
    *,
    dequantize_behind_padding: bool,
    wide_weights: bool = False,
) -> ir.Model:
    """Every grid that concerns a layer of the graph, written into it, in place.

    Args:
        model: a float graph of a family.
        quantization: of the whole model.
        dequantize_behind_padding: where padding is to work on integers.
        wide_weights: whether weights are integers too of layers that see more than eight bits.
    """
    graph = model.graph
    seen: dict[tuple[str, ActivationGrid], tuple[ir.Value, ir.Value]] = {}
    for layer, node in layers_of(model).items():
        own = quantization.weights.get(f"{layer}.weight")
        grid = quantization.activations.get(layer)
        wide = grid is not None and grid.bits > INTEGER_BITS
        if own is not None and _as_integers(node, own, wide_weights if wide else None):
            _write_weight(graph, node, own)
        if grid is not None:
            if grid.bits <= INTEGER_BITS:
                weight = node.inputs[1]
                assert weight is not None
                values = own.weights() if own is not None else _values(weight)
                _write_input(graph, node, layer, grid, seen, dequantize_behind_padding)
                if _shift(grid):
                    _take_off_lift(graph, node, layer, grid, values)
            else:
                node.replace_input_with(0, _in_floats(graph, node, layer, grid))
    graph.sort()
    _drop_unused(model)
    return model


def _as_integers(node: ir.Node, weight: WeightGrid, wide_weights: bool | None) -> bool:
    """Whether weights stay integers; ``wide_weights`` is None for a layer that is not wide. Numbers
    of levels in a table are no factors: such weights are the floats that they stand for."""
    if weight.table is not None:
        return False
    outputs = 1 if node.op_type == "ConvTranspose" else 0
    if wide_weights is None:
        return weight.bits <= INTEGER_BITS
    return wide_weights and weight.axis == outputs


def _write_weight(graph: ir.Graph, node: ir.Node, grid: WeightGrid) -> None:
    weight = node.inputs[1]
    assert weight is not None and weight.name is not None
    # Under the layer's own name: rewrites and readers find it by that.
    name = weight.name
    integers = constant(graph, f"{name}.integers", grid.integers)
    steps = constant(graph, f"{name}.steps", grid.steps)
    zeros = constant(graph, f"{name}.zeros", np.zeros(len(grid.steps), grid.integers.dtype))
    dequantize = ir.node(
        "DequantizeLinear",
        [integers, steps, zeros],
        {"axis": grid.axis},
        name=f"{name}.dequantize",
    )
    _typed(dequantize.outputs[0], weight.shape, ir.DataType.FLOAT)
    graph.insert_before(node, dequantize)
    node.replace_input_with(1, dequantize.outputs[0])


def _write_input(
    graph: ir.Graph,
    node: ir.Node,
    layer: str,
    grid: ActivationGrid,
    seen: dict[tuple[str, ActivationGrid], tuple[ir.Value, ir.Value]],
    behind_padding: bool,
) -> None:
    x = node.inputs[0]
    assert x is not None
    padding = x.producer()
    if padding is None or padding.op_type != "Pad":
        padding = None
    else:
        x = padding.inputs[0]
    assert x is not None and x.name is not None
    at = padding or node
    kind = np.int8 if grid.signed else np.uint8
    step = constant(graph, f"{layer}.input.step", np.array(grid.step, np.float32))
    zero = constant(graph, f"{layer}.input.zero", np.array(0, kind))
    if (x.name, grid) not in seen:
        source = x
        if grid.bits < INTEGER_BITS:
            source = _clipped(graph, at, x, layer, grid)
        if _shift(grid):
            lift = constant(graph, f"{layer}.input.lift", np.array(_shift(grid), np.float32))
            lifted = ir.node("Add", [source, lift], name=f"{layer}.input.lift")
            _typed(lifted.outputs[0], x.shape, ir.DataType.FLOAT)
            graph.insert_before(at, lifted)
            source = lifted.outputs[0]
        quantize = ir.node("QuantizeLinear", [source, step, zero], name=f"{layer}.input.quantize")
        integers = quantize.outputs[0]
        _typed(integers, x.shape, ir.DataType.INT8 if grid.signed else ir.DataType.UINT8)
        dequantize = _dequantized(integers, step, zero, f"{layer}.input.dequantize")
        graph.insert_before(at, [quantize, dequantize])
        seen[x.name, grid] = integers, dequantize.outputs[0]
    integers, floats = seen[x.name, grid]
    if padding is None:
        node.replace_input_with(0, floats)
    elif not behind_padding:
        if padding.inputs[0] is not floats:
            padding.replace_input_with(0, floats)
    else:
        moved = ir.node(
            "Pad",
            [integers, *padding.inputs[1:2]],
            dict(padding.attributes),
            name=f"{layer}.input.pad",
        )
        _typed(moved.outputs[0], padding.outputs[0].shape, integers.dtype)
        behind = _dequantized(moved.outputs[0], step, zero, f"{layer}.input.dequantize_padded")
        graph.insert_before(node, [moved, behind])
        node.replace_input_with(0, behind.outputs[0])


def _shift(grid: ActivationGrid) -> np.float32:
    """How far below zero a grid of unsigned integers begins, as a float above it."""
    return np.float32(0 if grid.signed else -grid.lowest * np.float32(grid.step))


def _take_off_lift(
    graph: ir.Graph, node: ir.Node, layer: str, grid: ActivationGrid, weight: NDArray[np.float32]
) -> None:
    """Subtract from a layer's output what lifting its input above zero added.

    A layer is linear, so that is the layer applied to a constant: one number per output channel
    where it pads nothing, which goes into the bias, and otherwise a layer of one input channel.
    Integer kernels know zero points for convolutions only, and not on every runtime; this way none
    is needed.
    """
    transposed = node.op_type == "ConvTranspose"
    summed = weight.sum(axis=0 if transposed else 1, dtype=np.float64) * -float(_shift(grid))
    pads = node.attributes.get_ints("pads", [0] * 4)
    if not transposed and not any(pads):
        added = summed.sum(axis=(1, 2))
        bias = node.inputs[2] if len(node.inputs) > 2 else None
        if bias is not None and bias.const_value is not None:
            added = added + bias.const_value.numpy()
        new = constant(graph, f"{layer}.bias.without_lift", added.astype(np.float32))
        node.resize_inputs(3)
        node.replace_input_with(2, new)
        return
    kernel = summed[None] if transposed else summed[:, None]
    lone = constant(graph, f"{layer}.lift.kernel", kernel.astype(np.float32))
    x = node.inputs[0]
    assert x is not None
    numbers = {
        name: constant(graph, f"lift.{name}", np.array(value, np.int64))
        for name, value in (("start", [0]), ("end", [1]), ("axis", [1]))
    }
    channel = ir.node("Slice", [x, numbers["start"], numbers["end"], numbers["axis"]])
    zeros = ir.node(
        "Mul", [channel.outputs[0], constant(graph, "lift.0", np.zeros((), np.float32))]
    )
    ones = ir.node("Add", [zeros.outputs[0], constant(graph, "lift.1", np.ones((), np.float32))])
    lift = ir.node(
        node.op_type, [ones.outputs[0], lone], dict(node.attributes), name=f"{layer}.lift"
    )
    out = node.outputs[0]
    total = ir.node("Add", [out, lift.outputs[0]], name=f"{layer}.without_lift")
    _typed(total.outputs[0], out.shape, ir.DataType.FLOAT)
    out.replace_all_uses_with(total.outputs[0], replace_graph_outputs=True)
    total.replace_input_with(0, out)
    graph.insert_before(node, [channel, zeros, ones, lift])
    graph.insert_after(node, total)


def _dequantized(integers: ir.Value, step: ir.Value, zero: ir.Value, name: str) -> ir.Node:
    node = ir.node("DequantizeLinear", [integers, step, zero], name=name)
    _typed(node.outputs[0], integers.shape, ir.DataType.FLOAT)
    return node


def _clipped(
    graph: ir.Graph, at: ir.Node, x: ir.Value, layer: str, grid: ActivationGrid
) -> ir.Value:
    """x without what lies beyond a grid that has fewer levels than its integers."""
    step = np.float32(grid.step)
    ends = [
        constant(graph, f"{layer}.input.{name}", np.array(step * np.float32(level), np.float32))
        for name, level in zip(("lowest", "highest"), grid.levels, strict=True)
    ]
    clip = ir.node("Clip", [x, *ends], name=f"{layer}.input.clip")
    _typed(clip.outputs[0], x.shape, ir.DataType.FLOAT)
    graph.insert_before(at, clip)
    return clip.outputs[0]


def _in_floats(graph: ir.Graph, node: ir.Node, layer: str, grid: ActivationGrid) -> ir.Value:
    """x rounded to a grid that is too fine for a runtime's integers."""
    x = node.inputs[0]
    assert x is not None
    step = constant(graph, f"{layer}.input.step", np.array(grid.step, np.float32))
    ends = [
        constant(graph, f"{layer}.input.{name}", np.array(level, np.float32))
        for name, level in zip(("lowest", "highest"), grid.levels, strict=True)
    ]
    divide = ir.node("Div", [x, step], name=f"{layer}.input.divide")
    rounded = ir.node("Round", [divide.outputs[0]], name=f"{layer}.input.round")
    clip = ir.node("Clip", [rounded.outputs[0], *ends], name=f"{layer}.input.clip")
    multiply = ir.node("Mul", [clip.outputs[0], step], name=f"{layer}.input.multiply")
    nodes = [divide, rounded, clip, multiply]
    for each in nodes:
        _typed(each.outputs[0], x.shape, ir.DataType.FLOAT)
    graph.insert_before(node, nodes)
    return multiply.outputs[0]


def _values(weight: ir.Value) -> NDArray[np.float32]:
    assert weight.const_value is not None
    values: NDArray[np.float32] = weight.const_value.numpy()
    return values


def _typed(value: ir.Value, shape: ir.Shape | None, dtype: ir.DataType | None) -> None:
    value.shape = shape
    value.type = None if dtype is None else ir.TensorType(dtype)


def _drop_unused(model: ir.Model) -> None:
    used = {value for node in model.graph for value in node.inputs if value is not None}
    used |= set(model.graph.outputs)
    for name, value in list(model.graph.initializers.items()):
        if value not in used:
            del model.graph.initializers[name]
