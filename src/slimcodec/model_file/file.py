"""The file format: safetensors, the manifest as JSON in its metadata.

Weights are stored in half precision, integers as they are. The manifest carries the digest of
manifest and tensors; loading computes it again, so a file that was altered or cut never decodes a
picture. safetensors holds plain arrays only: nothing in a model file can run.

A model that shares most of its tensors with another, such as a second generator for the same
streams, may leave them out and name the file *beside it* that has them (``base``: file name and
digest). It loads to the same whole model.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from slimcodec import registry
from slimcodec.atomic import write_atomically
from slimcodec.errors import ModelFileError, UsageError
from slimcodec.model_file.model import FAITHFUL, Model

__all__ = ["file_bytes", "load", "read_manifest", "save"]

FORMAT = 1
_WEIGHT, _FROZEN = "weight/", "frozen/"
_LONGEST_NAME = 200
"""Of a file that a model builds on; file systems stop at 255 bytes."""
_MANIFEST_KEYS = ("name", "family", "config", "history", "stream_id", "digest")


def save(model: Model, path: Path, base: Path | None = None) -> None:
    """Write a model file, aside and renamed.

    Args:
        model: what to write.
        path: the file.
        base: a model file in the same folder; tensors that it has are left out.

    Raises:
        UsageError: when the base lies elsewhere, has a base itself or is of another shape.
        ModelFileError: when the base cannot be read.
    """
    tensors = _tensors_of(model)
    manifest = {**model.manifest(), "format": FORMAT, "digest": model.digest}
    if base is not None:
        if base.resolve().parent != path.resolve().parent:
            raise UsageError(f"{base} must lie beside {path}, which will look for it there")
        if "base" in read_manifest(base):
            raise UsageError(f"{base} is not whole itself; name the file that it builds on")
        whole = load(base)
        shared = _tensors_of(whole)
        if extra := set(shared) - set(tensors):
            raise UsageError(f"{base} has {min(extra)}, which {model.name} lacks; save it whole")
        tensors = {
            name: array
            for name, array in tensors.items()
            if name not in shared or not _same(array, shared[name])
        }
        manifest["base"] = {"file": base.name, "digest": whole.digest}
    write_atomically(path, to_bytes(tensors, {"slimcodec": json.dumps(manifest)}))


def _same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())


def file_bytes(path: Path) -> int:
    """Size of a model on its own: of its file, and of what it takes from the one it builds on."""
    size = path.stat().st_size
    with _opened(path) as (manifest, file):
        own = set(file.keys())
    if base := manifest.get("base"):
        with _opened(_base_path(path, base)) as (_, file):
            size += sum(file.get_tensor(name).nbytes for name in set(file.keys()) - own)
    return size


def _tensors_of(model: Model) -> dict[str, NDArray[Any]]:
    tensors: dict[str, NDArray[Any]] = {}
    for name, weights in model.weights.items():
        tensors[_WEIGHT + name] = np.ascontiguousarray(weights.astype(np.float16))
    for name, frozen in model.frozen.items():
        tensors[_FROZEN + name] = np.ascontiguousarray(frozen)
    return tensors


def load(path: Path) -> Model:
    """Read a model file, every check made.

    Raises:
        ModelFileError: when it is missing, not a model file, of a later format, or altered.
    """
    with _opened(path) as (manifest, file):
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if base := manifest.get("base"):
        tensors = {**_base_tensors(path, base), **tensors}
    model = _model_of(manifest, tensors)
    if model.digest != manifest["digest"]:
        raise ModelFileError(f"{path} was altered after it was written: its digest does not match")
    if _stream_id(model, path) != model.stream_id:
        raise ModelFileError(
            f"{path}: its integers do not give the stream id {model.stream_id} that it was written "
            "with; it comes from another version of slimcodec"
        )
    return model


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest alone, its tensors unread and unchecked: for finding a model, not for using it.

    Raises:
        ModelFileError: as ``load`` does, but for the digest.
    """
    with _opened(path) as (manifest, _):
        return manifest


def _base_path(path: Path, base: Any) -> Path:
    name = base.get("file") if isinstance(base, Mapping) else None
    if not isinstance(name, str) or Path(name).name != name:
        raise ModelFileError(f"{path} names no file that it builds on, but {base!r}")
    found = path.parent / name
    if len(name) > _LONGEST_NAME or not found.is_file():
        raise ModelFileError(f"{path} holds what it does not share with {found}; put that there")
    return found


def _base_tensors(path: Path, base: Any) -> dict[str, NDArray[Any]]:
    found = _base_path(path, base)
    if "base" in read_manifest(found):
        raise ModelFileError(f"{path} builds on {found}, which is not whole itself")
    whole = load(found)
    if whole.digest != base.get("digest"):
        raise ModelFileError(
            f"{path} builds on another {found.name} than the one beside it: its digest begins with "
            f"{str(base.get('digest'))[:8]}, that one's with {whole.digest[:8]}"
        )
    return _tensors_of(whole)


def _stream_id(model: Model, path: Path) -> str:
    """What the contents give, in hex. A digest is no signature: whoever wrote the file could write
    one over contents that make no model at all."""
    family = registry.families.get(model.family)
    try:
        family.config(model.config)
        return str(family.stream_id(model.weights, model.frozen).hex())
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error
    except (UsageError, LookupError, ValueError, TypeError, ArithmeticError) as error:
        raise ModelFileError(
            f"{path}: its contents make no {model.family} model ({type(error).__name__}: {error})"
        ) from error


@contextmanager
def _opened(path: Path) -> Iterator[tuple[dict[str, Any], Any]]:
    if not path.is_file():
        raise ModelFileError(f"there is no model file {path}")
    try:
        with safe_open(path, "numpy") as file:
            manifest: dict[str, Any] = json.loads((file.metadata() or {})["slimcodec"])
            if not isinstance(manifest, dict):
                raise ValueError("its manifest is not a table")
            if manifest.get("format") != FORMAT:
                raise ModelFileError(
                    f"{path} has model file format {manifest.get('format')}, this slimcodec reads "
                    f"{FORMAT}"
                )
            for key in _MANIFEST_KEYS:
                if key not in manifest:
                    raise ModelFileError(f"{path}: its manifest lacks {key!r}")
            if not isinstance(manifest.get("look", FAITHFUL), str):
                raise ModelFileError(f"{path}: its look is {manifest['look']!r}, not a name")
            yield manifest, file
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise ModelFileError(
            f"{path} is not a slimcodec model file, or it is cut short ({error})"
        ) from error


def _model_of(manifest: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> Model:
    return Model(
        name=manifest["name"],
        family=manifest["family"],
        config=manifest["config"],
        weights={
            name.removeprefix(_WEIGHT): array.astype(np.float32)
            for name, array in tensors.items()
            if name.startswith(_WEIGHT)
        },
        frozen={
            name.removeprefix(_FROZEN): array
            for name, array in tensors.items()
            if name.startswith(_FROZEN)
        },
        history=tuple(manifest["history"]),
        stream_id=manifest["stream_id"],
        look=manifest.get("look", FAITHFUL),
    )
