"""The reference runtime: torch, eager, channels-last, inference mode.

A quantized model runs as its simulation: what layers see is rounded, sums are floats.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from slimcodec import registry
from slimcodec.errors import MissingExtraError, UsageError
from slimcodec.machine import tune_allocator
from slimcodec.model_file import Model, thaw_network
from slimcodec.runtime.base import Graph, Operator, Source, failure, glue
from slimcodec.runtime.bundle import Bundle
from slimcodec.types import Codec

__all__ = ["TorchRuntime"]

try:
    import torch

    from slimcodec.codecs.graphs import on_arrays
except ImportError as error:
    raise MissingExtraError("the torch runtime", "torch") from error


class TorchRuntime:
    """See ``runtime.Runtime``. Threads are torch's own setting (``torch.set_num_threads``)."""

    name = "torch"

    def __init__(self) -> None:
        tune_allocator()

    def kept(self, digest: str) -> Bundle | None:
        return None

    def graphs(self, source: Source) -> Mapping[str, Graph]:
        graphs = on_arrays(_graphs(_model(source)))
        return {name: _told(name, graph) for name, graph in graphs.items()}

    def describe(self) -> dict[str, str]:
        return {"torch": str(torch.__version__)}

    def operators(self, source: Source, use: Callable[[Codec], object]) -> list[Operator]:
        model = _model(source)
        found: list[Operator] = []
        graphs = {
            name: _profiled(name, graph, found) for name, graph in on_arrays(_graphs(model)).items()
        }
        use(glue(model, graphs))
        return found


def _model(source: Source) -> Model:
    if isinstance(source, Bundle):
        raise UsageError(f"{source.folder} is a bundle for {source.runtime}; torch runs models")
    return source


def _graphs(model: Model) -> Mapping[str, Callable[..., Any]]:
    network = thaw_network(model).to(memory_format=torch.channels_last)
    graphs: Mapping[str, Callable[..., Any]] = registry.families.get(model.family).graphs(network)
    return graphs


def _told(name: str, graph: Graph) -> Graph:
    """The same, with torch's errors as everyone's."""

    def call(*arrays: NDArray[Any]) -> Any:
        try:
            return graph(*arrays)
        except (RuntimeError, MemoryError) as error:
            raise failure("torch", name, error) from error

    return call


def _profiled(name: str, graph: Graph, found: list[Operator]) -> Graph:
    """Nothing here multiplies integers: a quantized layer is simulated in floats."""

    def call(*arrays: NDArray[Any]) -> Any:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            out = graph(*arrays)
        found.extend(
            Operator(name, event.name, event.name, False, event.self_cpu_time_total / 1000)
            for event in profile.events()
            if event.self_cpu_time_total
        )
        return out

    return call
