"""How long, how fast and how often: everything about a run that is neither network, objective nor
photographs. Steps count updates of the optimizer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from slimcodec.settings import check_settings, within

__all__ = ["LARGEST_RATE", "LARGEST_SEED", "MOST_CROPS", "Schedule"]

_STEPS, _MINUTES = 10**9, 1e9
"""More than any run has."""
MOST_CROPS = 4096
"""Of a step; more than any memory holds."""
LARGEST_SEED = 2**31 - 1
"""A step's own seed is a product of it and the step's number, which must fit 63 bits."""
LARGEST_RATE = 10.0
"""Of learning: Adam goes about so far in one step, and weights are smaller than that."""


@dataclass(frozen=True)
class Schedule:
    """A stretch of training, which ends with its learning rate annealed.

    Attributes:
        steps: length of the stretch that starts at ``first_step``; 0 for what is fitted without
            any (``codecs.family.Fitted``).
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

    steps: int = within(20_000, 0, _STEPS)
    first_step: int = within(0, 0, _STEPS)
    linear_steps: int = within(0, 0, _STEPS)
    batch: int = within(4, 0, MOST_CROPS, above=True)
    learning_rate: float = within(5e-4, 0, LARGEST_RATE, above=True)
    warmup_steps: int = within(100, 0, _STEPS)
    anneal_from: float = within(0.65, 0, 1)
    final_rate: float = within(0.02, 0, 1)
    anneal_minutes: float = within(0.0, 0, _MINUTES)
    clip_norm: float = within(1.0, 0, 1e9, above=True)
    ema_decay: float = within(0.999, 0, 1)
    seed: int = within(1, 0, LARGEST_SEED)
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    tf32: bool = False
    record_steps: bool = True
    checkpoint_minutes: float = within(3.0, 0, _MINUTES, above=True)
    validate_minutes: float = within(15.0, 0, _MINUTES)

    def __post_init__(self) -> None:
        check_settings(self)

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
        if not self.steps:
            return 1.0
        by_clock = seconds / 60 / self.anneal_minutes if self.anneal_minutes else 0.0
        return max((step - self.first_step) / self.steps, by_clock)

    def learning_rate_factor(self, step: int, seconds: float = 0.0) -> float:
        """Warm-up, a constant stretch, then a cosine down to ``final_rate``."""
        done = self.done(step, seconds)
        warm = min(1.0, (step - self.first_step + 1) / max(1, self.warmup_steps))
        if done <= self.anneal_from or self.anneal_from == 1:
            return warm
        phase = min(1.0, (done - self.anneal_from) / (1 - self.anneal_from))
        return self.final_rate + (1 - self.final_rate) * 0.5 * (1 + math.cos(math.pi * phase))
