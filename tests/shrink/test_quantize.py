"""Quantization puts weights and inputs on the grids it says, and the model file keeps them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from slimcodec import library, registry
from slimcodec.codecs.settled import coded_layers
from slimcodec.errors import UsageError
from slimcodec.model_file import Model, load, save, thaw_network
from slimcodec.quantization.observing import Seen, observed
from slimcodec.quantization.simulation import weight_grids
from slimcodec.runtime import open_codec
from slimcodec.shrink import Context, Quantize, Recipe
from slimcodec.shrink.calibration import CodedPath
from slimcodec.shrink.rounding import round_weights
from slimcodec.types import Image

Picture = Callable[..., Image]


@pytest.mark.parametrize("family", ["compressai", "hific", "restore", "toderici", "vq"])
def test_a_quantized_model_codes_and_comes_back(
    tiny_models: dict[str, Model], family: str, photographs: Path, picture: Picture, tmp_path: Path
) -> None:
    recipe = Recipe([Quantize(8, 8)], "int8")
    model = library.shrink_model(tiny_models[family], recipe, Context(photographs))
    assert model.quantization.weights and model.quantization.activations
    for name, grid in model.quantization.weights.items():
        np.testing.assert_array_equal(model.weights[name], grid.weights())
    save(model, tmp_path / "small.slim")
    assert load(tmp_path / "small.slim").digest == model.digest
    codec, image = open_codec(model), picture(48, 64)
    stream = codec.encode(image)
    np.testing.assert_array_equal(codec.decode(stream), codec.decode(stream))


@pytest.mark.parametrize("family", ["hific", "toderici"])
def test_photographs_reach_every_layer(
    tiny_models: dict[str, Model], family: str, picture: Picture
) -> None:
    network, kind = thaw_network(tiny_models[family]), registry.families.get(family)
    path = CodedPath.of(network, kind, [picture(64, 96)])
    with observed(network) as seen:
        path.run(network)
    # What coding runs in integers is what is not called there, but where training looks.
    coded = coded_layers(kind, network.config)
    assert {name for name in seen if not seen[name].calls} == coded
    x = torch.from_numpy(picture(128, 128)).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad(), observed(network, names=coded) as expected:
        kind.expect(network, x)
    assert all(expected[name].calls for name in coded)


@pytest.mark.parametrize("family", ["hific", "toderici"])
@pytest.mark.parametrize("bits", [8, 7, 4])
def test_layers_that_coding_runs_in_integers(
    tiny_models: dict[str, Model], family: str, bits: int, photographs: Path, picture: Picture
) -> None:
    """They have seven bits already: more change nothing, fewer round them again."""
    before = tiny_models[family]
    step = Quantize(bits, 8, only=("probability",), rounding="nearest")
    model = library.shrink_model(before, Recipe([step], "few"), Context(photographs))
    kind = registry.families.get(family)
    for name in coded_layers(kind, kind.config(model.config)):
        assert model.quantization.activations[name] == before.quantization.activations[name]
        old = before.quantization.weights[f"{name}.weight"]
        new = model.quantization.weights[f"{name}.weight"]
        assert new.bits == min(bits, 7)
        if bits >= 7:
            np.testing.assert_array_equal(new.integers, old.integers)
            np.testing.assert_array_equal(new.steps, old.steps)
        else:
            assert np.abs(new.integers).max() <= 7
    if family == "toderici":  # nothing else is in that part
        assert (model.stream_id == before.stream_id) == (bits >= 7)
    codec, image = open_codec(model), picture(48, 64)
    assert codec.decode(codec.encode(image)).shape == image.shape


def test_streams_stay_where_only_transforms_are_quantized(
    tiny_models: dict[str, Model], photographs: Path
) -> None:
    only = ("encoder", "generator")
    step = Quantize(8, 8, only=only, rounding="nearest", bias_correction=False)
    recipe = Recipe([step], "transforms")
    model = library.shrink_model(tiny_models["hific"], recipe, Context(photographs))
    assert model.stream_id == tiny_models["hific"].stream_id


def test_weights_of_grouped_and_dilated_layers_go_to_the_nearest_level() -> None:
    for layer in (nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(4, 4, 3, dilation=2)):
        weight = layer.weight.detach().clone()
        seen = Seen(kept=[torch.randn(1, 4, 16, 16)])
        round_weights(layer, 4, seen, None, "compensated")
        grid = weight_grids(nn.Sequential(layer))["0.weight"]
        steps = torch.from_numpy(grid.steps)
        steps = steps[:, None, None, None] if grid.axis == 0 else steps[None, :, None, None]
        nearest = (weight / steps).round().clamp(-7, 7)
        np.testing.assert_array_equal(grid.integers, nearest.numpy())


@pytest.mark.parametrize("rounding", ["compensated", "nearest"])
def test_placed_levels_code_on_every_runtime(
    tiny_models: dict[str, Model],
    rounding: Any,
    photographs: Path,
    picture: Picture,
    tmp_path: Path,
) -> None:
    step = Quantize(3, only=("generator",), rounding=rounding, levels="placed", images=1)
    model = library.shrink_model(tiny_models["hific"], Recipe([step], "x"), Context(photographs))
    table = {n for n, grid in model.quantization.weights.items() if grid.table is not None}
    # Latents' layers have more bits, and even levels.
    assert all(name.startswith("generator.") for name in table)
    assert "generator.trunk.0.conv1.weight" in table
    assert model.quantization.weights["generator.linear.weight"].bits == 7
    assert "generator.linear.weight" not in table
    assert model.stream_id == tiny_models["hific"].stream_id
    records = {row["layer"]: row for row in model.history[-1]["layers"]}
    assert records["generator.trunk.0.conv1"]["levels"] == "placed"
    assert "levels" not in records["generator.linear"]
    save(model, tmp_path / "placed.slim")
    again = load(tmp_path / "placed.slim")
    assert again.digest == model.digest
    image = picture(64, 64)
    stream = open_codec(again, runtime="torch").encode(image)
    wanted = open_codec(again, runtime="torch").decode(stream).astype(int)
    for runtime in ("onnx", "openvino"):
        decoded = open_codec(again, runtime=runtime).decode(stream).astype(int)
        assert np.abs(decoded - wanted).max() <= 1


def test_placed_levels_are_for_few_bits_and_float_inputs(tiny_models: dict[str, Model]) -> None:
    family = registry.families.get("hific")
    network = thaw_network(tiny_models["hific"])
    with pytest.raises(UsageError, match=r"none have so few"):
        Quantize(8, levels="placed").plan(network, family)
    with pytest.raises(UsageError, match=r"no kernel multiplies integers by placed levels"):
        Quantize(4, 8, levels="placed").plan(network, family)
    mixed = Quantize(4, levels="placed", parts={"encoder": {"weights": 8, "activations": 8}})
    lines = mixed.plan(network, family)
    assert any(
        "generator" in line and "placed levels, which run in floats" in line for line in lines
    )
    assert not any("encoder" in line and "placed" in line for line in lines)
    assert Quantize.from_settings(mixed.settings()) == mixed


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"levels": "uneven"}, "unknown levels 'uneven'"),
        ({"levels": "placed", "rounding": "learned"}, "learned rounding is for even levels"),
    ],
)
def test_levels_that_are_none(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Quantize.from_settings({"weights": 4, **settings})


@pytest.mark.parametrize(
    "settings", [{"weights": 1}, {"activations": 3}, {"weights": 17}, {"images": 0}]
)
def test_settings_out_of_range(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Quantize.from_settings(settings)


def test_a_layer_that_is_not_there(tiny_models: dict[str, Model], photographs: Path) -> None:
    recipe = Recipe([Quantize(skip=("generator.hed",))])
    with pytest.raises(UsageError, match=r"pass 1, quantize: unknown layer .*generator\.head"):
        library.shrink_model(tiny_models["hific"], recipe, Context(photographs))


def test_photographs_are_asked_for(tiny_models: dict[str, Model]) -> None:
    with pytest.raises(UsageError, match="--calibration"):
        library.shrink_model(tiny_models["hific"], Recipe([Quantize(8, 8)]))
