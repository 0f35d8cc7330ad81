"""What `job.py` does: everything that can be wrong is looked at first, then minutes are spent."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jobs import Job, read_queue
from pack import pack
from photographs import read_names, unpack
from stages import Clock, Outcome, dry, run_stages, teacher_of
from verdict import Measured, changes, measure, photographs_of, sentence, table

from slimcodec import registry
from slimcodec.atomic import write_atomically
from slimcodec.errors import TrainingError, UnknownNameError, UsageError
from slimcodec.images import find_images
from slimcodec.library import load_model
from slimcodec.model_file import Model, load
from slimcodec.training.objectives import Objective
from slimcodec.training.state import load_weights
from slimcodec.types import FAITHFUL
from slimcodec.workflows.training import tensors_of

__all__ = ["Wanted", "run"]

ROOT = Path(__file__).resolve().parents[2]
NEWEST = ROOT / "runs" / "gpu"
"""Where what came back is laid, to be gone on from."""
DEMO = ROOT / "src" / "slimcodec" / "demo"
LEAST_MINUTES = 3.0
CLOSING_S = 20.0
"""Kept for the end, beside the time that measuring takes: freezing, writing, leaving."""


@dataclass(frozen=True)
class Wanted:
    """The command line of `job.py`."""

    photos: Path | None
    out: Path
    minutes: float
    queue: Path
    job: str | None
    start: Path | None
    dry: bool


def run(wanted: Wanted, started: float) -> int:
    """Run a job; the exit status, 1 where training stopped before its time.

    Raises:
        SlimcodecError: for what is wrong before training.
    """
    clock = Clock(started)
    job = _job_of(wanted)
    _check(wanted, job)
    start, where = _start_of(job, wanted.start)
    network, objective = _prepared(job, start, where, wanted.dry)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        photographs, holdout = _photographs(wanted, job, scratch)
        job = job.holding_out(holdout)
        held_out = photographs_of([path for path in photographs if path.name in holdout])
        before, began = None, clock.seconds()
        if start is not None:
            before = measure(_network_of(start, job), objective, held_out, device)
        measuring_s = 2 * (clock.seconds() - began) if before else CLOSING_S
        clock.training_ends = 60 * wanted.minutes - measuring_s - CLOSING_S
        outcome = run_stages(
            job, start, photographs, wanted.out, scratch=scratch, clock=clock, tried=wanted.dry
        )
        path = wanted.out / f"{job.name}.slim"
        if not path.exists():
            raise TrainingError(outcome.problem or outcome.left_out[0])
        made = load(path)
        _fill(network, made, str(path), job)
        after = measure(network, objective, held_out, device)
    text = _summary(job, where, outcome, before, after, clock, made.look != FAITHFUL)
    write_atomically(wanted.out / "summary.md", text.encode())
    print(text)
    return 1 if outcome.problem else 0


def _job_of(wanted: Wanted) -> Job:
    queue = read_queue(wanted.queue)
    if wanted.job is not None and wanted.job not in queue:
        raise UnknownNameError("job", wanted.job, queue)
    return queue[wanted.job or next(iter(queue))]


def _check(wanted: Wanted, job: Job) -> None:
    if not wanted.dry:
        if not torch.cuda.is_available():
            raise UsageError("no GPU here; --dry-run tries the job on a CPU")
        if not wanted.minutes >= LEAST_MINUTES:  # nor when it is no number
            raise UsageError(f"--minutes must be {LEAST_MINUTES:g} or more, got {wanted.minutes:g}")
        if wanted.photos is None:
            raise UsageError("--photos must name a pack; make it with recipes/gpu/pack.py")
    if wanted.photos is not None:
        read_names(wanted.photos)
    try:
        wanted.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"--out {wanted.out} cannot be made: {reason}") from error
    if (wanted.out / f"{job.name}.slim").exists():
        raise UsageError(f"{wanted.out} holds {job.name}.slim already; name another --out")
    # It shows that one can write there, and stays where a run is cut off.
    write_atomically(wanted.out / "summary.md", b"This job has not ended.\n")


def _start_of(job: Job, given: Path | None) -> tuple[Model | None, str]:
    """The newest weights, and what to call them."""
    newest = NEWEST / f"{job.name}.slim"
    if given is not None or newest.is_file():
        path = given or newest
        return load(path), str(path)
    return (load_model(job.model), job.model) if job.model else (None, "nothing")


def _prepared(job: Job, start: Model | None, where: str, tried: bool) -> tuple[Any, Objective]:
    """The job's network, which the weights to go on from fit, and what measures it."""
    config = job.stages[0].config
    family = registry.families.get(config.family)
    shape = config.network_config(family)
    teacher = teacher_of(job, start)
    network = family.build(shape)
    if start is not None:
        _fill(network, start, where, job)
    built = []
    for stage in job.stages:  # a mistake in a later one should not cost the minutes before it
        config = dry(stage.config) if tried else stage.config
        own = network if stage.itself else teacher
        built.append(config.chosen_objective(family).build(shape, own))
    return network, built[0]


def _fill(network: Any, model: Model, where: str, job: Job) -> None:
    """Weights into a job's network.

    Raises:
        UsageError: when they are another network's.
    """
    try:
        load_weights(network, tensors_of(model), where, job.stages[0].config.reshaped)
    except TrainingError as error:
        config = job.stages[0].config
        raise UsageError(
            f"{where} does not fit the network of job {job.name} ({config.preset}, "
            f"{config.family}); name other weights with --from"
        ) from error


def _network_of(model: Model, job: Job) -> Any:
    """Of weights as they are, whose shape a job may be about to change."""
    family = registry.families.get(job.stages[0].config.family)
    network = family.build(family.config(model.config))
    _fill(network, model, model.name, job)
    return network


def _photographs(wanted: Wanted, job: Job, scratch: Path) -> tuple[list[Path], tuple[str, ...]]:
    """Files, and the names of those that are held out."""
    folder, photos, holdout = scratch / "photographs", wanted.photos, job.holdout
    folder.mkdir()
    if photos is None:
        demo = [path for path in find_images(DEMO) if path.suffix == ".png"]
        photos, holdout = scratch / "demo.pack", (demo[0].name,)
        pack(demo, holdout, 4.0, photos)
    names = read_names(photos)
    held_out = [name for name in names if name in holdout]
    if not held_out:
        raise UsageError(f"{photos} has none of the photographs that job {job.name} holds out")
    if wanted.dry:
        held_out = held_out[:1]
        names = held_out + [name for name in names if name not in holdout][:3]
    unpack(photos, folder, names)
    return find_images(folder), tuple(held_out)


def _summary(
    job: Job,
    where: str,
    outcome: Outcome,
    before: Measured | None,
    after: Measured,
    clock: Clock,
    natural: bool,
) -> str:
    minutes = clock.seconds() / 60
    lines = [f"# {job.name}, {minutes:.1f} minutes", "", f"Started from {where}.", ""]
    for ran in outcome.done:
        speed = ran.steps / max(1e-9, ran.seconds)
        lines.append(
            f"{ran.number}. {ran.steps:,} steps of {ran.recipe.batch} crops of {ran.recipe.crop} "
            f"in {ran.seconds / 60:.1f} minutes, {speed:.1f} a second, on {ran.hardware}"
        )
    for words in outcome.left_out:
        lines += ["", words]
    if outcome.problem:
        lines += ["", f"Stopped before its time: {outcome.problem}"]
    lines += ["", "Estimated bits, means over held-out photographs, weights as in the file:", ""]
    lines += [table(before, after), ""]
    for metric, change in changes(before, after).items() if before is not None else ():
        figure = "the curves do not meet" if change is None else f"{change:+.2f} %"
        lines += [f"BD-rate in {metric}: {figure}", ""]
    lines.append(sentence(before, after, natural, job.name))
    return "\n".join(lines) + "\n"
