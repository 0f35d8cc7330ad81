"""The graphs, operator by operator, from the config and the weights; no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from slimcodec.codecs.extreme.config import ExtremeConfig
from slimcodec.codecs.family import Signature
from slimcodec.codecs.hific.graphs import around, encoder, generator
from slimcodec.graphs.building import Builder
from slimcodec.graphs.ir import Model, Value

__all__ = ["written"]


def written(
    config: ExtremeConfig, weights: Mapping[str, NDArray[Any]], name: str, way: Signature
) -> Model:
    """See ``codecs.family.Family.written``."""
    build = Builder(weights, way.inputs)
    (output,) = way.outputs
    made = {"encoder": _encoder, "generator": _generator}[name](build, config)
    return build.finished({output: made})


def _encoder(build: Builder, config: ExtremeConfig) -> Value:
    return build.conv("encoder.to_code", around(build, encoder(build, config), 1))


def _generator(build: Builder, config: ExtremeConfig) -> Value:
    return generator(build, config, build["code"])
