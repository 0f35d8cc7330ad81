"""Every setting of training with values that mean nothing: one clear line before anything starts,
or a run."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slimcodec import registry
from slimcodec.errors import SlimcodecError, UsageError
from slimcodec.model_file import Model, thaw_network
from slimcodec.shrink import Distil, Finetune
from slimcodec.training import Photographs, Trainer, TrainingConfig
from slimcodec.training.data import Crops
from slimcodec.training.objectives import RateDistortionSettings

JUNK: tuple[Any, ...] = (
    -1, 0, math.nan, math.inf, -math.inf, 10**30, -(10**30), 0.5, True, None, "x", "", [], ["x"],
    [0], {}, {"x": 0},
)  # fmt: skip
OBJECTIVES = [registry.objectives.get(name) for name in registry.objectives]


def places(kind: Any) -> Iterator[tuple[str, Any]]:
    for field in dataclasses.fields(kind):
        for junk in JUNK:
            yield field.name, junk


def refused(make: Any, field: str, junk: Any) -> bool:
    """Whether it is, in one line that names the field."""
    try:
        make()
    except SlimcodecError as error:
        assert isinstance(error, UsageError) or error.exit_status == 2, (field, junk)
        assert "\n" not in str(error)
        return True
    return False


@pytest.mark.parametrize("kind", OBJECTIVES, ids=lambda kind: kind.name)
def test_objectives(kind: Any) -> None:
    for field, junk in places(kind):
        plain = type(junk) in (int, float) and 0 <= junk <= 1
        taken = not refused(lambda f=field, j=junk: kind.from_settings({f: j}), field, junk)
        assert not taken or plain, (field, junk)


@pytest.mark.parametrize("kind", [Finetune, Distil], ids=lambda kind: kind.name)
def test_passes_that_learn(kind: Any, tiny_config: Any) -> None:
    family = registry.families.get("hific")
    for field, junk in places(kind):

        def checked(field: str = field, junk: Any = junk) -> None:
            kind.from_settings({field: junk}).check(family, tiny_config)

        lists = ("parts", "holdout")
        sound = (field in lists and isinstance(junk, list)) or (
            field in ("loss", "fade") and junk == {}
        )
        number = type(junk) in (int, float) and 0 <= junk <= 1
        assert refused(checked, field, junk) or sound or number, (field, junk)


@pytest.mark.slow
def test_a_run(tiny_models: dict[str, Model], photos: list[Path]) -> None:
    """What is taken runs two steps, and its losses are numbers."""
    kept = {"batch": 1, "crop": 128, "precision": "32-true"}
    tried = 0
    for field, junk in places(TrainingConfig):
        made: list[TrainingConfig] = []

        def make(field: str = field, junk: Any = junk, made: list[Any] = made) -> None:
            made.append(TrainingConfig.from_dict({**kept, "steps": 2, field: junk}, "run.toml"))

        if refused(make, field, junk):
            continue
        config = made[0]
        if field in ("name", "family", "preset", "shape", "parts", "holdout"):
            assert isinstance(getattr(config, field), type(getattr(TrainingConfig(), field)))
            continue
        tried += 1
        network = thaw_network(tiny_models["hific"])
        objective = RateDistortionSettings().build(network.config)
        data = Photographs.of(
            photos, crop=128, seed=config.seed, largest_scale=config.largest_scale
        )
        trained = Trainer(network, objective, data, config).run()
        assert trained.step == config.last_step
        assert all(tensor.isfinite().all() for tensor in trained.network.state_dict().values())
    assert 5 < tried < 25


def test_crops(photos: list[Path]) -> None:
    nonsense: tuple[dict[str, Any], ...] = (
        {"crop": 0}, {"crop": 10**30}, {"seed": -1}, {"largest_scale": 0.5},
        {"largest_scale": math.nan}, {"largest_scale": math.inf},
    )  # fmt: skip
    for numbers in nonsense:
        with pytest.raises(UsageError, match="crops take"):
            Crops(photos, **{"crop": 128, "seed": 1, **numbers})
