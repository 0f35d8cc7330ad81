"""Operators by name: what a codec's family writes its graphs with.

    build = Builder(weights, {"image": (1, 3, "16h", "16w")})
    x = build.reflected(build["image"], 1, 1, 1, 1)
    x = build.relu(build.conv("encoder.stem", x, stride=2))
    model = build.finished({"latents": x})

A layer is called by its name in the network: weights and bias are looked up under it, its node is
named after it, and so are those elementwise nodes behind it that a runtime may take into the layer,
so that a profile says which layer an operator works for (``layers_of``). Sides stay names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.errors import ModelFileError
from slimcodec.graphs.ir import DataType, Graph, Model, Node, Shape, TensorType, Value, node, tensor
from slimcodec.graphs.shapes import Side, added, broadcast, multiplied, strided

__all__ = ["GDN_FLOOR", "OPSET", "Builder", "constant", "layers_of"]

OPSET = 21
"""Of the operators: 21 has 16-bit quantization, and every supported runtime reads it."""

GDN_FLOOR = 1e-9
"""The least that a GDN takes a root of."""
_LAYERS, _WEIGHT = ("Conv", "ConvTranspose"), ".weight"
_ELEMENTWISE = ("Add", "Sub", "Mul", "Div", "Relu", "LeakyRelu")
_FOLLOWING = 3

Number = float | int
Sides = tuple[int | str, ...]


class Builder:
    """A graph in the making; values are float32 [1, c, h, w] unless said otherwise.

    Args:
        weights: by their names in the model.
        inputs: name to shape, in order. A side is a number or a text such as ``"16h"``; ``()`` is
            one int64.
    """

    def __init__(self, weights: Mapping[str, NDArray[Any]], inputs: Mapping[str, Sides]) -> None:
        self.weights = weights
        self.inputs = {name: _input(name, sides) for name, sides in inputs.items()}
        self.graph = Graph(list(self.inputs.values()), [])

    def __getitem__(self, name: str) -> Value:
        """An input."""
        return self.inputs[name]

    # Layers and tensors of the model

    def weight(self, name: str) -> Value:
        """A tensor of the model, as it is.

        Raises:
            ModelFileError: when there is none of that name.
        """
        return constant(self.graph, name, self._array(name))

    def conv(self, layer: str, x: Value, *, stride: int = 1, padding: int = 0) -> Value:
        """A convolution, with a bias where the model has one; zeros around."""
        operands = self._operands(layer, x, outputs=0)
        *_, kh, kw = self.weights[layer + _WEIGHT].shape
        sides = [
            strided(added(side, 2 * padding - kernel), stride)
            for side, kernel in zip(_sides(x), (kh, kw), strict=True)
        ]
        return self._made(
            "Conv",
            [x, *operands],
            (self.weights[layer + _WEIGHT].shape[0], *(added(side, 1) for side in sides)),
            name=f"{layer}{_WEIGHT}.layer",
            kernel_shape=(kh, kw),
            strides=(stride, stride),
            pads=(padding,) * 4,
        )

    def transposed(
        self, layer: str, x: Value, *, stride: int = 1, padding: int = 0, extra: int = 0
    ) -> Value:
        """A transposed convolution; of its output ``padding`` is cut off on every side, but
        ``extra`` less below and on the right."""
        operands = self._operands(layer, x, outputs=1)
        *_, kh, kw = self.weights[layer + _WEIGHT].shape
        sides = [
            added(multiplied(added(side, -1), stride), kernel - 2 * padding + extra)
            for side, kernel in zip(_sides(x), (kh, kw), strict=True)
        ]
        return self._made(
            "ConvTranspose",
            [x, *operands],
            (self.weights[layer + _WEIGHT].shape[1], *sides),
            name=f"{layer}{_WEIGHT}.layer",
            kernel_shape=(kh, kw),
            strides=(stride, stride),
            pads=(padding,) * 4,
            output_padding=(extra, extra),
        )

    def channel_norm(
        self, layer: str, x: Value, counted: int | None = None, centred: bool = False
    ) -> Value:
        """Each position normalised over its channels, whose mean is zero if they are ``centred``:
        unbiased variance, eps 1e-3. Where more are counted than there are, the others are zeros.

        The squared distances from the mean are the squares less those of the mean: ReduceL2 reads
        the tensor once and writes one channel, where the distances squared would be written out
        (int8 generator on OpenVINO: 481 ms for 523).
        """
        channels = _channels(x) if counted is None else counted
        axes = self.numbers([1])
        single = (1, *_sides(x))
        length = self._made("ReduceL2", [x, axes], single, keepdims=1)
        squares = self.mul(length, length)
        if not centred:
            mean = self._made("ReduceMean", [x, axes], single, keepdims=1)
            if channels != _channels(x):
                mean = self.mul(mean, _channels(x) / channels)
            squares = self.sub(squares, self.mul(self.mul(mean, mean), channels))
            x = self.sub(x, mean)
        variance = self.mul(squares, 1 / (channels - 1))
        spread = self._made("Sqrt", [self.add(variance, 1e-3)], single)
        out = self.div(x, spread)
        return self.add(self.mul(out, self.weight(f"{layer}.gamma")), self.weight(f"{layer}.beta"))

    def gdn(self, layer: str, x: Value, inverse: bool = False) -> Value:
        """Divided by the root of all channels' squares, weighed and with a constant, or multiplied
        by it (``codecs.gdn``)."""
        norm = self.conv(f"{layer}.norm", self.mul(x, x))
        spread = self._same("Sqrt", self._same("Max", norm, self.number(GDN_FLOOR)))
        return self.mul(x, spread) if inverse else self.div(x, spread)

    def row(self, table: str, number: Value) -> Value:
        """One of a tensor's first axis, by an int64 that comes in."""
        shape = self._array(table).shape[1:]
        return self._made("Gather", [self.weight(table), number], shape, batch=False, axis=0)

    def by_row(self, table: str, number: Value, x: Value) -> Value:
        """A 1x1 convolution without bias, its weights [d, c] one of [t, d, c]."""
        row = self.row(table, number)
        d, c = self._array(table).shape[1:]
        kernel = self._made("Unsqueeze", [row, self.numbers([2, 3])], (d, c, 1, 1), batch=False)
        return self._made("Conv", [x, kernel], (d, *_sides(x)), kernel_shape=(1, 1))

    # One value from one

    def relu(self, x: Value, slope: float = 0.0) -> Value:
        """Below zero times the slope."""
        if not slope:
            return self._same("Relu", x)
        return self._same("LeakyRelu", x, alpha=float(slope))

    def sigmoid(self, x: Value) -> Value:
        return self._same("Sigmoid", x)

    def tanh(self, x: Value) -> Value:
        return self._same("Tanh", x)

    def absolute(self, x: Value) -> Value:
        return self._same("Abs", x)

    def log(self, x: Value) -> Value:
        return self._same("Log", x)

    def sign(self, x: Value) -> Value:
        """1 from zero on, -1 below."""
        at_least = self._same("GreaterOrEqual", x, self.number(0.0))
        at_least.type = TensorType(DataType.BOOL)
        return self._made("Where", [at_least, self.number(1.0), self.number(-1.0)], x.shape)

    # Arithmetic; a number stands for itself everywhere

    def add(self, x: Value, y: Value | Number) -> Value:
        return self._both("Add", x, y)

    def sub(self, x: Value, y: Value | Number) -> Value:
        return self._both("Sub", x, y)

    def mul(self, x: Value, y: Value | Number) -> Value:
        return self._both("Mul", x, y)

    def div(self, x: Value, y: Value | Number) -> Value:
        return self._both("Div", x, y)

    # Moving values

    def reflected(self, x: Value, left: int, right: int, top: int, bottom: int) -> Value:
        """x with its mirror image around, the outermost values not repeated."""
        height, width = _sides(x)
        shape = (_channels(x), added(height, top + bottom), added(width, left + right))
        pads = self.numbers([0, 0, top, left, 0, 0, bottom, right])
        return self._made("Pad", [x, pads], shape, mode="reflect")

    def slice(self, x: Value, axis: int, start: int, end: int | None) -> Value:
        """From start to end along an axis, both of which may count from behind."""
        stop = np.iinfo(np.int64).max if end is None else end
        operands = [x, *(self.numbers([n]) for n in (start, stop, axis))]
        shape = list(x.shape or ())
        side = shape[axis]
        if isinstance(side, int):
            shape[axis] = len(range(side)[start:end])
        elif start < 0 and end is None:
            shape[axis] = -start
        elif start >= 0 and end is not None and end > 0:
            shape[axis] = end - start
        else:
            shape[axis] = None
        return self._made("Slice", operands, shape, batch=False)

    def reshaped(self, x: Value, shape: Sequence[int]) -> Value:
        """The same elements in another shape, all of it known."""
        return self._made("Reshape", [x, self.numbers(shape)], shape, batch=False)

    def concat(self, values: Sequence[Value], axis: int = 1) -> Value:
        """Along an axis; the other sides are the first one's."""
        shape = list(values[0].shape or ())
        sides = [value.shape[axis] if value.shape is not None else None for value in values]
        known = [side for side in sides if isinstance(side, int)]
        others = [side for side in sides if not isinstance(side, int)]
        if not others:
            shape[axis] = sum(known)
        else:
            shape[axis] = added(others[0], sum(known)) if len(others) == 1 else None
        return self._made("Concat", values, shape, batch=False, axis=axis)

    def split(self, x: Value, count: int) -> tuple[Value, ...]:
        """Equal pieces along the channels."""
        each = _channels(x) // count
        made = self._node("Split", [x], count, axis=1, num_outputs=count)
        for out in made.outputs:
            _typed(out, (1, each, *_sides(x)), DataType.FLOAT)
        return made.outputs

    def channels(self, x: Value, numbers: Sequence[int]) -> Value:
        """The channels of these numbers, in that order."""
        return self._made("Gather", [x, self.numbers(numbers)], (len(numbers), *_sides(x)), axis=1)

    def pixel_shuffle(self, x: Value, block: int) -> Value:
        """Every block² channels to one, block times as high and wide."""
        shape = (_channels(x) // block**2, *(multiplied(side, block) for side in _sides(x)))
        return self._made("DepthToSpace", [x], shape, blocksize=block, mode="CRD")

    def pixel_unshuffle(self, x: Value, block: int) -> Value:
        """The inverse of ``pixel_shuffle``.

        The operator puts the places of a block before the channels, so each channel is taken apart
        by itself. To do so with all and put them in order by a gather is what OpenVINO 2026.4 gets
        wrong where a convolution follows.
        """
        ones = [self.slice(x, 1, number, number + 1) for number in range(_channels(x))]
        shape = (block**2, *(strided(side, block) for side in _sides(x)))
        parts = [self._made("SpaceToDepth", [one], shape, blocksize=block) for one in ones]
        return self.concat(parts) if len(parts) > 1 else parts[0]

    def number(self, value: Number) -> Value:
        return constant(self.graph, f"number.{value!r}", np.array(value, np.float32))

    def numbers(self, values: Sequence[int]) -> Value:
        name = "numbers." + "_".join(map(str, values))
        return constant(self.graph, name, np.array(values, np.int64))

    def finished(self, outputs: Mapping[str, Value]) -> Model:
        """The graph, with names for what comes out, in order."""
        for name, value in outputs.items():
            # A value has one name only: what comes in, or comes out twice, comes out as a copy.
            taken = value in self.graph.outputs or value.producer() is None
            out = self._same("Identity", value) if taken else value
            out.name = name
            self.graph.add_output(out)
        model = Model(self.graph, {"": OPSET})
        for layer, own in layers_of(model).items():
            _name_what_follows(own, layer)
        return model

    def _operands(self, layer: str, x: Value, *, outputs: int) -> list[Value]:
        """A layer's weights, output channels along that axis, and its bias if it has one."""
        shape = self._array(layer + _WEIGHT).shape
        bias = self.weights.get(f"{layer}.bias")
        fits = len(shape) == 4 and shape[1 - outputs] == _channels(x)
        if not fits or (bias is not None and bias.shape != (shape[outputs],)):
            raise ModelFileError(f"the weights do not fit the network: {layer} has {shape}")
        names = [layer + _WEIGHT, *([] if bias is None else [f"{layer}.bias"])]
        return [self.weight(name) for name in names]

    def _array(self, name: str) -> NDArray[Any]:
        if name not in self.weights:
            raise ModelFileError(f"the weights do not fit the network: there is no {name}")
        return np.asarray(self.weights[name], np.float32)

    def _same(self, kind: str, x: Value, *others: Value, **attributes: Any) -> Value:
        assert x.shape is not None
        return self._made(kind, [x, *others], x.shape, batch=False, **attributes)

    def _both(self, kind: str, x: Value, y: Value | Number) -> Value:
        other = y if isinstance(y, Value) else self.number(y)
        return self._made(
            kind, [x, other], broadcast(tuple(x.shape or ()), tuple(other.shape or ())), batch=False
        )

    def _made(
        self,
        kind: str,
        inputs: Sequence[Value],
        shape: Sequence[Any] | None,
        *,
        batch: bool = True,
        name: str | None = None,
        **attributes: Any,
    ) -> Value:
        made = self._node(kind, inputs, 1, name=name, **attributes)
        if shape is None:
            return made.outputs[0]
        sides = tuple(shape)
        # ``shape`` is of channels, height and width where a batch of one stands before them.
        _typed(made.outputs[0], (1, *sides) if batch and len(sides) == 3 else sides, DataType.FLOAT)
        return made.outputs[0]

    def _node(
        self, kind: str, inputs: Sequence[Value], outputs: int, name: str | None = None, **own: Any
    ) -> Node:
        name = name or f"{kind}.{len(self.graph)}"
        made = node(kind, inputs, own, num_outputs=outputs, name=name)
        self.graph.append(made)
        return made


def layers_of(model: Model) -> dict[str, Node]:
    """The nodes that are layers of the network, by the layer's name."""
    found = {}
    for each in model.graph:
        weight = each.inputs[1] if each.op_type in _LAYERS else None
        if weight is not None and weight.name is not None and weight.name.endswith(_WEIGHT):
            found[weight.name.removesuffix(_WEIGHT)] = each
    return found


def constant(graph: Graph, name: str, array: NDArray[Any]) -> Value:
    """An initializer; the one that is there when the name is."""
    if name in graph.initializers:
        return graph.initializers[name]
    elements = tensor(array, name=name)
    value = Value(name, shape=elements.shape, type=TensorType(elements.dtype), const_value=elements)
    graph.initializers[name] = value
    return value


def _name_what_follows(layer_node: Node, layer: str) -> None:
    """A runtime that moves a layer's steps behind what follows it loses the layer's own name."""
    following = layer_node
    for number in range(_FOLLOWING):
        uses = following.outputs[0].uses()
        if len(uses) != 1:
            return
        following = uses[0].node
        if following.op_type not in _ELEMENTWISE or ".after." in (following.name or ""):
            return
        following.name = f"{layer}.after.{number}"


def _input(name: str, sides: Sides) -> Value:
    shape = [side if isinstance(side, int) else Side.parse(side) for side in sides]
    value = Value(name)
    _typed(value, shape, DataType.FLOAT if sides else DataType.INT64)
    return value


def _typed(value: Value, shape: Sequence[Any], kind: DataType) -> None:
    value.shape, value.type = Shape(shape), TensorType(kind)


def _channels(x: Value) -> int:
    assert x.shape is not None
    return int(x.shape[1])


def _sides(x: Value) -> tuple[Any, Any]:
    assert x.shape is not None
    _, _, height, width = x.shape
    return height, width
