"""Bundles: a model as a folder that one runtime runs, with no torch anywhere near.

    bundle.json           what it is, and the size and SHA-256 of every other file
    GRAPH-N.onnx          a graph as it is called with N arrays; tensors outside, in
    weights.bin           shared by all graphs
    coding.safetensors    tables, integers and those weights that the codec's own glue computes with

A bundle decodes and writes the streams of the model that it was made from: their ``stream_id`` is
the same. Opening one checks every file; one that is missing, cut or altered is an error that names
it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from slimcodec import registry
from slimcodec.errors import BundleError, UsageError
from slimcodec.model_file import FAITHFUL, Model
from slimcodec.quantization import ActivationGrid, Quantization, WeightGrid

__all__ = ["WEIGHTS", "Bundle", "GraphFile", "is_bundle", "open_bundle", "write_bundle"]

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
        coding: what the glue computes with (``codecs.family.Coding``).
        grids: of quantized weights and activations, plain values, for telling people.
        bytes: of all its files.
    """

    folder: Path
    runtime: str
    model: Mapping[str, Any]
    graphs: Mapping[str, Sequence[GraphFile]]
    coding: Any
    grids: Mapping[str, Any]
    bytes: int


def is_bundle(path: str | Path) -> bool:
    """Whether a path is a folder that says it is one."""
    return (Path(path) / MANIFEST).is_file()


def open_bundle(folder: Path) -> Bundle:
    """Read a bundle, every check made.

    Raises:
        BundleError: when it is none, or a file is missing or altered.
    """
    manifest = _manifest(folder)
    size = (folder / MANIFEST).stat().st_size
    for name, facts in manifest["files"].items():
        size += _check_file(folder, name, facts)
    try:
        tensors = load_file(folder / CODING)
        graphs = {
            name: tuple(
                GraphFile(way["file"], *(tuple(way[key]) for key in _WAY_KEYS)) for way in ways
            )
            for name, ways in manifest["graphs"].items()
        }
        weights, quantization = _weights_of(tensors, manifest["steps"], manifest["grids"])
        frozen = _named(tensors, "frozen/")
        model = manifest["model"]
        family = registry.families.get(model["family"])
        coding = family.coding(family.config(model["config"]), weights, quantization, frozen)
        stream_id = coding.stream_id.hex()
    except (SafetensorError, LookupError, TypeError, ValueError, OSError) as error:
        raise BundleError(f"{folder} is damaged: {type(error).__name__}: {error}") from error
    if stream_id != model["stream_id"]:
        raise BundleError(
            f"{folder}: its integers do not give the stream id {model['stream_id']} that it was "
            "made with; it comes from another version of slimcodec"
        )
    return Bundle(folder, manifest["runtime"], model, graphs, coding, manifest["grids"], size)


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


def _check_file(folder: Path, name: str, facts: Any) -> int:
    path = folder / name
    if Path(name).name != name:
        raise BundleError(f"{folder} lists {name!r}, which is not a file inside it")
    if not path.is_file():
        raise BundleError(f"{folder} lacks {name}; export the model again")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not isinstance(facts, dict) or found != facts.get("sha256"):
        raise BundleError(
            f"{path} was altered after the bundle was written: its digest does not match; export "
            "the model again"
        )
    return path.stat().st_size


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
    coding = [name for name in model.weights if name.startswith(tuple(family.coding_weights))]
    tensors: dict[str, NDArray[Any]] = {
        f"frozen/{name}": np.ascontiguousarray(array) for name, array in model.frozen.items()
    }
    steps = {}
    for name in coding:
        grid = model.quantization.weights.get(name)
        if grid is None:
            tensors[f"weight/{name}"] = model.weights[name].astype(np.float16)
        else:
            tensors[f"weight/{name}"] = np.ascontiguousarray(grid.integers)
            tensors[f"step/{name}"] = grid.steps
            steps[name] = {"axis": grid.axis, "bits": grid.bits}
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
        "steps": steps,
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
        old = folder.with_name(f".slimcodec-{secrets.token_hex(6)}")
        folder.rename(old)
        source.rename(folder)
        shutil.rmtree(old)
    else:
        source.rename(folder)


def _facts(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}


def _named(tensors: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _weights_of(
    tensors: Mapping[str, NDArray[Any]], steps: Mapping[str, Any], grids: Mapping[str, Any]
) -> tuple[dict[str, NDArray[np.float32]], Quantization]:
    weights, found = {}, {}
    for name, array in _named(tensors, "weight/").items():
        if name in steps:
            own = steps[name]
            found[name] = WeightGrid(array, tensors[f"step/{name}"], own["axis"], own["bits"])
            weights[name] = found[name].weights()
        else:
            weights[name] = array.astype(np.float32)
    inputs = {name: ActivationGrid.from_dict(grid) for name, grid in grids["activations"].items()}
    return weights, Quantization(found, inputs)
