"""Which models can be explored: those whose changes have a price in bits."""

from __future__ import annotations

from slimcodec import registry
from slimcodec.codecs.family import Coded
from slimcodec.errors import UsageError
from slimcodec.model_file import Model

__all__ = ["coded_family"]


def coded_family(model: Model) -> Coded:
    """A model's family, which knows what a changed network costs in bits.

    Raises:
        UsageError: when another codec codes for it, whose bits nobody prices here.
    """
    family = registry.families.get(model.family)
    if not isinstance(family, Coded):
        raise UsageError(
            f"another codec codes for {model.name}, so no change of it has a price in bits; "
            "compare shrunk models with `slimcodec study`"
        )
    return family
