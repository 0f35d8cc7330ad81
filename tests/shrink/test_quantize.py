"""Quantization puts weights and inputs on the grids it says, and the model file keeps them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from slimcodec import library
from slimcodec.errors import UnknownNameError, UsageError
from slimcodec.model_file import Model, load, save
from slimcodec.runtime import open_codec
from slimcodec.shrink import Context, Quantize, Recipe
from slimcodec.types import Image

Picture = Callable[..., Image]


@pytest.fixture(scope="module")
def photographs(picture: Picture, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(2):
        PillowImage.fromarray(picture(64, 96, number)).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize("family", ["hific", "toderici"])
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


@pytest.mark.parametrize(
    "settings", [{"weights": 1}, {"activations": 3}, {"weights": 17}, {"images": 0}]
)
def test_settings_out_of_range(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Quantize.from_settings(settings)


def test_a_layer_that_is_not_there(tiny_models: dict[str, Model], photographs: Path) -> None:
    recipe = Recipe([Quantize(skip=("generator.hed",))])
    with pytest.raises(UnknownNameError, match=r"generator\.head"):
        library.shrink_model(tiny_models["hific"], recipe, Context(photographs))


def test_photographs_are_asked_for(tiny_models: dict[str, Model]) -> None:
    with pytest.raises(UsageError, match="--calibration"):
        library.shrink_model(tiny_models["hific"], Recipe([Quantize(8, 8)]))
