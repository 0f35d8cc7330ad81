"""Every pass on these networks: normalizations stay what they are, and what comes out codes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slimcodec import registry
from slimcodec.images import write_image
from slimcodec.library import shrink_model
from slimcodec.model_file import Model, freeze_network, load, save
from slimcodec.runtime import open_codec
from slimcodec.shrink import (
    Context,
    CorrectTone,
    Distil,
    Finetune,
    Prune,
    PruneChannels,
    Quantize,
    Recipe,
)
from slimcodec.types import Image
from tests.conftest import draw

FAMILY = registry.families.get("compressai")
Picture = Callable[..., Image]


def normalizations(model: Model) -> dict[str, np.ndarray]:
    return {name: array for name, array in model.weights.items() if ".gdn." in name}


def test_pruning_takes_normalizations_too(tiny_models: dict[str, Model]) -> None:
    """The least gammas go, and no beta."""
    before = tiny_models["compressai"]
    after = shrink_model(before, Recipe([Prune({"encoder": 0.5, "generator": 0.5})], "half"))
    for layer in ("conv", "gdn.norm"):
        name = f"generator.stages.1.{layer}"
        assert 0.45 < (after.weights[f"{name}.weight"] == 0).mean() < 0.55
        np.testing.assert_array_equal(after.weights[f"{name}.bias"], before.weights[f"{name}.bias"])
    assert after.stream_id == before.stream_id


def test_narrowed_pruned_toned_learned_quantized(
    tiny_models: dict[str, Model], photographs: Path, picture: Picture, tmp_path: Path
) -> None:
    """The whole way, and the same symbols on every runtime behind it."""
    before = tiny_models["compressai"]
    recipe = Recipe(
        [
            PruneChannels({"encoder": 0.25, "generator.stages.0": 0.5}, multiple=2),
            Prune({"generator": 0.3}),
            CorrectTone(images=2),
            Finetune(steps=2, batch=1, crop=128, parts=("encoder", "generator")),
            Quantize(8, 8, images=2, only=("encoder", "generator")),
        ],
        "all",
    )
    made = shrink_model(before, recipe, Context(photographs))
    config = FAMILY.config(made.config)
    assert config.encoder_widths == (6, 6, 6) and config.generator_widths == (4, 8, 8)
    assert made.stream_id == before.stream_id
    moved = [
        not np.array_equal(array, before.weights[name])
        for name, array in normalizations(made).items()
        if array.shape == before.weights[name].shape
    ]
    assert any(moved), "normalizations learn"
    save(made, tmp_path / "small.slim")
    small = load(tmp_path / "small.slim")
    image = picture(70, 100, 3)
    codecs: list[Any] = [open_codec(small, name) for name in ("torch", "onnx", "openvino")]
    stream = codecs[1].encode(image)
    symbols = [codec.read(stream)[1][0].symbols for codec in codecs]
    assert all(np.array_equal(symbols[0], other) for other in symbols[1:])
    pictures = [codec.decode(stream).astype(float) for codec in codecs]
    assert all(np.abs(other - pictures[0]).mean() < 1 for other in pictures[1:])
    # Whoever has the model from before reads these streams.
    assert open_codec(before).decode(stream).shape == image.shape


@pytest.mark.parametrize("architecture", ["bmshj2018-factorized", "bmshj2018-hyperprior"])
def test_the_other_architectures_go_the_same_way(
    architecture: str,
    make_network_of: Callable[..., Any],
    photographs: Path,
    picture: Picture,
) -> None:
    network = make_network_of("compressai", 0, architecture=architecture)
    model = freeze_network(network, name=architecture, family="compressai")
    recipe = Recipe(
        [
            PruneChannels({"generator": 0.25}, multiple=2),
            Finetune(steps=1, batch=1, crop=128),
            Quantize(8, 8, images=2),
        ],
        "all",
    )
    made = shrink_model(model, recipe, Context(photographs))
    codecs: list[Any] = [open_codec(made, name) for name in ("onnx", "openvino")]
    image = picture(70, 100, 3)
    stream = codecs[0].encode(image)
    symbols = [codec.read(stream)[1][0].symbols for codec in codecs]
    np.testing.assert_array_equal(*symbols)
    assert codecs[1].decode(stream).shape == image.shape


def test_a_new_network_is_a_working_codec(tiny_models: dict[str, Model], picture: Picture) -> None:
    """Before anything is learned: its start is a transform."""
    codec, image = open_codec(tiny_models["compressai"]), picture(128, 128, 1)
    error = np.square(codec.decode(codec.encode(image)) / 255 - image / 255).mean()
    assert -10 * np.log10(error) > 17
    assert codec.qualities == (1.0,)


def test_a_learner_never_leaves_what_normalizations_can_be(
    make_network_of: Callable[..., Any], picture: Picture
) -> None:
    network = make_network_of("compressai", 0).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=1e3)
    x = torch.from_numpy(picture(128, 128)).permute(2, 0, 1)[None].float() / 255
    for cost in FAMILY.costs(network, x):
        cost.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
    layer = network.encoder.stages[0].gdn
    assert (layer.norm.weight < 0).any()
    with torch.no_grad():
        assert layer(torch.randn(1, 8, 4, 4)).isfinite().all()


def test_a_generator_is_taught_by_the_network_it_was_cut_out_of(
    tiny_models: dict[str, Model], photographs: Path
) -> None:
    before = tiny_models["compressai"]
    recipe = Recipe(
        [PruneChannels(macs={"decoder": 0.25}, multiple=2), Distil(steps=2, batch=1, cached=4)],
        "taught",
    )
    wide = photographs.parent / "wide"
    wide.mkdir(exist_ok=True)
    for number in range(2):
        write_image(wide / f"{number}.png", draw(224, 224, number))
    made = shrink_model(before, recipe, Context(wide))
    assert made.stream_id == before.stream_id
    name = "encoder.head.weight"
    np.testing.assert_array_equal(made.weights[name], before.weights[name])
