"""What training minimises: one objective per kind of codec or aim, behind one contract; by name in
``registry.objectives``, each with settings of its own."""

from slimcodec.training.objectives.compaction import Compaction, CompactionSettings
from slimcodec.training.objectives.contract import Draw, Loss, Objective
from slimcodec.training.objectives.distillation import Distillation, DistillationSettings
from slimcodec.training.objectives.perception import Perception, PerceptionSettings
from slimcodec.training.objectives.progressive import (
    Distortion,
    Progressive,
    ProgressiveSettings,
)
from slimcodec.training.objectives.rate_distortion import RateDistortion, RateDistortionSettings
from slimcodec.training.objectives.restoration import Restoration, RestorationSettings
from slimcodec.training.objectives.settings import ObjectiveSettings, objective_of

__all__ = [
    "Compaction",
    "CompactionSettings",
    "Distillation",
    "DistillationSettings",
    "Distortion",
    "Draw",
    "Loss",
    "Objective",
    "ObjectiveSettings",
    "Perception",
    "PerceptionSettings",
    "Progressive",
    "ProgressiveSettings",
    "RateDistortion",
    "RateDistortionSettings",
    "Restoration",
    "RestorationSettings",
    "objective_of",
]
