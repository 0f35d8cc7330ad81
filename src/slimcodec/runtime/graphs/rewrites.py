"""Graphs changed into what a runtime is fast at, without changing what they compute.

Each function takes a model and returns it, changed in place (clone it first where the original is
still wanted), with sides dynamic as before and new constants named after the weights they come
from. The results equal the original's up to the rounding of float32 sums. Which runtime gains:

    rewrite                      OpenVINO   ONNX Runtime
    gates_apart                  1.9        no
    few_outputs_as_blocks        1.04       1.07
    transposed_as_convolution    1.28 (*)   needed by the next
    convolutions_as_products     no         1.7, last: it takes what the others left
    those of blocks and wide     1.7 (**)   not tried

(**) together, the int8 generator of hific-s on a CPU with AMX: every layer in integers, 19 ms for
32; its encoder 6.3 for 8.3, a step of toderici-s 0.73 (encoder) to 1.02 (decoder) of before.

(*) only where it makes a picture, three channels; measured on hific-s, whose int8 generator took
44 ms for 56. With more channels OpenVINO's own transposed kernels are faster.

Figures: how many times faster a full-size network got, int8, a 768x512 picture, two cores with
AVX-512 VNNI; medians of alternating runs on a machine whose own speed drifted by half, so ratios
hold and milliseconds compare within one sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from slimcodec.graphs import ir
from slimcodec.graphs.building import constant
from slimcodec.graphs.shapes import may_be_odd
from slimcodec.runtime.graphs.layers import (
    Maker,
    Rounded,
    Weights,
    array_of,
    attributes_of,
    four_times,
    is_plain,
    made_by,
    replace,
    seen_by_layer,
    swept,
    weights_of,
)

__all__ = [
    "Phases",
    "convolutions_as_products",
    "few_outputs_as_blocks",
    "gates_apart",
    "transposed_as_convolution",
]


def gates_apart(model: ir.Model) -> ir.Model:
    """A split along the channels of convolutions, as one convolution per piece.

    A ConvLSTM's gates are its largest tensor, 200 MB. Apart, each gate's sigmoid or tanh joins its
    convolution, nothing copies the pieces, and OpenVINO leaves a kernel for signed inputs and 512
    outputs that is half as fast as that for 128: 982 ms a decoder step for 1890, 392 ms an encoder
    step for 508. What is computed is the same to the bit.
    """
    graph = model.graph
    for node in list(graph):
        if node.op_type != "Split" or node.attributes.get_int("axis", 0) != 1:
            continue
        gates = node.inputs[0]
        assert gates is not None
        add = made_by(gates, "Add")
        sources = list(add.inputs) if add is not None else [gates]
        layers = [made_by(value, "Conv") for value in sources]
        found = [(layer, weights_of(layer)) for layer in layers if layer is not None]
        ways = [(layer, own) for layer, own in found if own is not None and own.axis == 0]
        single = all(len(value.uses()) == 1 for value in (*sources, gates) if value is not None)
        if len(ways) != len(sources) or not single:
            continue
        if any(layer.attributes.get_int("group", 1) != 1 for layer, _ in ways):
            continue
        total = ways[0][1].array.shape[0]
        sizes = array_of(node.inputs[1]) if len(node.inputs) > 1 else None
        if sizes is None:
            sizes = np.full(len(node.outputs), total // len(node.outputs))
        if sizes.sum() != total:
            continue
        ends = np.cumsum(sizes)
        for number, (end, size, out) in enumerate(zip(ends, sizes, node.outputs, strict=True)):
            make = Maker(graph, node, f"{out.name}.apart")
            piece = slice(int(end - size), int(end))
            made = []
            for layer, own in ways:
                weights = own.changed(own.array[piece], own.every(lambda v, p=piece: v[p]))
                inputs = [layer.inputs[0], weights.written(graph, node, f"part{number}")]
                if weights.bias is not None:
                    inputs.append(weights.bias_written(graph, f"part{number}"))
                gate = Maker(graph, node, f"{own.name}.gate{number}")
                made.append(gate("Conv", *inputs, **attributes_of(layer)))
            out.replace_all_uses_with(made[0] if len(made) == 1 else make("Add", *made))
        graph.remove(node, safe=True)
    return swept(model)


def few_outputs_as_blocks(model: ir.Model, most: int = 4) -> ir.Model:
    """A stride-1 convolution to a picture, as a stride-2 convolution to blocks of 2x2 pixels.

    Kernels fill sixteen output channels at a time, so three cost what sixteen do. Four times three
    at a quarter of the places, with a kernel one larger, waste less: 988 ms a generator for 1024
    on OpenVINO, 2584 for 2829 on ONNX Runtime. The picture's sides must be even, which a codec's
    padded pictures are; what a codec codes of one may have any, and stays.
    """
    graph = model.graph
    for node in list(graph):
        own = weights_of(node) if node.op_type == "Conv" else None
        if own is None or own.array.shape[0] > most or min(own.array.shape[2:]) < 3:
            continue
        if set(node.attributes.get_ints("strides", [1])) != {1} or not is_plain(node):
            continue
        if any(may_be_odd(side) for side in (node.outputs[0].shape or ())[2:]):
            continue
        c, d, kh, kw = own.array.shape
        blocks = np.zeros((2, 2, c, d, kh + 1, kw + 1), own.array.dtype)
        for i in range(2):
            for j in range(2):
                blocks[i, j, :, :, i : i + kh, j : j + kw] = own.array
        weights = own.changed(blocks.reshape(4 * c, d, kh + 1, kw + 1), own.every(four_times))
        inputs = [node.inputs[0], weights.written(graph, node, "blocks")]
        if weights.bias is not None:
            inputs.append(weights.bias_written(graph, "blocks"))
        make = Maker(graph, node, f"{own.name}.blocks")
        pads = list(node.attributes.get_ints("pads", [0] * 4))
        x = make("Conv", *inputs, strides=[2, 2], pads=pads, kernel_shape=[kh + 1, kw + 1])
        replace(graph, node, make("DepthToSpace", x, blocksize=2, mode="DCR"))
    return swept(model)


def transposed_as_convolution(model: ir.Model, most: int | None = None) -> ir.Model:
    """A transposed convolution of stride s as a convolution to s·s times the channels, and
    depth-to-space.

    Output s·m + r reads taps r + p, r + p + s, … of inputs around m, so each r of a side is an
    ordinary convolution with a share of the taps; all of them on the widest window any of them
    needs. Kernel 3 becomes 2x2 at 1.8 times the multiplications, 5 becomes 3x3 at 1.4 times,
    kernel = stride becomes 1x1. Where it takes a smaller window, blocks begin before the picture
    and what is too much is cut off: windows of 32 at a distance of 16 become 2x2, else 3x3. ONNX
    Runtime has no integer kernel for the transposed form and a
    slow float one.

    Args:
        model: changed in place.
        most: leave those alone that have more outputs, but for wide ones.
    """
    graph = model.graph
    for node in list(graph):
        own = weights_of(node) if node.op_type == "ConvTranspose" else None
        if own is None:
            continue
        # One of integers that sees more than eight bits needs the other form, see ``wide``.
        wide = own.steps is not None and Rounded.of(node.inputs[0]) is not None
        if most is not None and own.array.shape[1] > most and not wide:
            continue
        phases = Phases.of(node, own)
        if phases is None:
            continue
        weights = phases.weights
        inputs = [node.inputs[0], weights.written(graph, node, "phases")]
        if weights.bias is not None:
            inputs.append(weights.bias_written(graph, "phases"))
        make = Maker(graph, node, f"{own.name}.phases")
        kernel = list(weights.array.shape[2:])
        x = make("Conv", *inputs, pads=phases.around, kernel_shape=kernel)
        replace(graph, node, phases.laid_out(make, x))
    return swept(model)


def convolutions_as_products(model: ir.Model, least_inputs: int = 96) -> ir.Model:
    """Integer convolutions of many channels as integer matrix products, for ONNX Runtime.

    It runs a convolution in integers only where a quantization follows. Where floats must follow,
    as before a norm, it dequantizes the inputs and multiplies floats. ConvInteger is a matrix
    product with the signs the wrong way round for VNNI (14 GMAC/s for 960 channels, floats 72).
    With the taps gathered first, channels last, MatMulIntegerToFloat does 215, and is exact.
    Gathering costs by the pixel what multiplying saves by the channel: of the thresholds 100, 192
    and 400 the lowest gave the fastest generator; at 60 channels the product is half as fast as
    floats. The whole generator took 2744 ms for 4716 in floats and 5788 with the nodes left alone.
    """
    graph = model.graph
    ready: dict[tuple[Any, ...], ir.Value] = {}
    for node in list(graph):
        own = weights_of(node) if node.op_type == "Conv" else None
        seen = seen_by_layer(node) if own is not None and own.steps is not None else None
        if own is None or seen is None or not is_plain(node) or own.array.shape[1] < least_inputs:
            continue
        assert own.steps is not None
        make = Maker(graph, node, f"{own.name}.product")
        integers = seen.unsigned(graph, node, ready)
        kernel, strides = own.array.shape[2:], node.attributes.get_ints("strides", [1, 1])
        x = _gathered(make, make("Transpose", integers, perm=[0, 2, 3, 1]), kernel, strides)
        c = own.array.shape[0]
        table = own.array.transpose(2, 3, 1, 0).reshape(-1, c)
        zero = constant(graph, f"{own.name}.input.lifted", np.array(seen.lift, np.uint8))
        operands = [
            x,
            constant(graph, f"{own.name}.table", np.ascontiguousarray(table)),
            seen.step,
            constant(graph, f"{own.name}.table_steps", own.steps),
            zero,
            constant(graph, f"{own.name}.table_zeros", np.zeros(c, np.int8)),
        ]
        if own.bias is not None:
            operands.append(constant(graph, f"{own.name}.table_bias", own.bias))
        y = make("MatMulIntegerToFloat", *operands, domain="com.microsoft")
        replace(graph, node, make("Transpose", y, perm=[0, 3, 1, 2]))
        model.opset_imports.setdefault("com.microsoft", 1)
    return swept(model)


def _gathered(make: Maker, x: ir.Value, kernel: Any, strides: Any) -> ir.Value:
    """What a convolution's every output sees, along the channels: [b, h, w, kh·kw·c]."""
    if tuple(kernel) == (1, 1) and tuple(strides) == (1, 1):
        return x
    axes, step = make.number([1, 2]), make.number(list(strides))
    room = make("Sub", make("Shape", x, start=1, end=3), make.number(list(kernel)))
    reach = make("Add", make("Mul", make("Div", room, step), step), make.number([1, 1]))
    seen = []
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            start = make.number([i, j])
            seen.append(make("Slice", x, start, make("Add", reach, start), axes, step))
    return seen[0] if len(seen) == 1 else make("Concat", *seen, axis=3)


@dataclass(frozen=True)
class Phases:
    """A transposed convolution as a convolution to blocks of pixels, and how these are laid out.

    Attributes:
        weights: of the convolution, every phase's outputs behind those of the phase before.
        around: its padding, as of a node.
        block: side of a block.
        high, wide: of each side.
    """

    weights: Weights
    around: list[int]
    block: int
    high: _Side
    wide: _Side

    @classmethod
    def of(cls, node: ir.Node, own: Weights) -> Phases | None:
        """None where strides differ, or it is not a plain layer."""
        strides = node.attributes.get_ints("strides", [1, 1])
        if own.axis != 1 or len(set(strides)) != 1 or not is_plain(node):
            return None
        s = strides[0]
        pads = node.attributes.get_ints("pads", [0] * 4)
        extra = node.attributes.get_ints("output_padding", [0, 0])
        high, wide = (
            _Side.of(k, s, low, end, more)
            for k, low, end, more in zip(
                own.array.shape[2:], pads[:2], pads[2:], extra, strict=True
            )
        )
        c, d = own.array.shape[:2]
        window = np.zeros((s, s, d, c, high.size, wide.size), own.array.dtype)
        taps = own.array.transpose(1, 0, 2, 3)
        for i, at_i, tap_i in high.taps:
            for j, at_j, tap_j in wide.taps:
                window[i, j, :, :, at_i, at_j] = taps[:, :, tap_i, tap_j]
        weights = own.changed(
            window.reshape(s * s * d, c, high.size, wide.size),
            own.every(lambda v, n=s * s: np.tile(v, n)),
            axis=0,
        )
        around = [high.before, wide.before, high.after, wide.after]
        return cls(weights, around, s, high, wide)

    def laid_out(self, make: Maker, x: ir.Value) -> ir.Value:
        """Pixels of what the convolution makes."""
        x = make("DepthToSpace", x, blocksize=self.block, mode="DCR")
        sides = (self.high, self.wide)
        if not any(side.ahead or side.beyond for side in sides):
            return x
        starts = [side.ahead for side in sides]
        ends = [-side.beyond or np.iinfo(np.int64).max for side in sides]
        return make("Slice", x, *(make.number(values) for values in (starts, ends, [2, 3])))


@dataclass(frozen=True)
class _Side:
    """One side: window, padding, and (phase, place, tap) of each tap.

    ``ahead`` and ``beyond`` are how much the first and the last block have too much.
    """

    size: int
    before: int
    after: int
    ahead: int
    beyond: int
    taps: list[tuple[int, int, int]]

    @classmethod
    def of(cls, kernel: int, stride: int, low: int, high: int, more: int) -> _Side:
        """Blocks begin with the picture, or with an input where that takes a smaller window."""
        ways = [cls._begun(ahead, kernel, stride, low, high, more) for ahead in (0, low % stride)]
        return min(ways, key=lambda way: way.size)

    @classmethod
    def _begun(cls, ahead: int, kernel: int, stride: int, low: int, high: int, more: int) -> _Side:
        low -= ahead
        places = [
            (r, (r + low) // stride - t, stride * t + (r + low) % stride)
            for r in range(stride)
            for t in range(-(-kernel // stride))
            if stride * t + (r + low) % stride < kernel
        ]
        offsets = [place for _, place, _ in places]
        first, last = min(0, *offsets), max(0, *offsets)
        longer = kernel + more - stride - low - high
        blocks = -(-longer // stride)
        # Of the blocks that the window allows, those past the end are cut off.
        after = max(0, blocks + last)
        beyond = (after - last) * stride - longer
        taps = [(r, place - first, tap) for r, place, tap in places]
        return cls(last - first + 1, -first, after, ahead, beyond, taps)
