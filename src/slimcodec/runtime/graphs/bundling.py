"""A model as a bundle for a runtime: graphs as the family writes them, with the model's grids,
rewritten for the runtime; their weights in one file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from slimcodec import registry
from slimcodec.atomic import folder_aside
from slimcodec.errors import SlimcodecError
from slimcodec.graphs import ir
from slimcodec.graphs.building import layers_of
from slimcodec.graphs.writing import save
from slimcodec.model_file import Model
from slimcodec.runtime.bundle import WEIGHTS, GraphFile, check_place, write_bundle
from slimcodec.runtime.bundled import BundleRuntime
from slimcodec.runtime.graphs.grids import write_grids

__all__ = ["export"]

_SMALL = 256
"""Bytes up to which a tensor stays inside its graph: shapes, axes and steps, which a runtime looks
at while it loads."""
_ALIGNMENT = 64


def export(
    model: Model,
    runtime: type[BundleRuntime],
    folder: Path,
    on_progress: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> None:
    """Write a model as a bundle; what is half done is never seen.

    Args:
        model: float or quantized.
        runtime: what shall run it.
        folder: where the bundle is to be; one that is there is replaced.
        on_progress: called with (graphs done, graphs, name of the next).

    Raises:
        UsageError: when something else is in that place.
    """
    check_place(folder)
    family = registry.families.get(model.family)
    config = family.config(model.config)
    ways = [(name, way) for name, every in family.signatures(config).items() for way in every]
    try:
        with folder_aside(folder.resolve().parent) as source:
            graphs: dict[str, list[GraphFile]] = {}
            with (source / WEIGHTS).open("wb") as file:
                pool = _Pool(file)
                for done, (name, way) in enumerate(ways):
                    on_progress(done, len(ways), name)
                    graph = family.written(config, model.weights, name, way)
                    layers = tuple(layers_of(graph))
                    write_grids(
                        graph,
                        model.quantization,
                        dequantize_behind_padding=runtime.dequantizes_behind_padding,
                        wide_weights=runtime.multiplies_wide_weights,
                    )
                    for rewrite in runtime.rewrites():
                        graph = rewrite(graph)
                    pool.move(graph)
                    file_name = f"{name}-{len(way.inputs)}.onnx"
                    save(graph, source / file_name)
                    graphs.setdefault(name, []).append(
                        GraphFile(file_name, tuple(way.inputs), way.outputs, layers)
                    )
            write_bundle(folder, source, model, runtime.name, graphs)
            on_progress(len(ways), len(ways), "done")
    except OSError as error:
        raise SlimcodecError(f"{folder} cannot be written: {error.strerror or error}") from error


@dataclass
class _Pool:
    """Tensors of all graphs in one file, equal ones once."""

    file: BinaryIO
    places: dict[str, tuple[int, int]] = field(default_factory=dict)

    def move(self, model: ir.Model) -> None:
        """Let a graph find its large tensors in the file."""
        for name, value in model.graph.initializers.items():
            tensor = value.const_value
            if not isinstance(tensor, ir.Tensor) or tensor.nbytes <= _SMALL:
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
                shape=tensor.shape,
                name=name,
            )
