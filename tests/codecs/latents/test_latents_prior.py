"""The integer prior: its torch twin, proved, and the same on every machine and engine."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slimcodec.codecs.latents import QUALITY_STEPS, MeanScaleCodec
from slimcodec.codecs.latents.hyperprior import gain_of
from slimcodec.codecs.latents.scales import (
    GRID_STEP,
    OUTPUT_FRACTION,
    SUBSTEPS,
    TABLE_SCALES,
    ScaleGrid,
    Units,
    tables_at,
)
from slimcodec.errors import ModelFileError
from slimcodec.model_file import Model, thaw_network
from slimcodec.quantization import ActivationGrid, Quantization
from tests.codecs.latents.large_prior import (
    CONTEXT,
    FEATURES,
    SCALE,
    Settled,
    digest,
    random_settled,
    regridded,
    tables,
)

SLICES = (2, 4)


@pytest.fixture(scope="module")
def network(tiny_model: Model) -> Any:
    """The torch twin, which rounds what the prior rounds."""
    return thaw_network(tiny_model)


def drawn(shape: tuple[int, ...], largest: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(-largest, largest + 1, shape, dtype=np.int32)


def float_outputs(network: Any, z_hat: np.ndarray) -> np.ndarray:
    """Of the scale net, [4h, 4w, m]."""
    with torch.no_grad():
        out = network.probability.scale(torch.from_numpy(z_hat)[None].float())
    return out[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("largest", [1, 6, 100])
@pytest.mark.parametrize("shape", [(2, 2), (1, 5), (5, 3)])
def test_outputs_are_those_of_the_torch_twin(
    tiny_codec: MeanScaleCodec, network: Any, largest: int, shape: tuple[int, int]
) -> None:
    prior = tiny_codec.coding.prior
    z_hat = drawn((8, *shape), largest)
    ours, _ = prior.outputs(z_hat)
    low, high = prior.grid.limits
    theirs = np.clip(float_outputs(network, z_hat) * 2.0**OUTPUT_FRACTION, low, high)
    # Where a hidden sum lies between two levels a float may fall on the other side.
    away = np.abs(ours - theirs)
    assert (away <= 1 + 2e-4 * np.abs(theirs)).mean() > 0.98
    assert len(np.unique(ours)) > 20


def test_hyper_latents_beyond_a_byte_are_clipped(tiny_codec: MeanScaleCodec, network: Any) -> None:
    """In the twin too; symbols themselves are coded whole."""
    prior = tiny_codec.coding.prior
    z_hat = drawn((8, 3, 4), 500)
    assert (np.abs(z_hat) > 128).any()
    inside = np.clip(z_hat, -128, 127)
    np.testing.assert_array_equal(prior.outputs(z_hat)[0], prior.outputs(inside)[0])
    np.testing.assert_array_equal(float_outputs(network, z_hat), float_outputs(network, inside))
    for largest in (2**24, 2**31 - 1):
        z_hat = np.sign(z_hat) * largest
        np.testing.assert_array_equal(
            prior.outputs(z_hat.astype(np.int32))[0], prior.outputs(np.clip(z_hat, -128, 127))[0]
        )


def test_the_same_tables_whatever_the_threads() -> None:
    assert len(np.unique(tables())) > 10
    digests = {digest()}
    program = Path(__file__).with_name("large_prior.py")
    for threads in ("1", "2"):
        limits = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        result = subprocess.run(
            [sys.executable, program],
            env={**os.environ, **limits, "SLIMCODEC_ENGINE": "numpy"},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(result.stdout.strip())
    assert len(digests) == 1


# The proof


def refused(one: Settled, words: str) -> None:
    with pytest.raises(ModelFileError, match=words) as error:
        one.prior()
    assert "\n" not in str(error.value)


LAYERS = [
    f"{SCALE}0",
    f"{SCALE}2",
    FEATURES,
    f"{CONTEXT}hyper",
    f"{CONTEXT}features",
    f"{CONTEXT}groups.0.mix",
    f"{CONTEXT}groups.2.seen",
    f"{CONTEXT}groups.3.out",
]
WITHOUT_BIAS = (f"{CONTEXT}features", f"{CONTEXT}groups.2.seen")
NOT_THE_FIRST = (f"{CONTEXT}features", f"{CONTEXT}groups.0.mix")
"""Of a sum: its steps are those of the layer before it."""


def small() -> Settled:
    return random_settled(3, 6, 1, SLICES, features=4)


@pytest.mark.parametrize("name", LAYERS)
def test_weights_beyond_seven_bits_are_refused(name: str) -> None:
    small().prior()
    integers = small().quantization.weights[f"{name}.weight"].integers.copy()
    integers.flat[2] = -64
    refused(regridded(small(), name, integers=integers, bits=8), "do not lie within ±63")


@pytest.mark.parametrize("name", [name for name in LAYERS if name not in WITHOUT_BIAS])
@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_biases_that_are_not_finite_are_refused(name: str, value: float) -> None:
    one = small()
    one.weights[f"{name}.bias"][0] = value
    refused(one, "steps or biases are damaged")


@pytest.mark.parametrize("name", [name for name in LAYERS if name not in NOT_THE_FIRST])
@pytest.mark.parametrize("factor", [0.0, -1.0])
def test_steps_that_cannot_be_are_refused(name: str, factor: float) -> None:
    steps = small().quantization.weights[f"{name}.weight"].steps
    refused(regridded(small(), name, steps=steps * np.float32(factor)), "damaged")


def test_sums_that_leave_32_bits_are_refused() -> None:
    one = random_settled(1, 8_000, 1, (8_000,), width=1)
    integers = one.quantization.weights[f"{CONTEXT}groups.1.seen.weight"].integers * 0
    forged = regridded(one, f"{CONTEXT}groups.1.seen", integers=integers + np.int8(63))
    refused(forged, r"could reach 2\^31\.\d, the limit is")


@pytest.mark.parametrize("bias", [1e30, -1e30])
def test_huge_biases_clip(bias: float) -> None:
    """Nothing that is added to one makes a difference; places stay within the grid."""
    one = small()
    one.weights[f"{SCALE}2.bias"][:] = bias
    prior = one.prior()
    expected = prior.grid.limits[bias > 0]
    assert (prior.outputs(drawn((3, 2, 2), 100))[0] == expected).all()
    places, _ = prior.places_and_features(drawn((3, 2, 2), 100), (8, 8), 0, 8)
    assert (places < 2**20).all()


@pytest.mark.parametrize("step", [1e-30, 1e-3, 1e3, 1e30])
@pytest.mark.parametrize(
    "name",
    [
        f"{SCALE}1", FEATURES, f"{CONTEXT}features", f"{CONTEXT}groups.0.mix",
        f"{CONTEXT}groups.1.out",
    ],
)  # fmt: skip
def test_forged_grids(name: str, step: float) -> None:
    """Refused, or coded with."""
    one = small()
    grids = {**one.quantization.activations, name: ActivationGrid(step, 8, 0)}
    forged = replace(one, quantization=Quantization(one.quantization.weights, grids))
    try:
        walk = forged.prior().walk(drawn((3, 2, 2), 9), (8, 8), 0, 8)
    except ModelFileError as error:
        assert "\n" not in str(error)
    else:
        coded_by(walk, lambda guess: np.full(guess.tables.shape, 3, np.int32))


@pytest.mark.parametrize("part", ["weights", "activations"])
def test_a_prior_without_its_grids(part: str) -> None:
    one = small()
    for name in getattr(one.quantization, part):
        fewer = {k: v for k, v in getattr(one.quantization, part).items() if k != name}
        # A step that no integer depends on may be missing: of a group's later inputs.
        spare = part == "activations" and name.endswith("mix") and ".groups.0." not in name
        forged = replace(one, quantization=replace(one.quantization, **{part: fewer}))
        if not spare:
            with pytest.raises(LookupError):
                forged.prior()


def test_a_scale_net_of_zeros_says_its_bias() -> None:
    """Pruned to nothing it still codes, with one scale for all of a channel."""
    one = random_settled(3, 6, 1)
    for number in range(3):
        grid = one.quantization.weights[f"{SCALE}{number}.weight"]
        one = regridded(one, f"{SCALE}{number}", integers=0 * grid.integers)
    out = one.prior().outputs(np.ones((3, 2, 2), np.int32))[0] / 2.0**OUTPUT_FRACTION
    np.testing.assert_allclose(
        out, np.broadcast_to(one.weights[f"{SCALE}2.bias"], out.shape), atol=0.01
    )


@pytest.mark.parametrize("factor", [0.0, 1e-6])
def test_an_output_that_nothing_reaches_says_its_bias(
    make_network: Callable[[int], Any], factor: float
) -> None:
    """A settled network's dead channel, beside others; the others are as exact as before."""
    from slimcodec.model_file import freeze_network

    network = make_network(0)
    last = network.probability.scale.layers[2]
    with torch.no_grad():
        last.weight[:, 3].mul_(factor)
        last.bias[3] = 0.3
    model = freeze_network(network, name="x", family="hific")
    z_hat = drawn((8, 3, 4), 6)
    ours = model.coding.prior.outputs(z_hat)[0] / 2.0**OUTPUT_FRACTION
    # Beyond its limits no output is told apart.
    limits = np.array(model.coding.prior.grid.limits) / 2.0**OUTPUT_FRACTION
    theirs = np.clip(float_outputs(thaw_network(model), z_hat), *limits)
    np.testing.assert_allclose(ours[..., 3], theirs[..., 3], atol=0.01)
    away = np.abs(ours - theirs)
    # A hidden value between two levels goes to either of them.
    assert (away < 0.01 + 0.002 * np.abs(theirs)).mean() > 0.93


# The grid


def test_thresholds_are_the_scales_halfway_between_places() -> None:
    for softplus in (False, True):
        grid = ScaleGrid.build(softplus, np.zeros((1, 2)))
        assert (np.diff(grid.thresholds) >= 0).all()
        output = grid.thresholds.astype(np.float64) / 2.0**OUTPUT_FRACTION
        scale = np.log1p(np.exp(output)) if softplus else output
        places = grid.lowest + 0.5 + np.arange(len(scale))
        away = np.log(scale / 0.11) / GRID_STEP - places
        # Outputs have ten fractional bits: so much of a step that is where scales are least.
        slope = -np.expm1(-scale) if softplus else 1.0
        assert (away > -1e-6).all()
        assert (away < 1.02 * 2.0**-OUTPUT_FRACTION * slope / scale / GRID_STEP + 1e-6).all()


def test_thresholds_take_no_more_memory_than_outputs_can_tell_apart() -> None:
    for gain in (-30.0, 0.0, 30.0):
        for softplus in (False, True):
            grid = ScaleGrid.build(softplus, np.array([[gain, 0.0]]))
            low, high = grid.limits
            assert high - low <= (1 << 18) + 1
            assert len(grid._passed) <= (1 << 18) + 2
            again = ScaleGrid.from_arrays(grid.to_arrays())
            assert again.limits == grid.limits


def test_places_by_a_slow_loop(tiny_codec: MeanScaleCodec) -> None:
    """Thresholds counted one by one, and the words of the module for the rest."""
    grid = tiny_codec.coding.prior.grid
    thresholds = [int(t) for t in grid.thresholds]
    assert thresholds == sorted(thresholds)
    rng = np.random.default_rng(0)
    low, high = grid.limits
    spread = rng.integers(low, high + 1, (40, 12))
    exactly = rng.choice(grid.thresholds, (40, 12)) + rng.integers(-1, 2, (40, 12))
    small = rng.integers(low, min(high, 2000), (40, 12))
    outputs = np.clip(np.concatenate([spread, exactly, small]), low, high).astype(np.int32)
    for step in (0, 5, 8, 17, 32):
        places = grid.places(outputs, step, QUALITY_STEPS)
        indexes = tables_at(places)
        below, rest = divmod(step, QUALITY_STEPS)
        above = min(below + 1, len(grid.shifts) - 1)
        for (row, channel), output in np.ndenumerate(outputs):
            place = grid.lowest + sum(int(output) >= t for t in thresholds)
            one, other = (int(grid.shifts[q, channel]) for q in (below, above))
            place += (one * (QUALITY_STEPS - rest) + other * rest) // QUALITY_STEPS
            assert places[row, channel] == place
            table = math.floor((place + SUBSTEPS / 2) / SUBSTEPS)
            assert indexes[row, channel] == min(max(table, 0), len(TABLE_SCALES) - 1)


@pytest.mark.parametrize("quality", [1.0, 2.5, 5.0])
def test_tables_are_those_of_the_float_scales(
    tiny_codec: MeanScaleCodec, network: Any, quality: float
) -> None:
    z_hat = drawn((8, 6, 9), 6)
    step = round((quality - 1) * QUALITY_STEPS)
    prior = tiny_codec.coding.prior
    places, _ = prior.places_and_features(z_hat, (24, 36), step, QUALITY_STEPS)
    ours = tables_at(places).reshape(24, 36, 12).transpose(2, 0, 1)
    with torch.no_grad():
        gain = gain_of(network.log_gain, torch.tensor([quality - 1]))
        scales = network.probability.latent_scales(torch.from_numpy(z_hat)[None].float()) * gain
    table_step = math.log(TABLE_SCALES[1] / TABLE_SCALES[0])
    ideal = np.log(np.maximum(scales[0].double().numpy(), 1e-9) / TABLE_SCALES[0]) / table_step
    ideal = np.clip(ideal, 0, len(TABLE_SCALES) - 1)
    away = np.abs(ours - ideal)
    assert (away < 0.7).mean() > 0.99  # half a table is rounding, the rest the grid's shift
    assert (away < 1).mean() > 0.995
    assert ours.std() > 1


def test_a_gain_moves_places_by_its_logarithm(tiny_codec: MeanScaleCodec) -> None:
    z_hat = drawn((8, 4, 4), 6, seed=2)
    steps = range(0, QUALITY_STEPS * (len(tiny_codec.qualities) - 1) + 1, 4)
    prior = tiny_codec.coding.prior
    places = np.stack(
        [prior.places_and_features(z_hat, (16, 16), s, QUALITY_STEPS)[0] for s in steps]
    )
    logs = tiny_codec.coding.log_gain.astype(np.float64)
    for number, step in enumerate(steps):
        low, rest = divmod(step, QUALITY_STEPS)
        high = min(low + 1, len(logs) - 1)
        log = logs[low] + (logs[high] - logs[low]) * rest / QUALITY_STEPS
        moved = places[number] - places[0]
        assert np.abs(moved - (log - logs[0]) / GRID_STEP).max() < 2.5


def test_the_grid_and_the_units_go_through_a_file(tiny_model: Model) -> None:
    grid = ScaleGrid.from_arrays(tiny_model.frozen)
    assert ScaleGrid.from_arrays(grid.to_arrays()).to_bytes() == grid.to_bytes()
    units = Units.from_arrays(tiny_model.frozen)
    assert units.to_bytes() == Units.build().to_bytes()
    assert units.grid_step == pytest.approx(GRID_STEP, rel=1e-10)


@pytest.mark.parametrize("change", ["swapped", "far apart", "none"])
def test_thresholds_that_are_no_thresholds(tiny_model: Model, change: str) -> None:
    """The last would take memory without an end."""
    thresholds = tiny_model.frozen["grid.thresholds"].astype(np.int64)
    if change == "swapped":
        thresholds[[3, 100]] = thresholds[[100, 3]]
    elif change == "far apart":
        thresholds[-1] = thresholds[0] + (1 << 40)
    else:
        thresholds = thresholds[:0]
    with pytest.raises(ModelFileError, match="not in order"):
        ScaleGrid.from_arrays({**tiny_model.frozen, "grid.thresholds": thresholds})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("context.units", 0),
        ("context.units", -5),
        ("context.units", (1 << 14) + 1),
        ("context.reciprocals", -1),
        ("context.reciprocals", 1 << 20),
    ],
)
def test_units_that_could_overflow(name: str, value: int) -> None:
    arrays = Units.build().to_arrays()
    Units.from_arrays(arrays)
    damaged = arrays[name].copy()
    damaged[7] = value
    with pytest.raises(ModelFileError, match="units are damaged"):
        Units.from_arrays({**arrays, name: damaged})
    with pytest.raises(ModelFileError, match="units are damaged"):
        Units.from_arrays({**arrays, name: arrays[name][1:]})


def test_units_times_what_meets_them_fit_32_bits() -> None:
    """The largest shift times the largest unit, the largest symbol times the largest reciprocal."""
    units = Units.build()
    assert (1 << 14) * (1 << 14) < 1 << 31
    assert int(units.units.max()) <= 1 << 14
    assert 2047 * ((1 << 20) - 1) + (1 << 12) < 1 << 31
    assert int(units.reciprocals.max()) < 1 << 20


# The walk


def coded_by(walk: Any, answer: Callable[[Any], np.ndarray]) -> tuple[list[Any], np.ndarray]:
    """All guesses, and the symbols at the end."""
    guesses = []
    guess = next(walk)
    while True:
        guesses.append(guess)
        try:
            guess = walk.send(answer(guess))
        except StopIteration as end:
            return guesses, end.value


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (6, 1), (5, 8)])
@pytest.mark.parametrize(("slices", "features"), [((), 0), (SLICES, 0), (SLICES, 4)])
def test_every_symbol_is_asked_for_once(
    size: tuple[int, int], slices: tuple[int, ...], features: int
) -> None:
    prior = random_settled(3, 6, 2, slices, features=features).prior()
    z_hat = drawn((3, 2, 2), 9)
    rng = np.random.default_rng(0)
    wanted = rng.integers(-20, 21, (size[0] * size[1], 6)).astype(np.int32)

    def answer(guess: Any) -> np.ndarray:
        return guess.coded(wanted.astype(np.float32)).astype(np.int32)

    guesses, symbols = coded_by(prior.walk(z_hat, size, 3, 8), answer)
    np.testing.assert_array_equal(symbols, wanted)
    times = np.zeros(wanted.shape, int)
    for guess in guesses:
        times[guess.positions, guess.channels] += 1
        assert guess.tables.dtype == np.int16
    assert (times == 1).all()


@pytest.mark.parametrize("largest", [2047, 2048, 2**24, 2**30])
def test_symbols_at_the_limit(largest: int) -> None:
    """Clipped alike on both sides, so that none overflows."""
    prior = random_settled(3, 6, 3, SLICES, features=4).prior()
    z_hat = drawn((3, 2, 2), 9)

    def tables_for(symbol: int) -> list[np.ndarray]:
        wanted = np.full((48, 6), symbol, np.int32)
        wanted[::3] *= -1

        def answer(guess: Any) -> np.ndarray:
            return (wanted[guess.positions, guess.channels] - guess.whole) * guess.signs

        guesses, symbols = coded_by(prior.walk(z_hat, (6, 8), 3, 8), answer)
        np.testing.assert_array_equal(symbols, wanted)
        return [guess.tables for guess in guesses]

    for ours, theirs in zip(tables_for(largest), tables_for(2047), strict=True):
        np.testing.assert_array_equal(ours, theirs)


# Identity


def test_identity_covers_everything_that_decides_a_table() -> None:
    one = small()
    plain = one.prior().to_bytes()
    assert small().prior().to_bytes() == plain
    others = []
    for name in LAYERS:
        grid = one.quantization.weights[f"{name}.weight"]
        integers = grid.integers.copy()
        integers.flat[0] += 1 if integers.flat[0] < 63 else -1
        others.append(regridded(one, name, integers=integers))
        others.append(regridded(one, name, integers=np.ascontiguousarray(grid.integers[::-1])))
        if f"{name}.bias" in one.weights:
            bias = one.weights[f"{name}.bias"].copy()
            bias[0] += 0.05
            others.append(replace(one, weights={**one.weights, f"{name}.bias": bias}))
    for name, change in (
        ("grid.thresholds", 1),
        ("grid.lowest", 1),
        ("grid.shifts", 1),
        ("context.units", -1),
        ("context.reciprocals", 1),
        ("context.step", 1 << 28),
    ):
        array = one.frozen[name].copy()
        array.flat[-1] += change
        others.append(replace(one, frozen={**one.frozen, name: array}))
    found = {plain, *(other.prior().to_bytes() for other in others)}
    assert len(found) == 1 + len(others)


def test_identity_does_not_cover_what_integers_stand_for() -> None:
    """Float weights beside their integers decide nothing."""
    one = small()
    other = {
        name: array if name.endswith("bias") else array * 2 for name, array in one.weights.items()
    }
    assert replace(one, weights=other).prior().to_bytes() == one.prior().to_bytes()


@pytest.mark.parametrize(
    "thresholds", [[0, -(2**63), 2**63 - 1], [5, 4], [-(2**40), -(2**40) + 1], [], [0, 1 << 20]]
)
def test_thresholds_that_no_network_has(thresholds: list[int]) -> None:
    """Differences of the first wrap, and look like an order."""
    arrays: dict[str, np.ndarray] = {
        "grid.thresholds": np.array(thresholds, np.int64),
        "grid.lowest": np.array([0], np.int32),
        "grid.shifts": np.zeros((2, 3), np.int32),
    }
    with pytest.raises(ModelFileError, match="thresholds are not in order"):
        ScaleGrid.from_arrays(arrays)
