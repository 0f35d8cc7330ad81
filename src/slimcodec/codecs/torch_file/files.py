"""The files that checkpoints are: torch's zip, torch's format of before 2020, safetensors.

Every size is compared with the bytes that there are before memory is taken: entries of a zip are
stored, never compressed, as torch writes them, so no file unpacks into more than itself.
"""

from __future__ import annotations

import io
import json
import math
import mmap
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from slimcodec.codecs.torch_file.contents import Array, from_texts, settings_of, weights_of
from slimcodec.codecs.torch_file.kinds import archive_kind, file_kind
from slimcodec.codecs.torch_file.pickles import LONGEST_NAME, read_pickle
from slimcodec.codecs.torch_file.tensors import DTYPES, MOST_AXES, Storage, Tensor, storage_dtype
from slimcodec.errors import CheckpointError

__all__ = ["Checkpoint", "read_checkpoint_file"]

_HEAD = 512
_MAGIC = 0x1950A86A20F9469CFC6C
_ITEM_BYTES = {"DoubleStorage": 8, "ComplexFloatStorage": 8, "ComplexDoubleStorage": 16}
_SAFE_DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64",
    "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool", "U16": "uint16",
    "U32": "uint32", "U64": "uint64",
}  # fmt: skip
_ZIP_ERRORS = (
    zipfile.BadZipFile, OSError, ValueError, LookupError, EOFError, RuntimeError, struct.error
)  # fmt: skip
"""What Python's reader raises of a zip that is damaged, encrypted or of a form that it lacks."""
_LONGEST_HEADER = 100 << 20
"""Of safetensors, as its own reader has it."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file has.

    Attributes:
        path: the file.
        weights: by the names that the bare network has; arrays once they are asked for
            (``numpy.asarray``), each no larger than the file.
        settings: by name, values as they are (see ``plain``); none where the file brings none.
    """

    path: Path
    weights: Mapping[str, Array]
    settings: Mapping[str, Any]


def read_checkpoint_file(path: Path) -> Checkpoint:
    """The weights and settings of a file of torch's or of safetensors, nothing of it run.

    Raises:
        CheckpointError: when the file is missing, damaged or of another kind, has no weights, would
            run code, or claims more than it holds.
    """
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder; name the checkpoint's file in it")
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path}")
    try:
        weights, settings = _read(path)
        size = path.stat().st_size
        if (claimed := sum(array.size for array in weights.values())) > size:
            raise CheckpointError(
                f"its tensors claim {claimed:,} numbers, more than {size:,} bytes hold"
            )
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except (ValueError, LookupError, OverflowError, TypeError) as error:
        raise CheckpointError(f"{path}: what it says of its contents is not sound") from error
    return Checkpoint(path, weights, settings)


def _read(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        raise CheckpointError("it is empty")
    if zipfile.is_zipfile(path) and head.startswith(b"PK"):
        content = _zip_content(path, size)
    elif head.startswith(b"PK\x03\x04"):
        raise CheckpointError(f"it is cut short: a zip without its end, {size:,} bytes of it")
    elif head[8:9] == b"{" and 0 < int.from_bytes(head[:8], "little") <= size:
        return _safetensors(path, size)
    elif head.startswith(b"\x80"):
        content = _legacy_content(path)
    else:
        kind = file_kind(head, path.name)
        told = f"it is {kind}" if kind else f"it begins with {_said(head[:8])}"
        raise CheckpointError(f"no checkpoint of torch or safetensors: {told}")
    return weights_of(content), settings_of(content)


def _said(beginning: bytes) -> str:
    """A file's first bytes, for people."""
    if beginning.isascii() and (text := beginning.decode("ascii").strip()).isprintable():
        return f'the text "{text}"'
    return f"the bytes {beginning.hex(' ')}"


# torch's zip


def _zip_content(path: Path, size: int) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
            pickles = sorted((n for n in entries if n.rpartition("/")[2] == "data.pkl"), key=len)
            if not pickles or archive_kind(entries):
                kind = archive_kind(entries) or "a zip without a checkpoint's data.pkl"
                raise CheckpointError(f"no checkpoint of torch: it is {kind}")
            folder = pickles[0].removesuffix("data.pkl")
            data = _entry(archive, pickles[0], size)
            order = f"{folder}byteorder"
            big = order in entries and _entry(archive, order, size).strip() == b"big"
    except _ZIP_ERRORS as error:
        raise CheckpointError("its zip is damaged; download it again") from error

    def storage(identity: Any) -> Storage:
        kind, key, count = _identity(identity)
        entry = entries.get(f"{folder}data/{key}")
        _check_storage(kind, count, entry.file_size if entry else 0)
        return Storage(kind, count, partial(_read_entry, path, f"{folder}data/{key}", size), big)

    return read_pickle(io.BytesIO(data), storage)


def _read_entry(path: Path, name: str, size: int) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            return _entry(archive, name, size)
    except _ZIP_ERRORS as error:
        raise CheckpointError(f"{path}: {name} in it is damaged; download it again") from error


def _entry(archive: zipfile.ZipFile, name: str, size: int) -> bytes:
    entry = archive.getinfo(name)
    if entry.compress_type != zipfile.ZIP_STORED:
        raise CheckpointError(f"{name} in it is compressed, as torch writes none; load and save it")
    if entry.file_size > size:
        raise CheckpointError(
            f"{name} in it claims {entry.file_size:,} bytes, the file has {size:,}"
        )
    return archive.read(name)


def _identity(identity: Any) -> tuple[str, str, int]:
    """Type, key and count of a storage that a pickle refers to."""
    match identity:
        case ("storage", kind, str(key), _, int(count), *_) if len(key) <= LONGEST_NAME:
            return storage_dtype(kind), key, count
    raise CheckpointError("its pickle refers to something that is no storage of torch's")


def _check_storage(dtype: str, count: int, held: int) -> None:
    if not 0 <= count * _item_bytes(dtype) <= held:
        raise CheckpointError(f"a storage claims {count:,} numbers, more than the file holds")


def _item_bytes(dtype: str) -> int:
    if dtype in DTYPES:
        return int(DTYPES[dtype][1:] or 1) if DTYPES[dtype] != "?" else 1
    return _ITEM_BYTES.get(dtype, 1)


# torch's format of before 2020: pickles one after another, then the storages


def _legacy_content(path: Path) -> Any:
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    data = memoryview(mapped)
    storages: dict[str, Storage] = {}
    places: dict[str, int] = {}

    def read(key: str, start: int, length: int) -> memoryview:
        return data[places[key] + start : places[key] + start + length]

    def storage(identity: Any) -> Storage:
        kind, key, count = _identity(identity)
        view = identity[5] if len(identity) > 5 else None
        start = 0
        if view is not None:
            match view:
                case (str(), int(offset), int(length)) if min(offset, length) >= 0:
                    start, own = offset, length
                case _:
                    raise CheckpointError("a storage is a view of what is none")
        else:
            own = count
        step = _item_bytes(kind)
        _check_storage(kind, count, len(data))
        _check_storage(kind, start + own, count * step)
        made = Storage(kind, own, partial(read, key, start * step, own * step))
        whole = storages.setdefault(key, Storage(kind, count, made.read))
        if (whole.dtype, whole.count) != (kind, count):
            raise CheckpointError(f"the storage {key:.40} is of two kinds")
        return made

    content = read_pickle(mapped, storage)
    if content != _MAGIC:
        if storages:
            raise CheckpointError("its pickle refers to storages that are not in the file")
        return content  # pickled without torch
    _protocol, _system, content, keys = (read_pickle(mapped, storage) for _ in range(4))
    if not isinstance(keys, list):
        raise CheckpointError("it does not say in which order its storages lie")
    at = mapped.tell()
    for key in keys:
        known = storages.get(key) if isinstance(key, str) else None
        if known is None:
            raise CheckpointError("it has a storage that no tensor is in")
        length = known.count * _item_bytes(known.dtype)
        count = int.from_bytes(data[at : at + 8], "little")
        if count != known.count or len(data) - at - 8 < length:
            raise CheckpointError("it is cut short: its storages are not whole")
        places[key] = at + 8
        at += 8 + length
    if missing := sorted(set(storages) - set(places)):
        raise CheckpointError(f"it is cut short: the storage {missing[0]:.40} is missing")
    return content


# safetensors


def _safetensors(path: Path, size: int) -> tuple[dict[str, Array], dict[str, Any]]:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = _header(file.read(length) if length <= _LONGEST_HEADER else b"")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise CheckpointError("its safetensors metadata is no table of texts")
    if "slimcodec" in metadata:
        raise CheckpointError("it is a model file of slimcodec's already; use it as it is")
    tensors = {}
    for name, claim in header.items():
        match claim:
            case {"dtype": str(kind), "shape": [*sides], "data_offsets": [int(start), int(end)]}:
                pass
            case _:
                raise CheckpointError(f"its safetensors header says nothing sound of {name:.80}")
        whole = len(sides) <= MOST_AXES and all(
            type(side) is int and 0 <= side < 1 << 62 for side in sides
        )
        dtype = _SAFE_DTYPES.get(kind, kind)
        count = math.prod(sides) if whole else 0
        if not whole or not 0 <= start <= end <= size - 8 - length:
            raise CheckpointError(
                f"{name:.80} claims to lie beyond the end of the file; is it whole?"
            )
        if dtype in DTYPES and count * _item_bytes(dtype) != end - start:
            raise CheckpointError(f"{name:.80} claims {count:,} numbers, more than the file holds")
        strides = [math.prod(sides[axis + 1 :]) for axis in range(len(sides))]
        read = partial(_slice, path, 8 + length + start, end - start)
        tensors[name] = Tensor(Storage(dtype, count, read), dtype, 0, tuple(sides), tuple(strides))
    return weights_of(tensors), from_texts(metadata)


def _header(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError("its safetensors header is damaged") from error
    if not isinstance(header, dict):
        raise CheckpointError("its safetensors header is no table")
    return header


def _slice(path: Path, start: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start, io.SEEK_SET)
        return file.read(length)
