"""A model as a bundle for a runtime: graphs traced, grids written in, rewritten for the runtime,
their weights in one file."""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

import onnx_ir as ir

from slimcodec import registry
from slimcodec.errors import SlimcodecError
from slimcodec.model_file import Model, thaw_network
from slimcodec.quantization.simulation import clear_slots
from slimcodec.runtime.bundle import WEIGHTS, GraphFile, check_place, write_bundle
from slimcodec.runtime.graphs import blocks, rewrites, wide
from slimcodec.runtime.graphs.exporting import export_graph, layers_of
from slimcodec.runtime.graphs.grids import write_grids

__all__ = ["REWRITES", "export"]

REWRITES: dict[str, tuple[Callable[[ir.Model], ir.Model], ...]] = {
    "openvino": (
        rewrites.variance_in_one_pass,
        rewrites.gates_apart,
        rewrites.few_outputs_as_blocks,
        partial(rewrites.transposed_as_convolution, most=4),
        wide.lifts_as_biases,
        partial(blocks.blocks_laid_out_late, sums=False),
        blocks.few_outputs_over_blocks,
        blocks.blocks_laid_out_late,
        wide.wide_as_integers,
        blocks.patches_as_channels,
    ),
    "onnx": (
        rewrites.variance_in_one_pass,
        rewrites.few_outputs_as_blocks,
        rewrites.transposed_as_convolution,
        rewrites.convolutions_as_products,
    ),
}
"""What each runtime gains from, in order; the figures are in ``rewrites``."""

_SMALL = 256
"""Bytes up to which a tensor stays inside its graph: shapes, axes and steps, which a runtime looks
at while it loads."""
_ALIGNMENT = 64


def export(
    model: Model,
    runtime: str,
    folder: Path,
    on_progress: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> None:
    """Write a model as a bundle; what is half done is never seen.

    Args:
        model: float or quantized.
        runtime: ``"onnx"`` or ``"openvino"``.
        folder: where the bundle is to be; one that is there is replaced.
        on_progress: called with (graphs done, graphs, name of the next).

    Raises:
        UsageError: when something else is in that place.
    """
    check_place(folder)
    family = registry.families.get(model.family)
    network = thaw_network(model)
    # The grids are written into the graphs as nodes of their own.
    clear_slots(network)
    ways = [
        (name, signature)
        for name, signatures in family.signatures(family.config(model.config)).items()
        for signature in signatures
    ]
    source = folder.resolve().parent / f".slimcodec-{secrets.token_hex(6)}"
    try:
        source.mkdir()
        graphs: dict[str, list[GraphFile]] = {}
        callables = family.graphs(network)
        with (source / WEIGHTS).open("wb") as file:
            pool = _Pool(file)
            for done, (name, signature) in enumerate(ways):
                on_progress(done, len(ways), name)
                graph = export_graph(network, callables[name], signature)
                layers = tuple(layers_of(graph))
                write_grids(
                    graph,
                    model.quantization,
                    dequantize_behind_padding=runtime == "onnx",
                    wide_weights=runtime == "openvino",
                )
                for rewrite in REWRITES.get(runtime, ()):
                    graph = rewrite(graph)
                pool.move(graph)
                file_name = f"{name}-{len(signature.inputs)}.onnx"
                ir.save(graph, source / file_name)
                graphs.setdefault(name, []).append(
                    GraphFile(file_name, tuple(signature.inputs), signature.outputs, layers)
                )
        write_bundle(folder, source, model, runtime, graphs)
        on_progress(len(ways), len(ways), "done")
    except OSError as error:
        raise SlimcodecError(f"{folder} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(source, ignore_errors=True)


@dataclass
class _Pool:
    """Tensors of all graphs in one file, equal ones once."""

    file: BinaryIO
    places: dict[str, tuple[int, int]] = field(default_factory=dict)

    def move(self, model: ir.Model) -> None:
        """Let a graph find its large tensors in the file."""
        for name, value in model.graph.initializers.items():
            tensor = value.const_value
            if tensor is None or tensor.nbytes <= _SMALL:
                continue
            data = tensor.tobytes()
            key = hashlib.sha256(data).hexdigest()
            if key not in self.places:
                self.file.write(b"\0" * (-self.file.tell() % _ALIGNMENT))
                self.places[key] = self.file.tell(), len(data)
                self.file.write(data)
            offset, length = self.places[key]
            value.const_value = ir.ExternalTensor(
                WEIGHTS,
                offset,
                length,
                tensor.dtype,
                shape=ir.Shape(tensor.numpy().shape),
                name=name,
            )
