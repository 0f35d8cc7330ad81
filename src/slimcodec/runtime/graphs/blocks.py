"""Pixels kept as channels of blocks for as long as possible.

Depth-to-space only moves values, and moves fewest bytes late and among integers. What is here keeps
what a graph computes, given sides that are whole blocks, as a codec's are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.graphs import ir
from slimcodec.runtime.graphs.layers import (
    Maker,
    Weights,
    array_of,
    attributes_of,
    is_plain,
    made_by,
    replace,
    swept,
    weights_of,
)

__all__ = ["blocks_laid_out_late", "few_outputs_over_blocks", "patches_as_channels"]

_UNARY = ("Clip", "LeakyRelu", "QuantizeLinear", "Relu", "Round")
_BINARY = ("Add", "Div", "Mul", "Sub")


def blocks_laid_out_late(model: ir.Model, sums: bool = True) -> ir.Model:
    """Depth-to-space behind what works value by value, and once for two that are added.

    In front of a quantization it moves floats, and keeps the rectifier out of the convolution's
    kernel. A linear path and a network that make one picture share the last of it, and their
    addition joins a convolution: 1.0 ms for 3.5 of 31 in the int8 generator of ``hific-s``.

    Args:
        model: changed in place.
        sums: whether additions of two are among it. Not before their layers are what they are to
            be: two depth-to-spaces behind an addition cannot become one any more.
    """
    graph = model.graph
    moved = True
    while moved:
        moved = False
        for node in list(graph):
            make = Maker(graph, node, node.name or "")
            later = _later(graph, node, make, sums)
            if later is not None:
                replace(graph, node, later)
                swept(model)
                moved = True
    return model


def _later(graph: ir.Graph, node: ir.Node, make: Maker, sums: bool) -> ir.Value | None:
    """A node's output with depth-to-space as the last of what makes it."""
    blocks = [_laid_out(value) for value in node.inputs]
    first = blocks[0] if blocks else None
    if node.op_type in _UNARY and first is not None:
        y = make(node.op_type, first.inputs[0], *node.inputs[1:], **attributes_of(node))
        return _pixels(make, y, _size(first))
    if node.op_type == "DepthToSpace" and first is not None and _is_ours(node):
        x, outer = first.inputs[0], _size(node)
        order = _split(_channels(x), _size(first), outer)
        again = None if order is None else _reordered(graph, x, np.argsort(order), "merged")
        return None if again is None else _pixels(make, again, _size(first) * outer)
    if node.op_type not in _BINARY:
        return None
    one, other = blocks[:2]
    if one is not None and other is not None:
        return _added(graph, one, other, make) if sums and node.op_type == "Add" else None
    only = one or other
    scalar = array_of(node.inputs[1 if one is not None else 0])
    if only is None or scalar is None or scalar.size != 1:
        return None
    inputs = [only.inputs[0] if made is only else value
              for value, made in zip(node.inputs, blocks, strict=True)]  # fmt: skip
    return _pixels(make, make(node.op_type, *inputs), _size(only))


def _added(graph: ir.Graph, one: ir.Node, other: ir.Node, make: Maker) -> ir.Value | None:
    large, small = sorted((one, other), key=_size, reverse=True)
    x, y, size = large.inputs[0], small.inputs[0], _size(small)
    if _size(large) != size:
        rest, none = divmod(_size(large), size)
        order = _split(_channels(x), rest, size) if none == 0 else None
        if order is None:
            return None
        x = _reordered(graph, x, order, "split")
        if x is None:
            return None
        x = _pixels(make, x, rest)
    # A runtime adds to the last product what came before: the larger one is that.
    return _pixels(make, make("Add", x, y), size)


def few_outputs_over_blocks(model: ir.Model, most: int = 16) -> ir.Model:
    """A convolution over pixels that were blocks, over the blocks.

    Kernels want sixteen outputs and 64 inputs; the last layer of ``hific-s`` has 12 and 32, and
    over blocks of 2x2 pixels 48 and 128. With nearly half of the weights zero it takes 0.60 ms for
    0.69, and needs no depth-to-space before it.
    """
    graph = model.graph
    for node in list(graph):
        own = weights_of(node) if node.op_type == "Conv" else None
        dequantize = made_by(node.inputs[0], "DequantizeLinear")
        integers = dequantize if dequantize is not None else node
        blocks = _laid_out(integers.inputs[0]) if own is not None else None
        if own is None or blocks is None or own.array.shape[0] > most or not is_plain(node):
            continue
        pads = node.attributes.get_ints("pads", [0] * 4)
        kernel = own.array.shape[2:]
        same = all(a + b == k - 1 for a, b, k in zip(pads[:2], pads[2:], kernel, strict=True))
        if not same or set(node.attributes.get_ints("strides", [1])) != {1}:
            continue
        weights, around = _over_blocks(own, _size(blocks), pads)
        make = Maker(graph, node, f"{own.name}.over_blocks")
        x = blocks.inputs[0]
        if dequantize is not None:
            x = make("DequantizeLinear", x, *dequantize.inputs[1:])
        inputs = [x, weights.written(graph, node, "over_blocks")]
        if weights.bias is not None:
            inputs.append(weights.bias_written(graph, "over_blocks"))
        y = make("Conv", *inputs, pads=around, kernel_shape=list(weights.array.shape[2:]))
        replace(graph, node, _pixels(make, y, _size(blocks)))
    return swept(model)


def _over_blocks(own: Weights, size: int, pads: Any) -> tuple[Weights, list[int]]:
    d, c, high, wide = own.array.shape
    # How many blocks are seen before and behind a pixel's own.
    before = [-(-pad // size) for pad in pads[:2]]
    after = [(size - 1 - pad + k - 1) // size for k, pad in zip((high, wide), pads, strict=False)]
    window = np.zeros(
        (size, size, d, size, size, c, *(a + b + 1 for a, b in zip(before, after, strict=True))),
        own.array.dtype,
    )
    for i in range(size):
        for j in range(size):
            for s in range(high):
                for t in range(wide):
                    row, inner = divmod(i - pads[0] + s, size)
                    column, across = divmod(j - pads[1] + t, size)
                    at = (row + before[0], column + before[1])
                    window[i, j, :, inner, across, :, at[0], at[1]] = own.array[:, :, s, t]
    shape = (size * size * d, size * size * c, *window.shape[6:])
    others = own.every(lambda v: np.tile(v, size * size))
    return own.changed(window.reshape(shape), others), [*before, *after]


def patches_as_channels(model: ir.Model) -> ir.Model:
    """A convolution whose windows do not overlap, over a picture, as a product of 1x1.

    Three input channels fill a kernel's 64 badly; laid out, a patch of 16x16 pixels is 768 of
    them. The linear path of ``hific-s``'s encoder: 1.0 ms, most of it the
    layout, for 2.6 in floats.
    """
    graph = model.graph
    for node in list(graph):
        own = weights_of(node) if node.op_type == "Conv" else None
        dequantize = made_by(node.inputs[0], "DequantizeLinear") if own is not None else None
        if own is None or dequantize is None or not is_plain(node):
            continue
        size = own.array.shape[2]
        sides = {*own.array.shape[2:], *node.attributes.get_ints("strides", [1, 1])}
        if sides != {size} or size == 1 or any(node.attributes.get_ints("pads", [0])):
            continue
        d = own.array.shape[0]
        array = own.array.transpose(0, 2, 3, 1).reshape(d, -1, 1, 1)
        weights = own.changed(array, (own.steps, own.bias))
        make = Maker(graph, node, f"{own.name}.patches")
        x = make("SpaceToDepth", dequantize.inputs[0], blocksize=size)
        x = make("DequantizeLinear", x, *dequantize.inputs[1:])
        inputs = [x, weights.written(graph, node, "patches")]
        if weights.bias is not None:
            inputs.append(weights.bias_written(graph, "patches"))
        replace(graph, node, make("Conv", *inputs, kernel_shape=[1, 1]))
    return swept(model)


def _laid_out(value: ir.Value | None) -> ir.Node | None:
    """The depth-to-space that makes a value which nothing else reads."""
    node = made_by(value, "DepthToSpace")
    if value is None or node is None or len(value.uses()) != 1 or value.is_graph_output():
        return None
    return node if _is_ours(node) else None


def _is_ours(node: ir.Node) -> bool:
    return bool(node.attributes.get_string("mode", "DCR") == "DCR")


def _size(node: ir.Node) -> int:
    return int(node.attributes.get_int("blocksize", 1))


def _pixels(make: Maker, x: ir.Value | None, size: int) -> ir.Value:
    return make("DepthToSpace", x, blocksize=size, mode="DCR")


def _channels(value: ir.Value | None) -> int:
    layer = made_by(value, "Conv")
    own = weights_of(layer) if layer is not None else None
    return 0 if own is None else own.array.shape[0]


def _split(channels: int, outer: int, inner: int) -> NDArray[np.int64] | None:
    """Where each channel is found among those of depth-to-space by ``outer · inner``, if it is to
    be by ``outer`` first and by ``inner`` then."""
    c, rest = divmod(channels, (outer * inner) ** 2)
    if rest or not c:
        return None
    numbers = np.arange(channels).reshape(outer, inner, outer, inner, c)
    return numbers.transpose(0, 2, 1, 3, 4).reshape(-1)


def _reordered(
    graph: ir.Graph, value: ir.Value | None, order: NDArray[Any], suffix: str
) -> ir.Value | None:
    """What a layer makes with its outputs in another order; None where something else reads it."""
    layer = made_by(value, "Conv")
    own = weights_of(layer) if layer is not None else None
    if value is None or layer is None or own is None or len(value.uses()) != 1:
        return None
    weights = own.changed(own.array[order], own.every(lambda v: v[order]))
    inputs = [layer.inputs[0], weights.written(graph, layer, suffix)]
    if weights.bias is not None:
        inputs.append(weights.bias_written(graph, suffix))
    return Maker(graph, layer, f"{own.name}.{suffix}")("Conv", *inputs, **attributes_of(layer))
