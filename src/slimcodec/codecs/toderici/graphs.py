"""The recurrent codec's graphs, operator by operator, from the config and the weights; no torch.

They compute what the modules in ``network.py`` compute, up to the rounding of float32 sums. What a
ConvLSTM remembers goes in and comes out; without any, it is before the first iteration, and what
would be computed from zeros is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from slimcodec.codecs.family import Signature
from slimcodec.codecs.toderici.config import STRIDE, TodericiConfig
from slimcodec.graphs.building import Builder
from slimcodec.graphs.ir import Model, Value

__all__ = ["written"]

CORRECTION = 0.2
"""As ``network.CORRECTION``."""


def written(
    config: TodericiConfig, weights: Mapping[str, NDArray[Any]], name: str, way: Signature
) -> Model:
    """See ``codecs.family.Family.written``."""
    build = Builder(weights, way.inputs)
    values = _GRAPHS[name](build, config)
    return build.finished(dict(zip(way.outputs, values, strict=True)))


def _encoder(build: Builder, config: TodericiConfig) -> list[Value]:
    residual = build["residual"]
    x = build.mul(residual, config.input_scale) if config.input_scale != 1 else residual
    x = build.conv("encoder.stem", x, stride=2, padding=1)
    after: list[Value] = []
    for number in range(len(config.encoder_widths)):
        x, memory = _cell(build, f"encoder.cells.{number}", number, x, stride=2, hidden_kernel=1)
        after += (x, memory)
    if config.linear_components:
        reach = (config.linear_window - STRIDE) // 2
        seen = build.reflected(residual, reach, reach, reach, reach) if reach else residual
        x = build.concat([x, build.conv("encoder.linear", seen, stride=STRIDE)])
    return [x, *after]


def _cell(
    build: Builder, cell: str, number: int, x: Value, *, stride: int, hidden_kernel: int
) -> tuple[Value, Value]:
    """A ConvLSTM's new hidden state and cell; gates in the order input, forget, cell, output."""
    remembers = f"hidden_{number}" in build.inputs
    gates = build.conv(f"{cell}.conv_ih", x, stride=stride, padding=1)
    if remembers:
        hidden = build[f"hidden_{number}"]
        own = build.conv(f"{cell}.conv_hh", hidden, padding=hidden_kernel // 2)
        gates = build.add(gates, own)
    enter, forget, new, out = build.split(gates, 4)
    memory = build.mul(build.sigmoid(enter), build.tanh(new))
    if remembers:
        kept = build.mul(build.sigmoid(forget), build[f"cell_{number}"])
        memory = build.add(memory, kept)
    return build.mul(build.sigmoid(out), build.tanh(memory)), memory


def _binarizer(build: Builder, config: TodericiConfig) -> list[Value]:
    features, iteration = build["features"], build["iteration"]
    width = config.encoder_widths[-1]
    if not config.linear_components:
        return [build.sign(build.conv("binarizer.conv", features))]
    x = build.conv("binarizer.conv", build.slice(features, 1, 0, width))
    threshold = None
    if config.significance:
        x, more = build.split(x, 2)
        threshold = build.add(more, 1)
    coefficients = build.slice(features, 1, width, width + config.linear_components)
    x = build.add(x, build.by_row("binarizer.decision", iteration, coefficients))
    rounds = build.row("binarizer.rounds", iteration)
    moves: Value | None = None
    significant: Value | None = None
    for number in range(config.linear_rounds):
        row = build.slice(rounds, 0, number, number + 1)
        chosen = build.reshaped(row, (1, config.moves, 1, 1))
        left = x
        if moves is not None:
            left = build.sub(x, build.by_row("binarizer.feedback", iteration, moves))
        sign = build.sign(left)
        if threshold is not None:
            says = build.sign(build.sub(build.absolute(left), threshold))
            significant = _summed(build, significant, build.mul(chosen, says))
            sign = build.mul(build.mul(sign, build.add(says, 1)), 0.5)
        moves = _summed(build, moves, build.mul(chosen, sign))
    assert moves is not None
    if significant is None:
        return [moves]
    # Slice by slice, significance bits before their signs.
    pairs = zip(*(build.split(v, config.slices) for v in (significant, moves)), strict=True)
    return [build.concat([piece for pair in pairs for piece in pair])]


def _decoder(build: Builder, config: TodericiConfig) -> list[Value]:
    code, iteration = build["code"], build["iteration"]
    features, step = code, None
    before = build["decoded"] if "decoded" in build.inputs else None
    if config.linear_components:
        step = build.by_row("decoder.steps", iteration, code)
        spread = build.weight("decoder.spread")
        features = build.concat([code, build.div(_summed(build, before, step), spread)])
    x = build.conv("decoder.head", features)
    after: list[Value] = []
    for number, kernel in enumerate(config.decoder_hidden_kernels):
        cell = f"decoder.cells.{number}"
        x, memory = _cell(build, cell, number, x, stride=1, hidden_kernel=kernel)
        after += (x, memory)
        x = build.pixel_shuffle(x, 2)
    x = build.conv("decoder.out", x)
    if config.bounded_output:
        x = build.div(build.tanh(x), 2)
    x = build.div(x, config.input_scale) if config.input_scale != 1 else x
    if step is not None:
        correction = build.conv("decoder.correction", after[0])
        unit = build.mul(build.weight("decoder.spread"), CORRECTION)
        step = build.add(step, build.mul(correction, unit))
        x = build.add(x, _pixels(build, config, step))
        after.insert(0, _summed(build, before, step))
    return [x, *after]


def _pixels(build: Builder, config: TodericiConfig, step: Value) -> Value:
    """Coefficients on their windows. Where those overlap there is one window more on every side:
    beyond its edge a picture is its mirror image, in which a component is itself or its negative.
    """
    if config.linear_window == STRIDE:
        return build.transposed("decoder.linear", step, stride=STRIDE)
    parity = build.weight("decoder.parity")
    for number, axis in enumerate((2, 3)):
        own = build.slice(parity, 0, number, number + 1)
        first, last = build.slice(step, axis, 0, 1), build.slice(step, axis, -1, None)
        step = build.concat([build.mul(first, own), step, build.mul(last, own)], axis)
    return build.transposed("decoder.linear", step, stride=STRIDE, padding=STRIDE + STRIDE // 2)


def _filter(build: Builder, config: TodericiConfig) -> list[Value]:
    picture = build["picture"]
    own = build.mul(build.sub(picture, 0.5), config.input_scale)
    x = build.concat([build.pixel_unshuffle(own, 2), build["hidden"]])
    layers = [f"decoder.filter.layers.{number}" for number in range(3)]
    for layer in layers[:-1]:
        x = build.relu(build.conv(layer, x, padding=1))
    x = build.pixel_shuffle(build.conv(layers[-1], x, padding=1), 2)
    return [build.add(picture, build.div(x, config.input_scale))]


def _summed(build: Builder, before: Value | None, x: Value) -> Value:
    return x if before is None else build.add(before, x)


_GRAPHS: dict[str, Callable[[Builder, TodericiConfig], list[Value]]] = {
    "encoder": _encoder,
    "binarizer": _binarizer,
    "decoder": _decoder,
    "filter": _filter,
}
