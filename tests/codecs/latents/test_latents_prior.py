"""The integer prior: right, proved, and the same however its sums are ordered."""

from __future__ import annotations

import itertools
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from large_prior import Arrays, digest, indexes, random_net
from torch.nn import functional as F

from slimcodec.codecs.hific.coding import QUALITY_STEPS, HificCodec
from slimcodec.codecs.hific.prior import (
    GRID_STEP,
    SUBSTEPS,
    TABLE_SCALES,
    IntegerPrior,
    ScaleGrid,
    grid_from_arrays,
    grid_to_arrays,
)
from slimcodec.errors import ModelFileError
from slimcodec.model_file import Model, thaw_network
from slimcodec.stream import SYMBOL_LIMIT

Planes = list[list[list[int]]]
STRIDED = {"stride": 2, "padding": 2, "output_padding": 1}


def rounded_net(weights: Arrays, biases: Arrays) -> list[tuple[np.ndarray, np.ndarray, int]]:
    """Integer weights, integer biases and fractional bits of each accumulator, from the words of
    the module: 16 bits of the layer's largest weight, 12 fractional bits between layers."""
    layers, fraction = [], 0
    for weight, bias in zip(weights, biases, strict=True):
        bits = 15 - math.frexp(float(np.abs(weight).max()))[1]
        scale = 2.0 ** (fraction + bits)
        layers.append(
            (
                np.rint(weight.astype(np.float64) * 2.0**bits),
                np.rint(bias.astype(np.float64) * scale),
                fraction + bits,
            )
        )
        fraction = 12
    return layers


def by_python_integers(weights: Arrays, biases: Arrays, z_hat: np.ndarray) -> np.ndarray:
    """The same sums in integers without a limit, one product after the other; [m, h, w]."""
    layers = rounded_net(weights, biases)
    x: Planes = z_hat.tolist()
    for number, (weight, bias, bits) in enumerate(layers):
        x = transposed_convolution(x, weight.astype(int).tolist(), [int(b) for b in bias])
        if number < len(layers) - 1:
            shift, half = bits - 12, 1 << bits - 13
            x = [[[min((max(v, 0) + half) >> shift, 2**22) for v in r] for r in p] for p in x]
    return np.array(x)


def transposed_convolution(x: Planes, weight: list[Planes], bias: list[int]) -> Planes:
    """Every input spread over its taps: 5x5 with stride 2, 3x3 with stride 1."""
    kernel = len(weight[0][0])
    stride, pad = (2, 2) if kernel == 5 else (1, 1)
    rows, columns = stride * len(x[0]), stride * len(x[0][0])
    out = [[[b] * columns for _ in range(rows)] for b in bias]
    for plane, taps in zip(x, weight, strict=True):
        for o, a, b in itertools.product(range(len(bias)), range(kernel), range(kernel)):
            for (r, c), value in np.ndenumerate(np.array(plane, object)):
                i, j = stride * r + a - pad, stride * c + b - pad
                if 0 <= i < rows and 0 <= j < columns:
                    out[o][i][j] += value * taps[o][a][b]
    return out


def by_torch(weights: Arrays, biases: Arrays, z_hat: np.ndarray) -> np.ndarray:
    """The same through torch's transposed convolution in float64; [m, h, w]."""
    layers = rounded_net(weights, biases)
    x = torch.from_numpy(z_hat.astype(np.float64))[None]
    for number, (weight, bias, bits) in enumerate(layers):
        more = STRIDED if weight.shape[2] == 5 else {"padding": 1}
        x = F.conv_transpose2d(x, torch.from_numpy(weight), torch.from_numpy(bias), **more)
        if number < len(layers) - 1:
            x = (x.clamp(min=0) * 2.0 ** (12 - bits) + 0.5).floor().clamp(max=2.0**22)
    return x[0].numpy()


@pytest.mark.parametrize("largest", [1, 30, 5000])
def test_against_python_integers(largest: int) -> None:
    weights, biases = random_net(3, 4, largest)
    z_hat = np.random.default_rng(1).integers(-largest, largest + 1, (3, 2, 3), dtype=np.int32)
    expected = by_python_integers(weights, biases, z_hat)
    ours = IntegerPrior(weights, biases).accumulate(z_hat)
    np.testing.assert_array_equal(ours, expected.transpose(1, 2, 0))
    assert np.unique(expected).size > 20


@pytest.mark.parametrize("shape", [(2, 2), (5, 3), (12, 8)])
def test_against_torch(shape: tuple[int, int]) -> None:
    weights, biases = random_net(24, 40, 2)
    z_hat = np.random.default_rng(3).integers(-40, 41, (24, *shape), dtype=np.int32)
    ours = IntegerPrior(weights, biases).accumulate(z_hat)
    np.testing.assert_array_equal(ours, by_torch(weights, biases, z_hat).transpose(1, 2, 0))


def test_the_limits_of_activations_and_symbols() -> None:
    """The largest symbols saturate the hidden layers, and every sum is still exact."""
    weights, biases = random_net(3, 4, 9)
    signs = np.random.default_rng(4).choice([-1, 1], (3, 2, 2))
    z_hat = (signs * SYMBOL_LIMIT).astype(np.int32)
    expected = by_python_integers(weights, biases, z_hat)
    ours = IntegerPrior(weights, biases).accumulate(z_hat)
    np.testing.assert_array_equal(ours, expected.transpose(1, 2, 0))


def test_the_order_of_summation_does_not_matter() -> None:
    """The same net with its hidden channels in another order; in float32 that changes the sums."""
    weights, biases = random_net(24, 16, 5)
    z_hat = np.random.default_rng(6).integers(-40, 41, (24, 6, 6), dtype=np.int32)
    order = np.random.default_rng(7).permutation(24)
    shuffled = [weights[0][:, order], weights[1][order][:, order], weights[2][order]]
    moved = [biases[0][order], biases[1][order], biases[2]]

    def floats(w: Arrays, b: Arrays) -> np.ndarray:
        x = torch.from_numpy(z_hat.astype(np.float32))[None]
        for number in range(3):
            more = (
                {"stride": 2, "padding": 2, "output_padding": 1} if number < 2 else {"padding": 1}
            )
            x = F.conv_transpose2d(x.relu(), *map(torch.from_numpy, (w[number], b[number])), **more)
        return x.numpy()

    assert not np.array_equal(floats(weights, biases), floats(shuffled, moved))
    np.testing.assert_array_equal(
        IntegerPrior(weights, biases).accumulate(z_hat),
        IntegerPrior(shuffled, moved).accumulate(z_hat),
    )


def test_the_same_indexes_whatever_the_threads() -> None:
    assert len(np.unique(indexes())) > 10
    digests = {digest()}
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            digests.add(digest())
    finally:
        torch.set_num_threads(before)
    program = Path(__file__).with_name("large_prior.py")
    for threads in ("1", "2"):
        limits = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        result = subprocess.run(
            [sys.executable, program],
            env={**os.environ, **limits},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(result.stdout.strip())
    assert len(digests) == 1


def test_weights_that_could_round_are_refused() -> None:
    weights, biases = random_net(3, 4, 1)
    IntegerPrior(weights, biases)
    small = [weights[0], weights[1], weights[2] * np.float32(1e-9)]
    for bad_weights, bad_bias in ((weights, 1e12), (small, 1e5)):
        bad = [*biases[:2], np.full(4, bad_bias, np.float32)]
        with pytest.raises(ModelFileError, match=r"could reach 2\^\d+\.\d, the limit is 2\^53"):
            IntegerPrior(bad_weights, bad)
    wide = np.full((40_000, 1, 5, 5), 1.0, np.float32)
    with pytest.raises(ModelFileError, match="too large to be exact"):
        IntegerPrior([wide], [np.zeros(1, np.float32)])


def test_the_proof_holds_at_the_edge() -> None:
    """Just inside the bound, the worst input gives the exact sum."""
    count = (1 << 53) // (25 * 2**15 * SYMBOL_LIMIT)  # 2**15 inputs x weights x symbols
    weight = np.full((count // 2, 1, 3, 3), 0.99, np.float32)
    prior = IntegerPrior([weight], [np.ones(1, np.float32)])
    z_hat = np.full((count // 2, 3, 3), SYMBOL_LIMIT, np.int32)
    exact = 9 * (count // 2) * int(np.rint(0.99 * 2**15)) * SYMBOL_LIMIT + 2**15
    assert int(prior.accumulate(z_hat)[1, 1, 0]) == exact < 2**53


def test_a_net_of_zeros() -> None:
    """A scale net pruned to nothing still codes, with one scale for all."""
    weights, biases = random_net(3, 4, 1)
    zeros = [np.zeros_like(w) for w in weights]
    prior = IntegerPrior(zeros, biases)
    out = prior.accumulate(np.ones((3, 2, 2), np.int32)) / 2.0**prior.fraction_bits
    np.testing.assert_allclose(out, np.broadcast_to(biases[2], out.shape), atol=2.0**-11)


# The grid


def test_thresholds_are_the_scales_halfway_between_places() -> None:
    for softplus in (False, True):
        grid = ScaleGrid.build(20, softplus, np.zeros((1, 2)))
        assert (np.diff(grid.thresholds) > 0).all()
        accumulator = grid.thresholds.astype(np.float64) / 2.0**20
        scale = np.log1p(np.exp(accumulator)) if softplus else accumulator
        places = grid.lowest + 0.5 + np.arange(len(scale))
        np.testing.assert_allclose(np.log(scale / 0.11) / GRID_STEP, places, atol=0.02)


def test_indexes_by_a_slow_loop(tiny_model: Model, tiny_codec: HificCodec) -> None:
    """Thresholds counted one by one, and the words of the module for the rest."""
    grid = tiny_codec.frozen.prior.grid
    assert grid is not None
    thresholds = [int(t) for t in grid.thresholds]
    assert thresholds == sorted(set(thresholds))
    rng = np.random.default_rng(0)
    spread = rng.uniform(thresholds[0] * 1.5, thresholds[-1] * 1.2, (40, 1, 12))
    exactly = rng.choice(grid.thresholds, (40, 1, 12)) + rng.integers(-1, 2, (40, 1, 12))
    accumulators = np.rint(np.concatenate([spread, exactly]))
    for step in (0, 5, 8, 17, 32):
        ours = grid.table_indexes(accumulators, step, QUALITY_STEPS)
        low, rest = divmod(step, QUALITY_STEPS)
        high = min(low + 1, len(grid.shifts) - 1)
        for (row, _, channel), accumulator in np.ndenumerate(accumulators):
            place = grid.lowest + sum(int(accumulator) >= t for t in thresholds)
            below, above = (int(grid.shifts[q, channel]) for q in (low, high))
            shifted = place + (below * (QUALITY_STEPS - rest) + above * rest) // QUALITY_STEPS
            table = math.floor((shifted + SUBSTEPS / 2) / SUBSTEPS)
            assert ours[row, 0, channel] == min(max(table, 0), len(TABLE_SCALES) - 1)


@pytest.mark.parametrize("quality", [1.0, 2.5, 5.0])
def test_indexes_are_those_of_the_float_scale_net(
    tiny_model: Model, tiny_codec: HificCodec, quality: float
) -> None:
    network: Any = thaw_network(tiny_model)
    z_hat = np.random.default_rng(1).integers(-6, 7, (8, 6, 9), dtype=np.int32)
    step = round((quality - 1) * QUALITY_STEPS)
    ours = tiny_codec.frozen.prior.table_indexes(z_hat, 24, 36, step, QUALITY_STEPS)
    with torch.no_grad():
        gain = network.gain(network.log_gain, torch.tensor([quality - 1]))
        scales = network.probability.latent_scales(torch.from_numpy(z_hat)[None].float()) * gain
    table_step = math.log(TABLE_SCALES[1] / TABLE_SCALES[0])
    ideal = np.log(np.maximum(scales[0].double().numpy(), 1e-9) / TABLE_SCALES[0]) / table_step
    ideal = np.clip(ideal, 0, len(TABLE_SCALES) - 1)
    away = np.abs(ours - ideal)
    assert (away < 0.7).mean() > 0.99  # half a table is rounding, the rest the grid's shift
    assert (away < 1).mean() > 0.999
    assert ours.std() > 1


def test_a_gain_moves_indexes_by_its_logarithm(tiny_codec: HificCodec) -> None:
    z_hat = np.random.default_rng(2).integers(-6, 7, (8, 4, 4), dtype=np.int32)
    steps = range(0, QUALITY_STEPS * (len(tiny_codec.qualities) - 1) + 1, 4)
    indexes = np.stack(
        [tiny_codec.frozen.prior.table_indexes(z_hat, 16, 16, s, QUALITY_STEPS) for s in steps]
    ).astype(int)
    logs = tiny_codec.frozen.log_gain.astype(np.float64)
    table_step = math.log(TABLE_SCALES[1] / TABLE_SCALES[0])
    inside = ((indexes > 0) & (indexes < len(TABLE_SCALES) - 1)).all(axis=0)
    assert inside.mean() > 0.2
    for number, step in enumerate(steps):
        low, rest = divmod(step, QUALITY_STEPS)
        high = min(low + 1, len(logs) - 1)
        log = logs[low] + (logs[high] - logs[low]) * rest / QUALITY_STEPS
        moved = (indexes[number] - indexes[0])[inside]
        expected = np.broadcast_to(((log - logs[0]) / table_step)[:, None, None], inside.shape)
        assert np.abs(moved - expected[inside]).max() < 1.5
        assert abs((moved - expected[inside]).mean()) < 0.3


def test_the_grid_goes_through_a_file(tiny_codec: HificCodec) -> None:
    grid = tiny_codec.frozen.prior.grid
    assert grid is not None
    again = grid_from_arrays(grid_to_arrays(grid))
    np.testing.assert_array_equal(again.thresholds, grid.thresholds)
    np.testing.assert_array_equal(again.shifts, grid.shifts)
    assert again.lowest == grid.lowest


def test_thresholds_out_of_order_are_refused(tiny_model: Model) -> None:
    thresholds = tiny_model.frozen["grid.thresholds"].copy()
    thresholds[[3, 4]] = thresholds[[4, 3]]
    with pytest.raises(ModelFileError, match="not in order"):
        grid_from_arrays({**tiny_model.frozen, "grid.thresholds": thresholds})


def test_identity_covers_everything_that_decides_an_index() -> None:
    weights, biases = random_net(3, 4, 1)
    grid = ScaleGrid.build(30, True, np.zeros((2, 4)))
    plain = IntegerPrior(weights, biases, grid).to_bytes()
    assert IntegerPrior([w.copy() for w in weights], biases, grid).to_bytes() == plain
    others = []
    for number in range(3):
        other = [w.copy() for w in weights]
        other[number][0, 0, 1, 1] += np.float32(0.01)
        others.append(IntegerPrior(other, biases, grid))
        other = [b.copy() for b in biases]
        other[number][1] += np.float32(0.01)
        others.append(IntegerPrior(weights, other, grid))
    thresholds, shifts = grid.thresholds.copy(), grid.shifts.copy()
    thresholds[5] += 1
    shifts[1, 2] += 1
    others += [
        IntegerPrior(weights, biases, ScaleGrid(thresholds, grid.lowest, grid.shifts)),
        IntegerPrior(weights, biases, ScaleGrid(grid.thresholds, grid.lowest + 1, grid.shifts)),
        IntegerPrior(weights, biases, ScaleGrid(grid.thresholds, grid.lowest, shifts)),
    ]
    assert len({plain, *(other.to_bytes() for other in others)}) == 1 + len(others)
