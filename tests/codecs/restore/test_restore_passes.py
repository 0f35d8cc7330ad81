"""What may be done to a model that restores: every pass, or one line why not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slimcodec import library, registry
from slimcodec.errors import UsageError
from slimcodec.images import write_image
from slimcodec.model_file import Model, load, save, thaw_network
from slimcodec.quantization import Quantization
from slimcodec.runtime import open_codec, profile
from slimcodec.shrink import Context, Recipe
from slimcodec.types import Image

Picture = Callable[..., Image]

PASSES: dict[str, dict[str, Any]] = {
    "prune": {"restorer": 0.5, "condition": 0.3},
    "prune-channels": {"restorer": 0.3},
    "prune-channels by gradients": {"restorer": 0.3, "importance": "taylor"},
    "quantize": {"weights": 8, "activations": 8, "images": 2},
    "quantize to few bits": {"weights": 4, "images": 2},
    "finetune": {"steps": 2, "batch": 2, "crop": 128},
    "correct-tone": {},
}


@pytest.fixture(scope="module")
def photographs(picture: Picture, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(2):
        write_image(folder / f"{number}.png", picture(160, 144, seed=number))
    return folder


def shrunk(model: Model, name: str, photographs: Path) -> Model:
    settings = {"pass": name.split()[0], **PASSES[name]}
    recipe = Recipe.from_dict({"name": "small", "pass": [settings]}, "here")
    recipe.plan(thaw_network(model), registry.families.get("restore"))
    return library.shrink_model(model, recipe, Context(photographs))


@pytest.mark.parametrize("name", PASSES)
def test_every_pass(
    name: str, tiny_models: dict[str, Model], photographs: Path, picture: Picture, tmp_path: Path
) -> None:
    before = tiny_models["restore"]
    model = shrunk(before, name, photographs)
    assert model.digest != before.digest and model.stream_id == ""
    save(model, tmp_path / "small.slim")
    assert load(tmp_path / "small.slim").digest == model.digest
    stream = open_codec(before).encode(picture(40, 56))
    one, other = (open_codec(model, runtime).decode(stream) for runtime in ("torch", "onnx"))
    assert one.shape == (40, 56, 3)
    assert np.abs(one.astype(int) - other).max() <= 2


def test_no_teacher_teaches_it(tiny_models: dict[str, Model], photographs: Path) -> None:
    recipe = Recipe.from_dict({"name": "x", "pass": [{"pass": "distil"}]}, "here")
    with pytest.raises(UsageError, match="restore cannot be distilled; the pass finetune"):
        library.shrink_model(tiny_models["restore"], recipe, Context(photographs))


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_bundles_run_in_integers(
    tiny_models: dict[str, Model], photographs: Path, picture: Picture, tmp_path: Path, runtime: str
) -> None:
    model = shrunk(tiny_models["restore"], "quantize", photographs)
    grids: Quantization = model.quantization
    own = {name for name in grids.activations if name.startswith("restorer.")}
    assert len(own) == 12 and own == set(grids.activations)
    # What the glue computes has weights of eight bits and is given floats.
    assert {f"condition.layers.{i}.weight" for i in range(3)} <= set(grids.weights)
    bundle = library.export_model(model, tmp_path / "bundle", runtime)
    assert bundle.model["stream_id"] == ""
    ran = [operator for operator in profile(bundle) if operator.multiplies]
    assert {operator.graph for operator in ran} == {"restorer"}
    stream = registry.codecs.get("jpeg")().encode(picture(40, 56))
    np.testing.assert_array_equal(
        open_codec(bundle).decode(stream), open_codec(model, runtime).decode(stream)
    )
