"""What training minimises: one objective per kind of codec or aim, behind one contract."""

from __future__ import annotations

from typing import Any

from slimcodec.errors import TrainingError
from slimcodec.training.config import TrainingConfig
from slimcodec.training.objectives.contract import Draw, Loss, Objective
from slimcodec.training.objectives.perception import Perception
from slimcodec.training.objectives.progressive import Progressive
from slimcodec.training.objectives.rate_distortion import RateDistortion

__all__ = [
    "Draw",
    "Loss",
    "Objective",
    "Perception",
    "Progressive",
    "RateDistortion",
    "make_objective",
]


def make_objective(kind: str, shape: Any, config: TrainingConfig) -> Objective:
    """An objective by name, for a network's shape and a run.

    Raises:
        TrainingError: when there is none of that name.
    """
    if kind == "rate-distortion":
        return RateDistortion(shape.lambdas, config.ms_ssim_weight)
    if kind == "progressive":
        deepest = min(config.iterations or shape.iterations, shape.iterations)
        return Progressive(deepest, config.window, config.ms_ssim_weight, config.rate_weight)
    if kind == "perception":
        return Perception(
            len(shape.lambdas),
            shape.latent_channels,
            shape.stride,
            distortion_weight=config.distortion_weight,
            lpips_weight=config.lpips_weight,
            adversarial_weight=config.adversarial_weight,
        )
    known = "perception, progressive, rate-distortion"
    raise TrainingError(f"no objective named {kind!r}; known: {known}")
