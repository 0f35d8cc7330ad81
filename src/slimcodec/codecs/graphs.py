"""A family's torch graphs as functions over arrays, which is what the glue around them calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from numpy.typing import NDArray

__all__ = ["on_arrays"]


def on_arrays(
    graphs: Mapping[str, Callable[..., Any]], *, inference: bool = True
) -> dict[str, Callable[..., Any]]:
    """Every graph over arrays, without gradients.

    Args:
        graphs: tensors in, a tensor or a tuple of them out.
        inference: whether torch's inference mode is on, in which a network may take short cuts past
            its layers. Whoever wants to watch the layers wants it off.
    """
    return {name: _on_arrays(graph, inference) for name, graph in graphs.items()}


def _on_arrays(graph: Callable[..., Any], inference: bool) -> Callable[..., Any]:
    def call(*arrays: NDArray[Any]) -> Any:
        with torch.inference_mode() if inference else torch.no_grad():
            out = graph(*map(_tensor, arrays))
            # Not made contiguous: state that comes back would be copied twice for nothing.
            return tuple(t.numpy() for t in out) if isinstance(out, tuple) else out.numpy()

    return call


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    tensor = torch.from_numpy(array)
    return tensor.to(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
