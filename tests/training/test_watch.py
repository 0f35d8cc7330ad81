"""A run is stopped by what its losses say, and says at which step."""

from __future__ import annotations

import math
import re

import pytest
import torch

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
    watch = watch_of(1.0, 1.0, loss, 1.0, math.nan, first_step=10)
    assert watch.problem == f"the loss is {loss} at step 12; do this"  # the first one


def test_a_loss_that_diverges() -> None:
    steady = [1.0 + 0.3 * (i % 2) for i in range(300)]
    assert watch_of(*steady).problem is None
    assert watch_of(*steady, 40.0, *steady).problem is None  # one bad batch is no divergence
    assert watch_of(*[20.0] * 100, *steady).problem is None  # learning is none either
    problem = watch_of(*steady, *[20.0] * 100).problem
    assert problem and re.search(r"diverges: .* step \d+, 1\.1.* at its best; do this", problem)


def test_losses_that_are_not_worth_keeping_a_state_of() -> None:
    steady = [1.0] * 150
    assert not watch_of(*steady, *[1.5] * 100).worse
    worse = watch_of(*steady, *[3.0] * 100)
    assert worse.worse and worse.problem is None
    assert not watch_of(3.0).worse  # too young to say


def test_a_resumed_watch_judges_by_what_was_seen() -> None:
    before, after = watch_of(*[1.0] * 150), Watch(lambda: "do this")
    after.go_on_from(before.state())
    for step in range(100):
        after.add(step, torch.tensor([20.0, 0.5, 30.0]))
    assert after.problem and "1 at its best" in after.problem
