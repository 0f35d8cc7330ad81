"""Runs a job's stages by the clock, and keeps what they come to where it will be fetched."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from jobs import Job
from torch import Tensor

from slimcodec.cli.train import frozen_model
from slimcodec.errors import TrainingError
from slimcodec.model_file import Model, save
from slimcodec.training import Progress, Trained, TrainingConfig, train

__all__ = ["Clock", "Ran", "dry", "run_stages", "tensors_of"]

CHECKPOINT_MINUTES = 2.0
"""What a run that is cut off may lose, at most."""
START_S = 12.0
"""Of a stage, before its first step: photographs are decoded, processes started."""
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


@dataclass(frozen=True)
class Ran:
    """A stage that was run."""

    recipe: TrainingConfig
    steps: int
    seconds: float
    hardware: str


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
) -> tuple[list[Ran], str]:
    """Train, stage after stage; ``out/NAME.slim`` is never older than two minutes.

    Args:
        job: what to run.
        start: what it goes on from.
        photographs: all of them.
        out: where the weights and the curve go.
        scratch: for states, which stay here.
        clock: when to end.
        tried: a few steps of everything instead, on a CPU.

    Returns:
        The stages that were run, and why the last one stopped before its time, or nothing.
    """
    weights = None if start is None else tensors_of(start)
    history = () if start is None else start.history
    done: list[Ran] = []
    with Curve(out / "curve.tsv", clock) as curve:
        for number, stage in enumerate(job.stages):
            config = replace(stage.config, first_step=_steps_of(history, stage.config.first_step))
            share = stage.share / sum(later.share for later in job.stages[number:])
            curve.stage = number + 1
            try:
                config = dry(config) if tried else _timed(config, clock.left() * share - START_S)
                keep = _Keep(config, sum(p.name not in config.holdout for p in photographs), out)
                trained = train(
                    config, photographs, scratch / f"stage-{number + 1}", init=weights,
                    history=history, devices=1, on_progress=curve.add, on_saved=keep,
                )  # fmt: skip
            except TrainingError as error:
                return done, f"stage {number + 1}: {' '.join(str(error).split())}"
            steps = trained.step - config.first_step
            done.append(Ran(config, steps, trained.train_seconds, trained.hardware))
            # Not rounded to half precision, as they are in the file.
            weights, history = dict(trained.network.state_dict()), keep.history
    return done, ""


def tensors_of(model: Model) -> dict[str, Tensor]:
    """A model's weights for torch."""
    return {name: torch.from_numpy(values) for name, values in model.weights.items()}


def dry(config: TrainingConfig) -> TrainingConfig:
    """The same in seconds on a CPU: real networks, and next to nothing for them to do."""
    return replace(
        config, steps=2, linear_steps=0, batch=1, crop=192, window=1, iterations=2,
        warmup_steps=1, anneal_minutes=0.0, precision="32-true",
    )  # fmt: skip


def _timed(config: TrainingConfig, seconds: float) -> TrainingConfig:
    if seconds < 10:
        raise TrainingError("its minutes were spent before it began; give more --minutes")
    often = min(config.checkpoint_minutes, CHECKPOINT_MINUTES)
    return replace(config, anneal_minutes=seconds / 60, checkpoint_minutes=often)


def _steps_of(history: Sequence[Mapping[str, Any]], otherwise: int) -> int:
    """Steps behind a model, so that a run draws other crops than those before it."""
    steps = [entry["steps"] for entry in history if "steps" in entry]
    return int(steps[-1]) if steps else otherwise


class _Keep:
    """Writes each saved state's averaged weights as a model file."""

    def __init__(self, config: TrainingConfig, photographs: int, out: Path) -> None:
        self.config, self.photographs = config, photographs
        self.path = out / f"{config.name}.slim"
        self.history: tuple[Mapping[str, Any], ...] = ()
        self.warned = False

    def __call__(self, trained: Trained) -> None:
        model = frozen_model(self.config, trained, self.photographs)
        save(model, self.path)
        self.history = model.history
        size = self.path.stat().st_size
        if size > MOST_BYTES and not self.warned:
            self.warned = True
            print(
                f"warning: {self.path.name} is {size / 1048576:.1f} MiB; where 16 MiB is the most "
                "that comes back, split it at the end",
                file=sys.stderr,
            )
