"""Photographs to a model: train, freeze, write the model file with its record, and its card."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from slimcodec import registry
from slimcodec.atomic import write_atomically
from slimcodec.codecs.settled import coded_layers, settle_as
from slimcodec.errors import UsageError
from slimcodec.images import read_image
from slimcodec.model_file import Model, freeze_network, save, thaw_network
from slimcodec.quantization.simulation import is_settled, plain_state
from slimcodec.report import CardFacts, head_section, network_section, training_section
from slimcodec.training import Progress, Trained, TrainingConfig, train
from slimcodec.training.state import STATE_FILE

__all__ = ["Written", "frozen_model", "teacher_network", "tensors_of", "train_model", "write_model"]

_SETTLED_ON = 12
"""Photographs that a new probability model is settled on."""


@dataclass(frozen=True)
class Written:
    """A model that was trained, and where it lies.

    Attributes:
        model: as in the file, its history with the record of the run.
        path: the model file.
        card: what is known of it, in Markdown.
        trained: the run's outcome.
    """

    model: Model
    path: Path
    card: Path
    trained: Trained


def train_model(
    run: TrainingConfig,
    photos: Sequence[Path],
    out: Path,
    *,
    start: Model | None = None,
    teacher: Model | None = None,
    resume: bool = False,
    minutes: float | None = None,
    devices: int | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Written | None:
    """Train, and write ``NAME.slim`` and ``NAME.md`` into a folder.

    Args:
        run: as it was told.
        photos: every photograph at hand.
        out: for the run's state, the model file and its card.
        start: whose weights and history to go on from.
        teacher: whom the network learns from.
        resume: go on from the state in ``out``.
        minutes, devices, on_progress: see ``training.train``.

    Returns:
        None in those of several processes that do not write.

    Raises:
        UsageError: when ``out`` holds a run already, a teacher does not fit, or no time is that
            long.
        TrainingError: see ``training.train``.
    """
    if minutes is not None and not 0 <= minutes < math.inf:
        raise UsageError(f"--minutes takes a finite number from 0 on, got {minutes}")
    if not resume and (out / STATE_FILE).exists():
        raise UsageError(f"{out} holds a run already; go on with --resume or name another --out")
    taught_by = None
    if teacher is not None:
        objective = run.chosen_objective(registry.families.get(run.family))
        if not objective.learns_from_a_teacher:
            raise UsageError(f"the objective {objective.name} has no teacher; leave --teacher out")
        taught_by = teacher_network(teacher, start)
    trained = train(
        run, photos, out,
        init=None if start is None else tensors_of(start),
        history=() if start is None else start.history,
        resume=resume, minutes=minutes, teacher=taught_by, devices=devices,
        on_progress=on_progress,
    )  # fmt: skip
    if not trained.leads:
        return None
    used = [photo for photo in photos if photo.name not in run.holdout]
    model = frozen_model(run, trained, used, start)
    path, card = write_model(model, out)
    return Written(model, path, card, trained)


def teacher_network(teacher: Model, start: Model | None = None) -> nn.Module:
    """The network of a teacher.

    Raises:
        UsageError: when what the pupil starts from is of other streams: it would learn nothing
            about its own.
    """
    if start is not None and teacher.stream_id != start.stream_id:
        raise UsageError(
            f"the teacher {teacher.name} and {start.name}, which is started from, do not read the "
            f"same streams ({teacher.stream_id}, {start.stream_id}); choose another of the two"
        )
    network: nn.Module = thaw_network(teacher)
    return network


def tensors_of(model: Model) -> dict[str, Tensor]:
    """A model's weights for torch."""
    return {name: torch.from_numpy(values) for name, values in model.weights.items()}


def frozen_model(
    run: TrainingConfig, trained: Trained, photos: Sequence[Path], start: Model | None = None
) -> Model:
    """What a run comes to, with its record.

    Args:
        run: as it was told.
        trained: its outcome.
        photos: those that were trained on.
        start: what it started from. Where the layers that coding runs in integers did not move,
            they stay as they were settled, and so do the streams; a context that it had not is
            settled beside them.
    """
    family, network = registry.families.get(run.family), trained.network
    few: list[Any] = []
    state = plain_state(network)
    coded = coded_layers(family, network.config)
    if start is not None and _unmoved(state, start, coded):
        network = copy.deepcopy(network)
        settle_as(network, family, start.quantization)
    if not is_settled(network, coded):
        step = max(1, len(photos) // _SETTLED_ON)
        few = [read_image(path).pixels for path in photos[::step][:_SETTLED_ON]]
    return freeze_network(
        network,
        name=run.name,
        family=run.family,
        history=(*trained.history, _record(run, trained, len(photos))),
        look=_look(run, family, start),
        photographs=few,
    )


def _unmoved(state: Mapping[str, Tensor], start: Model, coded: Iterable[str]) -> bool:
    """Whether layers that coding runs in integers are what they were in a model, all that it
    has."""
    names = [name for name in (f"{layer}.weight" for layer in coded) if name in start.weights]
    return all((state[name].cpu().numpy() == start.weights[name]).all() for name in names)


def _look(run: TrainingConfig, family: Any, start: Model | None) -> str:
    """The objective's; whoever goes on learning from a teacher aims at what it aimed at."""
    objective = run.chosen_objective(family)
    return start.look if start is not None and objective.learns_from_a_teacher else objective.look


def _record(run: TrainingConfig, trained: Trained, photographs: int) -> Mapping[str, Any]:
    return {
        "train": run.name,
        "steps": trained.step,
        "hours": round(trained.train_seconds / 3600, 3),
        "photographs": photographs,
        "objective": trained.objective,
        **({"parts": list(run.parts)} if run.parts else {}),
        "hardware": trained.hardware,
        "validation_bpp_db": [[round(b, 4), round(d, 3)] for b, d in trained.validation],
    }


def write_model(model: Model, folder: Path) -> tuple[Path, Path]:
    """A model file and its card, ``NAME.slim`` and ``NAME.md``; the folder is made when missing."""
    path = folder / f"{model.name}.slim"
    folder.mkdir(parents=True, exist_ok=True)
    save(model, path)
    card = path.with_suffix(".md")
    write_atomically(card, _card(model, path.stat().st_size).encode())
    return path, card


def _card(model: Model, size: int) -> str:
    """What is known of a model that was just trained; a bench knows more."""
    facts = CardFacts.of(model, size)
    sections = [
        head_section(facts, "Written by `slimcodec train`; real streams are measured by "
                     f"`slimcodec bench {model.name}.slim jpeg webp --images DIR --out DIR`."),
        network_section(facts),
        training_section(facts, "Whoever passes the model on says here what the photographs were "
                         "and under which licences."),
    ]  # fmt: skip
    return "\n\n".join(sections) + "\n"
