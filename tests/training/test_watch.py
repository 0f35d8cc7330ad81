"""A run is stopped by what its losses say, and says at which step."""

from __future__ import annotations

import math

import pytest
import torch

from slimcodec.errors import TrainingError
from slimcodec.training.watch import Watch


def watch_of(*losses: float, first_step: int = 0) -> Watch:
    watch = Watch(lambda: "do this")
    for step, loss in enumerate(losses, first_step):
        watch.add(step, torch.tensor([loss, 0.5, 30.0]))
    return watch


def test_averages_since_the_last_report() -> None:
    watch = watch_of(1.0, 3.0)
    progress = watch.report(2, 10)
    assert (progress.loss, progress.bpp, progress.psnr_db) == (2.0, 0.5, 30.0)
    assert progress.seconds_left == pytest.approx(8 / progress.steps_per_s)
    assert watch.report(2, 10).loss == 2.0  # nothing new: the last average stands
    watch.add(2, torch.tensor([7.0, 0.5, 30.0]))
    assert watch.report(3, 10).loss == 7.0


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite(loss: float) -> None:
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) at step 12; do this"):
        watch_of(1.0, 1.0, loss, first_step=10)


def test_a_loss_that_diverges() -> None:
    steady = [1.0 + 0.3 * (i % 2) for i in range(300)]
    watch_of(*steady)
    watch_of(*steady, 40.0, *steady)  # one bad batch is no divergence
    with pytest.raises(TrainingError, match=r"diverges: .* step \d+, 1\.1.* at its best; do this"):
        watch_of(*steady, *[20.0] * 100)
    watch_of(*[20.0] * 100, *steady)  # learning is none either
