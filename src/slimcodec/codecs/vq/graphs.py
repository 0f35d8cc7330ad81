"""The decoder as a graph, operator by operator, from the weights; no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from slimcodec.codecs.family import Signature
from slimcodec.codecs.vq.config import BLOCK
from slimcodec.graphs.building import Builder
from slimcodec.graphs.ir import Model, Value

__all__ = ["written"]


def written(weights: Mapping[str, NDArray[Any]], way: Signature) -> Model:
    """See ``codecs.family.Exportable.written``; there is one graph."""
    build = Builder(weights, way.inputs)

    def plane(name: str) -> Value:
        surface = build.transposed(
            f"decoder.{name}_surface", build[f"{name}_means"], stride=BLOCK, padding=BLOCK
        )
        codes = build.transposed(f"decoder.{name}", build[f"{name}_codes"], stride=BLOCK)
        return build.add(surface, codes)

    luma = plane("luma")
    chroma = build.transposed("decoder.interpolation", plane("chroma"), stride=2, padding=1)
    (output,) = way.outputs
    return build.finished({output: build.conv("decoder.colour", build.concat([luma, chroma]))})
