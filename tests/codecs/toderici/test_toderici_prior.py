"""The bit prior in integers: the float model's twin, blind to what a decoder does not have yet, and
the same on every machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from slimcodec.codecs.toderici.coding import TodericiCodec
from slimcodec.codecs.toderici.config import TodericiConfig, toderici_s
from slimcodec.codecs.toderici.network import TodericiNetwork
from slimcodec.codecs.toderici.prior import SENT_IF, Coding, Place, bit_tables
from slimcodec.codecs.toderici.probability import BitModel
from slimcodec.errors import ModelFileError
from slimcodec.model_file import Model, freeze_network, thaw_network
from slimcodec.quantization import ActivationGrid, Quantization, WeightGrid
from slimcodec.runtime import open_codec
from slimcodec.stream import SymbolDecoder, SymbolEncoder, Tables
from tests.codecs.toderici.large_bit_prior import (
    Settled,
    config_of,
    digest,
    random_codes,
    random_settled,
    random_weights,
    settled,
    tables,
    tables_of,
    written,
)

GRIDS = [(1, 1), (1, 2), (1, 5), (4, 1), (2, 2), (3, 4), (7, 6)]
QUARTERS, MIDDLE = 4, 32
"""Tables per unit of logit, and the number of the toss."""
PAIRS = np.array([-1, -1, 0, 1, -1, -1, 4, 5])
"""Of eight bits in two slices: two significance bits, then their signs."""
layouts = pytest.mark.parametrize("sent_if", [None, PAIRS], ids=["all sent", "significance"])


SMALL = config_of(iterations=2, bits=8, memory=4, context=6, hidden=5, slices=2)


def small(seed: int = 0) -> Settled:
    return random_settled(SMALL, seed)


def stream_id(one: Settled) -> bytes:
    return Coding(one.prior(), bit_tables()).stream_id


@pytest.fixture(scope="module")
def twin(rnn_network: TodericiNetwork) -> BitModel:
    """The torch model, which rounds what the prior rounds."""
    return rnn_network.probability


@torch.no_grad()
def logits_of(twin: BitModel, codes: np.ndarray) -> np.ndarray:
    """The float logit of each bit of codes [t, n, h, w]."""
    known, logits = None, []
    for number, code in enumerate(codes):
        now = torch.from_numpy(code)[None].to(twin.memory.dtype)
        known = twin.start(now) if known is None else known
        logits.append(twin.iterations[number](known, now)[0].numpy())
        known = twin.remember(known, now, number)
    return np.stack(logits)


def bits_by(prior_tables: np.ndarray, codes: np.ndarray, tables: Tables) -> np.ndarray:
    """What each bit costs with the table that codes it; nothing where it is not written."""
    frequencies = np.stack([tables[i] for i in range(len(tables))])
    costs = 24 - np.log2(frequencies[prior_tables, codes.astype(int) + 1].astype(np.float64))
    return np.where(codes != 0, costs, 0)


# The same model


@pytest.mark.parametrize("shape", GRIDS)
def test_tables_are_the_float_logits_in_quarters(
    rnn_codec: TodericiCodec, twin: BitModel, shape: tuple[int, int]
) -> None:
    codes = random_codes(5, 32, *shape, seed=sum(shape), sent_if=rnn_codec.prior.sent_if)
    ours = tables_of(rnn_codec.prior, codes)[codes != 0].astype(int) - MIDDLE
    ideal = np.clip(QUARTERS * logits_of(twin, codes), -MIDDLE, MIDDLE)[codes != 0]
    # A half is the rounding to quarters; where sums in floats fall on the other side of a level, a
    # level is what else may lie between, and memory is rounded in integers.
    away = np.abs(ours - ideal)
    assert (away < 0.51).mean() > 0.98
    assert away.max() < 1.5
    assert (ours == np.rint(ideal)).mean() > 0.98
    assert len(np.unique(ours)) > 5


def drawn_codes(codec: TodericiCodec, count: int, shape: tuple[int, int]) -> np.ndarray:
    """Codes as the model expects them, [t, n, h, w]."""
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
        ideal = float(twin([torch.from_numpy(c.astype(np.float32))[None] for c in codes]).sum())
    assert cost == pytest.approx(ideal, rel=3e-3)
    assert cost < 0.9 * np.count_nonzero(codes)


def test_the_length_is_the_cross_entropy(rnn_codec: TodericiCodec, twin: BitModel) -> None:
    """Of the bits that are written."""
    codes = random_codes(3, 32, 4, 5, sent_if=rnn_codec.prior.sent_if)
    with torch.no_grad():
        lengths = twin([torch.from_numpy(c.astype(np.float32))[None] for c in codes])[:, 0].numpy()
    probability = 1 / (1 + np.exp(-logits_of(twin, codes) * codes))
    nats = np.where(codes != 0, -np.log2(probability), 0)
    assert 0.6 < (nats > 0).mean() < 0.9
    np.testing.assert_allclose(lengths, nats.sum(axis=(1, 2, 3)), rtol=1e-5)


@pytest.mark.parametrize("significance", [False, True])
def test_the_length_tells_significance_bits_what_their_signs_cost(significance: bool) -> None:
    """Its gradient is that of the formula, and goes to no other bit."""
    config = TodericiConfig(
        bits=8, slices=2, iterations=1, linear_components=8 * significance,
        linear_rounds=int(significance),
        significance=significance, memory_channels=2, context_channels=3, hidden_channels=3,
    )  # fmt: skip
    model: Any = BitModel(config).double()
    with torch.no_grad():
        for group in model.iterations[0].groups:
            group.out.weight.zero_()  # logits know no bits, so that no gradient goes through them
            group.out.bias.normal_(0, 2, generator=torch.Generator().manual_seed(0))
    code = torch.from_numpy(random_codes(1, 8, 3, 4, sent_if=config.sent_if).astype(np.float64))
    code.requires_grad_(True)
    model([code]).sum().backward()
    plain = code.detach().numpy()[0]
    logits = logits_of(model, plain[None])[0]
    expected = -logits / (1 + np.exp(logits * plain))
    for bit, gate in enumerate(config.sent_if):
        if gate >= 0:
            expected[bit] *= plain[gate] > 0
            expected[gate] += np.log1p(np.exp(-logits[bit] * plain[bit])) / 2
    assert code.grad is not None
    np.testing.assert_allclose(code.grad[0].numpy(), expected / np.log(2), rtol=1e-9)


@layouts
def test_a_model_of_zeros_tosses(sent_if: np.ndarray | None) -> None:
    """Pruned to nothing it still codes."""
    zeros = {name: np.zeros_like(array) for name, array in small().weights.items()}
    codes = random_codes(2, 8, 3, 4, sent_if=sent_if)
    chosen = tables_of(settled(SMALL, zeros).prior(sent_if), codes)
    assert (chosen[codes != 0] == MIDDLE).all()


def test_logits_beyond_the_last_table_take_the_last() -> None:
    own = small()
    for name in own.weights:
        if name.endswith("out.bias"):
            own.weights[name][:2] = (40, -40)
    chosen = tables_of(own.prior(), random_codes(2, 8, 3, 4))
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
    sent_if = rnn_codec.prior.sent_if
    raw = random_codes(5, 32, *shape, seed=seed)
    codes = written(raw, sent_if)
    t, n, i, j = (k % side for k, side in zip(place, codes.shape, strict=True))
    if not codes[t, n, i, j]:
        n = sent_if[n]  # of a sign that is not written, its significance bit
    raw[t, n, i, j] *= -1
    changed = written(raw, sent_if)
    assert (codes != changed).any()
    groups = group_numbers(32, 4, shape)
    before = np.arange(5)[:, None, None, None] < t
    before = before | ((np.arange(5) == t)[:, None, None, None] & (groups <= groups[n, i, j]))
    # Of a significance bit that is another now, the sign is written now, or no more.
    itself = np.zeros(codes.shape, bool)
    itself[t, sent_if == n, i, j] = True
    both = before & ~itself
    ours = [tables_of(rnn_codec.prior, c)[both] for c in (codes, changed)]
    np.testing.assert_array_equal(*ours)
    one, other = (logits_of(twin, c)[before] for c in (codes, changed))
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


def test_a_group_is_known_to_all_later_ones(rnn_codec: TodericiCodec, twin: BitModel) -> None:
    shape, sent_if = (4, 4), rnn_codec.prior.sent_if
    raw, groups = random_codes(5, 32, *shape), group_numbers(32, 4, shape)
    codes = written(raw, sent_if)
    original = tables_of(rnn_codec.prior, codes), logits_of(twin, codes)
    for t in (0, 2):
        for group in range(8):
            other = raw.copy()
            other[t][groups == group] *= -1
            changed = written(other, sent_if)
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
    codes = random_codes(5, 32, *shape, seed=7, sent_if=prior.sent_if)
    known_here, known_there = prior.start(*shape), prior.start(*shape)
    for number, code in enumerate(codes.transpose(0, 2, 3, 1)):
        asked: deque[np.ndarray] = deque()
        coder = SymbolEncoder()
        rows = code.reshape(-1, code.shape[2])

        def give(
            numbers: np.ndarray,
            place: Place,
            rows: Any = rows,
            asked: Any = asked,
            coder: Any = coder,
        ) -> Any:
            assert numbers.size
            asked.append(numbers)
            bits = rows[place].astype(np.int32)
            coder.put(bits, numbers, frozen)
            return bits

        _, known_here = prior.iterate(number, known_here, give)
        reader = SymbolDecoder(coder.finish())

        def take(
            numbers: np.ndarray, place: Place, asked: Any = asked, reader: Any = reader
        ) -> Any:
            np.testing.assert_array_equal(numbers, asked.popleft())
            return reader.take(numbers, frozen)

        read, known_there = prior.iterate(number, known_there, take)
        reader.finish()
        assert not asked
        assert read.dtype == np.int8
        np.testing.assert_array_equal(read, code)


@layouts
@pytest.mark.parametrize("shape", GRIDS)
@pytest.mark.parametrize("moving", ["none", "some", "all"])
def test_every_written_bit_is_asked_for_once(
    shape: tuple[int, int], moving: str, sent_if: np.ndarray | None
) -> None:
    """No other one ever is, and nothing is where there is nothing: an empty colour, of a single
    position, or signs where nothing moves. A sign comes right after its significance bit."""
    prior, rng = small().prior(sent_if), np.random.default_rng(0)
    times = np.zeros((shape[0] * shape[1], 8), int)
    turn = np.zeros(times.shape, int)
    answers = {"none": [-1], "some": [-1, 1], "all": [1]}[moving]

    def give(numbers: np.ndarray, place: Place) -> np.ndarray:
        assert numbers.shape == place[0].shape == place[1].shape
        turn[place] = turn.max() + 1
        np.add.at(times, place, 1)
        return rng.choice(np.array(answers, np.int32), numbers.shape)

    code, _ = prior.iterate(0, prior.start(*shape), give)
    assert code.shape == (*shape, 8)
    code = code.reshape(times.shape)
    np.testing.assert_array_equal(times, code != 0)
    np.testing.assert_array_equal(times, prior.sent(code))
    signs = sent_if is not None and sent_if >= 0
    always = np.broadcast_to(~np.array(signs), code.shape)
    assert times[always].all()
    if sent_if is None:
        assert turn.max() == (2 if shape == (1, 1) else 4)
        return
    np.testing.assert_array_equal(code[..., signs] != 0, code[..., sent_if[signs]] > 0)
    after = turn[..., signs] - turn[..., sent_if[signs]]
    assert (after[code[..., signs] != 0] == 1).all()
    if moving != "some":
        exchanges = 1 if moving == "none" else 2
        assert turn.max() == exchanges * (2 if shape == (1, 1) else 4)


# Exactness


def shuffled(weights: dict[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """The same model with its inner channels in another order."""
    rng = np.random.default_rng(seed)
    sides = weights["probability.memory"].shape[1:]
    context, hidden = (
        len(weights[f"probability.iterations.0.{name}.bias"])
        for name in ("context", "groups.0.mix")
    )
    remembered, order, inner = (rng.permutation(n) for n in (sides[0], context, hidden))
    found = {**weights, "probability.memory": weights["probability.memory"][:, remembered]}
    for name, array in weights.items():
        if "context" in name:
            moved = array[order]
            if name.endswith("weight"):
                moved = moved[:, [*remembered, *range(sides[0], sum(sides))]]
        elif "mix.weight" in name:
            moved = array[inner][:, order]
        elif "mix.bias" in name or "seen" in name:
            moved = array[inner]
        elif "out.weight" in name:
            moved = array[:, inner]
        else:
            continue
        found[name] = moved
    return found


def test_the_order_of_summation_does_not_matter() -> None:
    """In floats another order of channels changes the sums; here it changes the identity alone."""
    config = config_of(iterations=2, bits=8, memory=24, context=40, hidden=40, slices=2)
    weights = random_weights(config, 3)
    one, other = settled(config, weights), settled(config, shuffled(weights, 4))
    codes = random_codes(2, 8, 6, 6)
    np.testing.assert_array_equal(tables_of(one.prior(), codes), tables_of(other.prior(), codes))
    assert stream_id(one) != stream_id(other)


def refused(one: Settled, words: str) -> None:
    small().prior()
    with pytest.raises(ModelFileError, match=words) as error:
        one.prior()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", [1e9, np.inf, np.nan])
def test_a_memory_that_could_round_is_refused(value: float) -> None:
    one = small()
    one.weights["probability.memory"][1, 2, 3] = value
    refused(one, "memory is too large to be exact")


def regridded(one: Settled, name: str, change: Callable[[WeightGrid], WeightGrid]) -> Settled:
    """With another grid for one layer's weights."""
    key = f"probability.{name}.weight"
    grids = {**one.quantization.weights, key: change(one.quantization.weights[key])}
    return replace(one, quantization=replace(one.quantization, weights=grids))


LAYERS = [
    "iterations.0.context",
    "iterations.1.groups.0.mix",
    "iterations.0.groups.3.seen",
    "iterations.1.groups.2.out",
]


@pytest.mark.parametrize("name", LAYERS)
def test_weights_beyond_seven_bits_are_refused(name: str) -> None:
    def change(grid: WeightGrid) -> WeightGrid:
        integers = grid.integers.copy()
        integers.flat[3] = 64
        return replace(grid, integers=integers, bits=8)

    refused(regridded(small(), name, change), "do not lie within ±63")


def test_sums_that_leave_32_bits_are_refused() -> None:
    """As many inputs as that takes."""
    config = config_of(iterations=1, bits=2, memory=15_000, context=1, hidden=1, slices=1)
    weights = {name: np.ones_like(a) for name, a in random_weights(config, 0).items()}
    with pytest.raises(ModelFileError, match=r"could reach 2\^31\.\d, the limit is 2\^31"):
        settled(config, weights).prior()


@pytest.mark.parametrize("name", [name for name in LAYERS if "seen" not in name])
@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_bit_models_that_are_not_finite_are_refused(name: str, value: float) -> None:
    one = small()
    one.weights[f"probability.{name}.bias"][1] = value
    refused(one, "steps or biases are damaged")


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("factor", [0.0, -1.0])
def test_steps_of_weights_that_cannot_be_are_refused(name: str, factor: float) -> None:
    if name.endswith("seen") or name.endswith("mix"):
        name = "iterations.1.groups.0.mix"  # of a sum the first says what the steps are
    forged = regridded(
        small(), name, lambda grid: replace(grid, steps=np.float32(factor) * grid.steps)
    )
    refused(forged, "damaged")


@pytest.mark.parametrize("step", [1e-300, 1e-7, 1e-3, 2.0, 1e300])
def test_a_forged_grid_of_memory_and_bits(step: float) -> None:
    """Refused, or coded with: anything but an error that is not ours, when it is too late."""
    one = small()
    grids = dict(one.quantization.activations)
    grids["probability.iterations.1.context"] = ActivationGrid(step, 8, -128)
    forged = replace(one, quantization=Quantization(one.quantization.weights, grids))
    try:
        prior = forged.prior()
    except ModelFileError as error:
        assert "\n" not in str(error)
    else:
        tables_of(prior, random_codes(2, 8, 3, 4))


@pytest.mark.parametrize("part", ["weights", "activations"])
def test_a_bit_model_without_its_grids(part: str) -> None:
    one = small()
    for name in getattr(one.quantization, part):
        fewer = {k: v for k, v in getattr(one.quantization, part).items() if k != name}
        with pytest.raises(LookupError):
            replace(one, quantization=replace(one.quantization, **{part: fewer})).prior()


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
        # Eight bits are one symbol, which cannot be rarer than 2**-24.
        eights = bits_by(numbers, bits, frozen).reshape(-1, 8).sum(axis=1)
        ideal = -np.log2(2.0**-eights + 2.0**-24).sum() / 8
        assert ideal - 4 < len(payload) < 1.001 * ideal + 8


# Identity


def identity(model: Model, **changes: Any) -> bytes:
    """The stream id of a model with other contents."""
    return replace(model, **changes).coding.stream_id


def test_identity_covers_every_weight_of_the_bit_model(rnn_model: Model) -> None:
    """Integers, steps and biases of what decides, and memory; other parts do not matter."""
    plain = identity(rnn_model)
    assert plain.hex() == rnn_model.stream_id
    found, count = {plain}, 1

    def note(name: str, changed: bytes, inside: bool) -> None:
        nonlocal count
        assert (changed != plain) == inside, name
        found.add(changed)
        count += inside

    grids = rnn_model.quantization.weights
    for name, array in rnn_model.weights.items():
        inside = name.startswith("probability.")
        # One iteration's groups stand for those of all; every other array is tried.
        if ".groups." in name and ".iterations.3." not in name:
            continue
        if name in grids:
            assert inside
            integers = grids[name].integers.copy()
            integers.flat[-1] -= 1 if integers.flat[-1] > 0 else -1
            steps = grids[name].steps * np.linspace(
                1, 1.5, len(grids[name].steps), dtype=np.float32
            )
            others = [replace(grids[name], integers=integers)]
            # Of a sum, steps are those of its first part.
            if not name.endswith("mix.weight") or ".groups.0." in name:
                others.append(replace(grids[name], steps=steps))
            for other in others:
                quantization = replace(rnn_model.quantization, weights={**grids, name: other})
                note(name, identity(rnn_model, quantization=quantization), True)
        else:
            moved = array.copy()
            moved.flat[-1] += np.float32(0.01)
            changed = identity(rnn_model, weights={**rnn_model.weights, name: moved})
            note(name, changed, inside)
    assert len(found) == count > 40


def test_identity_covers_what_layers_are_given(rnn_model: Model) -> None:
    plain, grids = identity(rnn_model), rnn_model.quantization.activations
    assert grids
    for name, grid in grids.items():
        # What a group is given is on the grid of the first; its own is for the torch model.
        first = not name.endswith("mix") or ".groups.0." in name
        if ".iterations.3." in name and first and not name.endswith("seen"):
            other = {**grids, name: replace(grid, step=grid.step * 1.3)}
            quantization = replace(rnn_model.quantization, activations=other)
            assert identity(rnn_model, quantization=quantization) != plain, name


def test_settled_once_stays_settled(rnn_model: Model, picture: Callable[..., Any]) -> None:
    """A model that is thawed and frozen is the same, and writes the same bytes."""
    again = freeze_network(thaw_network(rnn_model), name=rnn_model.name, family=rnn_model.family)
    assert again.stream_id == rnn_model.stream_id
    assert again.digest == rnn_model.digest
    image = picture(40, 56)
    assert open_codec(again).encode(image) == open_codec(rnn_model).encode(image)


def test_identity_covers_which_bits_are_written(rnn_model: Model) -> None:
    def of(frozen: dict[str, np.ndarray]) -> bytes:
        return identity(rnn_model, frozen=frozen)

    frozen = dict(rnn_model.frozen)
    sent_if = frozen[SENT_IF]
    plain = of(frozen)
    assert plain.hex() == rnn_model.stream_id
    assert of({**frozen, SENT_IF: sent_if.astype(np.int64)}) == plain
    fewer, swapped = sent_if.copy(), sent_if.copy()
    fewer[4] = -1
    swapped[[4, 5]] = swapped[[5, 4]]
    without = {name: array for name, array in frozen.items() if name != SENT_IF}
    others = [without, *({**frozen, SENT_IF: other} for other in (fewer, swapped))]
    assert len({plain, *map(of, others)}) == 4
    # That all are written need not be said.
    assert of({**frozen, SENT_IF: np.full(32, -1)}) == of(without)


def test_a_model_file_says_which_bits_are_written(rnn_model: Model) -> None:
    config = toderici_s()
    assert tuple(rnn_model.frozen[SENT_IF]) == config.sent_if
    assert tuple(rnn_model.coding.prior.sent_if) == config.sent_if


@pytest.mark.parametrize(
    "sent_if",
    [
        [-1, -1, 0, 4, -1, -1, 4, 5],  # of another slice, of later ones
        [-1, -1, 0, 1, -1, 0, 4, 1],  # of an earlier one
        [-1, -1, 8, 1, -1, -1, 4, 5],
        [-1, -1, 0, 1, -1, -1, 4, 99],
        [-1, -2, 0, 1, -1, -1, 4, 5],
        [-1, -40_000, 0, 1, -1, -1, 4, 5],  # in 16 bits above zero
        [-1, -1, 2, 1, -1, -1, 4, 5],  # of itself
        [-1, 0, 1, -1, -1, -1, 4, 5],  # of a bit that is not always written
        [-1, -1, 3, 2, -1, -1, 4, 5],  # of each other
        [-1, -1, 0, 1, -1, -1, 4],
        [-1, -1, 0, 1, -1, -1, 4, 5, -1],
        [[-1, -1, 0, 1, -1, -1, 4, 5]],
        [],
        -1,
    ],
    ids=str,
)
def test_bits_that_depend_on_unknown_ones_are_refused(sent_if: object) -> None:
    own = small()
    own.prior(PAIRS)
    for array in (np.array(sent_if, np.int64), np.array(sent_if, np.int32)):
        with pytest.raises(ModelFileError, match="bits depend on others that are not") as error:
            own.prior(array)
        assert "\n" not in str(error.value)
    frozen = {**bit_tables().to_arrays("bit_tables"), SENT_IF: np.array(sent_if, np.int64)}
    with pytest.raises(ModelFileError, match="bits depend on others that are not"):
        Coding.of(own.config, own.weights, own.quantization, frozen)


@pytest.mark.parametrize(
    "sent_if", [np.full(8, np.nan), np.full(8, -1.0), np.full(8, "x"), np.full(8, True)], ids=str
)
def test_what_says_which_bits_are_written_must_be_integers(sent_if: np.ndarray) -> None:
    with pytest.raises(ModelFileError, match="bits depend on others that are not"):
        small().prior(sent_if)


def test_identity_covers_the_tables(rnn_codec: TodericiCodec) -> None:
    tables = rnn_codec.tables
    assert Coding(rnn_codec.prior, tables).stream_id == rnn_codec.stream_id
    frequencies = tables.frequencies.copy()
    frequencies[[0, 2]] += np.array([1, -1]).astype(np.uint32)
    other = Tables(tables.centres, tables.reaches, frequencies)
    assert Coding(rnn_codec.prior, other).stream_id != rnn_codec.stream_id
