"""The reference runtime: torch, eager, channels-last, inference mode."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from slimcodec import registry
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

    def parts(self, model: Model) -> Mapping[str, Callable[..., Any]]:
        network = thaw_network(model).to(memory_format=torch.channels_last)
        graphs = registry.families.get(model.family).graphs(network)
        return {name: _on_arrays(graph) for name, graph in graphs.items()}

    def describe(self) -> dict[str, Any]:
        return {"torch": torch.__version__, "threads": torch.get_num_threads()}


def _on_arrays(graph: Callable[..., Any]) -> Callable[..., Any]:
    @torch.inference_mode()
    def call(*arrays: NDArray[Any]) -> Any:
        out = graph(*map(_tensor, arrays))
        # Not made contiguous: state that comes back next time would be copied twice for nothing.
        return tuple(t.numpy() for t in out) if isinstance(out, tuple) else out.numpy()

    return call


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    tensor = torch.from_numpy(array)
    return tensor.to(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
