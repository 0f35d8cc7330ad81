"""Layers of more than eight bits as products of eight, and pixels kept as blocks: the same numbers,
on ONNX Runtime, at any sides that are whole blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from slimcodec.graphs.building import layers_of
from slimcodec.quantization import ActivationGrid, Quantization, WeightGrid, levels
from slimcodec.runtime.graphs.blocks import (
    blocks_laid_out_late,
    few_outputs_over_blocks,
    patches_as_channels,
)
from slimcodec.runtime.graphs.grids import write_grids
from slimcodec.runtime.graphs.rewrites import transposed_as_convolution
from slimcodec.runtime.graphs.wide import lifts_as_biases, wide_as_integers
from tests.onnx_protos import from_proto, to_proto
from tests.runtime.test_rewrites import Graph, Rewrite, run

EIGHT = ActivationGrid(1 / 32, 8, -40)


def rewritten(
    model: Any,
    *rewrites: Rewrite,
    sides: tuple[int, int] = (8, 6),
    tolerance: float = 2e-6,
    **grids: tuple[int, ActivationGrid],
) -> Any:
    """The graph's layers, in order, on grids of weights and inputs; then rewritten to the same."""
    graph = from_proto(model)
    layers = list(layers_of(graph).items())
    weights, activations = {}, {}
    for (name, node), (bits, grid) in zip(layers, grids.values(), strict=True):
        given: Any = node.inputs[1]
        array = given.const_value.numpy()
        axis = 1 if node.op_type == "ConvTranspose" else 0
        steps = np.full(array.shape[axis], np.abs(array).max() / levels(bits)[1], np.float32)
        kind = np.int8 if bits <= 8 else np.int16
        integers = np.rint(array / steps[0]).clip(*levels(bits)).astype(kind)
        weights[f"{name}.weight"] = WeightGrid(integers, steps, axis, bits)
        activations[name] = grid
    write_grids(
        graph, Quantization(weights, activations), dequantize_behind_padding=False,
        wide_weights=True,
    )  # fmt: skip
    before = run(to_proto(graph), sides)
    for rewrite in rewrites:
        graph = rewrite(graph)
    # Every name once, or another reader would not take it.
    again = from_proto(to_proto(graph))
    after = run(to_proto(again), sides)
    assert after.shape == before.shape
    np.testing.assert_allclose(after, before, rtol=0, atol=tolerance * np.abs(before).max())
    return again


def kinds_of(graph: Any) -> Counter[str]:
    return Counter(node.op_type for node in graph.graph)


def in_floats(graph: Any) -> list[str]:
    """Layers that multiply anything but integers."""
    floats = []
    for node in graph.graph:
        if node.op_type in ("Conv", "ConvTranspose"):
            made = [value.producer() for value in node.inputs[:2]]
            if any(maker is None or maker.op_type != "DequantizeLinear" for maker in made):
                floats.append(node.name)
    return floats


def layer(g: Graph, x: str, inputs: int, outputs: int, kernel: int = 3, **attributes: Any) -> str:
    weight = g.weight(outputs, inputs, kernel, kernel, integers=False)
    return str(g.add("Conv", x, weight, g.bias(outputs), **attributes))


def upward(g: Graph, x: str, inputs: int, outputs: int) -> str:
    weight = g.weight(inputs, outputs, 5, 5, integers=False)
    return str(
        g.add(
            "ConvTranspose", x, weight, g.bias(outputs), strides=[2, 2], pads=[2] * 4,
            output_padding=[1, 1],
        )
    )  # fmt: skip


@pytest.mark.parametrize("make", [upward, partial(layer, pads=[1] * 4)])
def test_a_lift_is_in_the_bias_of_a_layer_that_pads_zeros(make: Callable[..., str]) -> None:
    g = Graph(5)
    x = g.add("LeakyRelu", make(g, "x", 5, 4), alpha=0.2)
    graph = rewritten(g.model(x), lifts_as_biases, first=(8, EIGHT))
    assert kinds_of(graph)["Conv"] == 1
    assert kinds_of(graph)["ConvTranspose"] == 0
    assert not in_floats(graph)


@pytest.mark.parametrize("pads", [0, 1])
@pytest.mark.parametrize("bits", [9, 10, 11])
@pytest.mark.parametrize("lowest", [-96, -101])
def test_inputs_of_a_few_more_bits_are_copies(bits: int, lowest: int, pads: int) -> None:
    g = Graph(5)
    x = g.add("LeakyRelu", layer(g, "x", 5, 4), alpha=0.2)
    x = layer(g, x, 4, 3, pads=[pads] * 4)
    wide = ActivationGrid(1 / 64, bits, lowest)
    graph = rewritten(g.model(x), wide_as_integers, first=(8, EIGHT), second=(8, wide))
    assert not in_floats(graph)
    # The layer before makes the copies where one padding does for all.
    alike = pads == 0 or lowest % 2 ** (bits - 8) == 0
    assert kinds_of(graph)["Concat"] == (0 if alike else 1)
    assert kinds_of(graph)["Conv"] == 2


def test_copies_lie_beside_each_other_in_every_pixel_of_a_block() -> None:
    g = Graph(5)
    x = g.add("LeakyRelu", upward(g, "x", 5, 4), alpha=0.2)
    x = upward(g, x, 4, 6)
    wide = ActivationGrid(1 / 64, 9, -96)
    graph = rewritten(
        g.model(x), transposed_as_convolution, blocks_laid_out_late, wide_as_integers,
        first=(8, ActivationGrid(1 / 32, 8, -128)), second=(8, wide),
    )  # fmt: skip
    assert not in_floats(graph)
    assert kinds_of(graph)["Concat"] == 0
    assert kinds_of(graph)["Conv"] == 2


@pytest.mark.parametrize("weights", [8, 12])
@pytest.mark.parametrize("inputs", [12, 16])
def test_inputs_of_many_bits_are_two_bytes(weights: int, inputs: int) -> None:
    g = Graph(5)
    x = layer(g, "x", 5, 4, pads=[1] * 4)
    wide = ActivationGrid(8 / 2**inputs, inputs, -(2 ** (inputs - 1)))
    # A sum in floats of another order may fall on the other side of a level, which is small.
    graph = rewritten(
        g.model(x), wide_as_integers, tolerance=4 / 2**inputs, first=(weights, wide)
    )  # fmt: skip
    assert not in_floats(graph)
    assert kinds_of(graph)["Conv"] == (2 if weights == 8 else 4)


def test_wide_weights_that_no_product_takes_are_floats_again() -> None:
    g = Graph(5)
    x = g.add("Conv", "x", g.weight(5, 1, 3, 3, integers=False), group=5)
    graph = rewritten(
        g.model(x), wide_as_integers, first=(12, ActivationGrid(2**-12, 16, -(2**15)))
    )
    assert kinds_of(graph)["DequantizeLinear"] == 0


def test_the_last_layer_over_blocks_and_a_linear_path_share_one_layout() -> None:
    """As in ``hific-s``: two ways to one picture."""
    g = Graph(6)
    way = g.add("LeakyRelu", upward(g, "x", 6, 5), alpha=0.2)
    way = upward(g, way, 5, 3)
    weight = g.weight(6, 3, 4, 4, integers=False)
    linear = g.add("ConvTranspose", "x", weight, g.bias(3), strides=[4, 4])
    x = g.add("Add", linear, way)
    x = g.add("Add", g.add("Div", x, g.constant(np.float32(4))), g.constant(np.float32(0.5)))
    eight, nine = ActivationGrid(1 / 32, 8, -40), ActivationGrid(1 / 32, 9, -40)
    bytes_of = ActivationGrid(2**-12, 16, -(2**15))
    graph = rewritten(
        g.model(x),
        partial(transposed_as_convolution, most=4),
        lifts_as_biases,
        partial(blocks_laid_out_late, sums=False),
        few_outputs_over_blocks,
        blocks_laid_out_late,
        wide_as_integers,
        tolerance=1e-4,
        first=(8, eight), second=(8, nine), third=(12, bytes_of),
    )  # fmt: skip
    assert not in_floats(graph)
    kinds = kinds_of(graph)
    assert kinds["ConvTranspose"] == 0
    assert kinds["Conv"] == 2 + 4
    # Of the linear path nothing is left to lay out before the sum: both are blocks of 4x4.
    assert kinds["DepthToSpace"] == 1


def test_layouts_of_two_sizes_are_added_in_blocks_of_the_smaller() -> None:
    g = Graph(6)
    small = g.add("DepthToSpace", layer(g, "x", 6, 12, 1), blocksize=2, mode="DCR")
    linear = g.weight(6, 3, 8, 8, integers=False)
    large = g.add("ConvTranspose", "x", linear, g.bias(3), strides=[8, 8])
    up = g.add("DepthToSpace", layer(g, small, 3, 48, 1), blocksize=4, mode="DCR")
    x = g.add("Add", up, large)
    floats = from_proto(g.model(x))
    before = run(to_proto(floats), (4, 3))
    graph = blocks_laid_out_late(transposed_as_convolution(floats))
    np.testing.assert_allclose(run(to_proto(graph), (4, 3)), before, rtol=0, atol=1e-4)
    sizes = [n.attributes.get_int("blocksize") for n in graph.graph if n.op_type == "DepthToSpace"]
    assert sorted(sizes) == [2, 2, 4]


def test_patches_are_channels() -> None:
    g = Graph(3)
    x = g.add("Conv", g.seen("x", False), g.weight(7, 3, 4, 4), g.bias(7), strides=[4, 4])
    floats = from_proto(g.model(x))
    before = run(to_proto(floats), (12, 8))
    graph = patches_as_channels(floats)
    np.testing.assert_allclose(run(to_proto(graph), (12, 8)), before, rtol=0, atol=1e-4)
    assert kinds_of(graph)["SpaceToDepth"] == 1


def test_what_something_else_reads_is_laid_out_where_it_was() -> None:
    g = Graph(4)
    pixels = g.add("DepthToSpace", layer(g, "x", 4, 8, 1), blocksize=2, mode="DCR")
    x = g.add("Mul", g.add("Relu", pixels), pixels)
    graph = from_proto(g.model(x))
    before = run(to_proto(graph), (4, 3))
    after = blocks_laid_out_late(graph)
    np.testing.assert_array_equal(run(to_proto(after), (4, 3)), before)
    assert [n.op_type for n in after.graph].index("DepthToSpace") == 1
