"""The recurrent network: its formulas against other implementations, and at full size against the
published code, whose outputs for formula-made weights are the golden vectors (DESIGN.md,
section 10)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from slimcodec.codecs.toderici import network as network_module
from slimcodec.codecs.toderici.checkpoint import ROLES, from_published, published_names
from slimcodec.codecs.toderici.config import TodericiConfig, toderici, toderici_s
from slimcodec.codecs.toderici.network import (
    CORRECTION,
    ConvLstm,
    TodericiNetwork,
    sign_through,
)
from slimcodec.errors import UsageError
from slimcodec.images import read_image
from slimcodec.types import Image

Picture = Callable[..., Image]


def as_batch(*images: Image) -> Tensor:
    return torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy()).float() / 255


def random_codes(config: TodericiConfig, count: int, shape: tuple[int, int]) -> list[Tensor]:
    rng = np.random.default_rng(0)
    return [
        torch.from_numpy(rng.choice([-1.0, 1.0], (1, config.bits, *shape)).astype(np.float32))
        for _ in range(count)
    ]


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
        replace(tiny, linear_components=0, bounded_output=True),
        replace(tiny, linear_components=32, linear_rounds=1),
    ):
        network = TodericiNetwork(config).eval()
        with torch.no_grad():
            residuals, bits = network(torch.rand(2, 3, 32, 48), skip=1, count=2)
        assert residuals.shape == (2, 2, 3, 32, 48)
        assert bits.shape == (3, 2)
        assert (bits > 0).all()
        assert (network.encoder.linear is not None) == (config.linear_components > 0)
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
        ({"linear_components": 4, "linear_rounds": 6}, "must be 32 or more, a place for every bit"),
        ({"decoder_widths": (4, 4, 4, 6)}, "multiples of 4"),
        ({"slices": 3}, "slices must divide the 32 bits, got 3"),
        ({"linear_components": 769}, "0 to 768, got 769"),
    ],
)
def test_shapes_that_cannot_be(change: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        replace(toderici(), **change)


def test_recurrent_parameter_groups_hold_every_parameter_once(rnn_network: TodericiNetwork) -> None:
    groups = rnn_network.parameter_groups(1e-3)
    inside = [id(p) for group in groups for p in group["params"]]
    assert sorted(inside) == sorted(id(p) for p in rnn_network.parameters())
    assert [group["lr"] for group in groups] == pytest.approx([1e-3, 2e-4, 2e-3])
    without = TodericiNetwork(replace(rnn_network.config, linear_components=0))
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
def test_a_bit_decides_on_what_earlier_rounds_left(rnn_network: TodericiNetwork) -> None:
    """Bit by bit, in the words of the module."""
    binarizer = rnn_network.binarizer
    count, components = binarizer.decision.shape[0], binarizer.decision.shape[2]
    torch.manual_seed(1)
    for t in range(count):
        features = torch.randn(1, binarizer.width + components, 1, 2)
        features[:, binarizer.width :] *= rnn_network.decoder.spread
        code = binarizer(features, torch.tensor(t)).double().numpy()[0, :, 0]
        plain = binarizer.before_sign(features).double().numpy()[0, :, 0]
        decision, feedback = (
            table[t].double().numpy() for table in (binarizer.decision, binarizer.feedback)
        )
        assert (binarizer.rounds[t].sum(dim=0) == 1).all()  # each bit falls in one round
        rounds = binarizer.rounds[t].argmax(dim=0).numpy()
        linear = features.double().numpy()[0, binarizer.width :, 0]
        bits = np.zeros_like(code)
        for j in np.argsort(rounds, kind="stable"):
            earlier = (rounds < rounds[j])[:, None] * bits
            x = plain[j] + decision[j] @ linear - feedback[j] @ earlier
            clear = np.abs(x) > 1e-4
            bits[j] = np.where(clear, np.sign(x), code[j])
        np.testing.assert_array_equal(code, bits)
    assert binarizer.rounds[:, 1:].any()


# Iterations


@torch.no_grad()
def test_state_goes_in_and_comes_out(rnn_network: TodericiNetwork, picture: Picture) -> None:
    """Single steps with the state in hand, another picture's in between, are the whole run."""
    mine, other = as_batch(picture(48, 64)), as_batch(picture(48, 64, seed=1))
    whole = rnn_network(mine, 0, 3).residuals
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
def test_the_linear_path_steps_and_is_corrected(rnn_network: TodericiNetwork) -> None:
    """The networks see all steps together, in units of their spread; what the first of them
    remembers corrects the last step before it becomes pixels."""
    decoder = copy.deepcopy(rnn_network.decoder)
    decoder.out.weight.zero_()
    decoder.out.bias.zero_()
    seen: list[Tensor] = []
    decoder.head.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    state: tuple[Tensor, ...] = ()
    decoded = torch.zeros(())
    for number, code in enumerate(random_codes(rnn_network.config, 3, (2, 3))):
        output, *state = decoder(code, torch.tensor(number), *state)
        step = torch.einsum("cn,bnhw->bchw", decoder.steps[number], code)
        told = torch.cat([code, (decoded + step) / decoder.spread], dim=1)
        torch.testing.assert_close(seen[-1], told)
        correction = CORRECTION * decoder.spread * decoder.correction(state[1])
        assert correction.abs().max() > 1e-3
        decoded = decoded + step + correction
        torch.testing.assert_close(state[0], decoded)
        torch.testing.assert_close(output, decoder.linear(step + correction))


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
        monkeypatch.setattr(network_module, "BAND", rows * 2 * 4 * 4 * width)
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
    real = network_module.F.conv2d

    def counted(x: Tensor, weight: Tensor, *rest: object) -> Tensor:
        weights.append(weight)
        return real(x, weight, *rest)

    monkeypatch.setattr(network_module.F, "conv2d", counted)
    with torch.inference_mode():
        state = cell(torch.randn(1, 3, 4, 4))
        assert [w is cell.conv_hh.weight for w in weights] == [False]
        cell(torch.randn(1, 3, 4, 4), state)
    assert [w is cell.conv_hh.weight for w in weights] == [False, False, True]


def test_gradients_reach_everything_that_ran(
    rnn_network: TodericiNetwork, picture: Picture
) -> None:
    network = copy.deepcopy(rnn_network)
    count = network.config.iterations
    residuals, bits = network(as_batch(picture(48, 64), picture(48, 64, seed=1)), 0, count)
    (residuals.abs().mean() + bits.mean()).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # Before the first iteration nothing is known, and the first context sees zeros: a group's
        # hidden units are constant there, and some of these are not cut off by chance of the seed.
        of_zeros = name == "probability.iterations.0.context.weight"
        assert parameter.grad.any() != of_zeros, name
    # What belongs to an iteration learns in each of them; the last one's bits nobody remembers.
    for table in (network.binarizer.decision, network.binarizer.feedback, network.decoder.steps):
        assert table.grad.flatten(1).any(dim=1).all()
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
    residuals, bits = network(image, 2, 2)
    assert residuals.shape[0] == 2
    assert bits.shape[0] == 4
    torch.testing.assert_close(residuals.detach(), whole.residuals[2:])
    torch.testing.assert_close(bits.detach(), whole.bits)

    residuals.abs().mean().backward(retain_graph=True)
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
    rnn_network: TodericiNetwork, picture: Picture
) -> None:
    network = copy.deepcopy(rnn_network)
    decoder = network.decoder
    for weight in (network.binarizer.conv.weight, decoder.out.weight, decoder.correction.weight):
        weight.zero_()
    for bias in (decoder.out.bias, decoder.correction.bias):
        bias.zero_()
    for seed in range(3):
        image = as_batch(picture(96, 128, seed))
        residuals = network(image, 0, network.config.iterations).residuals
        energies = [float(r.square().mean()) for r in (image - 0.5, *residuals)]
        assert energies == sorted(energies, reverse=True)
        assert energies[1] < 0.5 * energies[0]
        assert energies[-1] < 0.5 * energies[1]


# Golden vectors: the published network at full size


def relative_error(ours: np.ndarray, golden: np.ndarray) -> float:
    return float(np.abs(ours - golden).max() / np.abs(golden).max())


def formula_files(shared: Path) -> dict[str, dict[str, np.ndarray]]:
    """DESIGN.md, section 10: weights by formula, so that nobody needs to ship 140 MB."""
    lines = (shared / "references/golden/toderici_state_dict.tsv").read_text().splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    files = {}
    for role, seed, gain in zip(ROLES, (1000, 1100, 1200), (3, 3, 2), strict=True):
        files[role] = {}
        for number, (key, sides) in enumerate(sorted((k, s) for r, k, s in rows if r == role)):
            shape = tuple(int(side) for side in sides.split("x"))
            u = np.random.RandomState(seed + number).uniform(-1, 1, int(np.prod(shape)))
            u = u.astype(np.float32).reshape(shape)
            files[role][key] = (u * gain * np.sqrt(3 / np.prod(shape[1:]))).astype(np.float32)
    return files


def test_every_published_tensor_of_the_three_has_its_place(shared: Path) -> None:
    lines = (shared / "references/golden/toderici_state_dict.tsv").read_text().splitlines()[1:]
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
