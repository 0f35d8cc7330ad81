"""Layers that eight bits cannot hold, as products of eight bits that add up to what they compute.

Whatever is summed is exact: products and their sums are integers, and steps multiply outside. What
is gained, int8 ``hific-s`` on OpenVINO, is at the head of ``rewrites``; in floats, four layers took
half of its generator's time.

    inputs of 9 to 11 bits   two to eight integers, of the value moved by parts of a step each:
                             ⌊u/2⌋ + ⌊(u + 1)/2⌋ = u. The layer before makes them all at once
    inputs of 12 to 16 bits  a high byte and a low one, 256 h + l
    weights of 9 to 16 bits  likewise, with the least base that leaves eight bits of either
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.graphs import ir
from slimcodec.graphs.building import constant
from slimcodec.runtime.graphs.layers import (
    Maker,
    Rounded,
    Weights,
    array_of,
    attributes_of,
    is_plain,
    made_by,
    replace,
    swept,
    weights_of,
)
from slimcodec.runtime.graphs.rewrites import Phases

__all__ = ["lifts_as_biases", "wide_as_integers"]

_BYTE = 256


def lifts_as_biases(model: ir.Model) -> ir.Model:
    """What an input lifted above zero adds, in the bias of layers that pad zeros.

    ``grids`` takes it off behind such a layer, with a layer of one channel: floats over the whole
    output, and the rectifier behind no longer joins the kernel. Padded in integers, by the level
    that means zero, a convolution sees the lift everywhere alike. A transposed convolution does
    so phase by phase, so it becomes a convolution to blocks: 1.44 times the multiplications of a
    kernel of 5, and still 0.6 and 0.9 ms for 1.3 and 2.5 in two stages of ``hific-s``.
    """
    graph = model.graph
    for node in list(graph):
        found = _lifted(node)
        if found is None:
            continue
        layer, lone, quantize, level = found
        own, taken = weights_of(layer), weights_of(lone)
        if own is None or taken is None or own.array.dtype != np.int8:
            continue
        make = Maker(graph, node, f"{own.name}.lifted")
        phases = None
        if layer.op_type == "ConvTranspose":
            phases, of_lift = Phases.of(layer, own), Phases.of(lone, taken)
            if phases is None or of_lift is None:
                continue
            weights, around = phases.weights, phases.around
            constants = of_lift.weights.array
            attributes: dict[str, Any] = {"kernel_shape": list(weights.array.shape[2:])}
        else:
            weights, constants = own, taken.array
            around = list(layer.attributes.get_ints("pads", [0] * 4))
            attributes = attributes_of(layer) | {"pads": [0] * 4}
        bias = constants.sum(axis=(1, 2, 3), dtype=np.float64)
        if weights.bias is not None:
            bias = bias + weights.bias
        weights = weights.changed(weights.array, (weights.steps, bias.astype(np.float32)))
        x = _padded(make, quantize.outputs[0], around, level)
        x = make("DequantizeLinear", x, *quantize.inputs[1:3])
        inputs = (weights.written(graph, node, "lifted"), weights.bias_written(graph, "lifted"))
        y = make("Conv", x, *inputs, **attributes)
        replace(graph, node, y if phases is None else phases.laid_out(make, y))
    return swept(model)


def _lifted(node: ir.Node) -> tuple[ir.Node, ir.Node, ir.Node, np.integer[Any]] | None:
    """A layer, the layer of one channel whose output is added to its own, the quantization of its
    input, and the level that zero is lifted to."""
    if node.op_type != "Add":
        return None
    for first, second in (node.inputs[:2], node.inputs[1::-1]):
        layer = made_by(first, "Conv", "ConvTranspose")
        lone = made_by(second, layer.op_type) if layer is not None else None
        ones = made_by(lone.inputs[0], "Add") if lone is not None else None
        zeros = made_by(ones.inputs[0], "Mul") if ones is not None else None
        channel = made_by(zeros.inputs[0], "Slice") if zeros is not None else None
        if layer is None or lone is None or channel is None:
            continue
        x = layer.inputs[0]
        dequantize = made_by(x, "DequantizeLinear")
        quantize = made_by(dequantize.inputs[0], "QuantizeLinear") if dequantize else None
        lift = made_by(quantize.inputs[0], "Add") if quantize is not None else None
        if channel.inputs[0] is not x or quantize is None or lift is None:
            continue
        zero, step = array_of(quantize.inputs[2]), array_of(quantize.inputs[1])
        height = array_of(lift.inputs[1])
        if zero is None or step is None or height is None or zero.any() or height.ndim:
            continue
        if len(first.uses()) == 1:  # type: ignore[union-attr]  # made by the layer, so it is there
            return layer, lone, quantize, zero.dtype.type(round(float(height / step)))
    return None


def wide_as_integers(model: ir.Model) -> ir.Model:
    """Layers whose inputs ``grids`` rounds in floats, as layers of integers, summed.

    Of 9 to 11 bits, copies of the input's channels stand behind each other, so that one product
    sums them. Made by the layer before, which joins its quantization, they cost its products
    twice; made apart from floats they cost passes over memory, 13 ms for 9 in the last stage of
    ``hific-s`` and its output. Weights that cannot be had in eight bits go back to floats.
    """
    graph = model.graph
    for node in list(graph):
        own = weights_of(node) if node.op_type == "Conv" else None
        if own is None or own.steps is None:
            continue
        blocks = made_by(node.inputs[0], "DepthToSpace")
        size = 1 if blocks is None else blocks.attributes.get_int("blocksize", 1)
        rounded = Rounded.of(node.inputs[0] if blocks is None else blocks.inputs[0])
        summed = None
        if rounded is not None and is_plain(node):
            weights = _digits(own)
            if rounded.parts is not None and len(weights) == 1:
                summed = _of_copies(graph, node, own, rounded, size)
            else:
                summed = _of_bytes(graph, node, weights, rounded, size)
        if summed is not None:
            replace(graph, node, summed)
        elif own.array.dtype != np.int8:
            shape = (-1, *[1] * (own.array.ndim - 1))
            floats = own.array.astype(np.float32) * own.steps.reshape(shape)
            node.replace_input_with(1, constant(graph, f"{own.name}.floats", floats))
    return swept(model)


def _digits(own: Weights) -> list[Weights]:
    """Weights of eight bits that add up to the ones given; the bias is with the first."""
    assert own.steps is not None
    if own.array.dtype == np.int8:
        return [own]
    values = own.array.astype(np.int64)
    base = -(-int(np.abs(values).max()) // 127)
    high = np.rint(values / base).astype(np.int64)
    first = Weights(f"{own.name}.high", high.astype(np.int8), own.steps * base, own.bias, own.axis)
    low = (values - base * high).astype(np.int8)
    return [first, Weights(f"{own.name}.low", low, own.steps, None, own.axis)]


def _of_bytes(
    graph: ir.Graph, node: ir.Node, weights: list[Weights], rounded: Rounded, size: int
) -> ir.Value:
    make = Maker(graph, node, f"{weights[0].name}.bytes")
    x, step = _laid_out(make, rounded.x, size), rounded.step
    if (rounded.lowest, rounded.highest) != (-_BYTE * 128, _BYTE * 128 - 1):
        ends = [make.number(step * np.float32(n), np.float32)
                for n in (rounded.lowest, rounded.highest)]  # fmt: skip
        x = make("Clip", x, *ends)
    # The high byte is that of the rounded value: half a step below, where the low one begins.
    below = make("Add", x, make.number(-step * np.float32(_BYTE / 2 - 0.5), np.float32))
    scale, zero = make.number(step * np.float32(_BYTE), np.float32), make.number(0, np.int8)
    high = make("DequantizeLinear", make("QuantizeLinear", below, scale, zero), scale, zero)
    scale, zero = make.number(step, np.float32), make.number(0, np.uint8)
    low = make("QuantizeLinear", make("Sub", x, high), scale, zero)
    inputs = [high, make("DequantizeLinear", low, scale, zero)]
    total: ir.Value | None = None
    written = [own.written(graph, node, "digit") for own in weights]
    for (own, weight), seen in itertools.product(zip(weights, written, strict=True), inputs):
        byte = "high_byte" if seen is high else "low_byte"
        operands = [seen, weight]
        if own.bias is not None and total is None:
            operands.append(own.bias_written(graph, byte))
        product = Maker(graph, node, f"{own.name}.{byte}")
        y = product("Conv", *operands, **attributes_of(node))
        total = y if total is None else make("Add", total, y)
    assert total is not None
    return total


def _of_copies(
    graph: ir.Graph, node: ir.Node, own: Weights, rounded: Rounded, size: int
) -> ir.Value:
    parts = rounded.parts
    assert parts is not None and own.steps is not None
    make = Maker(graph, node, f"{own.name}.copies")
    step, lowest = rounded.step, rounded.lowest
    shifts = step * (np.arange(parts) - (parts - 1) / 2 - lowest).astype(np.float32)
    zeros = [(number - lowest) // parts for number in range(parts)]
    scale, zero = make.number(step * np.float32(parts), np.float32), make.number(0, np.uint8)
    pads = list(node.attributes.get_ints("pads", [0] * 4))
    alike = not any(pads) or len(set(zeros)) == 1
    copied = _copied(graph, node, rounded.x, parts, size) if alike else None
    if copied is not None:
        lift = np.tile(np.repeat(shifts, own.array.shape[1]), size * size).reshape(1, -1, 1, 1)
        lifted = make("Add", copied, constant(graph, f"{own.name}.copies.lift", lift))
        x = _laid_out(make, make("QuantizeLinear", lifted, scale, zero), size)
        x = _padded(make, x, pads, np.uint8(zeros[0]))
    else:
        pieces = []
        for shift, level in zip(shifts, zeros, strict=True):
            lifted = make("Add", rounded.x, make.number(shift, np.float32))
            piece = _laid_out(make, make("QuantizeLinear", lifted, scale, zero), size)
            pieces.append(_padded(make, piece, pads, np.uint8(level)))
        x = make("Concat", *pieces, axis=1)
    x = make("DequantizeLinear", x, scale, zero)
    sums = own.array.sum(axis=(1, 2, 3), dtype=np.int64)
    bias = sums * own.steps.astype(np.float64) * float(step) * lowest
    if own.bias is not None:
        bias = bias + own.bias
    array = np.concatenate([own.array] * parts, axis=1)
    weights = own.changed(array, (own.steps / np.float32(parts), bias.astype(np.float32)))
    inputs = (weights.written(graph, node, "copies"), weights.bias_written(graph, "copies"))
    return make("Conv", x, *inputs, **(attributes_of(node) | {"pads": [0] * 4}))


def _copied(graph: ir.Graph, node: ir.Node, x: ir.Value, parts: int, size: int) -> ir.Value | None:
    """x so many times behind itself, in every pixel of a block, made by the layer that makes it;
    None where none does so."""
    follow = None
    layer = made_by(x, "Conv")
    if layer is None:
        follow = made_by(x, "LeakyRelu", "Relu")
        layer = made_by(follow.inputs[0], "Conv") if follow is not None else None
    own = weights_of(layer) if layer is not None else None
    if layer is None or own is None or own.steps is None or not is_plain(layer):
        return None
    if any(len(value.uses()) != 1 for value in (x, layer.outputs[0])):
        return None
    every = np.arange(len(own.array)).reshape(size * size, -1)
    numbers = np.concatenate([every] * parts, axis=1).reshape(-1)
    weights = own.changed(own.array[numbers], own.every(lambda v: v[numbers]))
    inputs = [layer.inputs[0], weights.written(graph, node, "copied")]
    if weights.bias is not None:
        inputs.append(weights.bias_written(graph, "copied"))
    make = Maker(graph, node, f"{own.name}.copied")
    y = make("Conv", *inputs, **attributes_of(layer))
    return y if follow is None else make(follow.op_type, y, **attributes_of(follow))


def _laid_out(make: Maker, x: ir.Value, size: int) -> ir.Value:
    return x if size == 1 else make("DepthToSpace", x, blocksize=size, mode="DCR")


def _padded(make: Maker, x: ir.Value, around: list[int], level: Any) -> ir.Value:
    if not any(around):
        return x
    top, left, bottom, right = around
    sides: NDArray[Any] = np.array([0, 0, top, left, 0, 0, bottom, right])
    return make("Pad", x, make.number(sides), make.number(level, level.dtype.type))
