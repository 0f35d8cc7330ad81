"""The recurrent network: its formulas against other implementations, and at full size against the
published code, whose outputs for formula-made weights are the golden vectors (DESIGN.md,
section 10)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from slimcodec.codecs.toderici.checkpoint import ROLES, from_published, published_names
from slimcodec.codecs.toderici.config import TodericiConfig, toderici, toderici_s
from slimcodec.codecs.toderici.convlstm import ConvLstm
from slimcodec.codecs.toderici.initial import _components, _fold, _Move, schedule
from slimcodec.codecs.toderici.network import (
    CORRECTION,
    TodericiNetwork,
    sign_through,
)
from slimcodec.codecs.toderici.windows import Windows
from slimcodec.errors import UsageError
from slimcodec.images import read_image
from slimcodec.types import Image
from tests.codecs.toderici.large_bit_prior import random_codes as drawn

NO_LINEAR_PATH: dict[str, Any] = {
    "linear_components": 0,
    "linear_rounds": 0,
    "linear_window": 16,
    "significance": False,
}
Picture = Callable[..., Image]


def as_batch(*images: Image) -> Tensor:
    return torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy()).float() / 255


def random_codes(config: TodericiConfig, count: int, shape: tuple[int, int]) -> list[Tensor]:
    codes = drawn(count, config.bits, *shape, sent_if=config.sent_if)
    return [torch.from_numpy(code.astype(np.float32))[None] for code in codes]


# Shapes and configurations


def test_structures(rnn_network: TodericiNetwork) -> None:
    """Every departure can be taken back, and a network has what its configuration says."""
    tiny = rnn_network.config
    published = replace(
        toderici(),
        iterations=3,
        bits=8,
        stem_width=4,
        encoder_widths=(4, 8, 4),
        head_width=8,
        decoder_widths=(8, 4, 8, 4),
        slices=2,
    )
    for config in (
        published,
        replace(published, bounded_output=False, input_scale=2.0, gate_bias=True),
        replace(published, decoder_hidden_kernels=(3, 3, 1, 1), slices=1),
        replace(tiny, **NO_LINEAR_PATH, bounded_output=True),
        replace(tiny, linear_components=32, linear_rounds=1),
        replace(tiny, significance=False, linear_components=32, linear_rounds=1),
        replace(tiny, linear_window=16),
        replace(tiny, filter_width=0),
        replace(tiny, significance=False, linear_window=16, linear_rounds=6, filter_width=0),
        replace(tiny, slices=1),
    ):
        network = TodericiNetwork(config).eval()
        with torch.no_grad():
            residuals, errors, bits = network(torch.rand(2, 3, 32, 48), skip=1, count=2)
        assert residuals.shape == errors.shape == (2, 2, 3, 32, 48)
        assert bits.shape == (3, 2)
        assert (bits > 0).all()
        # An objective counts what is left once or, where they differ, both.
        assert (errors is residuals) == (config.filter_width == 0)
        assert (network.decoder.filter is not None) == (config.filter_width > 0)
        assert (network.encoder.linear is not None) == (config.linear_components > 0)
        for linear in (network.encoder.linear, network.decoder.linear):
            if linear is not None:
                assert linear.kernel_size == (config.linear_window, config.linear_window)
        biases = [n for n, _ in network.encoder.named_parameters() if n.endswith("bias")]
        assert bool(biases) == config.gate_bias
        with torch.no_grad():
            (code,) = random_codes(config, 1, (2, 3))
            output = network.decoder(10 * code, torch.tensor(0))[0]
        if config.bounded_output and not config.linear_components:
            assert output.abs().max() <= 0.5 / config.input_scale


def test_recurrent_configurations_go_through_plain_values() -> None:
    for config in (toderici(), toderici_s()):
        values = config.to_dict()
        assert TodericiConfig.from_dict(values) == config
        as_json = {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
        assert TodericiConfig.from_dict(as_json) == config
    with pytest.raises(UsageError, match="unknown recurrent codec configuration key widht"):
        TodericiConfig.from_dict({"widht": 3})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"encoder_widths": (1, 2)}, "encoder_widths must be 3 whole numbers above 0"),
        ({"decoder_hidden_kernels": (1, 1, 1)}, "decoder_hidden_kernels must be 4 whole"),
        ({"decoder_hidden_kernels": (1, 2, 3, 3)}, "must be odd"),
        ({"bits": 0}, "bits must be a whole number above 0, got 0"),
        ({"slices": 0}, "slices must be a whole number above 0, got 0"),
        ({"iterations": 0}, "iterations must be a whole number above 0, got 0"),
        ({"iterations": 300}, "iterations must be 1 to 256, got 300"),
        (
            {"linear_components": 4, "linear_rounds": 6},
            "must be 32 or more, a place for every move; got 4 times 6",
        ),
        (
            {"linear_components": 3, "linear_rounds": 5, "significance": True},
            "must be 16 or more, a place for every move; got 3 times 5",
        ),
        ({"linear_components": 4}, "a place for every move; got 4 times 0"),
        ({"linear_window": 24}, "linear_window must be 16 or 32, got 24"),
        ({"linear_window": 0}, "linear_window must be 16 or 32, got 0"),
        ({"significance": True}, "significance bits are of components; set linear_components"),
        (
            {"linear_components": 18, "linear_rounds": 1, "significance": True, "bits": 36},
            "a slice must have a sign for each of its own; 36 bits in 4 slices have not",
        ),
        ({"filter_width": -1}, "filter_width must be a whole number from 0 on, got -1"),
        ({"filter_width": True}, "filter_width must be a whole number from 0 on, got True"),
        ({"decoder_widths": (4, 4, 4, 6)}, "multiples of 4"),
        ({"slices": 3}, "slices must divide the 32 bits, got 3"),
        ({"linear_components": 769}, "0 to 768, got 769"),
        ({"linear_rounds": 5}, "linear_rounds is of components; set linear_components"),
        ({"linear_window": 32}, "linear_window is of components; set linear_components"),
        ({"input_scale": 0}, "input_scale must be a number above 0, got 0"),
        ({"input_scale": float("nan")}, "input_scale must be a number above 0"),
    ],
)
def test_shapes_that_cannot_be(change: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words) as error:
        replace(toderici(), **change)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"linear_components": 128.0}, "linear_components must be a whole number from 0 on"),
        ({"linear_components": True}, "linear_components must be a whole number from 0 on"),
        ({"linear_rounds": 5.0}, "linear_rounds must be a whole number from 0 on, got 5.0"),
        ({"filter_width": 8.0}, "filter_width must be a whole number from 0 on, got 8.0"),
        ({"linear_window": 32.0}, "linear_window must be 16 or 32, got 32.0"),
        ({"significance": "no"}, "significance must be true or false, got 'no'"),
        ({"gate_bias": 1}, "gate_bias must be true or false, got 1"),
        ({"input_scale": "x"}, "input_scale must be a number above 0, got 'x'"),
    ],
)
def test_values_that_a_forged_manifest_may_hold(change: dict[str, Any], words: str) -> None:
    """Past the constructor, whose types this suite checks and a user's installation does not."""
    config = object.__new__(TodericiConfig)
    for name, value in {**toderici_s().__dict__, **change}.items():
        object.__setattr__(config, name, value)
    with pytest.raises(UsageError, match=words):
        config.__post_init__()


@pytest.mark.parametrize(("bits", "slices"), [(32, 4), (16, 1), (8, 4), (12, 3)])
def test_a_slice_has_its_significance_bits_and_then_their_signs(bits: int, slices: int) -> None:
    config = replace(
        toderici(), bits=bits, slices=slices, linear_components=16, linear_rounds=2,
        significance=True,
    )  # fmt: skip
    assert config.moves == bits // 2
    size = bits // slices
    for start in range(0, bits, size):
        own = config.sent_if[start : start + size]
        assert own[: size // 2] == (-1,) * (size // 2)
        assert own[size // 2 :] == tuple(range(start, start + size // 2))
    plain = replace(config, significance=False)
    assert (plain.moves, plain.sent_if) == (bits, (-1,) * bits)


def test_an_iteration_weighs_errors_as_its_rate_asks() -> None:
    for config in (toderici(), toderici_s()):
        assert len(config.lambdas) == config.iterations
        assert list(config.lambdas) == sorted(set(config.lambdas))
        # At the rates of hific-s, 0.11 and 0.88 bits per pixel, about what its lambdas are.
        assert config.lambdas[0] == pytest.approx(0.0008, rel=0.3)
        assert config.lambdas[14] == pytest.approx(0.03, rel=0.3)


def test_recurrent_parameter_groups_hold_every_parameter_once(rnn_network: TodericiNetwork) -> None:
    groups = rnn_network.parameter_groups(1e-3)
    inside = [id(p) for group in groups for p in group["params"]]
    assert sorted(inside) == sorted(id(p) for p in rnn_network.parameters())
    assert [group["lr"] for group in groups] == pytest.approx([1e-3, 2e-4, 2e-3])
    without = TodericiNetwork(replace(rnn_network.config, **NO_LINEAR_PATH))
    assert [group["lr"] for group in without.parameter_groups(1e-3)] == [1e-3, 2e-3]


# Formulas


def test_a_cell_is_a_long_short_term_memory() -> None:
    """On a single pixel the 3x3 convolution has one tap, and torch's own cell is the oracle."""
    torch.manual_seed(0)
    cell = ConvLstm(5, 3, stride=2, hidden_kernel=1, bias=True)
    oracle = nn.LSTMCell(5, 3)
    with torch.no_grad():
        oracle.weight_ih.copy_(cell.conv_ih.weight[:, :, 1, 1])
        oracle.weight_hh.copy_(cell.conv_hh.weight[:, :, 0, 0])
        assert cell.conv_ih.bias is not None
        oracle.bias_ih.copy_(cell.conv_ih.bias)
        oracle.bias_hh.zero_()
        state: tuple[Tensor, ...] = ()
        expected = None
        for x in torch.randn(3, 2, 5):
            state = cell(x[:, :, None, None], state)
            expected = oracle(x, expected)
            for ours, theirs in zip(state, expected, strict=True):
                torch.testing.assert_close(ours[:, :, 0, 0], theirs)


def test_signs_with_a_straight_through_gradient() -> None:
    x = torch.tensor([-2.0, -1e-9, 0.0, 0.5, 30.0], requires_grad=True)
    y = sign_through(x)
    assert y.tolist() == [-1, -1, 1, 1, 1]
    y.backward(torch.tensor([1.0, 1.0, 2.0, 3.0, 1.0]))
    assert x.grad is not None
    expected = torch.tensor([1.0, 1.0, 2.0, 3.0, 1.0]) * (1 - torch.tanh(x.detach()) ** 2)
    torch.testing.assert_close(x.grad, expected)
    assert x.grad[4] == 0


@torch.no_grad()
def test_a_move_decides_on_what_earlier_rounds_left(each_network: TodericiNetwork) -> None:
    """Move by move, in the words of the module."""
    binarizer, config = each_network.binarizer, each_network.config
    count, components = binarizer.decision.shape[0], binarizer.decision.shape[2]
    gates = np.array(config.sent_if)
    signs = np.flatnonzero(gates >= 0) if config.significance else np.arange(config.bits)
    torch.manual_seed(1)
    for t in range(count):
        features = torch.randn(1, binarizer.width + components, 1, 20)
        features[:, binarizer.width :] *= each_network.decoder.spread
        code = binarizer(features, torch.tensor(t)).double().numpy()[0, :, 0]
        plain = binarizer.before_sign(features).double().numpy()[0, :, 0]
        plain, more = plain[: config.moves], plain[config.moves :]
        decision, feedback = (
            table[t].double().numpy() for table in (binarizer.decision, binarizer.feedback)
        )
        assert (binarizer.rounds[t].sum(dim=0) == 1).all()  # each move falls in one round
        rounds = binarizer.rounds[t].argmax(dim=0).numpy()
        linear = features.double().numpy()[0, binarizer.width :, 0]
        found = code[signs]
        moves, significant = np.zeros_like(found), np.zeros_like(found)
        for j in np.argsort(rounds, kind="stable"):
            earlier = (rounds < rounds[j])[:, None] * moves
            left = plain[j] + decision[j] @ linear - feedback[j] @ earlier
            sign, clear = np.sign(left), np.abs(left) > 1e-4
            if config.significance:
                above = np.abs(left) - (1 + more[j])
                significant[j] = np.sign(above)
                sign, clear = sign * (above > 0), clear & (np.abs(above) > 1e-4)
                gate = code[gates[signs[j]]]
                significant[j] = np.where(clear, significant[j], gate)
                np.testing.assert_array_equal(gate, significant[j])
            moves[j] = np.where(clear, sign, found[j])
        np.testing.assert_array_equal(found, moves)
        np.testing.assert_array_equal(code != 0, sent(config, code))
        assert set(np.unique(code)) == ({-1, 0, 1} if config.significance else {-1, 1})
    assert binarizer.rounds[:, 1:].any()


def sent(config: TodericiConfig, code: np.ndarray) -> np.ndarray:
    """Which bits of a code [n, places] are written."""
    gates = np.array(config.sent_if)
    return (gates < 0)[:, None] | (code[gates] > 0)


def test_doubtful_moves_have_a_gradient(rnn_network: TodericiNetwork) -> None:
    """Of a sign, where something moves, and of whether it does, through the sign as well."""
    binarizer, config = copy.deepcopy(rnn_network.binarizer), rnn_network.config
    with torch.no_grad():
        binarizer.conv.weight.zero_()
        binarizer.rounds.zero_()
        binarizer.rounds[:, 0] = 1
    features = torch.zeros(1, binarizer.width + config.linear_components, 1, 1)
    half = config.bits // config.slices // 2
    for value, moves in ((1.25, True), (0.75, False), (-1.25, True), (-0.75, False)):
        with torch.no_grad():
            binarizer.decision.zero_()
            binarizer.decision[0, 0, 0] = 1
        features[0, binarizer.width, 0, 0] = value
        x = features.clone().requires_grad_(True)
        code = binarizer(x, torch.tensor(0))[0, :, 0, 0]
        assert code[[0, half]].tolist() == [1 if moves else -1, np.sign(value) * moves]
        of_sign = moves * (1 - np.tanh(value) ** 2)
        of_move = np.sign(value) * (1 - np.tanh(abs(value) - 1) ** 2)
        for bit, expected in (
            (0, of_move), (half, of_sign + np.sign(value) * of_move / 2)
        ):  # fmt: skip
            (gradient,) = torch.autograd.grad(code[bit], x, retain_graph=True)
            assert float(gradient[0, binarizer.width]) == pytest.approx(expected, rel=1e-5)


# The linear path


@pytest.fixture(scope="module")
def all_components(make_network_of: Callable[..., Any]) -> TodericiNetwork:
    """With so many components that they can be any picture."""
    network = make_network_of("toderici", 0, linear_components=768, linear_rounds=1)
    assert isinstance(network, TodericiNetwork)
    return network


def test_windows_are_orthogonal_to_each_other_and_to_their_neighbours() -> None:
    fold = _fold()
    assert fold.shape == (16, 32)
    np.testing.assert_allclose(fold @ fold.T, np.eye(16), atol=1e-12)
    np.testing.assert_allclose(fold[:, 16:] @ fold[:, :16].T, 0, atol=1e-12)
    # A border is turned the same from either side: a window mirrored is one of the block mirrored.
    np.testing.assert_allclose(fold[::-1, ::-1], fold, atol=1e-12)
    # What is smooth goes into few values: a constant stays one, and a slope next to one.
    np.testing.assert_allclose(fold @ np.ones(32), 1, atol=1e-12)


def laid_out(network: TodericiNetwork, coefficients: Tensor) -> Tensor:
    """Pixels of coefficients [1, k, h, w], windows laid one over another by hand."""
    decoder = network.decoder
    assert decoder.linear is not None
    if not decoder.laps:
        return F.conv_transpose2d(coefficients, decoder.linear.weight, stride=16)
    down, across = decoder.parity
    up, low = coefficients[:, :, :1] * down, coefficients[:, :, -1:] * down
    rows = torch.cat([up, coefficients, low], dim=2)
    left, right = rows[..., :1] * across, rows[..., -1:] * across
    tiles = torch.cat([left, rows, right], dim=3)
    height, width = tiles.shape[2:]
    canvas = torch.zeros(1, 3, 16 * height + 16, 16 * width + 16)
    for i in range(height):
        for j in range(width):
            window = torch.einsum("k,kchw->chw", tiles[0, :, i, j], decoder.linear.weight)
            canvas[0, :, 16 * i : 16 * i + 32, 16 * j : 16 * j + 32] += window
    return canvas[:, :, 24:-24, 24:-24]


@torch.no_grad()
@pytest.mark.parametrize("shape", [(16, 16), (16, 48), (64, 48)])
def test_all_components_together_are_the_picture(
    all_components: TodericiNetwork, picture: Picture, shape: tuple[int, int]
) -> None:
    """To the last pixel where the encoder sees the picture's mirror image beyond its edge, as the
    decoder takes it to be. What it sees leaves the last pixel out, so that half a window along
    every edge is another one, and nothing else is."""
    encoder, decoder = all_components.encoder, all_components.decoder
    assert encoder.linear is not None and decoder.linear is not None
    image = as_batch(picture(*shape)) - 0.5
    around = np.pad(image.numpy(), ((0, 0), (0, 0), (8, 8), (8, 8)), "symmetric")
    exact = encoder.linear(torch.from_numpy(around))
    assert exact.shape == (1, 768, shape[0] // 16, shape[1] // 16)
    for synthesis in (laid_out(all_components, exact), decoder.linear(decoder._mirrored(exact))):
        torch.testing.assert_close(synthesis, image, rtol=0, atol=1e-5)
    torch.testing.assert_close(exact.square().sum(), image.square().sum())  # as far as it is known

    seen = encoder(image)[0][:, -768:]
    away = (decoder.linear(decoder._mirrored(seen)) - image).abs()
    assert not (away[:, :, 8:-8, 8:-8] > 1e-5).any()
    assert 1e-3 < away.square().mean().sqrt() < 0.05
    inner = (slice(None), slice(None), slice(1, -1), slice(1, -1))
    torch.testing.assert_close(seen[inner], exact[inner], rtol=0, atol=1e-5)


@torch.no_grad()
def test_a_mirrored_component_is_its_parity_times_itself(rnn_network: TodericiNetwork) -> None:
    for part in (rnn_network.encoder, rnn_network.decoder):
        assert part.linear is not None
        for axis, parity in zip((2, 3), rnn_network.decoder.parity, strict=True):
            assert set(parity.flatten().tolist()) == {-1, 1}
            windows = part.linear.weight
            torch.testing.assert_close(
                windows.flip(axis), windows * parity[..., None], rtol=0, atol=1e-3
            )


def test_components_are_the_principal_ones_of_what_blocks_keep(
    rnn_network: TodericiNetwork,
) -> None:
    """Windows and blocks say the same, both ways, and without windows that overlap they are one."""
    for side in (32, 16):
        config = replace(rnn_network.config, linear_window=side)
        blocks = np.random.default_rng(0).random((900, 3, side, side), np.float32)
        blocks += np.linspace(0, 1, side, dtype=np.float32)[:, None]  # some more than others
        basis, windows, coefficients = _components(blocks, config)
        assert basis.shape == (24, 3, 16, 16)
        assert windows.shape == (24, 3, side, side)
        for vectors in (basis, windows):
            flat = vectors.reshape(24, -1)
            np.testing.assert_allclose(flat @ flat.T, np.eye(24), atol=1e-9)
        seen = (blocks - 0.5).reshape(900, -1) @ windows.reshape(24, -1).T
        np.testing.assert_allclose(seen, coefficients, atol=1e-5)
        energies = np.square(coefficients).mean(axis=0)
        assert energies[0] == energies.max()
        assert energies[0] > 5 * energies[1]


# The first moves


def test_a_move_is_as_far_as_what_is_above_its_threshold() -> None:
    rng = np.random.default_rng(0)
    left = rng.permutation(np.linspace(-1, 1, 20_001))
    move = _Move.always(left)
    assert move.step == pytest.approx(0.5, rel=1e-3)
    assert move.worth == pytest.approx(0.25, rel=1e-3)
    assert move.threshold == 0
    # Of p places from 1 - p on, the mean is 1 - p/2: p (1 - p/2)^2 is largest for two thirds.
    free = _Move.significant(left, 0.0)
    assert free.step == pytest.approx(2 / 3, abs=0.02)
    assert free.threshold == pytest.approx(1 / 3, abs=0.04)
    assert free.worth == pytest.approx(8 / 27, rel=2e-3)
    # Where bits are dear, few move.
    dear = _Move.significant(left, 0.3)
    assert dear.threshold > 0.9
    assert dear.step == pytest.approx((1 + dear.threshold) / 2, rel=1e-2)
    # Two heaps, all of which must move: worth a sign. Whoever is nearer than half a step stays.
    heaps = np.repeat([-2.0, 2.0], 500)
    heaps[0] = 1e-9
    assert _Move.significant(heaps, 0.1).worth == pytest.approx(4 - 0.1, rel=0.01)
    assert _Move.significant(heaps, 0.1).threshold == pytest.approx(1, rel=0.01)
    # Its inverse is a weight of the network, in half precision.
    assert _Move.significant(1e-9 * left, 0.0).threshold > 1 / np.finfo(np.float16).max


@pytest.mark.parametrize("significance", [False, True])
def test_a_schedule_spends_every_move_where_it_is_worth_most(
    rnn_network: TodericiNetwork, significance: bool
) -> None:
    config = replace(
        rnn_network.config, significance=significance, linear_rounds=2, linear_components=32
    )
    spread = 3 * 0.8 ** np.arange(32)
    coefficients = np.random.default_rng(0).laplace(0, spread, (4000, 32))
    before = coefficients.copy()
    plan = schedule(coefficients, config)
    np.testing.assert_array_equal(coefficients, before)
    left = coefficients.copy()
    for t in range(config.iterations):
        k, rounds = plan.components[t], plan.rounds[t]
        assert k.shape == (config.moves,)
        assert list(rounds) == sorted(rounds)
        assert len(set(zip(k, rounds, strict=True))) == config.moves  # none is made twice
        for component in set(k):
            made = rounds[k == component]
            assert list(made) == list(range(len(made)))
        assert (plan.steps[t] > 0).all()
        if significance:
            assert (plan.thresholds[t] >= plan.steps[t] / 2).all()
        else:
            assert not plan.thresholds[t].any()
        energies = [np.square(left).sum()]
        for step, threshold, component in zip(plan.steps[t], plan.thresholds[t], k, strict=True):
            moves = np.abs(left[:, component]) >= threshold
            left[:, component] -= step * moves * np.sign(left[:, component])
            energies.append(np.square(left).sum())
        assert energies == sorted(energies, reverse=True)
    assert np.square(left).sum() < 0.2 * np.square(coefficients).sum()
    assert plan.rounds.max() == 1
    first = plan.components[0][plan.rounds[0] == 0]
    assert first[0] == 0
    assert set(range(8)) <= set(first)


# Iterations


@torch.no_grad()
def test_state_goes_in_and_comes_out(rnn_network: TodericiNetwork, picture: Picture) -> None:
    """Single steps with the state in hand, another picture's in between, are the whole run."""
    mine, other = as_batch(picture(48, 64)), as_batch(picture(48, 64, seed=1))
    whole, errors, _ = rnn_network(mine, 0, 3)
    residuals = [mine - 0.5, other - 0.5]
    states: list[tuple[tuple[Tensor, ...], tuple[Tensor, ...]]] = [((), ()), ((), ())]
    for number in range(3):
        iteration = torch.tensor(number)
        for k in range(2):
            encoder, decoder = states[k]
            features, *encoder = rnn_network.encoder(residuals[k], *encoder)
            code = rnn_network.binarizer(features, iteration)
            output, *decoder = rnn_network.decoder(code, iteration, *decoder)
            residuals[k] = residuals[k] - output
            states[k] = (tuple(encoder), tuple(decoder))
        torch.testing.assert_close(residuals[0], whole[number])
        # A decoder that stops here filters its picture; the next iteration sees it unfiltered.
        picture_so_far, (*_, hidden, _) = mine - residuals[0], states[0][1]
        assert rnn_network.decoder.filter is not None
        filtered = rnn_network.decoder.filter(picture_so_far, hidden)
        torch.testing.assert_close(errors[number], mine - filtered)
    forgetful = rnn_network.encoder(whole[1])[0]
    assert not torch.allclose(forgetful, features, atol=1e-3)


@torch.no_grad()
def test_no_state_is_a_state_of_zeros(rnn_network: TodericiNetwork) -> None:
    (code,) = random_codes(rnn_network.config, 1, (2, 3))
    residual, first = torch.rand(1, 3, 32, 48) - 0.5, torch.tensor(0)
    for part, inputs in (
        (rnn_network.encoder, (residual,)),
        (rnn_network.decoder, (code, first)),
    ):
        without = part(*inputs)
        zeros = [torch.zeros_like(tensor) for tensor in without[1:]]
        for ours, theirs in zip(part(*inputs, *zeros), without, strict=True):
            torch.testing.assert_close(ours, theirs)
        ones = [torch.ones_like(tensor) for tensor in without[1:]]
        assert not torch.allclose(part(*inputs, *ones)[0], without[0], atol=1e-3)


@torch.no_grad()
def test_the_linear_path_steps_and_is_corrected(each_network: TodericiNetwork) -> None:
    """The networks see all steps together, in units of their spread; what the first of them
    remembers corrects the last step before it becomes pixels."""
    decoder = copy.deepcopy(each_network.decoder)
    decoder.out.weight.zero_()
    decoder.out.bias.zero_()
    seen: list[Tensor] = []
    decoder.head.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    state: tuple[Tensor, ...] = ()
    decoded = torch.zeros(())
    for number, code in enumerate(random_codes(each_network.config, 3, (2, 3))):
        output, *state = decoder(code, torch.tensor(number), *state)
        step = torch.einsum("cn,bnhw->bchw", decoder.steps[number], code)
        told = torch.cat([code, (decoded + step) / decoder.spread], dim=1)
        torch.testing.assert_close(seen[-1], told)
        correction = CORRECTION * decoder.spread * decoder.correction(state[1])
        assert correction.abs().max() > 1e-3
        decoded = decoded + step + correction
        torch.testing.assert_close(state[0], decoded)
        torch.testing.assert_close(output, laid_out(each_network, step + correction))


def hidden_convolutions(part: nn.Module, *inputs: Tensor) -> tuple[list[nn.Module], list[Tensor]]:
    """Those computed while the part runs, and the state after it."""
    called: list[nn.Module] = []
    hooks = [
        module.conv_hh.register_forward_hook(lambda module, *_: called.append(module))
        for module in part.modules()
        if isinstance(module, ConvLstm)
    ]
    try:
        _, *state = part(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return called, state


@torch.no_grad()
def test_no_hidden_convolution_of_zeros(rnn_network: TodericiNetwork) -> None:
    (code,) = random_codes(rnn_network.config, 1, (2, 3))
    residual, first = torch.rand(1, 3, 32, 48) - 0.5, torch.tensor(0)
    for part, inputs, cells in (
        (rnn_network.encoder, (residual,), 3),
        (rnn_network.decoder, (code, first), 4),
    ):
        called, state = hidden_convolutions(part, *inputs)
        assert called == []
        called, _ = hidden_convolutions(part, *inputs, *state)
        assert len(called) == len(set(called)) == cells


@pytest.mark.parametrize(("stride", "kernel"), [(1, 1), (1, 3), (2, 1)])
@pytest.mark.parametrize("size", [(1, 1), (5, 4), (16, 7)])
def test_bands_are_the_whole(
    stride: int, kernel: int, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the runtime computes band by band is what training computes at once."""
    torch.manual_seed(0)
    cell = ConvLstm(3, 4, stride=stride, hidden_kernel=kernel, bias=True)
    height, width = size
    x = torch.randn(2, 3, stride * height, stride * width)
    state = (torch.randn(2, 4, height, width), torch.randn(2, 4, height, width))
    for rows in (1, 2, 100):
        monkeypatch.setattr("slimcodec.codecs.toderici.convlstm.BAND", rows * 2 * 4 * 4 * width)
        for before in ((), state):
            with torch.no_grad():
                whole = cell(x, before)
            with torch.inference_mode():
                bands = cell(x, before)
            for a, b in zip(whole, bands, strict=True):
                torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_bands_compute_no_hidden_convolution_of_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = ConvLstm(3, 4, stride=1, hidden_kernel=3, bias=False)
    weights: list[Tensor] = []
    real = F.conv2d

    def counted(x: Tensor, weight: Tensor, *rest: Any) -> Tensor:
        weights.append(weight)
        return real(x, weight, *rest)

    monkeypatch.setattr(F, "conv2d", counted)
    with torch.inference_mode():
        state = cell(torch.randn(1, 3, 4, 4))
        assert [w is cell.conv_hh.weight for w in weights] == [False]
        cell(torch.randn(1, 3, 4, 4), state)
    assert [w is cell.conv_hh.weight for w in weights] == [False, False, True]


def test_gradients_reach_everything_that_ran(
    each_network: TodericiNetwork, picture: Picture
) -> None:
    network = copy.deepcopy(each_network)
    count = network.config.iterations
    _, errors, bits = network(as_batch(picture(48, 64), picture(48, 64, seed=1)), 0, count)
    (errors.abs().mean() + bits.mean()).backward()
    for key, parameter in network.named_parameters():
        name = key.replace("parametrizations.weight.original", "weight")
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # Before the first iteration nothing is known, and the first context sees zeros: a group's
        # hidden units are constant there; those of the first group may all be cut off.
        of_zeros = name == "probability.iterations.0.context.weight"
        if not name.startswith("probability.iterations.0.groups.0.mix."):
            assert parameter.grad.any() != of_zeros, name
    # What belongs to an iteration learns in each of them, feedback where there is a second round;
    # the last one's bits nobody remembers.
    binarizer = network.binarizer
    for table in (binarizer.decision, network.decoder.steps):
        assert table.grad.flatten(1).any(dim=1).all()
    again = binarizer.rounds[:, 1:].flatten(1).any(dim=1)
    assert again.any()
    assert torch.equal(binarizer.feedback.grad.flatten(1).any(dim=1), again)
    assert network.probability.memory.grad.flatten(1).any(dim=1).tolist() == [
        *[True] * (count - 1),
        False,
    ]


def test_skipped_iterations_have_values_and_no_gradient(
    rnn_network: TodericiNetwork, picture: Picture
) -> None:
    network, image = copy.deepcopy(rnn_network), as_batch(picture(48, 64))
    with torch.no_grad():
        whole = network(image, 0, 4)
    residuals, errors, bits = network(image, 2, 2)
    assert len(residuals) == len(errors) == 2
    assert bits.shape[0] == 4
    torch.testing.assert_close(residuals.detach(), whole.residuals[2:])
    torch.testing.assert_close(errors.detach(), whole.errors[2:])
    torch.testing.assert_close(bits.detach(), whole.bits)

    errors.abs().mean().backward(retain_graph=True)
    for table in (network.binarizer.decision, network.decoder.steps):
        learns = table.grad.flatten(1).any(dim=1).tolist()
        assert learns == [False, False, True, True, *[False] * (len(learns) - 4)]
    assert all(p.grad is None for p in network.probability.parameters())

    network.zero_grad()
    bits.sum().backward()
    learned = [
        any(p.grad is not None and p.grad.any() for p in iteration.parameters())
        for iteration in network.probability.iterations
    ]
    assert learned == [False, False, True, True, *[False] * (len(learned) - 4)]
    # The bit model learns from bits that it does not influence.
    others = (network.encoder, network.binarizer, network.decoder)
    assert not any(p.grad is not None and p.grad.any() for o in others for p in o.parameters())


@torch.no_grad()
def test_the_linear_path_alone_is_a_progressive_codec(
    each_network: TodericiNetwork, picture: Picture
) -> None:
    network: Any = copy.deepcopy(each_network)
    decoder, encoder = network.decoder, network.encoder
    for weight in (network.binarizer.conv.weight, decoder.out.weight, decoder.correction.weight):
        weight.zero_()
    for bias in (decoder.out.bias, decoder.correction.bias):
        bias.zero_()

    def held(residual: Tensor) -> float:
        """What of it the components can say, in the same unit."""
        seen = F.pad(residual, (encoder.reach,) * 4, "reflect") if encoder.reach else residual
        return float(encoder.linear(seen).square().sum()) / residual.numel()

    for seed in range(3):
        image = as_batch(picture(96, 128, seed))
        found = network(image, 0, network.config.iterations)
        left = (image - 0.5, *found.residuals)
        energies = [float(r.square().mean()) for r in left]
        assert energies == sorted(energies, reverse=True)
        assert energies[1] < 0.5 * energies[0]
        assert energies[-1] < 0.25 * energies[0]
        held_by = [held(r) for r in left]
        assert held_by[1] < 0.5 * held_by[0]
        assert held_by[-1] < 0.5 * held_by[1]


@torch.no_grad()
def test_the_filter_is_outside_the_loop(rnn_network: TodericiNetwork, picture: Picture) -> None:
    """With another one the same is sent, and without any effect the picture is as it was."""
    network, image = copy.deepcopy(rnn_network), as_batch(picture(48, 64))
    before = network(image, 0, 3)
    assert not torch.allclose(before.errors, before.residuals, atol=1e-4)
    *_, last = network.decoder.filter.layers
    last.weight.mul_(-3)
    after = network(image, 0, 3)
    assert torch.equal(after.residuals, before.residuals)
    assert torch.equal(after.bits, before.bits)
    assert not torch.allclose(after.errors, before.errors, atol=1e-4)
    last.weight.zero_()
    last.bias.zero_()
    torch.testing.assert_close(network(image, 0, 3).errors, before.residuals)


@torch.no_grad()
def test_a_filter_works_at_half_resolution(rnn_network: TodericiNetwork) -> None:
    """Pixels of a square of four are channels, coming and going; it knows the last memory."""
    own: Any = copy.deepcopy(rnn_network.decoder.filter)
    scale = rnn_network.config.input_scale
    width = rnn_network.config.decoder_widths[-1]
    picture, hidden = torch.rand(1, 3, 32, 48), torch.rand(1, width, 16, 24) - 0.5
    seen: list[Tensor] = []
    own.layers[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    changed = (own(picture, hidden) - picture) * scale
    squares = ((picture - 0.5) * scale).unfold(2, 2, 2).unfold(3, 2, 2)  # [1, 3, 16, 24, 2, 2]
    for colour in range(3):
        for i in range(2):
            for j in range(2):
                channel = 4 * colour + 2 * i + j
                torch.testing.assert_close(
                    seen[0][:, channel], squares[:, colour, :, :, i, j], rtol=1e-5, atol=1e-6
                )
    assert torch.equal(seen[0][:, 12:], hidden)
    x = seen[0]
    for layer in own.layers[:2]:
        x = layer(x).clamp(min=0)
    expected = own.layers[2](x)
    for i in range(2):
        for j in range(2):
            torch.testing.assert_close(
                changed[:, :, i::2, j::2], expected[:, 2 * i + j :: 4], rtol=1e-4, atol=1e-5
            )
    assert not torch.equal(own(picture, -hidden), own(picture, hidden))


# Golden vectors: the published network at full size


def relative_error(ours: np.ndarray, golden: np.ndarray) -> float:
    return float(np.abs(ours - golden).max() / np.abs(golden).max())


def formula_files(shared: Path) -> dict[str, dict[str, np.ndarray]]:
    """DESIGN.md, section 10: weights by formula, so that nobody needs to ship 140 MB."""
    lines = (
        (shared / "references/golden/toderici_state_dict.tsv")
        .read_text(encoding="utf-8")
        .splitlines()[1:]
    )
    rows = [line.split("\t") for line in lines]
    files: dict[str, dict[str, np.ndarray]] = {}
    for role, seed, gain in zip(ROLES, (1000, 1100, 1200), (3, 3, 2), strict=True):
        files[role] = {}
        for number, (key, sides) in enumerate(sorted((k, s) for r, k, s in rows if r == role)):
            shape = tuple(int(side) for side in sides.split("x"))
            u = np.random.RandomState(seed + number).uniform(-1, 1, int(np.prod(shape)))
            single = u.astype(np.float32).reshape(shape)
            files[role][key] = (single * gain * np.sqrt(3 / np.prod(shape[1:]))).astype(np.float32)
    return files


def test_every_published_tensor_of_the_three_has_its_place(shared: Path) -> None:
    lines = (
        (shared / "references/golden/toderici_state_dict.tsv")
        .read_text(encoding="utf-8")
        .splitlines()[1:]
    )
    rows = [line.split("\t") for line in lines]
    with torch.device("meta"):
        ours = {n: tuple(t.shape) for n, t in TodericiNetwork(toderici()).state_dict().items()}
    found = set()
    for role in ROLES:
        names = published_names(role)
        assert set(names) == {key for r, key, _ in rows if r == role}
        for r, key, sides in rows:
            if r == role:
                assert ours[names[key]] == tuple(int(side) for side in sides.split("x"))
                found.add(names[key])
    assert found == {name for name in ours if not name.startswith("probability.")}
    assert round(sum(np.prod(ours[name]) for name in found) / 1e6) == 35


@torch.no_grad()
def test_full_size_recurrent_gives_the_published_numbers(shared: Path) -> None:
    config, weights = from_published(formula_files(shared))
    assert config == toderici()
    with torch.device("meta"):
        network = TodericiNetwork(config).eval()
    for role in ROLES:
        part = getattr(network, role)
        own = {
            name.removeprefix(f"{role}."): torch.from_numpy(array)
            for name, array in weights.items()
            if name.startswith(f"{role}.")
        }
        part.load_state_dict(own, assign=True)

    with np.load(shared / "references/golden/toderici_fullsize.npz") as file:
        golden = dict(file)
    kodak_05 = read_image(shared / "data/kodak/kodim05.png").pixels
    residual = as_batch(kodak_05[64:128, 128:224]) - 0.5
    reconstruction = torch.full_like(residual, 0.5)
    encoder_state: tuple[Tensor, ...] = ()
    decoder_state: tuple[Tensor, ...] = ()
    for number in range(len(golden["codes"])):
        iteration = torch.tensor(number)
        features, *encoder_state = network.encoder(residual, *encoder_state)
        before = torch.tanh(network.binarizer.before_sign(features)).numpy()
        assert relative_error(before, golden["pre_sign"][number]) < 1e-4
        code = network.binarizer(features, iteration)
        clear = np.abs(golden["pre_sign"][number]) > 1e-4
        assert clear.mean() > 0.99
        np.testing.assert_array_equal(code.numpy()[clear], golden["codes"][number][clear])
        # From here on with the published code, so that a tie cannot hide what follows it.
        published = torch.from_numpy(golden["codes"][number]).float()
        output, *decoder_state = network.decoder(published, iteration, *decoder_state)
        assert relative_error(output.numpy(), golden["step_outputs"][number]) < 1e-4
        residual = residual - output
        reconstruction = reconstruction + output
    assert relative_error(reconstruction.numpy(), golden["reconstruction"]) < 1e-4


@pytest.mark.parametrize("window", [16, 32])
def test_windows_are_a_transposed_convolution(window: int) -> None:
    torch.manual_seed(0)
    layer = Windows(5, window)
    x = torch.randn(2, 5, 4, 6, requires_grad=True)
    plain = nn.ConvTranspose2d.forward(layer, x)
    ours = layer(x)
    assert ours.shape[2:] == ((64, 96) if window == 16 else (32, 64))
    torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-5)
    for tensor in (x, layer.weight):
        grads = [
            torch.autograd.grad(y.square().sum(), tensor, retain_graph=True)[0]
            for y in (ours, plain)
        ]
        torch.testing.assert_close(*grads, rtol=1e-3, atol=1e-3)
