"""TOML files: recipes, studies and trainings."""

from __future__ import annotations

import json
import random
import tomllib
from pathlib import Path
from typing import Any, ClassVar

from fuzzing.edits import edited_text, edited_values
from fuzzing.seeds import MODELS
from slimcodec import registry
from slimcodec.errors import SlimcodecError
from slimcodec.model_file import load, thaw_network
from slimcodec.settings import to_toml

__all__ = ["Recipes", "Studies", "Trainings"]


class Settings:
    """TOML files: values edited as values, or their text."""

    kind: ClassVar[str]

    def __init__(self, folder: Path, work: Path) -> None:
        self.folder, self.path = folder / self.kind, work / "hostile.toml"
        self.begin(folder)

    def begin(self, folder: Path) -> None:
        """What a use needs besides the file."""

    def seeds(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted(self.folder.iterdir())]

    def edited(self, data: bytes, rng: random.Random) -> bytes:
        text = data.decode(errors="replace")
        try:
            values = tomllib.loads(text)
            if rng.random() < 0.8:
                changed = _without_nothing(edited_values(values, rng))
                text = to_toml(changed)
                tomllib.loads(text)
                return text.encode()
        except (ValueError, TypeError, AttributeError, RecursionError):
            pass
        return edited_text(text, rng).encode(errors="replace")

    def forged(self, data: bytes) -> bytes:
        return data

    def use(self, data: bytes) -> None:
        self.path.write_bytes(data)
        self.read(self.path)

    def read(self, path: Path) -> None:
        raise NotImplementedError


def _without_nothing(values: Any) -> Any:
    """TOML has no null."""
    if isinstance(values, dict):
        return {k: _without_nothing(v) for k, v in values.items() if v is not None}
    if isinstance(values, list):
        return [_without_nothing(v) for v in values if v is not None]
    return values


class Recipes(Settings):
    """Read, checked against both families, planned on a small network of each."""

    kind = "recipes"

    def begin(self, folder: Path) -> None:
        models = [load(folder / name) for name in (MODELS[0], MODELS[2])]
        self.networks = [
            (thaw_network(model), registry.families.get(model.family)) for model in models
        ]

    def read(self, path: Path) -> None:
        from slimcodec.shrink import Recipe

        recipe = Recipe.read(path)
        refusal = None
        for network, family in self.networks:
            try:
                recipe.check(family, network.config)
                recipe.plan(network, family)
            except SlimcodecError as error:
                refusal = error
        if refusal is not None:
            raise refusal


class Studies(Settings):
    """Read, and said what a report is told."""

    kind = "studies"

    def read(self, path: Path) -> None:
        from slimcodec.bench.study import Study

        study = Study.read(path)
        json.dumps(study.describe())
        for variant in study.variants:
            json.dumps(variant.settings)


class Trainings(Settings):
    """Read, with the network's shape and the objective that they name."""

    kind = "trainings"

    def read(self, path: Path) -> None:
        from slimcodec.training import TrainingConfig

        run = TrainingConfig.read(path)
        family = registry.families.get(run.family)
        run.network_config(family)
        run.chosen_objective(family)
        for step in (0, run.last_step):
            run.learning_rate_factor(step)
