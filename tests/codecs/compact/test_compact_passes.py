"""What may be done to a model that makes pictures small: every pass, or one line why not."""

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
from slimcodec.runtime import open_codec, profile
from slimcodec.shrink import Context, Recipe
from slimcodec.types import Image

Picture = Callable[..., Image]

PASSES: dict[str, dict[str, Any]] = {
    "prune": {"reconstructor": 0.5, "compactor": 0.3},
    "prune-channels": {"reconstructor": 0.3},
    "prune-channels by gradients": {
        "reconstructor": 0.3, "compactor": 0.3, "importance": "taylor",
    },
    "quantize": {"weights": 8, "activations": 8, "images": 2},
    "finetune": {
        "steps": 2, "batch": 2, "crop": 128, "loss": {"name": "compaction", "inners": ["jpeg"]},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def photographs(picture: Picture, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(2):
        write_image(folder / f"{number}.png", picture(160, 144, seed=number))
    return folder


def shrunk(model: Model, name: str, photographs: Path) -> Model:
    settings = {"pass": name.split()[0], **PASSES[name]}
    recipe = Recipe.from_dict({"name": "small", "pass": [settings]}, "here")
    recipe.plan(thaw_network(model), registry.families.get("compact"))
    return library.shrink_model(model, recipe, Context(photographs))


@pytest.mark.parametrize("name", PASSES)
def test_every_pass(
    name: str, tiny_models: dict[str, Model], photographs: Path, picture: Picture, tmp_path: Path
) -> None:
    before = tiny_models["compact"]
    model = shrunk(before, name, photographs)
    assert model.digest != before.digest and model.stream_id == before.stream_id
    save(model, tmp_path / "small.slim")
    assert load(tmp_path / "small.slim").digest == model.digest
    stream = open_codec(model).encode(picture(40, 56))
    one, other = (open_codec(model, runtime).decode(stream) for runtime in ("torch", "onnx"))
    assert one.shape == (40, 56, 3)
    assert np.abs(one.astype(int) - other).max() <= 2
    # And whoever has the model of before reads it as well.
    assert open_codec(before).decode(stream).shape == (40, 56, 3)


def test_what_a_recipe_means_for_streams(tiny_models: dict[str, Model]) -> None:
    before = tiny_models["compact"]
    for parts, words in (
        ({"compactor": 0.5}, "only the compactor changed, so every decoder"),
        ({"reconstructor": 0.5}, "decode with this model, and the other way round"),
    ):
        recipe = Recipe.from_dict({"name": "x", "pass": [{"pass": "prune", **parts}]}, "here")
        after = library.shrink_model(before, recipe)
        assert words in library.stream_change(before, after, recipe)


def test_no_teacher_teaches_it(tiny_models: dict[str, Model], photographs: Path) -> None:
    recipe = Recipe.from_dict({"name": "x", "pass": [{"pass": "distil"}]}, "here")
    with pytest.raises(UsageError, match="compact cannot be distilled; the pass finetune"):
        library.shrink_model(tiny_models["compact"], recipe, Context(photographs))


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_bundles_run_in_integers(
    tiny_models: dict[str, Model], photographs: Path, picture: Picture, tmp_path: Path, runtime: str
) -> None:
    model = shrunk(tiny_models["compact"], "quantize", photographs)
    own = {name.split(".")[0] for name in model.quantization.activations}
    assert own == {"compactor", "reconstructor"}
    bundle = library.export_model(model, tmp_path / "bundle", runtime)
    assert bundle.model["stream_id"] == model.stream_id
    ran = [operator for operator in profile(bundle) if operator.multiplies]
    assert {operator.graph for operator in ran} == {"compactor", "reconstructor"}
    codec: Any = open_codec(bundle)
    stream = codec.encode(picture(40, 56))
    np.testing.assert_array_equal(codec.decode(stream), open_codec(model, runtime).decode(stream))
    named = library.load_codec(f"{tmp_path / 'bundle'}:webp")
    assert named.name.endswith(":webp")
