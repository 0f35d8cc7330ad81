"""What may be done to a model of a few levels: every pass."""

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
from slimcodec.runtime import open_codec
from slimcodec.shrink import Context, Recipe
from slimcodec.training import TrainingConfig
from slimcodec.training import run as training_run
from slimcodec.training.objectives import PerceptionSettings
from slimcodec.types import NATURAL, Image
from slimcodec.workflows.training import train_model

Picture = Callable[..., Image]

PASSES: dict[str, dict[str, Any]] = {
    "prune": {"encoder": 0.3, "generator": 0.3},
    "prune-channels": {"encoder": 0.3, "generator": 0.3},
    "quantize": {"weights": 8, "activations": 8, "images": 2},
    "correct-tone": {},
    "finetune": {"steps": 2, "batch": 2, "crop": 128},
    "distil": {"steps": 2, "batch": 2, "crop": 192},
}


@pytest.fixture(scope="module")
def photographs(picture: Picture, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(2):
        write_image(folder / f"{number}.png", picture(208, 192, seed=number))
    return folder


@pytest.mark.parametrize("name", PASSES)
def test_every_pass(
    name: str,
    tiny_models: dict[str, Model],
    photographs: Path,
    picture: Picture,
    tmp_path: Path,
    lpips_weights: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLIMCODEC_LPIPS_WEIGHTS", str(lpips_weights))
    before = tiny_models["extreme"]
    recipe = Recipe.from_dict({"name": "small", "pass": [{"pass": name} | PASSES[name]]}, "here")
    recipe.plan(thaw_network(before), registry.families.get("extreme"))
    model = library.shrink_model(before, recipe, Context(photographs))
    assert model.digest != before.digest
    assert model.stream_id == before.stream_id
    save(model, tmp_path / "small.slim")
    assert load(tmp_path / "small.slim").digest == model.digest
    image = picture(40, 56)
    one, other = (open_codec(model, runtime) for runtime in ("torch", "onnx"))
    assert one.decode(other.encode(image)).shape == image.shape
    # Old streams are read by the new model, and the other way round.
    assert one.decode(open_codec(before).encode(image)).shape == image.shape
    pictures = [
        codec.decode(open_codec(before).encode(image)).astype(int) for codec in (one, other)
    ]
    assert np.abs(pictures[0] - pictures[1]).max() <= 2


def test_it_trains(
    tiny_models: dict[str, Model],
    photographs: Path,
    picture: Picture,
    tmp_path: Path,
    lpips_weights: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All of it under ``perception``, as the recipe says."""
    monkeypatch.setenv("SLIMCODEC_LPIPS_WEIGHTS", str(lpips_weights))
    monkeypatch.setattr(training_run, "PCA_BLOCKS", 600)
    family = registry.families.get("extreme")
    shape = family.config(tiny_models["extreme"].config)
    monkeypatch.setattr(family, "preset", lambda name: shape)
    run = TrainingConfig(
        name="made", family="extreme", preset="tiny", steps=2, linear_steps=0, batch=1, crop=128,
        precision="32-true", holdout=("1.png",),
        objective=PerceptionSettings(lpips_weight=2.0, rate_weight=0.1),
    )  # fmt: skip
    written = train_model(run, sorted(photographs.iterdir()), tmp_path)
    assert written is not None and written.model.look == NATURAL
    codec = open_codec(load(written.path))
    assert codec.decode(codec.encode(picture(40, 56))).shape == (40, 56, 3)


def test_without_a_rate_it_is_the_generator_that_learns() -> None:
    with pytest.raises(UsageError, match="has no rate in it"):
        TrainingConfig(family="extreme", objective=PerceptionSettings())
