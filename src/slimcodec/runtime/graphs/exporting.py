"""From a torch graph to an ONNX graph, sides dynamic, tensors named as the network names them.

Layers are found again by the names of their weights, so nothing else needs to know how a network
was written.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import onnx_ir as ir
import torch
from torch import Tensor, nn

from slimcodec.codecs.family import Signature

__all__ = ["OPSET", "export_graph", "layers_of"]

OPSET = 21
"""Of the ONNX graphs: 21 has 16-bit quantization, and every supported runtime reads it."""

_LAYERS, _WEIGHT = ("Conv", "ConvTranspose"), ".weight"
_ELEMENTWISE = ("Add", "Sub", "Mul", "Div", "Relu", "LeakyRelu")
_FOLLOWING = 3
_SIDE = 8
"""What h and w are while a graph is traced; nothing of it stays."""
_SMALLEST = 2


class _Graph(nn.Module):
    """A graph as a module of the network that it computes with: tensors keep their names."""

    def __init__(self, network: nn.Module, graph: Callable[..., Any]) -> None:
        super().__init__()
        self.network = network
        # In a tuple: a module would be taken for a part of this one, under a second name.
        self.graph = (graph,)

    def forward(self, *arguments: Tensor) -> Any:
        return self.graph[0](*arguments)


def export_graph(network: nn.Module, graph: Callable[..., Any], signature: Signature) -> ir.Model:
    """One graph of a float network.

    Args:
        network: whose tensors the graph computes with.
        graph: tensors in, a tensor or a tuple of them out.
        signature: how to call it.

    Returns:
        The graph; initializers have the names that they have in the network's state dict.
    """
    inputs = [_example(shape) for shape in signature.inputs.values()]
    dynamic = tuple(_dynamic(shape) for shape in signature.inputs.values())
    with _quiet():
        program = torch.onnx.export(
            _Graph(network, graph).eval(),
            tuple(inputs),
            dynamo=True,
            dynamic_shapes=(dynamic,),
            opset_version=OPSET,
            input_names=list(signature.inputs),
            output_names=list(signature.outputs),
            verify=False,
        )
    assert program is not None
    model: ir.Model = program.model
    for name, value in list(model.graph.initializers.items()):
        plain = name.removeprefix("network.")
        if plain != name:
            del model.graph.initializers[name]
            value.name = plain
            model.graph.initializers[plain] = value
    for layer, node in layers_of(model).items():
        # So that a runtime's profile says which layer an operator works for, whichever of the two
        # names it goes by (``runtime.bundled``).
        node.name = f"{layer}{_WEIGHT}.layer"
        if not node.outputs[0].is_graph_output():
            node.outputs[0].name = f"{node.name}.out"
    for layer, node in layers_of(model).items():
        _name_what_follows(node, layer)
    return model


def layers_of(model: ir.Model) -> dict[str, ir.Node]:
    """The nodes that are layers of the network, by the layer's name."""
    found = {}
    for node in model.graph:
        weight = node.inputs[1] if node.op_type in _LAYERS else None
        if weight is not None and weight.name is not None and weight.name.endswith(_WEIGHT):
            found[weight.name.removesuffix(_WEIGHT)] = node
    return found


def _name_what_follows(node: ir.Node, layer: str) -> None:
    """A runtime that moves a layer's steps behind what follows it loses the layer's own name."""
    for number in range(_FOLLOWING):
        uses = list(node.outputs[0].uses())
        if len(uses) != 1:
            return
        node = uses[0].node
        if node.op_type not in _ELEMENTWISE or ".after." in (node.name or ""):
            return
        node.name = f"{layer}.after.{number}"


def _example(shape: tuple[int | str, ...]) -> Tensor:
    if not shape:
        return torch.tensor(0, dtype=torch.int64)
    return torch.zeros(
        [side if isinstance(side, int) else _SIDE * _parse(side)[0] for side in shape]
    )


def _dynamic(shape: tuple[int | str, ...]) -> Mapping[int, Any]:
    sides = {}
    for axis, side in enumerate(shape):
        if isinstance(side, str):
            factor, name = _parse(side)
            dim = torch.export.Dim(name, min=_SMALLEST)
            sides[axis] = dim if factor == 1 else factor * dim
    return sides


def _parse(side: str) -> tuple[int, str]:
    """``"16h"`` to (16, "h")."""
    match = re.fullmatch(r"(\d*)([a-z]+)", side)
    if match is None:
        raise ValueError(f"a side is a number, a name or both, got {side!r}")
    return int(match[1] or 1), match[2]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter prints its progress and warns of what it does itself."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
