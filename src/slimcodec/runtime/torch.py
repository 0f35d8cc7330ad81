"""The reference runtime: torch, eager, channels-last, inference mode."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from slimcodec import registry
from slimcodec.codecs.family import Floats
from slimcodec.errors import MissingExtraError
from slimcodec.machine import tune_allocator
from slimcodec.model_file import Model, thaw_network

__all__ = ["TorchRuntime"]

try:
    import torch
except ImportError as error:
    raise MissingExtraError("the torch runtime", "torch") from error


class TorchRuntime:
    """See ``runtime.Runtime``. Threads are torch's own setting (``torch.set_num_threads``)."""

    name = "torch"

    def __init__(self) -> None:
        tune_allocator()

    def parts(self, model: Model) -> Mapping[str, Callable[[Floats], Floats]]:
        network = thaw_network(model).to(memory_format=torch.channels_last)
        graphs = registry.families.get(model.family).graphs(network)
        return {name: _on_arrays(graph) for name, graph in graphs.items()}

    def describe(self) -> dict[str, Any]:
        return {"torch": torch.__version__, "threads": torch.get_num_threads()}


def _on_arrays(graph: Callable[[Any], Any]) -> Callable[[Floats], Floats]:
    @torch.inference_mode()
    def call(x: Floats) -> Floats:
        tensor = torch.from_numpy(x).to(memory_format=torch.channels_last)
        out: Floats = graph(tensor).contiguous().numpy()
        return out

    return call
