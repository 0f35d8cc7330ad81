"""The file format: safetensors, the manifest as JSON in its metadata.

The manifest carries the digest of manifest and tensors; loading computes it again, so a file that
was altered or cut never decodes a picture. safetensors holds plain arrays only: nothing in a model
file can run.

Format 2, which is written, holds what a model needs and no more, by the names that ``layout`` says;
all but steps are packed (see ``packing``).

A packed array is bytes; the manifest's ``packed`` says of which type and shape. A file may claim
sizes that it does not hold, so claims are added up and compared with file and machine before
anything is unpacked. Format 1, which is read, holds half floats and integers as they are. Format 3
is format 2 of a model with levels that lie in tables, which its manifest has: a reader that knows
of none would take their numbers for levels. Format 4 is either of these in single precision, which
its manifest says, too.

A model that shares most of its tensors with another, such as a second generator for the same
streams, may leave them out and name the file *beside it* that has them (``base``: file name and
digest). It loads to the same whole model. What is shared is decided by values and not by how they
are stored, so either file may be of either format.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from slimcodec import registry
from slimcodec.atomic import write_atomically
from slimcodec.codecs.family import stream_id_of, sums_of
from slimcodec.errors import ModelFileError, UsageError
from slimcodec.machine import memory_bytes
from slimcodec.model_file.fitting import check_fitting
from slimcodec.model_file.layout import HALF, PRECISIONS, SINGLE, STEP, Contents, same
from slimcodec.model_file.model import FAITHFUL, Model
from slimcodec.model_file.packing import PACKED_TYPES, pack, unpack
from slimcodec.quantization import ActivationGrid, Quantization

__all__ = ["file_bytes", "files_of", "load", "read_manifest", "save"]

FORMAT, _WITH_TABLES, _SINGLE = 2, 3, 4
_READABLE = (1, 2, 3, 4)
_LONGEST_NAME = 200
"""Of a file that a model builds on; file systems stop at 255 bytes."""
_MANIFEST_KEYS = ("name", "family", "config", "history", "stream_id", "digest")
_KINDS = {
    "name": (str, "a name"),
    "family": (str, "a name"),
    "stream_id": (str, "a name"),
    "digest": (str, "a name"),
    "look": (str, "a name"),
    "precision": (str, "a name"),
    "config": (dict, "a table"),
    "quantization": (dict, "a table"),
    "history": (list, "a list"),
}
"""What the manifest's values must be, where they are there."""
_PLENTY, _PER_BYTE = 1 << 28, 1 << 10
"""Values that any file may claim to hold, and how many more its size speaks for: the largest model
has 1.8e8, and with one weight in a thousand left it would still store 600 in a byte."""
_MOST_DIMENSIONS, _LONGEST_DIMENSION = 8, 1 << 31


def save(model: Model, path: Path, base: Path | None = None) -> None:
    """Write a model file, aside and renamed.

    Args:
        model: what to write.
        path: the file.
        base: a model file in the same folder; tensors that it has are left out, and those that
            the model lacks are named.

    Raises:
        UsageError: when the base lies elsewhere or has a base itself.
        ModelFileError: when the base cannot be read, or a weight is not what its file would say.
    """
    tabled = any(grid.table is not None for grid in model.quantization.weights.values())
    form = _WITH_TABLES if tabled else FORMAT
    form = _SINGLE if model.precision == SINGLE else form
    manifest = {**model.manifest(), "format": form, "digest": model.digest}
    own = _contents(model)
    names, whole = own.names(), None
    if base is not None:
        if base.resolve().parent != path.resolve().parent:
            raise UsageError(f"{base} must lie beside {path}, which will look for it there")
        if "base" in read_manifest(base):
            raise UsageError(f"{base} is not whole itself; name the file that it builds on")
        base_model = load(base)
        whole = _contents(base_model)
        # Steps that the model lacks are no harm: its manifest says which weights have any.
        extra = {name for name in set(whole.names()) - set(names) if not name.startswith(STEP)}
        manifest["base"] = {"file": base.name, "digest": base_model.digest}
        manifest["base"] |= {"without": sorted(extra)} if extra else {}
    shared = set(whole.names()) if whole else set()
    tensors, packed = {}, {}
    for name in sorted(names):
        with saying(f"{model.name} cannot be saved"):
            array = own.tensor(name)
        if whole and name in shared and same(array, whole.tensor(name)):
            continue
        if array.dtype.name in PACKED_TYPES and not name.startswith(STEP):
            packed[name] = {"dtype": array.dtype.name, "shape": list(array.shape)}
            array = pack(array)
        tensors[name] = array
    text = json.dumps(manifest | {"packed": packed}, separators=(",", ":"))
    write_atomically(path, to_bytes(tensors, {"slimcodec": text}))


def _contents(model: Model) -> Contents:
    return Contents(model.weights, model.quantization.weights, model.frozen, model.precision)


def load(path: Path) -> Model:
    """Read a model file, every check made.

    Raises:
        ModelFileError: when it is missing, not a model file, of a later format, or altered.
    """
    with opened(path) as (manifest, file):
        tensors = {name: _read(path, manifest, file, name) for name in file.keys()}  # noqa: SIM118
    if base := manifest.get("base"):
        tensors = {**_base_tensors(path, base), **tensors}
    try:
        model = _model_of(path, manifest, tensors)
        digest = model.digest
    except (TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(f"{path}: its manifest describes no model ({error})") from error
    if digest != manifest["digest"]:
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
    with opened(path) as (manifest, _):
        return manifest


def file_bytes(path: Path) -> int:
    """Size of a model on its own: of its file, and of what it takes from the one it builds on."""
    size = path.stat().st_size
    with opened(path) as (manifest, file):
        own = set(file.keys())
    if base := manifest.get("base"):
        with opened(base_path(path, base)) as (_, file):
            names = taken(path, manifest, own, file)
            size += sum(file.get_tensor(name).nbytes for name in names)
    return size


def files_of(path: Path) -> list[Path]:
    """The files that a model is read from: its own, and the one that it builds on."""
    base = read_manifest(path).get("base")
    return [path] if base is None else [path, base_path(path, base)]


def taken(path: Path, manifest: Mapping[str, Any], own: set[str], base: Any) -> list[str]:
    """The tensors that a file takes from its base: all it lacks but those that it says it is
    without, and steps of what it does not quantize."""
    steps = {STEP + name for name in grids_of(path, manifest)}
    lacking = sorted(set(base.keys()) - own - _without(path, manifest["base"]))
    return [name for name in lacking if name in steps or not name.startswith(STEP)]


def _read(path: Path, manifest: Mapping[str, Any], file: Any, name: str) -> NDArray[Any]:
    array: NDArray[Any] = file.get_tensor(name)
    claim = claims_of(manifest).get(name)
    if claim is None:
        return array
    with saying(f"{path}: {name}"):
        return unpack(array, claim["dtype"], claim["shape"])


@contextmanager
def saying(where: str) -> Iterator[None]:
    try:
        yield
    except ModelFileError as error:
        raise ModelFileError(f"{where}: {error}") from error


def claims_of(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """Type and shape of each packed tensor."""
    claims: Mapping[str, Any] = manifest["packed"] if manifest["format"] > 1 else {}
    return claims


def _check_claims(path: Path, manifest: Mapping[str, Any]) -> None:
    """Sizes, before memory is taken for them."""
    claims, values = manifest.get("packed"), 0
    if not isinstance(claims, dict):
        raise ModelFileError(f"{path} does not say how its tensors are packed")
    for name, claim in claims.items():
        shape = claim.get("shape") if isinstance(claim, dict) else None
        sound = (
            isinstance(shape, list)
            and len(shape) <= _MOST_DIMENSIONS
            and all(type(n) is int and 0 <= n <= _LONGEST_DIMENSION for n in shape)
            and isinstance(claim.get("dtype"), str)
        )
        if not sound or shape is None:
            raise ModelFileError(f"{path} says of {name} that it is {claim!r:.80}, no packed array")
        values += math.prod(shape)
    allowed = max(_PLENTY, _PER_BYTE * path.stat().st_size)
    if values > allowed:
        raise ModelFileError(f"{path} claims to hold {values} values; so small a file cannot")
    memory = memory_bytes()
    if memory is not None and 4 * values > memory:
        raise ModelFileError(
            f"{path} needs {4 * values / 1e9:.1f} GB of memory, this machine has {memory / 1e9:.1f}"
        )


def base_path(path: Path, base: Any) -> Path:
    name = base.get("file") if isinstance(base, Mapping) else None
    if not isinstance(name, str) or Path(name).name != name:
        raise ModelFileError(f"{path} names no file that it builds on, but {base!r}")
    found = path.parent / name
    if len(name) > _LONGEST_NAME or not found.is_file():
        raise ModelFileError(f"{path} holds what it does not share with {found}; put that there")
    return found


def _base_tensors(path: Path, base: Any) -> dict[str, NDArray[Any]]:
    found = base_path(path, base)
    if "base" in read_manifest(found):
        raise ModelFileError(f"{path} builds on {found}, which is not whole itself")
    whole = load(found)
    if whole.digest != base.get("digest"):
        raise ModelFileError(
            f"{path} builds on another {found.name} than the one beside it: its digest begins with "
            f"{str(base.get('digest'))[:8]}, that one's with {whole.digest[:8]}"
        )
    contents, without = _contents(whole), _without(path, base)
    return {name: contents.tensor(name) for name in contents.names() if name not in without}


def _without(path: Path, base: Mapping[str, Any]) -> set[str]:
    """What a narrower network lacks of the file that it builds on."""
    names = base.get("without", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ModelFileError(
            f"{path} says that it is without {names!r:.80}, which names no tensors"
        )
    return set(names)


def _stream_id(model: Model, path: Path) -> str:
    """What the contents give, in hex. A digest is no signature: whoever wrote the file could write
    one over contents that make no model at all."""
    try:
        family = registry.families.get(model.family)
        sums = sums_of(family, family.config(model.config))
        check_fitting(model)
        if sums and not any(
            name in model.quantization.activations for one in sums for name in one.layers
        ):
            raise ModelFileError(
                "slimcodec 0.1.0 made it, with other integers; that version reads it, or make "
                "it again from its checkpoint or its training run"
            )
        for name in (name for one in sums for name in one.layers):
            grid = model.quantization.weights.get(f"{name}.weight")
            if grid is not None and grid.table is not None:
                raise ModelFileError(f"coding runs {name} in integers, which a table's are not")
        return stream_id_of(family, model.coding)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error
    except (UsageError, LookupError, ValueError, TypeError, ArithmeticError) as error:
        raise ModelFileError(
            f"{path}: its contents make no {model.family} model ({type(error).__name__}: {error})"
        ) from error


@contextmanager
def opened(path: Path) -> Iterator[tuple[dict[str, Any], Any]]:
    if not path.is_file():
        raise ModelFileError(f"there is no model file {path}")
    try:
        with safe_open(path, "numpy") as file:
            manifest: dict[str, Any] = json.loads((file.metadata() or {})["slimcodec"])
            if not isinstance(manifest, dict):
                raise ValueError("its manifest is not a table")
            if manifest.get("format") not in _READABLE:
                raise ModelFileError(
                    f"{path} has model file format {manifest.get('format')}, this slimcodec reads "
                    f"{', '.join(map(str, _READABLE[:-1]))} and {_READABLE[-1]}"
                )
            for key in _MANIFEST_KEYS:
                if key not in manifest:
                    raise ModelFileError(f"{path}: its manifest lacks {key!r}")
            for key, (kind, wanted) in _KINDS.items():
                if not isinstance(manifest.get(key, kind()), kind):
                    raise ModelFileError(
                        f"{path}: its {key} is {manifest[key]!r:.40}, not {wanted}"
                    )
            if manifest.get("precision", HALF) not in PRECISIONS:
                raise ModelFileError(
                    f"{path}: its precision is {manifest['precision']!r:.40}, which is none of "
                    f"{', '.join(PRECISIONS)}"
                )
            if not all(isinstance(entry, dict) for entry in manifest["history"]):
                raise ModelFileError(f"{path}: its history is no list of tables")
            if manifest["format"] > 1:
                _check_claims(path, manifest)
            yield manifest, file
    except (SafetensorError, KeyError, ValueError, OSError, RecursionError) as error:
        raise ModelFileError(
            f"{path} is not a slimcodec model file, or it is cut short ({error})"
        ) from error


def grids_of(path: Path, manifest: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Of each quantized weight its bits, its axis, and its table where it has one."""
    try:
        grids = dict(manifest.get("quantization", {}).get("weights", {}))
        if all({"bits", "axis"} <= set(grid) for grid in grids.values()):
            return grids
        raise KeyError("bits")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{path}: its manifest does not say how it is quantized") from error


def _model_of(path: Path, manifest: Mapping[str, Any], tensors: dict[str, NDArray[Any]]) -> Model:
    activations = manifest.get("quantization", {}).get("activations", {})
    with saying(str(path)):
        contents = Contents.read(tensors, grids_of(path, manifest))
        grids = {name: ActivationGrid.from_dict(grid) for name, grid in activations.items()}
    return Model(
        name=manifest["name"],
        family=manifest["family"],
        config=manifest["config"],
        weights=contents.weights,
        frozen=contents.frozen,
        history=tuple(manifest["history"]),
        stream_id=manifest["stream_id"],
        look=manifest.get("look", FAITHFUL),
        quantization=Quantization(contents.grids, grids),
        precision=manifest.get("precision", HALF),
    )
