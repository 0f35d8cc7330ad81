"""A run as its TOML file says it: the network is built or loaded, then trained."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from slimcodec import registry
from slimcodec.codecs.family import Coded, Fitted
from slimcodec.errors import UnknownNameError, UsageError
from slimcodec.training.config import TrainingConfig
from slimcodec.training.data import Crops, Photographs, Samples, sample_blocks, sample_crops
from slimcodec.training.lessons import Lessons, fewest_crops, keep_lessons
from slimcodec.training.objectives.contract import samples_for
from slimcodec.training.state import STATE_FILE, load_weights
from slimcodec.training.trainer import Trained, Trainer
from slimcodec.training.watch import Progress

__all__ = ["train"]

PCA_BLOCKS = 60_000


def train(
    config: TrainingConfig,
    photos: Sequence[Path],
    out: Path,
    *,
    init: Mapping[str, Tensor] | None = None,
    history: Sequence[Mapping[str, Any]] = (),
    resume: bool = False,
    minutes: float | None = None,
    anneal_by: float | None = None,
    teacher: nn.Module | None = None,
    devices: int | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    on_saved: Callable[[Trained], None] | None = None,
) -> Trained:
    """Train, or go on training, what a run names, and return the averaged network.

    Args:
        config: the run.
        photos: every photograph at hand; held-out ones are left out by name.
        out: folder of the run's state and scalars; made when missing.
        init: weights to start from instead of nothing.
        history: of those weights; it is kept with the run.
        resume: go on from the state in ``out``.
        minutes: see ``Trainer.run``, as ``anneal_by``, ``on_progress`` and ``on_saved``.
        teacher: whom a distillation learns from.
        devices: see ``Trainer``.

    Raises:
        TrainingError: on a state or weights that do not fit, an objective that the family does not
            know, or what ``Trainer`` raises it for.
        UnknownNameError: on a part that the family does not have.
        UsageError: on no steps, of a family that is not fitted by other means, on parts that are
            reshaped of nothing, or on too few crops to keep.
        MissingExtraError: when something that training needs is not installed.
    """
    data = Photographs.of(
        photos,
        crop=config.crop,
        seed=config.seed,
        largest_scale=config.largest_scale,
        holdout=config.holdout,
    )
    family = registry.families.get(config.family)
    if not config.steps and not isinstance(family, Fitted):
        raise UsageError(f"steps must be above 0, got 0: {family.name} is trained by nothing else")
    for name in (*config.parts, *config.reshaped):
        if name not in family.parts:
            raise UnknownNameError("part", name, family.parts)
    resumes = resume and (out / STATE_FILE).exists()
    if config.reshaped and init is None and not resumes:
        raise UsageError("reshaped is of weights that a run starts from; name them with --init")
    shape = config.network_config(family)
    torch.manual_seed(config.seed)
    fitted_by, fitted_s = "", 0.0
    objective = config.chosen_objective(family).build(shape, teacher)
    network: nn.Module = family.build(shape)
    if resumes:
        pass  # the trainer reads it
    elif init is not None:
        if config.reshaped and isinstance(family, Coded):
            _initialise(network, family, data)
        load_weights(network, init, "the initial weights", config.reshaped)
    elif isinstance(family, Fitted):
        began = time.monotonic()
        crops = sample_crops(data.samples, max(1, family.fitted_pixels // config.crop**2))
        family.initialise(
            network, crops, lambda *done: on_progress(Progress.beforehand("fitting", *done))
        )
        fitted_by, fitted_s = family.fitted_by, time.monotonic() - began
    elif isinstance(family, Coded):
        _initialise(network, family, data)
    _leave_alone(network, config.parts)
    # Networks that are trained already must not be left out of the first steps.
    schedule = config if init is None else replace(config, linear_steps=0)
    data = replace(data, samples=_samples(config, objective, data, out, minutes, on_progress))
    trainer = Trainer(
        network, objective, data, schedule,
        folder=out, resume=resume, history=history, devices=devices,
    )  # fmt: skip
    trained = trainer.run(
        minutes=minutes, anneal_by=anneal_by, on_progress=on_progress, on_saved=on_saved
    )
    if not fitted_by:
        return trained
    how = f"{fitted_by}; then {trained.objective}" if trained.step else fitted_by
    return replace(trained, objective=how, train_seconds=trained.train_seconds + fitted_s)


def _initialise(network: Any, family: Coded, data: Photographs) -> None:
    """As from nothing."""
    shape = network.config
    count = PCA_BLOCKS * shape.stride**2 // shape.block_size**2  # as many pixels
    family.initialise(network, sample_blocks(data.samples, count, shape.block_size))


def _samples(
    config: TrainingConfig,
    objective: Any,
    data: Photographs,
    out: Path,
    minutes: float | None,
    on_progress: Callable[[Progress], None],
) -> Samples:
    """What is learned from: what the objective makes of crops, or lessons that are kept."""
    if not config.kept_crops or minutes == 0:  # then nothing is learned
        return samples_for(objective, data.samples)
    crops, qualities = data.samples, len(objective.lambdas)
    assert isinstance(crops, Crops)
    if config.kept_crops < (fewest := fewest_crops(qualities)):
        raise UsageError(f"kept_crops must be {fewest} or more, one lesson for each quality")
    out.mkdir(parents=True, exist_ok=True)
    path = keep_lessons(
        out, crops, config.kept_crops, objective,
        lambda *done: on_progress(Progress.beforehand("asking the teacher", *done)),
    )  # fmt: skip
    return Lessons(path, config.seed, qualities)


def _leave_alone(network: nn.Module, chosen: Sequence[str]) -> None:
    """Only the chosen parts learn; all when none is chosen."""
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(not chosen or name.split(".")[0] in chosen)
