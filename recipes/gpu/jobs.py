"""The queue: jobs in the order in which they are wanted, each a list of training recipes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from slimcodec.errors import ConfigError
from slimcodec.settings import read_toml, refuse_unknown
from slimcodec.training import TrainingConfig

__all__ = ["QUEUE", "Job", "Stage", "read_queue"]

QUEUE = Path(__file__).parent / "queue.toml"


@dataclass(frozen=True)
class Stage:
    """One recipe, and its share of a job's minutes.

    Attributes:
        config: the recipe.
        share: of the minutes.
        itself: whether a distillation learns from the network as the stage finds it, not from the
            job's teacher.
    """

    config: TrainingConfig
    share: float
    itself: bool = False


@dataclass(frozen=True)
class Job:
    """Stages that run one after the other, each from where the one before ended.

    Attributes:
        name: of the job, of its model and of the file written.
        model: what to start from while there are no newer weights; nothing when empty.
        teacher: whom a distillation learns from; ``model`` when empty.
        stages: at least one.
    """

    name: str
    model: str
    stages: tuple[Stage, ...]
    teacher: str = ""

    @property
    def holdout(self) -> tuple[str, ...]:
        """File names that no stage trains on."""
        return self.stages[0].config.holdout

    def holding_out(self, names: tuple[str, ...]) -> Job:
        """The same with other photographs held out."""
        stages = [replace(s, config=replace(s.config, holdout=names)) for s in self.stages]
        return replace(self, stages=tuple(stages))


def read_queue(path: Path = QUEUE) -> dict[str, Job]:
    """Jobs by name, in their order.

    Raises:
        ConfigError: naming the file and what is wrong there.
    """
    values = read_toml(path)
    refuse_unknown(values, ("job",), str(path))
    jobs = [_job(entry, path) for entry in values.get("job", ())]
    if not jobs:
        raise ConfigError(str(path), "there is no job; write a [[job]]")
    queue = {job.name: job for job in jobs}
    if len(queue) < len(jobs):
        raise ConfigError(str(path), "two jobs have one name")
    return queue


def _job(entry: dict[str, Any], path: Path) -> Job:
    where = f"{path}, job {entry.get('name', '?')}"
    refuse_unknown(entry, ("name", "model", "teacher", "stage"), where)
    name, model = _texts(entry, ("name", "model"), where)
    (teacher,) = _texts({"teacher": "", **entry}, ("teacher",), where)
    stages = entry.get("stage")
    if not isinstance(stages, list) or not stages:
        raise ConfigError(where, "a job must have a [[job.stage]] or several")
    made = tuple(_stage(stage, path.parent, where) for stage in stages)
    for stage in made:
        if stage.config.name != name:
            raise ConfigError(where, f"a recipe's name must be the job's, got {stage.config.name}")
        for key in ("family", "preset", "holdout"):
            if getattr(stage.config, key) != getattr(made[0].config, key):
                raise ConfigError(where, f"all stages must have the same {key}")
    return Job(name, model, made, teacher)


def _stage(entry: dict[str, Any], folder: Path, where: str) -> Stage:
    refuse_unknown(entry, ("recipe", "share", "itself"), where)
    (recipe,) = _texts(entry, ("recipe",), where)
    share = entry.get("share")
    if isinstance(share, bool) or not isinstance(share, int | float) or share <= 0:
        raise ConfigError(where, f"share must be a number above 0, got {share!r}")
    itself = entry.get("itself", False)
    if not isinstance(itself, bool):
        raise ConfigError(where, f"itself must be true or false, got {itself!r}")
    config = TrainingConfig.read(folder / recipe)
    if itself and not (config.objective and config.objective.learns_from_a_teacher):
        raise ConfigError(where, f"itself goes with an objective that has a teacher: {recipe}")
    return Stage(config, float(share), itself)


def _texts(entry: dict[str, Any], keys: tuple[str, ...], where: str) -> list[Any]:
    for key in keys:
        if not isinstance(entry.get(key), str):
            raise ConfigError(where, f"{key} must be a text, got {entry.get(key)!r}")
    return [entry[key] for key in keys]
