"""Bundles: a model as a folder that one runtime runs, with no torch anywhere near.

    bundle.json           what it is, and the size and SHA-256 of every other file
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
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from slimcodec import registry
from slimcodec.errors import BundleError, ModelFileError, UsageError
from slimcodec.model_file import FAITHFUL, Contents, Model
from slimcodec.quantization import ActivationGrid, Quantization

__all__ = [
    "WEIGHTS",
    "Bundle",
    "GraphFile",
    "check_graph",
    "check_place",
    "is_bundle",
    "open_bundle",
    "write_bundle",
]

FORMAT = 1
MANIFEST, WEIGHTS, CODING = "bundle.json", "weights.bin", "coding.safetensors"
_KEYS = ("format", "runtime", "model", "graphs", "steps", "grids", "files")
_WAY_KEYS = ("inputs", "outputs", "layers")
_MODEL_KEYS = ("name", "family", "config", "stream_id", "look", "digest")


@dataclass(frozen=True)
class GraphFile:
    """One way to call a graph.

    Attributes:
        file: name in the bundle's folder.
        inputs, outputs: names, in order.
        layers: those of the network that it computes, by name.
    """

    file: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    layers: tuple[str, ...]


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
        files: name to SHA-256 of every file but the manifest.
        bytes: of all its files.
        kept: whether it lies in the cache folder, made of the model by this machine.
    """

    folder: Path
    runtime: str
    model: Mapping[str, Any]
    graphs: Mapping[str, Sequence[GraphFile]]
    contents: Contents
    grids: Mapping[str, Any]
    files: Mapping[str, str]
    bytes: int
    kept: bool = False

    @cached_property
    def coding(self) -> Any:
        """What the codec's glue computes with (``codecs.family.Coding``), made once."""
        family = registry.families.get(self.model["family"])
        config = family.config(self.model["config"])
        inputs = {n: ActivationGrid.from_dict(g) for n, g in self.grids["activations"].items()}
        grids = Quantization(self.contents.grids, inputs)
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
    manifest = _manifest(folder)
    size = (folder / MANIFEST).stat().st_size
    for name, facts in manifest["files"].items():
        size += _check_file(folder, name, facts, digest=not kept or name == CODING)
    try:
        graphs = {
            name: tuple(
                GraphFile(way["file"], *(tuple(way[key]) for key in _WAY_KEYS)) for way in ways
            )
            for name, ways in manifest["graphs"].items()
        }
        contents = Contents.read(load_file(folder / CODING), manifest["steps"])
    except (SafetensorError, ModelFileError, LookupError, TypeError, ValueError, OSError) as error:
        raise BundleError(f"{folder} is damaged: {type(error).__name__}: {error}") from error
    return Bundle(
        folder,
        manifest["runtime"],
        manifest["model"],
        graphs,
        contents,
        manifest["grids"],
        {name: facts["sha256"] for name, facts in manifest["files"].items()},
        size,
        kept,
    )


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(f"{folder} is no bundle: it has no {MANIFEST}")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        found = manifest.get("format") if isinstance(manifest, dict) else None
        raise BundleError(f"{path} has format {found}, this slimcodec reads {FORMAT}")
    for key in _KEYS:
        if key not in manifest:
            raise BundleError(f"{path} lacks {key!r}")
    if not isinstance(manifest["model"], dict) or set(_MODEL_KEYS) - set(manifest["model"]):
        raise BundleError(f"{path} does not say all of {', '.join(_MODEL_KEYS)} of its model")
    if not isinstance(manifest["files"], dict) or CODING not in manifest["files"]:
        raise BundleError(f"{path} does not list {CODING}")
    return manifest


def _check_file(folder: Path, name: str, facts: Any, *, digest: bool) -> int:
    path = folder / name
    if Path(name).name != name:
        raise BundleError(f"{folder} lists {name!r}, which is not a file inside it")
    if not path.is_file():
        raise BundleError(f"{folder} lacks {name}; export the model again")
    size = path.stat().st_size
    whole = isinstance(facts, dict) and size == facts.get("bytes")
    if not whole or (digest and _sha256(path) != facts.get("sha256")):
        raise BundleError(
            f"{path} was altered after the bundle was written: its digest does not match; export "
            "the model again"
        )
    return size


def check_graph(bundle: Bundle, file: str) -> None:
    """What a graph of a kept bundle reads, byte by byte; the others are checked when opened.

    Raises:
        BundleError: when something was altered.
    """
    for name in (file, WEIGHTS) if bundle.kept else ():
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
    family = registry.families.get(model.family)
    own = tuple(family.coding_weights)
    grids = {k: v for k, v in model.quantization.weights.items() if k.startswith(own)}
    weights = {k: v for k, v in model.weights.items() if k.startswith(own)}
    contents = Contents(weights, grids, model.frozen)
    tensors = {name: contents.tensor(name) for name in contents.names()}
    save_file(tensors, source / CODING)
    manifest = {
        "format": FORMAT,
        "runtime": runtime,
        "model": {
            "name": model.name,
            "family": model.family,
            "config": dict(model.config),
            "stream_id": model.stream_id,
            "look": model.look or FAITHFUL,
            "digest": model.digest,
        },
        "graphs": {
            name: [
                {"file": way.file, **{key: list(getattr(way, key)) for key in _WAY_KEYS}}
                for way in ways
            ]
            for name, ways in graphs.items()
        },
        "steps": {name: grid.to_dict() for name, grid in grids.items()},
        "grids": model.quantization.to_dict(),
        "files": {path.name: _facts(path) for path in sorted(source.iterdir())},
    }
    text = json.dumps(manifest, indent=1)
    (source / MANIFEST).write_text(text, encoding="utf-8")
    _move(source, folder)


def check_place(folder: Path) -> None:
    """Raise before any work when a bundle cannot be put there.

    Raises:
        UsageError: when there is something that is no bundle, or no folder to put it in.
    """
    empty = folder.is_dir() and not any(folder.iterdir())
    if folder.exists() and not empty and not is_bundle(folder):
        raise UsageError(f"{folder} is there already and is no bundle; name another folder")
    if not folder.resolve().parent.is_dir():
        raise UsageError(f"there is no folder {folder.resolve().parent} to put a bundle in")


def _move(source: Path, folder: Path) -> None:
    check_place(folder)
    if folder.exists():
        old = folder.with_name(f".slimcodec-{os.urandom(6).hex()}")
        folder.rename(old)
        source.rename(folder)
        shutil.rmtree(old)
    else:
        source.rename(folder)


def _facts(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": _sha256(path)}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
