"""Shrinking: recipes, and one file per pass."""

from slimcodec.shrink.prune import Prune
from slimcodec.shrink.recipe import Pass, Recipe, Record

__all__ = ["Pass", "Prune", "Recipe", "Record"]
