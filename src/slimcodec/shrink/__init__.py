"""Shrinking: recipes, and one file per pass."""

from slimcodec.shrink.correct_tone import CorrectTone
from slimcodec.shrink.distil import Distil
from slimcodec.shrink.finetune import Finetune
from slimcodec.shrink.prune import Prune
from slimcodec.shrink.prune_channels import PruneChannels
from slimcodec.shrink.quantize import Quantize
from slimcodec.shrink.recipe import Context, Pass, Recipe, Record

__all__ = [
    "Context",
    "CorrectTone",
    "Distil",
    "Finetune",
    "Pass",
    "Prune",
    "PruneChannels",
    "Quantize",
    "Recipe",
    "Record",
]
