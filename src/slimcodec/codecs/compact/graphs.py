"""Compactor and reconstructor as graphs, operator by operator, from config and weights; no torch.

They compute what the modules in ``network.py`` compute, up to the rounding of float32 sums. The
filters under their corrections are Pillow's (``coding.py``), and the condition is no graph either
(``codecs.trunk.modulation``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from slimcodec.codecs.compact.config import COMPACTING, CompactConfig
from slimcodec.codecs.family import Signature
from slimcodec.codecs.trunk.graphs import correction
from slimcodec.graphs.building import Builder
from slimcodec.graphs.ir import Model, Value

__all__ = ["written"]


def written(
    config: CompactConfig, weights: Mapping[str, NDArray[Any]], graph: str, way: Signature
) -> Model:
    """See ``codecs.family.Exportable.written``."""
    build = Builder(weights, way.inputs)
    (output,) = way.outputs
    return build.finished({output: _made(build, config, graph)})


def _made(build: Builder, config: CompactConfig, graph: str) -> Value:
    if graph == "compactor":
        return _compactor(build) if config.folded else _com_cnn(build)
    if not config.folded:
        return _rec_cnn(build, config)
    return correction(build, config, graph, build.pixel_unshuffle(build["small"], 2))


def _compactor(build: Builder) -> Value:
    x = build.pixel_unshuffle(build["picture"], 4)
    x = build.relu(build.conv("compactor.conv_in", x, padding=1))
    inner = build.relu(build.conv("compactor.conv1", x, padding=1))
    x = build.add(x, build.conv("compactor.conv2", inner, padding=1))
    return build.pixel_shuffle(build.conv("compactor.conv_out", x, padding=1), 2)


def _com_cnn(build: Builder) -> Value:
    x = build.relu(build.conv("compactor.at_full", build["picture"], padding=1))
    x = build.relu(build.conv("compactor.at_half", x, stride=2, padding=1))
    return build.conv("compactor.conv_out", x, padding=1)


def _rec_cnn(build: Builder, config: CompactConfig) -> Value:
    x = build.relu(build.conv("reconstructor.conv_in", build["picture"], padding=1))
    for number in range(len(config.published_widths) - COMPACTING - 1):
        x = build.relu(build.conv(f"reconstructor.layers.{number}", x, padding=1))
    return build.conv("reconstructor.conv_out", x, padding=1)
