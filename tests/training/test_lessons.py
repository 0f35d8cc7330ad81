"""Lessons that are kept: each sample is a crop and what the teacher makes of it, the file is
made once and as a whole, and a step asks no teacher."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slimcodec.errors import TrainingError
from slimcodec.images import write_image
from slimcodec.training.data import Crops, batches
from slimcodec.training.lessons import Lessons, keep_lessons
from slimcodec.training.objectives import Distillation, DistillationSettings
from slimcodec.training.objectives.distillation import Lesson
from slimcodec.training.step import inputs
from slimcodec.types import Image

SIDE, COUNT = 128, 5


@pytest.fixture(scope="module")
def crops(picture: Callable[..., Image], tmp_path_factory: pytest.TempPathFactory) -> Crops:
    """Of three pictures."""
    folder = tmp_path_factory.mktemp("lessons")
    for number in range(3):
        write_image(folder / f"{number}.png", picture(200 + number, 210, seed=number))
    return Crops(sorted(folder.iterdir()), SIDE, seed=1)


@pytest.fixture(scope="module")
def objective(tiny_network: Any) -> Any:
    return DistillationSettings().build(tiny_network.config, copy.deepcopy(tiny_network))


@pytest.fixture(scope="module")
def lessons(
    crops: Crops, objective: Distillation, tmp_path_factory: pytest.TempPathFactory
) -> Lessons:
    path = keep_lessons(tmp_path_factory.mktemp("kept"), crops, COUNT, objective)
    return Lessons(path, 1, len(objective.lambdas))


def test_a_sample_is_a_crop_and_its_lesson(
    lessons: Lessons, crops: Crops, objective: Distillation
) -> None:
    batch = lessons.batch(0, 12)
    assert batch["image"].shape == batch["picture"].shape == (12, 3, SIDE, SIDE)
    assert batch["features"].shape[2:] == (SIDE // 16, SIDE // 16)
    met = set()
    for i in range(12):
        pixels = batch["image"][i].numpy()
        (number,) = [j for j in range(COUNT) if np.array_equal(crops[j].transpose(2, 0, 1), pixels)]
        met.add((number, float(batch["quality"][i])))
        whole = batch["image"][i : i + 1].float() / 255
        lesson = objective.lesson(whole, batch["quality"][i : i + 1])
        features = lesson.features[0]
        torch.testing.assert_close(batch["features"][i].float(), features, rtol=1e-3, atol=1e-4)
        made = lesson.picture[0].clamp(0, 1)
        assert float((batch["picture"][i].float() / 255 - made).abs().max()) < 0.51 / 255
    assert len(met) == 2 * COUNT


def test_a_sample_depends_on_seed_and_number_only(lessons: Lessons) -> None:
    whole, pieces = lessons.batch(3, 4), [lessons.batch(3 + i, 1) for i in range(4)]
    for name, tensor in whole.items():
        assert torch.equal(tensor, torch.cat([piece[name] for piece in pieces]))
    other = Lessons(lessons.path, 2, lessons.qualities).batch(3, 4)
    assert not torch.equal(other["image"], whole["image"])


def test_samples_take_turns_at_qualities_and_lessons(lessons: Lessons) -> None:
    qualities = lessons.qualities
    for turn in range(4):
        seen = lessons.batch(turn * qualities, qualities)["quality"].tolist()
        assert sorted(seen) == list(range(qualities))
    # Two lessons of each of five qualities: all of them in two turns.
    assert len(lessons.batch(0, 2 * COUNT)["bpp"].unique()) == 2 * COUNT


def test_batches_ahead_and_in_other_processes(lessons: Lessons) -> None:
    made = list(batches(lessons, range(0, 8, 4), 4))
    elsewhere = pickle.loads(pickle.dumps(lessons))
    for number, batch in enumerate(made):
        for name, tensor in elsewhere.batch(4 * number, 4).items():
            assert torch.equal(tensor, batch[name])


def test_they_are_made_once(
    crops: Crops, objective: Distillation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, int]] = []
    first = keep_lessons(tmp_path, crops, COUNT, objective, lambda *at: told.append(at))
    assert told == [(0, COUNT), (4, COUNT), (COUNT, COUNT)]
    before = first.read_bytes()
    asked = Distillation.lesson

    def nobody(self: Any, image: Any, quality: Any) -> Lesson:
        raise AssertionError("the teacher was asked")

    monkeypatch.setattr(Distillation, "lesson", nobody)
    assert keep_lessons(tmp_path, crops, COUNT, objective) == first
    monkeypatch.setattr(Distillation, "lesson", asked)
    first.unlink()
    assert keep_lessons(tmp_path, crops, COUNT, objective).read_bytes() == before


def test_lessons_of_another_teacher_or_crops_are_made_anew(
    crops: Crops, tiny_network: Any, objective: Distillation, tmp_path: Path
) -> None:
    (tmp_path / ".slimcodec-0123.npy").write_bytes(b"of a process that was killed")
    first = keep_lessons(tmp_path, crops, 3, objective)
    other = copy.deepcopy(tiny_network)
    with torch.no_grad():
        other.generator.out.bias += 0.1
    taught = Distillation(other.config.lambdas, other, 1.0)
    second = keep_lessons(tmp_path, crops, 3, taught)
    again = keep_lessons(tmp_path, Crops(crops.paths, SIDE, seed=2), 3, objective)
    assert len({first, second, again}) == 3
    assert list(tmp_path.iterdir()) == [again]


def test_whoever_is_killed_while_they_are_made_leaves_none(
    crops: Crops, objective: Distillation, tmp_path: Path
) -> None:
    def stop(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keep_lessons(tmp_path, crops, COUNT, objective, stop)
    assert not list(tmp_path.iterdir())


def test_latents_that_halves_cannot_hold(
    crops: Crops, objective: Distillation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Distillation.lesson

    def large(self: Any, image: Any, quality: Any) -> Lesson:
        lesson = asked(self, image, quality)
        return lesson._replace(features=lesson.features * 1e6)

    monkeypatch.setattr(Distillation, "lesson", large)
    with pytest.raises(TrainingError, match="do not fit into halves; keep no crops: kept_cr"):
        keep_lessons(tmp_path, crops, 3, objective)


def test_a_step_asks_no_teacher(
    lessons: Lessons, tiny_network: Any, objective: Distillation
) -> None:
    drawn = objective.draw(2, torch.Generator().manual_seed(0))
    batch = lessons.batch(0, 2)
    image, draw = inputs(batch, drawn)
    assert torch.equal(draw.data["quality"], batch["quality"])
    pupil = copy.deepcopy(tiny_network)
    alone = Distillation(tiny_network.config.lambdas, torch.nn.Identity(), 0.0)
    loss = alone.training_loss(pupil, image, draw)
    picture = pupil.picture(batch["features"].float())
    mse = (picture - batch["image"].float() / 255).square().flatten(1).mean(dim=1)
    lambdas = torch.tensor(tiny_network.config.lambdas)
    at = lambdas[batch["quality"].long()]
    wanted = ((lambdas.mean() / at).sqrt() * at * 255**2 * mse).mean()
    torch.testing.assert_close(loss.total, wanted, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(loss.bpp, batch["bpp"].mean())
