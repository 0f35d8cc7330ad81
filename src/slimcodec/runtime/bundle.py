"""Bundles: a model as a folder that one runtime runs, with no torch anywhere near.

    bundle.json           what it is, the size and SHA-256 of every other file, and its own SHA-256
    GRAPH-N.onnx          a graph as it is called with N arrays; tensors outside, in
    weights.bin           shared by all graphs
    coding.safetensors    tables, integers and those weights that the codec's own glue computes with

A bundle decodes and writes the streams of the model that it was made from: their ``stream_id`` is
the same. Opening one checks every file; one that is missing, cut or altered is an error that names
it. Tensors in it have the names that they have in a model file (``model_file.layout``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load_file
from safetensors.numpy import save as to_bytes

from slimcodec import registry
from slimcodec.atomic import replace_folder
from slimcodec.errors import BundleError, ModelFileError, SlimcodecError, UsageError
from slimcodec.model_file import FAITHFUL, Contents, Model
from slimcodec.model_file.layout import same
from slimcodec.quantization import ActivationGrid, Quantization
from slimcodec.runtime.manifest import (
    CODING,
    FORMAT,
    MANIFEST,
    WAY_KEYS,
    WEIGHTS,
    FileFacts,
    GraphFile,
    Manifest,
    check_regular,
    digest_of,
    read_manifest,
)
from slimcodec.showing import line, readable_bytes, short_digest

__all__ = [
    "WEIGHTS",
    "Bundle",
    "GraphFile",
    "check_graph",
    "check_place",
    "is_bundle",
    "is_made_of",
    "open_bundle",
    "write_bundle",
]


@dataclass(frozen=True)
class Bundle:
    """A bundle that was opened and checked.

    Attributes:
        folder: where it lies.
        runtime: what it was made for.
        model: name, family, config, stream_id, look and digest of the model it was made from.
        graphs: by the name the codec's glue calls them, the ways to call each.
        contents: what the glue computes with, as tensors.
        grids: of quantized weights and activations, plain values, for telling people.
        inputs: the same of activations, as grids.
        files: name to SHA-256 of every file but the manifest.
        digest: of the manifest, and so of the bundle.
        bytes: of all its files.
        kept: whether it lies in the cache folder, made of the model by this machine.
    """

    folder: Path
    runtime: str
    model: Mapping[str, Any]
    graphs: Mapping[str, Sequence[GraphFile]]
    contents: Contents
    grids: Mapping[str, Any]
    inputs: Mapping[str, ActivationGrid]
    files: Mapping[str, str]
    digest: str
    bytes: int
    kept: bool = False

    def __repr__(self) -> str:
        of = f"of {self.model['name']}"
        digest = short_digest(self.model["digest"])
        where = str(self.folder)
        return line(self, where, f"for {self.runtime}", of, readable_bytes(self.bytes), digest)

    @cached_property
    def coding(self) -> Any:
        """What the codec's glue computes with (``Exportable.coding``), made once."""
        family = registry.families.get(self.model["family"])
        config = family.config(self.model["config"])
        grids = Quantization(self.contents.grids, self.inputs)
        return family.coding(config, self.contents.weights, grids, self.contents.frozen)


def is_bundle(path: str | Path) -> bool:
    """Whether a path is a folder that says it is one."""
    return (Path(path) / MANIFEST).is_file()


def open_bundle(folder: Path, *, kept: bool = False) -> Bundle:
    """Read a bundle. Whether its integers give its stream id is checked when a codec is made of it.

    Args:
        folder: where it lies.
        kept: whether it lies in the cache folder. What a graph reads is then checked when that
            graph is first made ready to run, and here only that it is there and as long.

    Raises:
        BundleError: when it is none, or a file is missing or altered.
    """
    manifest = read_manifest(folder)
    size = check_regular(folder / MANIFEST)
    for name, facts in manifest.files.items():
        size += _check_file(folder / name, facts, digest=not kept or name == CODING)
    _check_graphs(folder, manifest)
    try:
        contents = Contents.read(load_file(folder / CODING), dict(manifest.steps))
    except (SafetensorError, ModelFileError, LookupError, TypeError, ValueError, OSError) as error:
        raise BundleError(f"{folder} is damaged: {type(error).__name__}: {error}") from error
    return Bundle(
        folder,
        manifest.runtime,
        manifest.model,
        manifest.graphs,
        contents,
        manifest.grids,
        manifest.inputs,
        {name: facts.sha256 for name, facts in manifest.files.items()},
        manifest.digest,
        size,
        kept,
    )


def _check_file(path: Path, facts: FileFacts, *, digest: bool) -> int:
    size = check_regular(path)
    if size != facts.bytes or (digest and _sha256(path) != facts.sha256):
        raise BundleError(
            f"{path} was altered after the bundle was written: its digest does not match; export "
            "the model again"
        )
    return size


def _check_graphs(folder: Path, manifest: Manifest) -> None:
    """Every way that the model's glue will call a graph must be there."""
    model = manifest.model
    try:
        family = registry.families.get(model["family"])
        signatures = family.signatures(family.config(model["config"]))
    except (SlimcodecError, LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise BundleError(f"{folder}: its configuration is damaged: {error}") from error
    for name, ways in signatures.items():
        wanted = {(len(way.inputs), len(way.outputs)) for way in ways}
        found = {(len(way.inputs), len(way.outputs)) for way in manifest.graphs.get(name, ())}
        if not wanted <= found:
            raise BundleError(
                f"{folder} lacks the graph {name!r}, or a way to call it; export the model again"
            )


def check_graph(bundle: Bundle, file: str) -> None:
    """What a graph of a kept bundle reads, byte by byte; the others are checked when opened.

    Raises:
        BundleError: when something was altered.
    """
    for name in (file, WEIGHTS) if bundle.kept else ():
        check_regular(bundle.folder / name)
        if _sha256(bundle.folder / name) != bundle.files[name]:
            raise BundleError(f"{bundle.folder / name} was altered; remove {bundle.folder}")


def write_bundle(
    folder: Path,
    source: Path,
    model: Model,
    runtime: str,
    graphs: Mapping[str, Sequence[GraphFile]],
) -> None:
    """Complete a folder of graphs to a bundle, and move it to its place.

    Args:
        folder: where the bundle is to be; a bundle that is there makes way.
        source: a folder beside it with the graphs and their weights.
        model: what they were made from.
        runtime: what they were made for.
        graphs: see ``Bundle``.

    Raises:
        UsageError: when something else is there.
    """
    contents = _coding_contents(model)
    tensors = {name: contents.tensor(name) for name in contents.names()}
    # Not its own way to write files: that makes them readable by their owner alone.
    (source / CODING).write_bytes(to_bytes(tensors))
    manifest = {
        "format": FORMAT,
        "runtime": runtime,
        "model": _facts_of(model),
        "graphs": {
            name: [
                {"file": way.file, **{key: list(getattr(way, key)) for key in WAY_KEYS}}
                for way in ways
            ]
            for name, ways in graphs.items()
        },
        "steps": {name: grid.to_dict() for name, grid in contents.grids.items()},
        "grids": model.quantization.to_dict(),
        "files": {path.name: _facts(path) for path in sorted(source.iterdir())},
    }
    text = json.dumps({**manifest, "digest": digest_of(manifest)}, indent=1)
    (source / MANIFEST).write_text(text, encoding="utf-8")
    check_place(folder)
    replace_folder(source, folder)


def _facts_of(model: Model) -> dict[str, Any]:
    """What a manifest says of the model."""
    return {
        "name": model.name,
        "family": model.family,
        "config": dict(model.config),
        "stream_id": model.stream_id,
        "look": model.look or FAITHFUL,
        "digest": model.digest,
    }


def _coding_contents(model: Model) -> Contents:
    """Of a model, what the codec's glue computes with."""
    own = tuple(registry.families.get(model.family).coding_weights)
    grids = {k: v for k, v in model.quantization.weights.items() if k.startswith(own)}
    weights = {k: v for k, v in model.weights.items() if k.startswith(own)}
    return Contents(weights, grids, model.frozen, model.precision)


def is_made_of(bundle: Bundle, model: Model) -> bool:
    """Whether all that a bundle says of its model is so, tables and integers included. What its
    graphs compute is not asked."""
    ours, theirs = _coding_contents(model), bundle.contents
    return (
        bundle.model == _facts_of(model)
        and bundle.grids == model.quantization.to_dict()
        and set(ours.names()) == set(theirs.names())
        and all(same(ours.tensor(name), theirs.tensor(name)) for name in ours.names())
    )


def check_place(folder: Path) -> None:
    """Raise before any work when a bundle cannot be put there.

    Raises:
        UsageError: when there is something that is no bundle.
        SlimcodecError: when there is no folder to put it in.
    """
    empty = folder.is_dir() and not any(folder.iterdir())
    if folder.exists() and not empty and not is_bundle(folder):
        raise UsageError(f"{folder} is there already and is no bundle; name another folder")
    if not folder.resolve().parent.is_dir():
        raise SlimcodecError(
            f"{folder} cannot be written: there is no folder {folder.resolve().parent}; create it "
            "first"
        )


def _facts(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": _sha256(path)}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
