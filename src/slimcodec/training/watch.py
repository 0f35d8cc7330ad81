"""What a run says about itself, and when it must stop.

Losses come from a device that may be many steps ahead of this process; waiting for each would cost
more than the step. So they are looked at together, before anything is reported or saved: a state on
disk was written by a run whose every loss until then was seen and was good.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Progress", "Watch", "open_scalars", "tell"]

_AT_MOST = 50
"""Steps of a GPU that are not looked at yet."""
_HORIZON = 100
"""Steps over which a loss is smoothed before it is said to diverge."""
_WORSE = 2.0
_DIVERGED = 5.0
"""Times the lowest smoothed loss. Crops and qualities alone move a smoothed loss by a fifth."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands; averages are over the steps since the last report."""

    step: int
    last_step: int
    loss: float
    bpp: float
    psnr_db: float
    steps_per_s: float
    seconds_left: float = math.inf
    validation: Sequence[tuple[float, float]] = ()
    """(estimated bpp, dB) per quality on held-out photographs, where this report has them."""
    before: str = ""
    """What is done before any step along a gradient, if that is what is reported; of such steps
    there are no averages."""

    @classmethod
    def beforehand(cls, what: str, done: int, total: int) -> Progress:
        """So many of all such steps."""
        return cls(done, total, 0.0, 0.0, 0.0, 0.0, before=what)


class Watch:
    """Collects each step's loss, rate and distortion.

    Args:
        advice: what to do about a bad loss, asked for when there is one.

    Attributes:
        problem: why the run must stop; None while it need not. Whoever runs the loop raises it.
    """

    def __init__(self, advice: Callable[[], str]) -> None:
        self.advice = advice
        self._unseen: list[tuple[int, Tensor]] = []
        self._smooth, self._lowest, self._seen = 0.0, math.inf, 0
        self._last = (0.0, 0.0, 0.0, 0.0)
        self.problem: str | None = None
        self.start()

    @property
    def worse(self) -> bool:
        """Whether losses are so far above their best that a state is not worth keeping."""
        return self._smooth > _WORSE * self._lowest

    def stop(self, why: str) -> None:
        """Say that the run must stop; the first reason counts."""
        self.problem = self.problem or f"{why}; {self.advice()}"

    def state(self) -> dict[str, float]:
        """What a resumed run must know to judge its losses by."""
        return {"smooth": self._smooth, "lowest": self._lowest, "seen": self._seen}

    def go_on_from(self, state: Mapping[str, float]) -> None:
        """The inverse of ``state``."""
        self._smooth, self._lowest = float(state["smooth"]), float(state["lowest"])
        self._seen = int(state["seen"])

    def start(self) -> None:
        """Begin a new average."""
        self._sum, self._count, self._started = np.zeros(3), 0, time.perf_counter()

    def add(self, step: int, found: Float[Tensor, " 3"]) -> None:
        """A step's loss, bits per pixel and dB."""
        self._unseen.append((step, found))
        if found.device.type == "cpu" or len(self._unseen) >= _AT_MOST:
            self.look()

    def look(self) -> None:
        """Wait for all steps that were added, and check them: a loss that is not finite or that
        diverges is a ``problem`` that names the step."""
        if not self._unseen:
            return
        values = torch.stack([found for _, found in self._unseen]).double().tolist()
        steps = [step for step, _ in self._unseen]
        self._unseen.clear()
        for step, (loss, bpp, psnr_db) in zip(steps, values, strict=True):
            if not math.isfinite(loss):
                self.stop(f"the loss is {loss} at step {step}")
                return
            self._seen += 1
            share = 1 / min(self._seen, _HORIZON)
            self._smooth += share * (loss - self._smooth)
            if self._seen >= _HORIZON:
                self._lowest = min(self._lowest, self._smooth)
                if self._smooth > _DIVERGED * self._lowest > 0:
                    self.stop(
                        f"the loss diverges: {self._smooth:.3g} over the {_HORIZON} steps before "
                        f"step {step}, {self._lowest:.3g} at its best"
                    )
                    return
            self._sum += (loss, bpp, psnr_db)
            self._count += 1

    def report(
        self, step: int, last_step: int, validation: Sequence[tuple[float, float]] = ()
    ) -> Progress:
        """Averages since the last report; the last ones again where nothing came after them."""
        self.look()
        if self._count:
            loss, bpp, psnr_db = (float(v) for v in self._sum / self._count)
            rate = self._count / max(1e-9, time.perf_counter() - self._started)
            self._last = (loss, bpp, psnr_db, rate)
        loss, bpp, psnr_db, rate = self._last
        self.start()
        left = (last_step - step) / rate if rate else 0.0 if step >= last_step else math.inf
        return Progress(step, last_step, loss, bpp, psnr_db, rate, left, validation)


def open_scalars(folder: Path) -> Any:
    """Where TensorBoard will look; None where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder))


def tell(writer: Any, on_progress: Callable[[Progress], None], progress: Progress) -> None:
    """Report to whoever watches, and to TensorBoard."""
    on_progress(progress)
    if writer is None:
        return
    for name in ("loss", "bpp", "psnr_db", "steps_per_s"):
        writer.add_scalar(f"train/{name}", getattr(progress, name), progress.step)
    for number, (bpp, psnr_db) in enumerate(progress.validation, 1):
        writer.add_scalar(f"validation/{number}_bpp", bpp, progress.step)
        writer.add_scalar(f"validation/{number}_psnr_db", psnr_db, progress.step)
    writer.flush()
