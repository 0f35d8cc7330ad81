"""Shrinking: recipes, and one file per pass."""

from slimcodec.shrink.prune import Prune
from slimcodec.shrink.quantize import Quantize
from slimcodec.shrink.recipe import Context, Pass, Recipe, Record

__all__ = ["Context", "Pass", "Prune", "Quantize", "Recipe", "Record"]
