"""The bit prior in integers: the float model's twin, blind to what a decoder does not have yet, and
the same on every machine."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from collections import deque
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from large_bit_prior import digest, random_codes, random_weights, tables, tables_of

from slimcodec.codecs.toderici.coding import TodericiCodec
from slimcodec.codecs.toderici.network import TodericiNetwork
from slimcodec.codecs.toderici.prior import BitPrior, Place, bit_tables
from slimcodec.codecs.toderici.probability import BitModel
from slimcodec.errors import ModelFileError
from slimcodec.model_file import Model
from slimcodec.stream import SymbolDecoder, SymbolEncoder, Tables

GRIDS = [(1, 1), (1, 2), (1, 5), (4, 1), (2, 2), (3, 4), (7, 6)]
QUARTERS, MIDDLE = 4, 32
"""Tables per unit of logit, and the number of the toss."""


def small_weights(seed: int = 0) -> dict[str, np.ndarray]:
    return random_weights(iterations=2, bits=8, memory=4, context=6, hidden=5, slices=2, seed=seed)


@pytest.fixture(scope="module")
def twin(rnn_network: TodericiNetwork) -> BitModel:
    """The float model in double precision, of the half-precision weights that the prior has."""
    return copy.deepcopy(rnn_network.probability).double()


@torch.no_grad()
def logits_of(twin: BitModel, codes: np.ndarray) -> np.ndarray:
    """The float logit of each bit of codes [t, n, h, w]."""
    known, logits = None, []
    for number, code in enumerate(codes):
        now = torch.from_numpy(code.astype(np.float64))[None]
        known = twin.start(now) if known is None else known
        logits.append(twin.iterations[number](known, now)[0].numpy())
        known = twin.remember(known, now, number)
    return np.stack(logits)


def bits_by(prior_tables: np.ndarray, codes: np.ndarray, tables: Tables) -> np.ndarray:
    """What each bit costs with the table that codes it."""
    frequencies = np.stack([tables[i] for i in range(len(tables))])
    return 24 - np.log2(frequencies[prior_tables, codes.astype(int) + 1].astype(np.float64))


# The same model


@pytest.mark.parametrize("shape", GRIDS)
def test_tables_are_the_float_logits_in_quarters(
    rnn_codec: TodericiCodec, twin: BitModel, shape: tuple[int, int]
) -> None:
    codes = random_codes(5, 32, *shape, seed=sum(shape))
    ours = tables_of(rnn_codec.prior, codes).astype(int) - MIDDLE
    ideal = np.clip(QUARTERS * logits_of(twin, codes), -MIDDLE, MIDDLE)
    away = np.abs(ours - ideal)
    assert away.max() < 0.51  # a half is the rounding to quarters, the rest that of the weights
    assert (ours == np.rint(ideal)).mean() > 0.99
    assert len(np.unique(ours)) > 5


def drawn_codes(codec: TodericiCodec, count: int, shape: tuple[int, int]) -> np.ndarray:
    """Bits as the model expects them, [t, n, h, w]."""
    rng = np.random.default_rng(0)
    plus = np.array([codec.tables[i][2] for i in range(len(codec.tables))]) / 2**24

    def draw(numbers: np.ndarray, place: Place) -> np.ndarray:
        return np.where(rng.random(numbers.shape) < plus[numbers], 1, -1).astype(np.int32)

    known, codes = codec.prior.start(*shape), []
    for number in range(count):
        code, known = codec.prior.iterate(number, known, draw)
        codes.append(code.transpose(2, 0, 1))
    return np.stack(codes)


def test_quarters_cost_next_to_nothing(rnn_codec: TodericiCodec, twin: BitModel) -> None:
    codes = drawn_codes(rnn_codec, 5, (12, 12))
    cost = bits_by(tables_of(rnn_codec.prior, codes), codes, rnn_codec.tables).sum()
    with torch.no_grad():
        ideal = float(twin([torch.from_numpy(c.astype(np.float64))[None] for c in codes]).sum())
    assert cost == pytest.approx(ideal, rel=3e-3)
    assert cost < 0.9 * codes.size


def test_the_length_is_the_cross_entropy(twin: BitModel) -> None:
    codes = random_codes(3, 32, 4, 5)
    with torch.no_grad():
        lengths = twin([torch.from_numpy(c.astype(np.float64))[None] for c in codes])[:, 0].numpy()
    probability = 1 / (1 + np.exp(-logits_of(twin, codes) * codes))
    np.testing.assert_allclose(lengths, -np.log2(probability).sum(axis=(1, 2, 3)), rtol=1e-9)


def test_a_model_of_zeros_tosses() -> None:
    """Pruned to nothing it still codes."""
    zeros = {name: np.zeros_like(array) for name, array in small_weights().items()}
    assert (tables_of(BitPrior(zeros), random_codes(2, 8, 3, 4)) == MIDDLE).all()


def test_logits_beyond_the_last_table_take_the_last() -> None:
    weights = small_weights()
    for name in weights:
        if name.endswith("out.bias"):
            weights[name][:2] = (40, -40)
    chosen = tables_of(BitPrior(weights), random_codes(2, 8, 3, 4))
    assert (chosen[:, [0, 4]] == 2 * MIDDLE).all()
    assert (chosen[:, [1, 5]] == 0).all()


# What a decoder does not have yet


def group_numbers(bits: int, slices: int, shape: tuple[int, int]) -> np.ndarray:
    """In which group of its iteration each bit is coded, [n, h, w]."""
    colour = np.indices(shape).sum(axis=0) % 2
    slice_of = np.arange(bits) // (bits // slices)
    return 2 * slice_of[:, None, None] + colour


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    place=st.tuples(*[st.integers(0, 10**6)] * 4),
    seed=st.integers(0, 99),
)
def test_a_bit_changes_no_table_of_its_own_or_an_earlier_group(
    rnn_codec: TodericiCodec,
    twin: BitModel,
    shape: tuple[int, int],
    place: tuple[int, int, int, int],
    seed: int,
) -> None:
    codes = random_codes(5, 32, *shape, seed=seed)
    t, n, i, j = (k % side for k, side in zip(place, codes.shape, strict=True))
    changed = codes.copy()
    changed[t, n, i, j] *= -1
    groups = group_numbers(32, 4, shape)
    before = np.arange(5)[:, None, None, None] < t
    before = before | ((np.arange(5) == t)[:, None, None, None] & (groups <= groups[n, i, j]))
    ours = [tables_of(rnn_codec.prior, c)[before] for c in (codes, changed)]
    np.testing.assert_array_equal(*ours)
    floats = [logits_of(twin, c)[before] for c in (codes, changed)]
    np.testing.assert_allclose(*floats, rtol=0, atol=1e-9)


def test_a_group_is_known_to_all_later_ones(rnn_codec: TodericiCodec, twin: BitModel) -> None:
    shape = (4, 4)
    codes, groups = random_codes(5, 32, *shape), group_numbers(32, 4, shape)
    original = tables_of(rnn_codec.prior, codes), logits_of(twin, codes)
    for t in (0, 2):
        for group in range(8):
            changed = codes.copy()
            changed[t][groups == group] *= -1
            now = tables_of(rnn_codec.prior, changed), logits_of(twin, changed)
            for ours, theirs in zip(now, original, strict=True):
                later = [groups == g for g in range(group + 1, 8)]
                # A second colour is known to the slices after its own: to all but itself.
                assert all((ours[t] != theirs[t])[where].any() for where in later)
                assert all((ours[u] != theirs[u]).any() for u in range(t + 1, 5))


@pytest.mark.parametrize("shape", GRIDS)
def test_both_directions_exchange_the_same_tables(
    rnn_codec: TodericiCodec, shape: tuple[int, int]
) -> None:
    prior, frozen = rnn_codec.prior, rnn_codec.tables
    codes = random_codes(5, *shape, 32, seed=7)
    known_here, known_there = prior.start(*shape), prior.start(*shape)
    for number, code in enumerate(codes):
        asked: deque[np.ndarray] = deque()
        coder = SymbolEncoder()

        def give(numbers: np.ndarray, place: Place, code=code, asked=asked, coder=coder):
            assert numbers.size
            asked.append(numbers)
            bits = code[place.rows, place.columns, place.start : place.stop].astype(np.int32)
            coder.put(bits, numbers, frozen)
            return bits

        _, known_here = prior.iterate(number, known_here, give)
        reader = SymbolDecoder(coder.finish())

        def take(numbers: np.ndarray, place: Place, asked=asked, reader=reader):
            np.testing.assert_array_equal(numbers, asked.popleft())
            return reader.take(numbers, frozen)

        read, known_there = prior.iterate(number, known_there, take)
        reader.finish()
        assert not asked
        assert read.dtype == np.int8
        np.testing.assert_array_equal(read, code)


def test_the_groups_hold_every_bit_once(rnn_codec: TodericiCodec) -> None:
    """An empty colour, of a single position, is not asked for."""
    for shape in GRIDS:
        asked: list[Place] = []

        def give(numbers: np.ndarray, place: Place, asked=asked) -> np.ndarray:
            asked.append(place)
            return np.ones(numbers.shape, np.int32)

        rnn_codec.prior.iterate(0, rnn_codec.prior.start(*shape), give)
        assert len(asked) == (4 if shape == (1, 1) else 8)
        seen = np.zeros((*shape, 32), int)
        for place in asked:
            seen[place.rows, place.columns, place.start : place.stop] += 1
        assert (seen == 1).all()


# Exactness


def test_the_order_of_summation_does_not_matter() -> None:
    """The same model with its inner channels in another order; in floats that changes the sums."""
    weights = random_weights(
        iterations=2, bits=8, memory=24, context=40, hidden=40, slices=2, seed=3
    )
    rng = np.random.default_rng(4)
    remembered, order, inner = (rng.permutation(n) for n in (24, 40, 40))
    shuffled = {**weights, "memory": weights["memory"][:, remembered]}
    for name, array in weights.items():
        if "context" in name:
            moved = array[order]
            if name.endswith("weight"):
                moved = moved[:, [*remembered, *range(24, 32)]]
        elif "mix.weight" in name:
            moved = array[inner][:, order]
        elif "mix.bias" in name or "seen" in name:
            moved = array[inner]
        elif "out.weight" in name:
            moved = array[:, inner]
        else:
            continue
        shuffled[name] = moved
    codes = random_codes(2, 8, 6, 6)
    np.testing.assert_array_equal(
        tables_of(BitPrior(weights), codes), tables_of(BitPrior(shuffled), codes)
    )
    assert BitPrior(weights).stream_id(bit_tables()) != BitPrior(shuffled).stream_id(bit_tables())


@pytest.mark.parametrize(
    ("name", "weight", "bias"),
    [
        ("memory", 1e9, None),
        ("iterations.1.context", 1e-9, 1e3),
        ("iterations.0.groups.1.mix", None, 1e12),
        ("iterations.1.groups.3.out", 1e-9, 1e3),
    ],
)
def test_bit_models_that_could_round_are_refused(
    name: str, weight: float | None, bias: float | None
) -> None:
    weights = small_weights()
    BitPrior(weights)
    key = name if name in weights else f"{name}.weight"
    if weight is not None:
        weights[key] = weights[key] * np.float32(weight)
    if bias is not None:
        weights[f"{name}.bias"] = weights[f"{name}.bias"] * np.float32(bias)
    with pytest.raises(
        ModelFileError, match=r"could reach 2\^\d+\.\d, the limit is 2\^53"
    ) as error:
        BitPrior(weights)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_bit_models_that_are_not_finite_are_refused(value: float) -> None:
    weights = small_weights()
    weights["iterations.0.groups.0.out.bias"][0] = value
    with pytest.raises(ModelFileError, match="too large to be exact"):
        BitPrior(weights)


def test_the_same_tables_whatever_the_threads_of_this_process() -> None:
    chosen = tables()
    assert len(np.unique(chosen)) > 20
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            np.testing.assert_array_equal(tables(), chosen)
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
def test_the_same_tables_in_new_processes_at_one_and_two_threads() -> None:
    digests = {digest()}
    program = Path(__file__).with_name("large_bit_prior.py")
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


# The tables


def test_bit_tables_are_logits_in_quarters_and_symmetric() -> None:
    frozen = bit_tables()
    assert len(frozen) == 2 * MIDDLE + 1
    for number in range(len(frozen)):
        minus, zero, plus, escape = (int(f) for f in frozen[number])
        assert zero == escape == 1  # of 2**24: what no encoder writes costs nothing
        expected = 1 / (1 + np.exp(-(number - MIDDLE) / QUARTERS))
        assert plus / 2**24 == pytest.approx(expected, rel=1e-3)
        mirrored = frozen[2 * MIDDLE - number]
        assert abs(int(mirrored[0]) - plus) <= 1
        assert abs(int(mirrored[2]) - minus) <= 1
    assert frozen[MIDDLE][0] == frozen[MIDDLE][2]


def test_every_table_codes_both_bits_at_their_price() -> None:
    frozen = bit_tables()
    rng = np.random.default_rng(0)
    for number in range(len(frozen)):
        bits = rng.choice(np.array([-1, 1], np.int32), 200)
        numbers = np.full(bits.shape, number, np.int16)
        coder = SymbolEncoder()
        coder.put(bits, numbers, frozen)
        payload = coder.finish()
        reader = SymbolDecoder(payload)
        np.testing.assert_array_equal(reader.take(numbers, frozen), bits)
        reader.finish()
        ideal = bits_by(numbers, bits, frozen).sum() / 8
        assert ideal - 4 < len(payload) < 1.001 * ideal + 8


# Identity


def test_identity_covers_every_weight_of_the_bit_model(rnn_model: Model) -> None:
    def identity(weights: dict[str, np.ndarray]) -> bytes:
        return BitPrior.from_weights(weights).stream_id(bit_tables())

    weights = dict(rnn_model.weights)
    plain = identity(weights)
    assert plain.hex() == rnn_model.stream_id
    assert identity({name: array.copy() for name, array in weights.items()}) == plain
    found, count = {plain}, 1
    for name, array in weights.items():
        inside = name.startswith("probability.")
        # One iteration's groups stand for those of all; every other array is tried.
        if ".groups." in name and ".iterations.3." not in name:
            continue
        other = array.copy()
        other.flat[-1] += np.float32(0.01)
        changed = identity({**weights, name: other})
        assert (changed != plain) == inside, name
        found.add(changed)
        count += inside
    assert len(found) == count > 40


def test_identity_covers_the_tables(rnn_codec: TodericiCodec) -> None:
    tables = rnn_codec.tables
    assert rnn_codec.prior.stream_id(tables) == rnn_codec.stream_id
    frequencies = tables.frequencies.copy()
    frequencies[[0, 2]] += np.array([1, -1]).astype(np.uint32)
    other = Tables(tables.centres, tables.reaches, frequencies)
    assert rnn_codec.prior.stream_id(other) != rnn_codec.stream_id
