"""The network: its formulas against other implementations, and at full size against the published
code, whose outputs for formula-made weights are the golden vectors (DESIGN.md, section 10)."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slimcodec import registry
from slimcodec.codecs.hific.blocks import ChannelNorm
from slimcodec.codecs.hific.checkpoint import from_published
from slimcodec.codecs.hific.config import HificConfig, hific, hific_s
from slimcodec.codecs.hific.network import HificNetwork
from slimcodec.codecs.latents import MeanScaleCodec
from slimcodec.codecs.latents.hyperprior import SCALE_FLOOR, gain_of
from slimcodec.errors import UsageError
from slimcodec.images import read_image
from slimcodec.model_file import freeze_network, load, save
from slimcodec.runtime import open_codec
from slimcodec.types import Image

Picture = Callable[..., Image]


# Shapes and configurations


@pytest.mark.parametrize("quality", [0.0, 1.5, 4.0])
def test_forward(tiny_network: Any, quality: float) -> None:
    images = torch.rand(2, 3, 128, 192)
    with torch.no_grad():
        decoded, likelihoods, _ = tiny_network(images, torch.full((2,), quality))
        assert decoded.shape == images.shape
        assert likelihoods.latents.shape == (2, 12, 8, 12)
        assert likelihoods.hyper_latents.shape == (2, 8, 2, 3)
        assert all(((p > 0) & (p <= 1)).all() for p in likelihoods)
        bits = likelihoods.bits()
        one, *_ = tiny_network(images[1:], torch.tensor([quality]))
    assert bits.shape == (2,)
    assert (bits > 0).all()
    torch.testing.assert_close(one, decoded[1:], atol=1e-4, rtol=1e-4)


def test_structures(tiny_config: HificConfig) -> None:
    """Every departure can be taken back, and a network has what its configuration says."""
    published = replace(
        hific(),
        latent_channels=6,
        hyper_channels=4,
        encoder_widths=(4, 6),
        trunk_width=6,
        residual_blocks=2,
        generator_widths=(6, 4),
        stem_width=4,
    )
    assert published.stride == 4
    for config in (
        published,
        replace(published, input_offset=0.5, input_scale=2.0, bounded_output=True),
        replace(published, stem_kernel=None, linear_path=True),
        replace(tiny_config, norm="everywhere"),
        replace(tiny_config, generator_widths=(8, 8, 3), picture_stride=4),
        replace(tiny_config, generator_widths=(3,), picture_stride=16),
        replace(tiny_config, hyper_log_input=False, lambdas=(0.01,)),
    ):
        network = HificNetwork(config).eval()
        side = 8 * config.stride
        with torch.no_grad():
            decoded, likelihoods, _ = network(torch.rand(1, 3, side, side))
        assert decoded.shape == (1, 3, side, side)
        assert likelihoods.latents.shape == (1, config.latent_channels, 8, 8)
        assert len(network.generator.trunk) == config.residual_blocks
        assert (network.encoder.linear is not None) == config.linear_path
        if config.bounded_output:
            assert decoded.min() >= 0
            assert decoded.max() <= 1


@pytest.mark.parametrize("norm", ["everywhere", "trunk"])
def test_a_centred_network_computes_what_it_did(tiny_config: HificConfig, norm: Any) -> None:
    """And is told by its config; pruned weights stay as they are."""
    torch.manual_seed(1)
    config = replace(tiny_config, norm=norm, residual_blocks=2, stem_kernel=5, stem_width=6,
                     generator_widths=(8, 8, 8, 6))  # fmt: skip
    network = HificNetwork(config).eval()
    image = torch.rand(1, 3, 128, 128)
    family = registry.families.get("hific")
    with torch.no_grad():
        before = network(image).image
        for part in family.parts:
            family.centre(network, part)
        torch.testing.assert_close(network(image).image, before, atol=1e-4, rtol=1e-4)
    wanted = ("encoder", "generator") if norm == "everywhere" else ("generator",)
    assert network.config.centred == wanted
    again = HificNetwork(network.config).eval()
    again.load_state_dict(network.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(again(image).image, before, atol=1e-4, rtol=1e-4)
    pruned = HificNetwork(config)
    with torch.no_grad():
        pruned.generator.trunk[0].conv1.weight[:, :3] = 0
    family.centre(pruned, "generator")
    assert pruned.config.centred == ()
    assert (pruned.generator.trunk[0].conv1.weight[:, :3] == 0).all()


def test_configurations_go_through_plain_values() -> None:
    for config in (hific("logistic"), hific_s()):
        values = config.to_dict()
        assert HificConfig.from_dict(values) == config
        as_json = {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
        assert HificConfig.from_dict(as_json) == config
    with pytest.raises(UsageError, match="unknown HiFiC configuration key widht"):
        HificConfig.from_dict({"widht": 3})
    with pytest.raises(UsageError, match="go up by 16, encoder_widths go down by 8"):
        replace(hific(), encoder_widths=(1, 2, 3))
    with pytest.raises(UsageError, match="go up by 32"):
        replace(hific_s(), picture_stride=4)
    with pytest.raises(UsageError, match="centred takes encoder and generator, got 'prior'"):
        replace(hific_s(), centred=("prior",))
    with pytest.raises(UsageError, match="goes with stem_kernel None"):
        replace(hific(), generator_widths=(4, 4, 3), picture_stride=4)
    with pytest.raises(UsageError, match="at most 768 latent channels, got 769"):
        replace(hific_s(), latent_channels=769, context_slices=())
    with pytest.raises(UsageError, match=r"must add up to the 192 latent channels, got \(16, 32\)"):
        replace(hific_s(), context_slices=(16, 32))
    with pytest.raises(UsageError, match="context_features needs context_slices, got 4 and none"):
        replace(hific_s(), context_slices=(), context_features=4)
    with pytest.raises(UsageError, match="context_features must be 0 to"):
        replace(hific_s(), context_features=-1)


def test_gains_are_interpolated_in_the_logarithm() -> None:
    table = torch.tensor([[0.0, 1.0], [2.0, -1.0], [3.0, 0.0]])
    gains = gain_of(table, torch.tensor([0.0, 0.5, 2.0]))[:, :, 0, 0]
    expected = torch.tensor([[0.0, 1.0], [1.0, 0.0], [3.0, 0.0]]).exp()
    torch.testing.assert_close(gains, expected)


def test_parameter_groups_hold_every_parameter_once(tiny_network: Any) -> None:
    groups = tiny_network.parameter_groups(1e-3)
    inside = [id(p) for group in groups for p in group["params"]]
    assert sorted(inside) == sorted(id(p) for p in tiny_network.parameters())
    assert [group["lr"] for group in groups] == [1e-3, 2e-3, 5e-3]


# Formulas


def test_channel_norm() -> None:
    x = torch.randn(2, 5, 3, 4, dtype=torch.float64)
    norm = ChannelNorm(5).double()
    with torch.no_grad():
        norm.gamma.copy_(torch.rand(1, 5, 1, 1))
        norm.beta.copy_(torch.rand(1, 5, 1, 1))
        ours = norm(x).numpy()
    values = x.numpy()
    spread = np.sqrt(values.var(axis=1, ddof=1, keepdims=True) + 1e-3)
    plain = (values - values.mean(axis=1, keepdims=True)) / spread
    expected = plain * norm.gamma.detach().numpy() + norm.beta.detach().numpy()
    np.testing.assert_allclose(ours, expected, rtol=1e-10, atol=1e-12)


# Golden vectors: the published network at full size


def formula_weight(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """DESIGN.md, section 10: weights by formula, so that nobody needs to ship 700 MB."""
    count = int(np.prod(shape))
    u = np.random.RandomState(seed).uniform(-1, 1, count).astype(np.float32).reshape(shape)
    if name.endswith("gamma"):
        out = 1 + 0.1 * u
    elif name == "Hyperprior.synthesis_std.conv3.bias":
        out = 0.6 + 0.4 * u
    elif name.endswith(("beta", "bias")):
        out = 0.05 * u
    elif ".H_" in name:
        filters = (1, 3, 3, 3, 1)[int(name[-1]) + 1]
        out = math.log(math.expm1(1 / 10**0.25 / filters)) + 0.1 * u
    elif ".a_" in name:
        out = 0.1 * u
    elif ".b_" in name:
        out = 0.5 * u
    else:
        special = {
            "Hyperprior.analysis_net.conv3.weight": 8,
            "Encoder.conv_block_out.1.weight": 4,
        }
        out = u * special.get(name, 1) * math.sqrt(3 / np.prod(shape[1:]))
    return out.astype(np.float32)


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, np.ndarray]:
    with np.load(shared / "references/golden/hific_fullsize_gaussian.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def kodak_05(shared: Path) -> Image:
    return read_image(shared / "data/kodak/kodim05.png").pixels


@pytest.fixture(scope="module")
def full_network(shared: Path) -> Iterator[HificNetwork]:
    lines = (
        (shared / "references/golden/hific_state_dict.tsv")
        .read_text(encoding="utf-8")
        .splitlines()[1:]
    )
    state = {}
    for number, line in enumerate(sorted(lines, key=lambda line: line.split("\t")[0])):
        name, shape = line.split("\t")
        sides = tuple(int(side) for side in shape.split("x"))
        state[name] = formula_weight(name, sides, 1000 + number)
    with torch.device("meta"):
        network = HificNetwork(hific())
    ours = from_published(state, hific())
    network.load_state_dict({k: torch.from_numpy(v) for k, v in ours.items()}, assign=True)
    del state, ours
    yield network.eval()
    network.to("meta")
    gc.collect()


def relative_error(ours: np.ndarray, golden: np.ndarray) -> float:
    return float(np.abs(ours - golden).max() / np.abs(golden).max())


@pytest.mark.slow
@torch.no_grad()
def test_full_size_gives_the_published_numbers(
    full_network: HificNetwork, golden: dict[str, np.ndarray], kodak_05: Image
) -> None:
    pixels = kodak_05[64:192, 128:320].transpose(2, 0, 1).copy()
    probability = full_network.probability
    y = full_network.encoder(torch.from_numpy(pixels)[None].float() / 255)
    z = probability.hyper_latents(y)
    z_hat = z.round()
    mean = probability.latent_means(z_hat)
    scale = probability.latent_scales(z_hat)
    found = {"y": y, "z": z, "mu": mean, "scale": scale.clamp(min=SCALE_FLOOR)}
    for name, tensor in found.items():
        assert relative_error(tensor.numpy(), golden[name]) < 1e-4, name

    # Symbols, wherever rounding is not a tie that the last bits decide.
    centred = (y - mean).numpy()
    symbols = np.rint(centred)
    published = np.rint(golden["y_hat"] - golden["mu"])
    clear = np.abs(np.abs(centred - symbols) - 0.5) > 1e-4
    assert clear.mean() > 0.999
    np.testing.assert_array_equal(symbols[clear], published[clear])
    assert len(np.unique(symbols)) > 5

    x_hat = full_network.generator(torch.from_numpy(golden["y_hat"])).numpy()
    assert relative_error(x_hat, golden["x_hat"]) < 1e-4

    # The published code adds 1e-9 inside the logarithm where ours floors at it.
    likelihoods = probability.likelihoods(torch.from_numpy(published), scale, z_hat)
    for ours, name in zip(likelihoods, ("latent_bits", "hyperlatent_bits"), strict=True):
        bits = float(-(ours.double() + 1e-9).log2().sum())
        assert abs(bits - golden[name]) < 1e-4 * golden[name], name


@pytest.mark.slow
def test_full_size_codes_a_kodak_image(
    full_network: HificNetwork, kodak_05: Image, tmp_path: Path
) -> None:
    path = tmp_path / "full.slim"
    save(freeze_network(full_network, name="full", family="hific"), path)
    model_bytes = path.stat().st_size
    model = load(path)
    path.unlink()
    codec = open_codec(model, model_bytes=model_bytes)
    del model
    gc.collect()
    assert isinstance(codec, MeanScaleCodec)
    # 182 million halves; how well they pack is the packing's affair.
    assert codec.model_bytes == model_bytes
    assert 1.4 * 182e6 < model_bytes < 2 * 183e6
    (wrote,) = codec.analyse(kodak_05, 0)
    stream = codec.encode(kodak_05)
    _, (read,) = codec.read(stream)
    np.testing.assert_array_equal(read.symbols, wrote.symbols)
    np.testing.assert_array_equal(read.hyper_latents, wrote.hyper_latents)
    assert read.symbols.shape == (220, 32, 48)
    assert len(np.unique(read.symbols)) > 5
    assert codec.decode(stream).shape == kodak_05.shape
