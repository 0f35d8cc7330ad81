"""What training minimises: one objective per kind of codec or aim, behind one contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from slimcodec.errors import TrainingError
from slimcodec.training.config import TrainingConfig
from slimcodec.training.objectives.contract import Draw, Loss, Objective
from slimcodec.training.objectives.distillation import Distillation
from slimcodec.training.objectives.perception import Perception
from slimcodec.training.objectives.progressive import Distortion, Progressive
from slimcodec.training.objectives.rate_distortion import RateDistortion

__all__ = [
    "Distillation",
    "Draw",
    "Loss",
    "Objective",
    "Perception",
    "Progressive",
    "RateDistortion",
    "make_objective",
]


READS = {
    "rate-distortion": frozenset({"ms_ssim_weight"}),
    "distillation": frozenset({"ms_ssim_weight", "teacher_weight"}),
    "perception": frozenset({"distortion_weight", "lpips_weight", "adversarial_weight"}),
    "progressive": frozenset(
        {"absolute_weight", "ms_ssim_weight", "lpips_weight", "rate_weight", "iterations", "window"}
    ),
}
"""What each objective takes from a run's settings; one that it does not take is an error there."""


def make_objective(
    kinds: Sequence[str], shape: Any, config: TrainingConfig, teacher: nn.Module | None = None
) -> Objective:
    """What a run minimises.

    Args:
        kinds: what the family can be trained for, its usual objective first.
        shape: of the network.
        config: names another than the first, where it names one.
        teacher: whom a distillation learns from.

    Raises:
        TrainingError: when the family has none of that name, when a setting is given that the
            objective does not read, or when a distillation has no teacher.
    """
    kind = config.objective or kinds[0]
    if kind not in kinds:
        raise TrainingError(
            f"{config.family} has no objective {kind!r}; it has {' and '.join(kinds)}"
        )
    for key in sorted(frozenset().union(*READS.values()) - READS[kind]):
        if getattr(config, key) != getattr(TrainingConfig(), key):
            raise TrainingError(f"the objective {kind} does not read {key}; take it out of the run")
    if kind == "rate-distortion":
        return RateDistortion(shape.lambdas, config.ms_ssim_weight)
    if kind == "distillation":
        if teacher is None:
            raise TrainingError("a distillation needs a teacher; name one with --teacher")
        return Distillation(shape.lambdas, teacher, config.teacher_weight, config.ms_ssim_weight)
    if kind == "progressive":
        deepest = min(config.iterations or shape.iterations, shape.iterations)
        distortion = Distortion(config.absolute_weight, config.ms_ssim_weight, config.lpips_weight)
        return Progressive(shape.lambdas, deepest, config.window, distortion, config.rate_weight)
    if kind == "perception":
        return Perception(
            len(shape.lambdas),
            shape.latent_channels,
            shape.stride,
            distortion_weight=config.distortion_weight,
            lpips_weight=config.lpips_weight,
            adversarial_weight=config.adversarial_weight,
        )
    raise TrainingError(f"no objective named {kind!r}")
