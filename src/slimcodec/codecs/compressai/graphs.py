"""CompressAI's graphs, operator by operator, from the config and the weights; no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from slimcodec.codecs.compressai.config import CompressaiConfig
from slimcodec.codecs.family import Signature
from slimcodec.codecs.latents.graphs import hyper_analysis, hyper_mean
from slimcodec.graphs.building import Builder
from slimcodec.graphs.ir import Model, Value

__all__ = ["written"]


def written(
    config: CompressaiConfig, weights: Mapping[str, NDArray[Any]], name: str, way: Signature
) -> Model:
    """See ``codecs.family.Family.written``."""
    build = Builder(weights, way.inputs)
    (output,) = way.outputs
    return build.finished({output: _GRAPHS[name](build, config)})


def _encoder(build: Builder, config: CompressaiConfig) -> Value:
    x = build["image"]
    for number in range(len(config.encoder_widths)):
        stage = f"encoder.stages.{number}"
        x = build.gdn(f"{stage}.gdn", build.conv(f"{stage}.conv", x, stride=2, padding=2))
    return build.conv("encoder.head", x, stride=2, padding=2)


def _generator(build: Builder, config: CompressaiConfig) -> Value:
    x = build["latents"]
    for number in range(len(config.generator_widths)):
        stage = f"generator.stages.{number}"
        x = build.transposed(f"{stage}.conv", x, stride=2, padding=2, extra=1)
        x = build.gdn(f"{stage}.gdn", x, inverse=True)
    return build.transposed("generator.out", x, stride=2, padding=2, extra=1)


_GRAPHS: dict[str, Callable[[Builder, CompressaiConfig], Value]] = {
    "encoder": _encoder,
    "hyper_analysis": hyper_analysis,
    "hyper_mean": hyper_mean,
    "generator": _generator,
}
