"""A layer against its formula in Python's integers, and the proof that it is exact."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slimcodec.errors import ModelFileError
from slimcodec.integers import (
    WEIGHT_LIMIT,
    IntegerLayer,
    IntegerNet,
    Leak,
    Output,
    Part,
    integer_layer,
    trusted,
)


def by_python_integers(layer: IntegerLayer, x: np.ndarray) -> np.ndarray:
    """The words of the module, one product after the other, in integers without a limit."""
    out = []
    for row in x.tolist():
        line = []
        for c in range(layer.weights.shape[1]):
            total = int(layer.bias[c])
            for value, weight in zip(row, layer.weights[:, c].tolist(), strict=True):
                total += value * weight
            multiplier, zero = int(layer.multiplier[c]), 0
            if layer.leak is not None:
                zero = layer.leak.zero
                multiplier = int(layer.leak.multiplier[c]) if total < 0 else multiplier
            scaled = (total * multiplier + (1 << (layer.shift - 1))) >> layer.shift
            line.append(min(max(scaled + zero, layer.lowest), layer.highest))
        out.append(line)
    return np.array(out)


def run(layer: IntegerLayer, x: np.ndarray) -> np.ndarray:
    return IntegerNet({"one": layer}).on(trusted())["one"](x)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 5),
    inputs=st.integers(1, 40),
    outputs=st.integers(1, 6),
    shift=st.integers(1, 30),
    most=st.integers(0, 15),
    limits=st.sampled_from([(0, 255), (0, 10), (-32, 32), (-(2**31), 2**31 - 1), (5, 5)]),
    zero=st.none() | st.integers(0, 255),
    seed=st.integers(0, 10**6),
)
def test_a_layer_is_its_formula(
    rows: int,
    inputs: int,
    outputs: int,
    shift: int,
    most: int,
    limits: tuple[int, int],
    zero: int | None,
    seed: int,
) -> None:
    """Behind a leaky rectifier too, where there is a zero point."""
    rng = np.random.default_rng(seed)
    layer = IntegerLayer(
        rng.integers(-63, 64, (inputs, outputs)).astype(np.int8),
        rng.integers(-(2**20), 2**20, outputs, np.int32),
        rng.integers(0, (1 << most) + 1, outputs, np.int32),
        shift,
        *limits,
    )
    if zero is not None:
        slower = rng.integers(0, layer.multiplier + 1).astype(np.int32)
        layer = replace(layer, leak=Leak(slower, zero))
    x = rng.choice(np.array([0, 1, 128, 254, 255], np.uint8), (rows, inputs))
    ours = run(layer, x)
    assert ours.dtype == (np.uint8 if layer.bytes_out else np.int32)
    np.testing.assert_array_equal(ours, by_python_integers(layer, x))


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("inputs", [1, 1000, 4000])
def test_the_largest_sums_and_products(inputs: int, sign: int) -> None:
    """Up to the limits of what the proof lets through nothing rounds but the floor."""
    weights = np.full((inputs, 1), sign * WEIGHT_LIMIT, np.int8)
    bias = (1 << 31) - 1 - 255 * WEIGHT_LIMIT * inputs
    for multiplier in ((1 << 22) - 1, (1 << 22) - 3):
        layer = IntegerLayer(
            weights,
            np.array([sign * bias], np.int32),
            np.array([multiplier], np.int32),
            24,
            -(2**30),
            2**30,
        )
        for x in (np.full((1, inputs), 255, np.uint8), np.full((1, inputs), 254, np.uint8)):
            np.testing.assert_array_equal(run(layer, x), by_python_integers(layer, x))


def test_halves_go_up() -> None:
    """-1.5, -0.5, 0.5 and 1.5, exactly."""
    x = np.array([[0], [1], [2], [3]], np.uint8)
    layer = IntegerLayer(
        np.array([[1]], np.int8), np.array([-3], np.int32), np.array([1], np.int32), 1, -9, 9
    )
    assert run(layer, x).ravel().tolist() == [-1, -1, 0, 0]
    twice = replace(layer, weights=np.array([[2]], np.int8))
    assert run(twice, x).ravel().tolist() == [-1, 0, 1, 2]


def sound(**changes: Any) -> IntegerLayer:
    facts: dict[str, Any] = {
        "weights": np.array([[1, -2], [3, 63]], np.int8),
        "bias": np.array([5, -6], np.int32),
        "multiplier": np.array([7, 8], np.int32),
        "shift": 9,
        "lowest": 0,
        "highest": 255,
    }
    return IntegerLayer(**facts | changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weights": np.array([[1, -2], [3, 64]], np.int8)}, "do not lie within ±63"),
        ({"weights": np.array([[1, -2], [3, -128]], np.int8)}, "do not lie within ±63"),
        ({"multiplier": np.array([7, -1], np.int32)}, "multiplier is negative"),
        ({"shift": 0}, "shifts or limits"),
        ({"shift": 63}, "shifts or limits"),
        ({"shift": -1}, "shifts or limits"),
        ({"lowest": 2, "highest": 1}, "shifts or limits"),
        ({"bias": np.array([5, 2**31 - 1], np.int32)}, r"could reach 2\^31\.0, the limit is 2\^31"),
        ({"bias": np.array([-(2**31), 0], np.int32)}, "too large to be exact"),
        (
            {"bias": np.full(2, 2**30, np.int32), "multiplier": np.full(2, 2**23, np.int32)},
            r"multiplier 2\^53\.0, the limit is 2\^53",
        ),
        ({"multiplier": np.full(2, 2**31 - 1), "bias": np.full(2, 2**31 - 20_000)}, "too large"),
        ({"multiplier": np.full(2, 2**62), "bias": np.full(2, 2**62)}, "too large"),
        ({"shift": 54}, "too large"),
    ],
)
def test_what_could_be_wrong_is_refused(changes: dict[str, Any], words: str) -> None:
    sound()
    with pytest.raises(ModelFileError, match=words) as error:
        sound(**changes)
    assert "\n" not in str(error.value)


def test_a_sum_too_long() -> None:
    """So many inputs that all at their largest leave 32 bits."""
    inputs = (1 << 31) // (255 * WEIGHT_LIMIT)
    one = np.ones(1, np.int32)
    weights = np.full((inputs + 1, 1), WEIGHT_LIMIT, np.int8)
    IntegerLayer(weights[:-1], 0 * one, one, 1, 0, 255)
    with pytest.raises(ModelFileError, match=r"a sum could reach 2\^31\.0, the limit is 2\^31"):
        IntegerLayer(weights, 0 * one, one, 1, 0, 255)


def test_identity_is_of_everything_and_nothing_else() -> None:
    layer = sound()
    assert layer.to_bytes() == sound(bias=np.array([5, -6], np.int64)).to_bytes()
    others = [
        sound(weights=np.array([[1, -2], [3, 62]], np.int8)),
        sound(weights=np.array([[3, 63], [1, -2]], np.int8)),
        sound(bias=np.array([5, -5], np.int32)),
        sound(multiplier=np.array([8, 7], np.int32)),
        sound(shift=10),
        sound(lowest=1),
        sound(highest=254),
    ]
    assert len({one.to_bytes() for one in [layer, *others]}) == 1 + len(others)
    nets = [{"a": layer}, {"b": layer}, {"a": layer, "b": others[0]}, {"a": others[0], "b": layer}]
    assert len({IntegerNet(net).to_bytes() for net in nets}) == len(nets)
    backwards = dict(reversed(nets[2].items()))
    assert IntegerNet(backwards).to_bytes() == IntegerNet(nets[2]).to_bytes()


# From quantized weights to a layer


def drawn_parts(seed: int) -> tuple[list[Part], np.ndarray]:
    """Two parts whose steps times input steps are the same, and a bias."""
    rng = np.random.default_rng(seed)
    unit = rng.uniform(0.5, 2, 4) * 2.0**-9
    parts = []
    for inputs, step, zero in ((6, 0.25, 128), (3, 2.0, np.array([0, 1, 128]))):
        integers = rng.integers(-63, 64, (inputs, 4)).astype(np.int8)
        parts.append(Part(integers, (unit / step).astype(np.float32), step, zero))
    return parts, rng.normal(0, 1, 4).astype(np.float32)


def in_fractions(parts: list[Part], bias: np.ndarray, x: np.ndarray, c: int) -> Fraction:
    """What a float network would say of one row, were it exact."""
    total, start = Fraction(float(bias[c])), 0
    for part in parts:
        zeros = np.broadcast_to(part.zero, len(part.integers))
        for k, zero in enumerate(zeros.tolist()):
            value = (int(x[start + k]) - zero) * Fraction(part.input_step)
            total += value * int(part.integers[k, c]) * Fraction(float(part.steps[c]))
        start += len(part.integers)
    return total


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "output",
    [
        Output(2.0**-5),
        Output(0.013, -40, 90),
        Output(np.array([0.01, 0.02, 0.5, 3.0]), -1000, 1000),
    ],
    ids=["bytes", "signed", "each its own"],
)
def test_a_layer_of_parts_says_what_floats_say(seed: int, output: Output) -> None:
    parts, bias = drawn_parts(seed)
    layer = integer_layer(parts, bias, output)
    x = np.random.default_rng(seed).integers(0, 256, (30, 9), np.uint8)
    ours = run(layer, x)
    steps = np.broadcast_to(output.step, 4)
    for (row, c), found in np.ndenumerate(ours):
        exact = in_fractions(parts, bias, x[row], c) / Fraction(float(steps[c]))
        clipped = min(max(exact, output.lowest), output.highest)
        # Half a step is the last rounding; the bias is one of whole sums, multipliers are integers.
        unit = float(parts[0].steps[c]) * parts[0].input_step / float(steps[c])
        slack = 0.51 / float(layer.multiplier[c])
        assert abs(found - clipped) <= 0.5 + unit + abs(exact) * slack + 1e-3


def test_zero_points_are_taken_off() -> None:
    parts, _ = drawn_parts(0)
    zeros = np.concatenate([np.broadcast_to(p.zero, len(p.integers)) for p in parts])
    bias = np.array([0.0, 0.5, -0.5, 1.0], np.float32)
    layer = integer_layer(parts, bias, Output(0.125, -100, 100))
    assert run(layer, zeros.astype(np.uint8)[None]).tolist() == [[0, 4, -4, 8]]


def test_multipliers_have_fifteen_bits() -> None:
    """The largest, that is: channels share their shift."""
    for scale in 2.0 ** np.arange(-30, 12):
        part = Part(np.ones((1, 2), np.int8), np.array([scale, scale / 50], np.float32), 1.0)
        layer = integer_layer([part], np.zeros(2), Output(1.0))
        assert 1 << 14 <= layer.multiplier[0] <= 1 << 15
        ratio = layer.multiplier / 2.0**layer.shift / part.steps
        np.testing.assert_allclose(ratio, 1, atol=50 * 2.0**-15)


@pytest.mark.parametrize("bias", [1e30, -1e30, 3e38, 1e12])
def test_a_bias_beyond_any_sum_clips(bias: float) -> None:
    """What is added to it makes no difference, and the proof holds."""
    parts, _ = drawn_parts(1)
    layer = integer_layer(parts, np.full(4, bias, np.float32), Output(0.01))
    x = np.random.default_rng(0).integers(0, 256, (20, 9), np.uint8)
    assert (run(layer, x) == (255 if bias > 0 else 0)).all()


def damaged_steps(value: float) -> Callable[[list[Part]], list[Part]]:
    return lambda parts: [
        replace(part, steps=np.array([value, *part.steps[1:]], np.float32)) for part in parts
    ]


@pytest.mark.parametrize(
    "change",
    [
        damaged_steps(math.inf),
        damaged_steps(math.nan),
        damaged_steps(-1.0),
        lambda parts: [replace(part, steps=0 * part.steps) for part in parts],
        lambda parts: [replace(part, steps=-part.steps) for part in parts],
        lambda parts: [replace(part, input_step=math.nan) for part in parts],
        lambda parts: [replace(part, integers=part.integers * 0 + 64) for part in parts],
    ],
)
def test_steps_that_make_no_layer(change: Callable[[list[Part]], list[Part]]) -> None:
    parts, bias = drawn_parts(2)
    integer_layer(parts, bias, Output(0.1))
    with pytest.raises(ModelFileError) as error:
        integer_layer(change(parts), bias, Output(0.1))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_biases_that_are_no_numbers(value: float) -> None:
    parts, bias = drawn_parts(3)
    bias[2] = value
    with pytest.raises(ModelFileError, match="steps or biases are damaged"):
        integer_layer(parts, bias, Output(0.1))


@pytest.mark.parametrize("step", [1e-300, 5e-324, 1e300])
def test_outputs_on_a_forged_grid(step: float) -> None:
    """An error or a layer, never an overflow."""
    parts, bias = drawn_parts(3)
    try:
        layer = integer_layer(parts, bias, Output(step))
    except ModelFileError as error:
        assert "\n" not in str(error)
    else:
        run(layer, np.zeros((1, 9), np.uint8))


def test_leaks_that_cannot_be_are_refused() -> None:
    part = Part(np.ones((4, 2), np.int8), np.ones(2, np.float32), 1.0)
    layer = integer_layer([part], np.zeros(2), Output(2.0, slope=0.25, zero=7))
    assert layer.leak is not None
    assert layer.leak.multiplier.tolist() == (layer.multiplier // 4).tolist()
    assert layer.to_bytes() != replace(layer, leak=Leak(layer.leak.multiplier, 8)).to_bytes()
    for multiplier, zero, words in (
        (layer.multiplier + 1, 7, "negative sums is beyond"),
        (-layer.multiplier, 7, "negative sums is beyond"),
        (layer.multiplier, 256, "zero point must be 0 to 255"),
    ):
        with pytest.raises(ModelFileError, match=words):
            replace(layer, leak=Leak(multiplier, zero))
    with pytest.raises(ModelFileError, match="too large to be exact"):
        replace(layer, shift=60, leak=Leak(layer.multiplier, 255))
