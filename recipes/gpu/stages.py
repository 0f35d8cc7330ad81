"""Runs a job's stages by the clock, and keeps what they come to where it will be fetched."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from jobs import Job, Stage
from torch import nn

from slimcodec.errors import SlimcodecError, UsageError
from slimcodec.library import load_model
from slimcodec.model_file import Model, save
from slimcodec.training import Progress, Trained, TrainingConfig, train
from slimcodec.workflows.training import frozen_model, teacher_network, tensors_of

__all__ = ["Clock", "Outcome", "Ran", "dry", "run_stages", "teacher_of", "training_seconds"]

CHECKPOINT_MINUTES = 2.0
"""What a run that is cut off may lose, at most."""
START_S = 45.0
"""Of the first stage until it is at full speed: photographs are decoded, processes started, a GPU
is woken, and its first step finds out which kernels are the fastest (half of it, on an H200)."""
NEXT_START_S = 25.0
"""The same of a later one, which finds everything imported."""
END_S = 10.0
"""Of a stage after its last step is begun: the GPU is some steps behind, held-out photographs are
looked at, weights are frozen and written. 4 on an H200, and up to 50 steps."""
LEAST_S = 10.0
"""A stage with less to train is not worth its start."""
MOST_BYTES = 16 << 20
"""Of a file that every way back is sure to take."""


@dataclass
class Clock:
    """Seconds since the program started, and those after which training must have ended."""

    started: float
    training_ends: float = float("inf")

    def seconds(self) -> float:
        """So far."""
        return time.monotonic() - self.started

    def left(self) -> float:
        """For training."""
        return self.training_ends - self.seconds()

    def end_of(self, shares: Sequence[float], first: bool) -> float | None:
        """When the stage that begins now must end its training, as ``time.monotonic()``; None where
        there is no time for it. However slow it starts, later ones keep what is theirs.

        Args:
            shares: its own and those of later stages.
            first: whether it is the first of all.
        """
        mine, *later = training_seconds(self.left(), shares, first)
        if not mine:
            return None
        after = sum(NEXT_START_S + seconds + END_S for seconds in later if seconds)
        return self.started + self.training_ends - after - END_S


@dataclass(frozen=True)
class Ran:
    """A stage that was run; numbers are from 1."""

    number: int
    recipe: TrainingConfig
    steps: int
    seconds: float
    hardware: str


@dataclass(frozen=True)
class Outcome:
    """Of a job's stages.

    Attributes:
        done: those that were run.
        left_out: those that had no time, in words.
        problem: why the last one stopped before its time, or nothing.
    """

    done: tuple[Ran, ...]
    left_out: tuple[str, ...] = ()
    problem: str = ""


def training_seconds(left: float, shares: Sequence[float], first: bool) -> tuple[float, ...]:
    """What each stage that is still to run may train, beside what it needs to start and to end.

    What is left, less that, is divided by shares. A stage that would get less than ``LEAST_S`` gets
    nothing, the one with the least first and of equals the last, and the others have its part.

    Args:
        left: seconds, for all of it.
        shares: of those stages, in their order.
        first: whether the first of them is the first of all.
    """
    starts = [START_S if first and i == 0 else NEXT_START_S for i in range(len(shares))]
    chosen = list(range(len(shares)))
    found = [0.0] * len(shares)
    while chosen:
        whole = left - sum(starts[i] + END_S for i in chosen)
        parts = {i: whole * shares[i] / sum(shares[j] for j in chosen) for i in chosen}
        least = min(reversed(chosen), key=lambda i: shares[i])
        if parts[least] >= LEAST_S:
            for i, seconds in parts.items():
                found[i] = seconds
            break
        chosen.remove(least)
    return tuple(found)


@dataclass
class Curve:
    """``curve.tsv``: a row for each report of a run, written as it comes."""

    path: Path
    clock: Clock
    stage: int = 0
    told: float = field(default=-1e9)

    def __enter__(self) -> Curve:
        self.file = self.path.open("w", encoding="utf-8", buffering=1)
        names = ("stage", "step", "seconds", "loss", "bpp", "psnr_db", "steps_per_s", "held_out")
        print(*names, sep="\t", file=self.file)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.file.close()

    def add(self, p: Progress) -> None:
        """A row, and now and then a line on the terminal."""
        seconds = self.clock.seconds()
        held_out = " ".join(f"{bpp:.4f}/{db:.3f}" for bpp, db in p.validation)
        row = [
            f"{seconds:.1f}", f"{p.loss:.5g}", f"{p.bpp:.4f}", f"{p.psnr_db:.3f}",
            f"{p.steps_per_s:.2f}", held_out,
        ]  # fmt: skip
        print(self.stage, p.step, *row, sep="\t", file=self.file)
        if p.validation or seconds - self.told >= 20:
            self.told = seconds
            shown = f"loss {p.loss:.3f}  {p.bpp:.3f} bpp  {p.psnr_db:.2f} dB  {p.steps_per_s:.1f}/s"
            beside = f"  held out: {held_out}" if held_out else ""
            print(
                f"{seconds:5.0f} s  step {p.step:,}  {shown}{beside}", file=sys.stderr, flush=True
            )


def run_stages(
    job: Job,
    start: Model | None,
    photographs: Sequence[Path],
    out: Path,
    *,
    scratch: Path,
    clock: Clock,
    tried: bool,
) -> Outcome:
    """Train, stage after stage; ``out/NAME.slim`` is never older than two minutes.

    Args:
        job: what to run.
        start: what it goes on from.
        photographs: all of them.
        out: where the weights and the curve go.
        scratch: for states, which stay here.
        clock: when to end.
        tried: a few steps of everything instead, on a CPU.
    """
    weights = None if start is None else tensors_of(start)
    found = start
    done: list[Ran] = []
    left_out: list[str] = []
    with Curve(out / "curve.tsv", clock) as curve:
        for number, stage in enumerate(job.stages):
            history = () if found is None else found.history
            config = replace(stage.config, first_step=_steps_of(history, stage.config.first_step))
            curve.stage, ends = number + 1, None
            if not tried:
                shares = [later.share for later in job.stages[number:]]
                ends = clock.end_of(shares, first=number == 0)
                if ends is None:
                    left_out.append(_too_late(number + 1, clock.left()))
                    continue
            config = dry(config) if tried else _timed(config)
            try:
                used = [p for p in photographs if p.name not in config.holdout]
                keep = _Keep(config, used, found, out)
                teacher = _as_found(found) if stage.itself else teacher_of(job, start)
                trained = train(
                    config, photographs, scratch / f"stage-{number + 1}", init=weights,
                    history=history, anneal_by=ends, teacher=teacher, devices=1,
                    on_progress=curve.add, on_saved=keep,
                )  # fmt: skip
            except SlimcodecError as error:
                problem = f"stage {number + 1}: {' '.join(str(error).split())}"
                return Outcome(tuple(done), tuple(left_out), problem)
            steps = trained.step - config.first_step
            done.append(Ran(number + 1, config, steps, trained.train_seconds, trained.hardware))
            # Not rounded to half precision, as they are in the file.
            weights, found = dict(trained.network.state_dict()), keep.model
    return Outcome(tuple(done), tuple(left_out))


def teacher_of(job: Job, start: Model | None) -> nn.Module | None:
    """Whom a distillation learns from: the job's ``teacher``, else ``model``, of the same streams.

    Raises:
        UsageError: when the weights to go on from are of other streams.
    """
    if not any(_learns_from_a_teacher(stage) for stage in job.stages):
        return None
    try:
        return teacher_network(load_model(job.teacher or job.model), start)
    except UsageError as error:
        raise UsageError(f"job {job.name}: {error}; name others with --from") from error


def _learns_from_a_teacher(stage: Stage) -> bool:
    objective = stage.config.objective
    return not stage.itself and objective is not None and objective.learns_from_a_teacher


def _as_found(model: Model | None) -> nn.Module:
    """The network that a stage goes on from."""
    if model is None:
        raise UsageError("a stage that learns from itself must find weights; name a model")
    return teacher_network(model)


def _too_late(number: int, left: float) -> str:
    return (
        f"Stage {number} was left out: {max(0.0, left):.0f} seconds were left, too few to start "
        "it; give more --minutes"
    )


def dry(config: TrainingConfig) -> TrainingConfig:
    """The same in seconds on a CPU: real networks, and next to nothing for them to do."""
    objective = None if config.objective is None else config.objective.in_brief()
    return replace(
        config, steps=2, linear_steps=0, batch=1, crop=192, warmup_steps=1, anneal_minutes=0.0,
        precision="32-true", objective=objective, kept_crops=0,
    )  # fmt: skip


def _timed(config: TrainingConfig) -> TrainingConfig:
    """Saved as often as a run that may be cut off must be, and nothing made beforehand: a GPU asks
    a teacher in less time than it takes to keep what it says."""
    minutes = min(config.checkpoint_minutes, CHECKPOINT_MINUTES)
    return replace(config, checkpoint_minutes=minutes, kept_crops=0)


def _steps_of(history: Sequence[Mapping[str, Any]], otherwise: int) -> int:
    """Steps behind a model, so that a run draws other crops than those before it."""
    steps = [entry["steps"] for entry in history if "steps" in entry]
    return int(steps[-1]) if steps else otherwise


class _Keep:
    """Writes each saved state's averaged weights as a model file.

    Attributes:
        model: as it was written last; what was started from, before.
    """

    def __init__(
        self,
        config: TrainingConfig,
        photographs: Sequence[Path],
        start: Model | None,
        out: Path,
    ) -> None:
        self.config, self.photographs, self.start = config, photographs, start
        self.path = out / f"{config.name}.slim"
        self.model = start
        self.warned = False

    def __call__(self, trained: Trained) -> None:
        self.model = frozen_model(self.config, trained, self.photographs, self.start)
        save(self.model, self.path)
        size = self.path.stat().st_size
        if size > MOST_BYTES and not self.warned:
            self.warned = True
            print(
                f"warning: {self.path.name} is {size / 1048576:.1f} MiB; where 16 MiB is the most "
                "that comes back, split it at the end",
                file=sys.stderr,
            )
