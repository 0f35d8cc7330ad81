"""Which recipes fit a model: told by shapes alone, so before anything takes time."""

from __future__ import annotations

from contextlib import suppress

from slimcodec import registry
from slimcodec.catalogue import recipes
from slimcodec.errors import UsageError
from slimcodec.model_file import Model
from slimcodec.shrink import Recipe

__all__ = ["check_recipe", "fitting_recipes"]


def check_recipe(recipe: Recipe, model: Model, called: str | None = None) -> None:
    """Whether every pass of a recipe can be applied to a model.

    Args:
        recipe: the passes.
        model: what is to be shrunk.
        called: the recipe's name or path, where that is not what it calls itself.

    Raises:
        UsageError: naming the recipe, what does not fit, and which built-in recipes do; or when
            the model is quantized already, for passes work on floats.
    """
    if recipe.passes and model.quantized:
        raise UsageError(f"{model.name} is quantized already; shrink the float model it came from")
    try:
        _check(recipe, model)
    except UsageError as error:
        fitting = ", ".join(fitting_recipes(model)) or "none"
        raise UsageError(
            f"the recipe {called or recipe.name} does not fit {model.name}: {error}; built-in "
            f"recipes that do: {fitting}"
        ) from error


def fitting_recipes(model: Model) -> list[str]:
    """The built-in recipes that fit a float model."""
    found = []
    for name, path in recipes.files().items():
        with suppress(UsageError):
            _check(Recipe.read(path), model)
            found.append(name)
    return found


def _check(recipe: Recipe, model: Model) -> None:
    family = registry.families.get(model.family)
    recipe.check(family, family.config(model.config))
