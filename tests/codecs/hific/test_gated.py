"""Gated residual blocks, and generators that do their work at an eighth of the resolution."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from slimcodec import library, registry
from slimcodec.codecs import tiles as room
from slimcodec.codecs.hific.blocks import up_convolution
from slimcodec.codecs.hific.config import HificConfig, hific, hific_s
from slimcodec.codecs.layers import carriers
from slimcodec.codecs.narrowing import narrow
from slimcodec.errors import UsageError
from slimcodec.model_file import Model, freeze_network, load, save
from slimcodec.quantization.simulation import convolutions
from slimcodec.runtime import open_codec
from slimcodec.shrink import Context, Quantize, Recipe
from slimcodec.stream import unpack
from slimcodec.types import Image
from tests.codecs.test_narrowing import outcome, same, silenced

Picture = Callable[..., Image]
RUNTIMES = [name for name in registry.runtimes if name != "torch"]
EIGHTH: dict[str, Any] = {
    "residual_blocks": 0, "generator_widths": (8, 3), "picture_stride": 8, "up_kernel": 2,
    "head_kernel": 1, "block": "gated", "generator_blocks": (3,),
}  # fmt: skip

BOTH: dict[str, Any] = {
    "residual_blocks": 2, "generator_widths": (8, 10, 3), "picture_stride": 4, "block": "gated",
    "generator_blocks": (1, 2), "block_widths": (4, 6, 8, 7, 6),
}  # fmt: skip
"""Blocks in the trunk and behind two stages."""


@pytest.fixture(scope="module")
def models(make_network_of: Callable[..., Any]) -> dict[str, Model]:
    """Of both families; the generator says more than at its start, several levels of most
    pixels."""
    made = {}
    for family in ("hific", "extreme"):
        network = make_network_of(family, 0, **EIGHTH)
        rng = torch.Generator().manual_seed(0)
        with torch.no_grad():
            network.generator.out.weight *= 30
            for block in network.generator.stages[0].blocks:
                block.mix.weight.normal_(0, 0.05, generator=rng)
        made[family] = freeze_network(network, name=f"eighth-{family}", family=family)
    return made


# Shapes and starting weights


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"generator_blocks": (1, 2)}, r"generator_blocks must be 1 whole numbers or none, got"),
        ({"generator_blocks": (257,)}, "each of generator_blocks must be 0 to 256, got 257"),
        ({"generator_blocks": (-1,)}, "each of generator_blocks must be 0 to 256, got -1"),
        ({"block": "normed"}, 'generator_blocks goes with block "gated"'),
        ({"norm": "everywhere"}, 'block "gated" goes with norm "trunk"'),
        ({"up_kernel": 1}, "up_kernel must be 2 to 31, got 1"),
        ({"up_kernel": 32}, "up_kernel must be 2 to 31, got 32"),
        ({"head_kernel": 2}, "head_kernel must be an odd number, got 2"),
        ({"head_kernel": 33}, "head_kernel must be 1 to 31, got 33"),
        ({"block_widths": (4,)}, "block_widths must be 3 whole numbers above 0 or none"),
        ({"norm_counts": (("generator.trunk", 12),)}, "norm_counts takes a group with a norm"),
    ],
)
def test_shapes_with_gated_blocks_that_are_none(
    tiny_config: HificConfig, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        replace(tiny_config, **EIGHTH | changes)


def test_what_gated_blocks_mean_for_a_shape(tiny_config: HificConfig) -> None:
    config = replace(tiny_config, **EIGHTH)
    assert HificConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert config.inner_widths == (16, 16, 16)
    assert config.norms == {}
    # A model that was shipped before there were such blocks keeps its digest.
    assert not {"block", "generator_blocks", "up_kernel", "head_kernel"} & set(hific_s().to_dict())
    assert (hific_s().decoder_halo, hific().decoder_halo) == (4, 6)
    assert [replace(config, generator_blocks=(n,)).decoder_halo for n in (7, 30)] == [4, 5]
    assert replace(config, residual_blocks=13).decoder_halo == 5
    # The gates are the largest tensor: 32 of them and what they are made of, at an eighth.
    wide = replace(config, generator_blocks=(1,), block_widths=(100,))
    assert wide.bytes_per_pixel == 18 * ((8 + 200) / 64 + 3)


def test_a_picture_in_phases_is_that_of_a_transposed_convolution() -> None:
    """And so are its gradients."""
    torch.manual_seed(0)
    layer = up_convolution(5, 3, 24, 8)
    assert type(layer) is not torch.nn.ConvTranspose2d
    plain = torch.nn.ConvTranspose2d(5, 3, 24, stride=8, padding=8)
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(2, 5, 4, 6)
    made, wanted = layer(x), plain(x)
    torch.testing.assert_close(made, wanted, atol=1e-5, rtol=1e-5)
    weights = torch.randn_like(made)
    for one, other in zip(
        torch.autograd.grad((made * weights).sum(), [*layer.parameters()]),
        torch.autograd.grad((wanted * weights).sum(), [*plain.parameters()]),
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-4)


def test_gated_blocks_start_as_next_to_nothing(make_network_of: Callable[..., Any]) -> None:
    """However many there are and however large latents, each hands on what it is given, nearly; and
    all of them learn."""
    shape = {**EIGHTH, "generator_blocks": (9,)}
    network = make_network_of("hific", 0, **shape)
    generator, stage = network.generator, network.generator.stages[0]
    features = 20 * torch.randn(1, 12, 6, 6)
    with torch.no_grad():
        given = stage.conv(generator.head(features))
        made = stage(generator.head(features))
        assert made.std() < 2 * given.std()
        linear, whole = (
            generator(generator.latent_scale * features, learned) for learned in (False, True)
        )
    assert (whole - linear).std() < 0.1 * linear.std()
    optimizer = torch.optim.Adam(generator.parameters(), 1e-3)
    before = {name: own.detach().clone() for name, own in generator.named_parameters()}
    for _ in range(2):
        optimizer.zero_grad()
        generator(generator.latent_scale * features).square().mean().backward()
        optimizer.step()
    assert all((own != before[name]).any() for name, own in generator.named_parameters())


# Fewer blocks


@pytest.mark.parametrize("kept", [[], [0, 4], [1, 2, 4], [3]])
def test_gated_blocks_go_whole(make_network_of: Callable[..., Any], kept: list[int]) -> None:
    """Of the trunk, and of one stage or another."""
    family = registry.families.get("hific")
    network = make_network_of("hific", 0, **BOTH)
    names = family.residual_blocks(network.config)
    with torch.no_grad():
        network.generator.out.weight.normal_(0, 0.2)
        for name in names:
            for layer in convolutions(network.get_submodule(name)).values():
                layer.weight.normal_(0, 0.2)
    before = outcome(network)
    small = narrow(network, family, {"generator.blocks.4": [0, 3, 5]}, kept)
    quiet = copy.deepcopy(network)
    for number, name in enumerate(names):
        if number not in kept:
            for last in (f"{name}.add", f"{name}.mix"):
                silence(quiet.get_submodule(last))
    quiet = silenced(
        quiet, carriers(family.layers(network.config)), "generator.blocks.4", [1, 2, 4]
    )
    same(outcome(small), outcome(quiet))
    assert float((outcome(small)[0] - before[0]).abs().max()) > 1e-3
    inner = (4, 6, 8, 7, 3)
    assert small.config.inner_widths == tuple(inner[number] for number in kept)
    assert small.config.residual_blocks == sum(number < 2 for number in kept)
    assert small.config.generator_blocks == (
        sum(number == 2 for number in kept),
        sum(number > 2 for number in kept),
    )
    again = narrow(small, family, {})
    assert again.config == small.config
    same(outcome(again), outcome(small))


@torch.no_grad()
def silence(layer: Any) -> None:
    layer.weight.zero_()
    layer.bias.zero_()


# Whole codecs


def levels_apart(one: Image, other: Image) -> Any:
    return np.abs(one.astype(int) - other.astype(int))


def psnr(one: Image, other: Image) -> float:
    error = np.square(one.astype(np.float64) - other.astype(np.float64)).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


@pytest.mark.parametrize("family", ["hific", "extreme"])
def test_a_picture_comes_back(
    models: dict[str, Model], family: str, picture: Picture, tmp_path: Path
) -> None:
    """From a file, on every runtime to within a level."""
    save(models[family], tmp_path / "eighth.slim")
    model, image = load(tmp_path / "eighth.slim"), picture(70, 90)
    assert model.digest == models[family].digest
    reference = open_codec(model, "torch")
    stream = reference.encode(image)
    wanted = reference.decode(stream)
    assert wanted.shape == image.shape
    weights = {**model.weights}
    weights["generator.out.weight"] = np.zeros_like(weights["generator.out.weight"])
    silent = open_codec(replace(model, weights=weights), "torch").decode(stream)
    assert levels_apart(silent, wanted).mean() > 2, "the blocks say nothing, so this proves nothing"
    for runtime in RUNTIMES:
        bundle = library.export_model(model, tmp_path / runtime, runtime)
        codec = open_codec(bundle)
        assert levels_apart(codec.decode(stream), wanted).max() <= 1
        assert codec.decode(codec.encode(image)).shape == image.shape


@pytest.mark.parametrize("family", ["hific", "extreme"])
def test_in_eight_bits_runtimes_run_what_was_simulated(
    models: dict[str, Model], family: str, picture: Picture, tmp_path: Path
) -> None:
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for number in range(2):
        PillowImage.fromarray(picture(64, 96, number)).save(photographs / f"{number}.png")
    model = library.shrink_model(
        models[family], Recipe([Quantize(8, 8)], "int8"), Context(photographs)
    )
    kind = registry.families.get(family)
    blocks = kind.residual_blocks(kind.config(model.config))
    grids = model.quantization.activations
    bits = {f"{block}.{name}": 8 for block in blocks for name in ("add", "gate", "mix")}
    bits |= {f"{blocks[-1]}.{name}": 9 for name in ("add", "mix")} | {"generator.out": 9}
    assert {name: grids[name].bits for name in bits} == bits
    simulated = open_codec(model, "torch")
    image = picture(70, 93, 3)
    stream = simulated.encode(image)
    wanted = simulated.decode(stream)
    given = {name: grid for name, grid in grids.items() if not name.startswith("generator.")}
    in_floats = replace(model, quantization=replace(model.quantization, activations=given))
    other = open_codec(in_floats, "torch").decode(stream)
    for runtime in RUNTIMES:
        codec = open_codec(library.export_model(model, tmp_path / runtime, runtime))
        # What differs is sums of floats that fall on the other side of a level.
        assert psnr(codec.decode(stream), wanted) > max(40, 3 + psnr(other, wanted))


def test_windows_do_not_show(
    models: dict[str, Model], picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever memory there is, pixels are the same but for a level here and there."""
    monkeypatch.setattr(room, "TILE", 8)
    monkeypatch.setattr(room, "WHOLE", 40_000)
    codec: Any = open_codec(models["hific"])
    stream = codec.encode(picture(330, 490))
    assert unpack(stream).tiles == 12
    usual = codec.decode(stream)
    for memory in range(2_000_000, 40_000_000, 2_000_000):
        try:
            narrow = codec.decode(stream, memory=memory)
        except UsageError:
            continue
        assert levels_apart(usual, narrow).max() <= 1
        return
    pytest.fail("no memory was enough")
