"""What a bundle's runtime really runs while a picture is coded there and back."""

from __future__ import annotations

import numpy as np

from slimcodec import registry
from slimcodec.runtime.base import Operator
from slimcodec.runtime.bundle import Bundle
from slimcodec.types import Codec

__all__ = ["profile"]

_SIDE = 256
"""Of the picture that a profile is taken with, in pixels."""


def profile(bundle: Bundle) -> list[Operator]:
    """Every operator that ran while a picture was coded there and back, from the runtime itself."""
    picture = np.random.default_rng(0).integers(0, 256, (_SIDE, _SIDE, 3), np.uint8)

    def use(codec: Codec) -> None:
        # Twice: what is done once, at the first call, is not what a runtime is like.
        for _ in range(2):
            codec.decode(codec.encode(picture))

    found: list[Operator] = registry.runtimes.get(bundle.runtime)().operators(bundle, use)
    return found
