"""The restorer as a graph, operator by operator, from the config and the weights; no torch.

It computes what the module in ``network.py`` computes, up to the rounding of float32 sums. The
condition is no graph (``codecs.trunk.modulation``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from slimcodec.codecs.family import Signature
from slimcodec.codecs.restore.config import RestoreConfig
from slimcodec.codecs.trunk.graphs import correction
from slimcodec.graphs.building import Builder
from slimcodec.graphs.ir import Model, Value

__all__ = ["written"]


def written(config: RestoreConfig, weights: Mapping[str, NDArray[Any]], way: Signature) -> Model:
    """See ``codecs.family.Exportable.written``; there is one graph."""
    build = Builder(weights, way.inputs)
    (output,) = way.outputs
    made = _cas(build) if config.structure == "cas" else _folded(build, config)
    return build.finished({output: build.add(build["planes"], made)})


def _folded(build: Builder, config: RestoreConfig) -> Value:
    x = build.concat([build.pixel_unshuffle(build["planes"], 4), build["phases"]])
    return correction(build, config, "restorer", x)


def _cas(build: Builder) -> Value:
    def conv(x: Value, name: str, stride: int = 1) -> Value:
        return build.relu(build.conv(f"restorer.{name}", x, stride=stride, padding=1))

    def up(x: Value, name: str) -> Value:
        return build.relu(build.transposed(f"restorer.{name}", x, stride=2, padding=1))

    whole = conv(conv(build["planes"], "at_full.0"), "at_full.1")
    half = conv(conv(whole, "at_half.0", 2), "at_half.1")
    x = conv(conv(conv(half, "at_quarter.0", 2), "at_quarter.1"), "at_quarter.2")
    x = conv(build.concat([up(x, "up_half"), half]), "half_again")
    x = conv(build.concat([up(x, "up"), whole]), "last")
    return build.conv("restorer.conv_out", x, padding=1)
