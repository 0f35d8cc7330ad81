"""Model files and bundles."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from fuzzing.edits import edited_bytes, edited_json, edited_values, edited_wire
from fuzzing.frames import Tensors, joined, split
from fuzzing.parsers.kinds import check_picture
from fuzzing.seeds import BASE, PICTURE, drawn
from slimcodec.errors import SlimcodecError
from slimcodec.model_file import load
from slimcodec.model_file.file import _model_of, _read, opened
from slimcodec.model_file.packing import pack as pack_array
from slimcodec.model_file.packing import unpack as unpack_array
from slimcodec.runtime import open_bundle, open_codec
from slimcodec.runtime.manifest import digest_of

__all__ = ["Bundles", "Models"]


class Models:
    """Model files: float, in integers, with tables of levels, and one that builds on another."""

    def __init__(self, folder: Path, work: Path) -> None:
        self.folder, self.work = folder / "models", work
        self.path = work / "hostile.slim"
        (work / BASE).write_bytes((folder / BASE).read_bytes())

    def seeds(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted(self.folder.iterdir())]

    def edited(self, data: bytes, rng: random.Random) -> bytes:
        return _edited_tensors(data, rng)

    def forged(self, data: bytes) -> bytes:
        """Digest and stream id of what it holds, where that is a model at all."""
        tensors = Tensors.of(data)
        if tensors is None or tensors.manifest is None:
            return data
        self.path.write_bytes(data)
        for key in ("stream_id", "digest"):
            try:
                tensors.manifest[key] = self._own(key, tensors.manifest)
            except (SlimcodecError, ValueError, TypeError, LookupError, AttributeError):
                return data
            except (ArithmeticError, MemoryError, RecursionError):
                return data
        return tensors.to_bytes()

    def _own(self, key: str, manifest: dict[str, Any]) -> str:
        with opened(self.path) as (_, file):
            read = {name: _read(self.path, manifest, file, name) for name in file.keys()}  # noqa: SIM118
        if "base" in manifest:
            raise ValueError("its digest is of more than it holds")
        model = _model_of(self.path, manifest, read)
        return model.coding.stream_id.hex() if key == "stream_id" else model.digest

    def use(self, data: bytes) -> None:
        self.path.write_bytes(data)
        try:
            _code(open_codec(load(self.path)))
        finally:
            _forget(self.work)


def _edited_tensors(data: bytes, rng: random.Random) -> bytes:
    """A safetensors file with its header, its manifest or a tensor edited."""
    tensors = Tensors.of(data)
    if tensors is None or not tensors.header:
        return edited_bytes(data, rng)
    try:
        match rng.randrange(12):
            case 0:
                tensors.header = edited_values(tensors.header, rng)
            case 1 | 2 | 3 | 4 | 5 if tensors.manifest is not None:
                tensors.manifest = _edited_manifest(tensors.manifest, rng)
            case 6 | 7 | 8 | 9 if tensors.manifest is not None and tensors.manifest.get("packed"):
                _edit_packed(tensors, tensors.manifest["packed"], rng)
            case _:
                name = rng.choice(sorted(tensors.header))
                own = tensors.got(name)
                # Of another length it would be refused before anybody looked at it.
                tensors.put(name, edited_bytes(own, rng).ljust(len(own), b"\0")[: len(own)])
        return tensors.to_bytes()
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, SlimcodecError):
        return edited_bytes(data, rng)  # an edit of what edits made of it


def _edited_manifest(manifest: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    packed = {key: manifest[key] for key in ("packed",) if key in manifest}
    if packed and rng.random() < 0.2:
        return {**manifest, **edited_values(packed, rng)}
    # Claims are many and alike, and would take most of the edits.
    few = {key: value for key, value in manifest.items() if key not in packed}
    return {**edited_values(few, rng), **packed}


def _edit_packed(tensors: Tensors, claims: dict[str, Any], rng: random.Random) -> None:
    """Other values in a packed tensor, or other bytes with the check that they take."""
    name = rng.choice(sorted(claims))
    blob, claim = tensors.got(name), claims[name]
    if rng.random() < 0.3:
        own = edited_bytes(blob[:-4], rng)
        own += zlib.crc32(own).to_bytes(4, "little")
    else:
        array = unpack_array(np.frombuffer(blob, np.uint8), claim["dtype"], claim["shape"]).copy()
        raw = edited_bytes(array.tobytes(), rng).ljust(array.nbytes, b"\0")[: array.nbytes]
        own = pack_array(np.frombuffer(raw, array.dtype).reshape(array.shape)).tobytes()
    tensors.put(name, own)
    tensors.header[name]["shape"] = [len(own)]


def _code(codec: Any) -> None:
    check_picture(codec.decode(codec.encode(drawn(*PICTURE))), *PICTURE)


def _forget(work: Path) -> None:
    """What a runtime kept of a model that there is no more."""
    for room in ("bundles", "sessions", "models"):
        shutil.rmtree(work / "cache" / room, ignore_errors=True)


class Bundles:
    """Bundles: manifest, graphs, weights and tables, as one input."""

    def __init__(self, folder: Path, work: Path) -> None:
        self.folder, self.work = folder / "bundles", work

    def seeds(self) -> list[bytes]:
        return [
            joined({path.name: path.read_bytes() for path in sorted(bundle.iterdir())})
            for bundle in sorted(self.folder.iterdir())
        ]

    def edited(self, data: bytes, rng: random.Random) -> bytes:
        try:
            files = split(data)
        except ValueError:
            return edited_bytes(data, rng)
        names = sorted(files)
        if not names:
            return edited_bytes(data, rng)
        name = "bundle.json" if rng.random() < 0.4 else rng.choice(names)
        own = files.get(name, b"")
        if name == "bundle.json":
            files[name] = edited_json(own, rng)
        elif rng.random() < 0.03:
            del files[name]
        elif name.endswith(".onnx") and rng.random() < 0.8:
            files[name] = edited_wire(own, rng)
        elif name.endswith(".safetensors") and rng.random() < 0.8:
            files[name] = _edited_tensors(own, rng)
        else:
            files[name] = edited_bytes(own, rng)
        return joined(files)

    def forged(self, data: bytes) -> bytes:
        try:
            files = split(data)
            manifest = json.loads(files["bundle.json"])
            for name in sorted(set(files) & set(manifest["files"])):
                digest = hashlib.sha256(files[name]).hexdigest()
                manifest["files"][name] = {"bytes": len(files[name]), "sha256": digest}
            manifest["digest"] = digest_of(manifest)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return data
        return joined({**files, "bundle.json": json.dumps(manifest).encode()})

    def use(self, data: bytes) -> None:
        folder = self.work / "bundle"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            for name, own in split(data).items():
                # The folder is the input's own: names that lead elsewhere are no part of it.
                (folder / Path(name).name).write_bytes(own)
        except (ValueError, OSError):
            return
        try:
            _code(open_codec(open_bundle(folder)))
        finally:
            _forget(self.work)
