"""What ``bundle.json`` says, every type and name in it checked, here and nowhere else.

A bundle is a folder that anyone may have written. So a manifest is believed as little as a stream:
what it says must be of the types that it should be, its files are plain names of files in the
folder, each with size and digest, and nothing is loaded that is not among them. It has a digest of
its own, which with those of the files in it covers the bundle: damage is told from what was
written, though not a forger from an author.
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slimcodec.errors import BundleError, ModelFileError
from slimcodec.quantization import ActivationGrid

__all__ = [
    "CODING",
    "FORMAT",
    "MANIFEST",
    "WAY_KEYS",
    "WEIGHTS",
    "FileFacts",
    "GraphFile",
    "Manifest",
    "check_regular",
    "digest_of",
    "read_manifest",
]

FORMAT = 2
MANIFEST, WEIGHTS, CODING = "bundle.json", "weights.bin", "coding.safetensors"
WAY_KEYS = ("inputs", "outputs", "layers")
_MODEL_TEXTS = ("name", "family", "stream_id", "look", "digest")
_MOST_BYTES = 1 << 24
"""Of a manifest; those of the largest models have a hundredth of it."""
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


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
class FileFacts:
    """Size and SHA-256, in hex, of a file."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """See ``bundle.Bundle``; ``steps`` are what ``WeightGrid.to_dict`` gave of quantized weights,
    ``inputs`` the grids of what layers are given."""

    runtime: str
    model: Mapping[str, Any]
    graphs: Mapping[str, Sequence[GraphFile]]
    steps: Mapping[str, Mapping[str, Any]]
    grids: Mapping[str, Any]
    inputs: Mapping[str, ActivationGrid]
    files: Mapping[str, FileFacts]
    digest: str


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a bundle.

    Raises:
        BundleError: when there is none, or something in it is not what it should be.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(f"{folder} is no bundle: it has no {MANIFEST}")
    if check_regular(path) > _MOST_BYTES:
        raise BundleError(f"{path} is no manifest: it has more than {_MOST_BYTES:,} bytes")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path} cannot be read: {error}") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        found = values.get("format") if isinstance(values, dict) else None
        raise BundleError(f"{path} has format {found!r:.40}, this slimcodec reads {FORMAT}")
    try:
        manifest = _read(values)
    except _Fault as fault:
        raise BundleError(f"{path}: {fault}; export the model again") from fault
    except ModelFileError as error:
        raise BundleError(f"{path}: {error}") from error
    if manifest.digest != digest_of(values):
        raise BundleError(
            f"{path} was altered after it was written: its digest does not match; export the model "
            "again"
        )
    return manifest


def digest_of(values: Mapping[str, Any]) -> str:
    """Of a manifest, and by the digests in it of every file: SHA-256 in hex of all but itself."""
    rest = {key: value for key, value in values.items() if key != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def check_regular(path: Path) -> int:
    """Size of a file that is one, and no link to another.

    Raises:
        BundleError: when it is something else, or not there.
    """
    try:
        facts = path.lstat()
    except OSError as error:
        raise BundleError(f"{path.parent} lacks {path.name}; export the model again") from error
    if not stat.S_ISREG(facts.st_mode):
        raise BundleError(f"{path} is a link or no file; a bundle holds plain files")
    return facts.st_size


class _Fault(Exception):
    """What is wrong, in words."""


def _read(values: Mapping[str, Any]) -> Manifest:
    model = _field(values, "model", dict)
    for key in _MODEL_TEXTS:
        _field(model, key, str)
    _field(model, "config", dict)
    files = {
        _plain(name): FileFacts(_field(facts, "bytes", int), _digest(_field(facts, "sha256", str)))
        for name, facts in _tables(values, "files")
    }
    graphs = {}
    for name, ways in _field(values, "graphs", dict).items():
        _expect(isinstance(ways, list) and bool(ways), f"graph {name!r:.40} has no files")
        graphs[name] = tuple(_way(way) for way in ways)
    named = {way.file for ways in graphs.values() for way in ways} | {WEIGHTS, CODING}
    if lacking := sorted(named - set(files)):
        raise _Fault(f"it gives no digest of {lacking[0]!r:.80}")
    grids = _field(values, "grids", dict)
    for _, grid in _tables(grids, "weights"):
        _grid_of_weights(grid)
    inputs = {name: ActivationGrid.from_dict(grid) for name, grid in _tables(grids, "activations")}
    steps = {name: _grid_of_weights(grid) for name, grid in _tables(values, "steps")}
    runtime, digest = _field(values, "runtime", str), _digest(_field(values, "digest", str))
    return Manifest(runtime, model, graphs, steps, grids, inputs, files, digest)


def _way(values: object) -> GraphFile:
    _expect(isinstance(values, dict), "a graph's file is not described by a table")
    own: Mapping[str, Any] = values  # type: ignore[assignment]
    lists = [_texts(_field(own, key, list)) for key in WAY_KEYS]
    _expect(bool(lists[0]) and bool(lists[1]), "a graph takes or gives nothing")
    return GraphFile(_plain(_field(own, "file", str)), *lists)


def _grid_of_weights(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """``WeightGrid.from_dict`` looks at the rest, once there are integers."""
    for key in ("bits", "axis"):
        _field(values, key, int)
    return values


def _field(values: Mapping[str, Any], key: str, kind: type) -> Any:
    found = values.get(key)
    # A bool is no int here.
    _expect(type(found) is kind, f"{key!r} is missing or no {kind.__name__}")
    return found


def _tables(values: Mapping[str, Any], key: str) -> Iterable[tuple[str, Mapping[str, Any]]]:
    for name, own in _field(values, key, dict).items():
        _expect(isinstance(own, dict), f"{name!r:.80} in {key!r} is no table")
        yield name, own


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    _expect(all(isinstance(value, str) for value in values), "a list of names has something else")
    return tuple(values)


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        _expect(pattern.fullmatch(text) is not None, f"{text!r:.80} is {what}")
        return text

    return check


_plain = _matching(_PLAIN_NAME, "not a file inside it")
_digest = _matching(_DIGEST, "no digest")


def _expect(sound: bool, fault: str) -> None:
    if not sound:
        raise _Fault(fault)
