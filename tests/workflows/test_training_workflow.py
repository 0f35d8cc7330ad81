"""Photographs to a model file, its record and its card: from Python, and by the verb."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slimcodec import registry
from slimcodec.errors import TrainingError, UsageError
from slimcodec.images import write_image
from slimcodec.model_file import NATURAL, Model, freeze_network, load
from slimcodec.training import TrainingConfig
from slimcodec.training import run as training_run
from slimcodec.training.objectives import DistillationSettings, PerceptionSettings
from slimcodec.types import Image
from slimcodec.workflows.training import teacher_network, train_model


@pytest.fixture
def photos(picture: Callable[..., Image], tmp_path: Path) -> list[Path]:
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(3):
        write_image(folder / f"{seed}.png", picture(140, 160, seed=seed))
    return sorted(folder.iterdir())


@pytest.fixture
def tiny_run(tiny_model: Model, monkeypatch: pytest.MonkeyPatch) -> TrainingConfig:
    """Two steps of the tiny network."""
    family = registry.families.get("hific")
    shape = family.config(tiny_model.config)
    monkeypatch.setattr(family, "preset", lambda name: shape)
    monkeypatch.setattr(training_run, "PCA_BLOCKS", 600)
    return TrainingConfig(
        name="made", steps=2, batch=1, crop=128, precision="32-true", holdout=("2.png",)
    )


def test_what_lies_there_afterwards(
    tiny_run: TrainingConfig, photos: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    written = train_model(tiny_run, photos, out)
    assert written is not None
    assert (written.path, written.card) == (out / "made.slim", out / "made.md")
    assert load(written.path).digest == written.model.digest
    (record,) = written.model.history
    assert (record["train"], record["steps"], record["photographs"]) == ("made", 2, 2)
    assert record["objective"] == written.trained.objective
    assert "made, to step 2" in written.card.read_text(encoding="utf-8")
    with pytest.raises(UsageError, match="holds a run already; go on with --resume or name"):
        train_model(tiny_run, photos, out)
    longer = replace(tiny_run, steps=3)
    resumed = train_model(longer, photos, out, resume=True)
    assert resumed is not None
    assert resumed.trained.step == load(resumed.path).history[-1]["steps"] == 3


def test_a_look_is_the_objectives_to_say(
    tiny_run: TrainingConfig, tiny_model: Model, photos: list[Path], tmp_path: Path
) -> None:
    """Encoder and probability model did not move, so it reads the streams of what it began as; the
    history goes on from that."""
    run = replace(
        tiny_run, objective=PerceptionSettings(adversarial_weight=0.0), parts=("generator",)
    )
    written = train_model(run, photos, tmp_path / "out", start=tiny_model)
    assert written is not None
    assert written.model.look == NATURAL
    assert written.model.stream_id == tiny_model.stream_id
    assert written.model.history[0] == tiny_model.history[0]
    name = "generator.head.weight"
    assert not np.array_equal(written.model.weights[name], tiny_model.weights[name])


def test_a_teacher(
    tiny_run: TrainingConfig,
    tiny_model: Model,
    make_network: Callable[[int], Any],
    photos: list[Path],
    tmp_path: Path,
) -> None:
    run = replace(tiny_run, objective=DistillationSettings(), parts=("generator",))
    with pytest.raises(TrainingError, match="needs a teacher; name one with --teacher"):
        train_model(run, photos, tmp_path / "out", start=tiny_model)
    with pytest.raises(UsageError, match="objective rate-distortion has no teacher; leave --teach"):
        train_model(tiny_run, photos, tmp_path / "out", start=tiny_model, teacher=tiny_model)
    other = freeze_network(make_network(1), name="other", family="hific")
    with pytest.raises(UsageError, match=r"the teacher other and tiny, .* do not read the"):
        train_model(run, photos, tmp_path / "out", start=tiny_model, teacher=other)
    fast = replace(tiny_model, look="fast")
    written = train_model(run, photos, tmp_path / "out", start=fast, teacher=tiny_model)
    assert written is not None
    assert written.model.look == "fast"
    assert "teacher's picture" in written.model.history[-1]["objective"]
    assert not any(p.is_meta for p in teacher_network(tiny_model).parameters())


def test_the_verb_says_one_line_of_what_is_wrong(photos: list[Path], tmp_path: Path) -> None:
    """Before anything is trained."""
    recipe = tmp_path / "run.toml"
    recipe.write_text('steps = 1\n[objective]\nname = "distillation"\nteacher_wait = 1.0\n')
    done = subprocess.run(
        [sys.executable, "-m", "slimcodec", "train", recipe, "--images", photos[0].parent,
         "--out", tmp_path / "out"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert "setting of the objective distillation 'teacher_wait'; did you mean teacher_weight" in (
        " ".join(done.stderr.split())
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("minutes", [float("nan"), float("inf"), -1.0])
def test_minutes_that_never_end(
    tiny_run: TrainingConfig, photos: list[Path], tmp_path: Path, minutes: float
) -> None:
    with pytest.raises(UsageError, match="--minutes takes a finite number"):
        train_model(tiny_run, photos, tmp_path / "out", minutes=minutes)
    assert not (tmp_path / "out").exists()
