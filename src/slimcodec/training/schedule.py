"""How long, how fast and how often: everything about a run that is neither network, objective nor
photographs. Steps count updates of the optimizer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from slimcodec.errors import UsageError

__all__ = ["Schedule"]

_ABOVE_0 = ("steps", "batch", "learning_rate", "checkpoint_minutes")
_PRECISIONS = ("auto", "32-true", "bf16-mixed")


@dataclass(frozen=True)
class Schedule:
    """A stretch of training, which ends with its learning rate annealed.

    Attributes:
        steps: length of the stretch that starts at ``first_step``.
        first_step: where this stretch began; a later stretch goes on from an annealed one.
        linear_steps: so many first steps train only the linear path and the probability model of a
            network that has a switch for it (``linear_only``). For a new network: one that is
            trained already must not be left out.
        batch: crops of a step, in each process.
        anneal_from: share of the stretch behind which the rate comes down, to ``final_rate`` of
            ``learning_rate``.
        anneal_minutes: length of the stretch by the clock, where the speed of a machine is not
            known: the rate has come down, and the run ends, when it was trained for so long. 0 goes
            by ``steps`` alone.
        clip_norm: largest norm of a gradient.
        ema_decay: of the moving average of weights, which is what comes out.
        seed: of everything that chance decides.
        tf32: on a GPU, convolutions that mixed precision leaves in full round their inputs to ten
            bits.
        record_steps: on one GPU, launch a whole step at once (``step.Recorded``).
        checkpoint_minutes: between states that are written.
        validate_minutes: between looks at held-out photographs.

    Raises:
        UsageError: on a value that makes no schedule.
    """

    steps: int = 20_000
    first_step: int = 0
    linear_steps: int = 0
    batch: int = 4
    learning_rate: float = 5e-4
    warmup_steps: int = 100
    anneal_from: float = 0.65
    final_rate: float = 0.02
    anneal_minutes: float = 0.0
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    seed: int = 1
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    tf32: bool = False
    record_steps: bool = True
    checkpoint_minutes: float = 3.0
    validate_minutes: float = 15.0

    def __post_init__(self) -> None:
        for key in _ABOVE_0:
            if getattr(self, key) <= 0:
                raise UsageError(f"{key} must be above 0, got {getattr(self, key)}")
        if self.anneal_minutes < 0:
            raise UsageError(f"anneal_minutes must be 0 or above, got {self.anneal_minutes}")
        if self.precision not in _PRECISIONS:
            raise UsageError(
                f"precision must be auto, 32-true or bf16-mixed, got {self.precision!r}"
            )

    @property
    def last_step(self) -> int:
        """Behind the stretch."""
        return self.first_step + self.steps

    def done(self, step: int, seconds: float) -> float:
        """How much of the stretch lies behind a run; it ends at 1.

        Args:
            step: that comes next.
            seconds: trained so far.
        """
        by_clock = seconds / 60 / self.anneal_minutes if self.anneal_minutes else 0.0
        return max((step - self.first_step) / self.steps, by_clock)

    def learning_rate_factor(self, step: int, seconds: float = 0.0) -> float:
        """Warm-up, a constant stretch, then a cosine down to ``final_rate``."""
        done = self.done(step, seconds)
        warm = min(1.0, (step - self.first_step + 1) / max(1, self.warmup_steps))
        if done <= self.anneal_from:
            return warm
        phase = min(1.0, (done - self.anneal_from) / (1 - self.anneal_from))
        return self.final_rate + (1 - self.final_rate) * 0.5 * (1 + math.cos(math.pi * phase))
