"""Shrinking: recipes, and one file per pass."""

from slimcodec.shrink.correct_tone import CorrectTone
from slimcodec.shrink.prune import Prune
from slimcodec.shrink.quantize import Quantize
from slimcodec.shrink.recipe import Context, Pass, Recipe, Record

__all__ = ["Context", "CorrectTone", "Pass", "Prune", "Quantize", "Recipe", "Record"]
