"""What reads files that anyone may have written, as a table.

A row says where its sound inputs are, how one is edited, how its checks are forged, and how it is
used. Whoever adds a format adds a class and its line in ``PARSERS``, and a maker to ``seeds``;
whoever adds a version of streams a line in ``frames.Frame``.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import shutil
import sqlite3
import tomllib
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from fuzzing.edits import edited_bytes, edited_text, edited_values, edited_wire
from fuzzing.frames import Frame, Piece, Tensors, joined, split
from fuzzing.seeds import BASE, MODELS, PICTURE, drawn
from slimcodec import registry
from slimcodec.errors import SlimcodecError
from slimcodec.model_file import load, thaw_network
from slimcodec.model_file.file import _model_of, _read, opened
from slimcodec.model_file.packing import pack as pack_array
from slimcodec.model_file.packing import unpack as unpack_array
from slimcodec.runtime import open_bundle, open_codec
from slimcodec.runtime.manifest import digest_of
from slimcodec.settings import to_toml
from slimcodec.stream import (
    BESIDE,
    Stream,
    attach,
    cut,
    image_size,
    is_progressive,
    salvage,
    step_ends,
    unpack,
)
from slimcodec.types import Region

__all__ = ["PARSERS", "Parser", "WrongPicture"]

_WORD = 4
"""Bytes of what entropy coders write."""


class WrongPicture(Exception):
    """A picture of another size than was declared, or none."""


class WrongStream(Exception):
    """Two functions say different things of one stream."""


class Parser(Protocol):
    """See the module.

    Args of a class: the folder that ``seeds.make_seeds`` filled, and an empty one to work in.
    """

    def seeds(self) -> list[bytes]:
        """Sound inputs."""

    def edited(self, data: bytes, rng: random.Random) -> bytes:
        """Something in it changed that the format knows of; bytes, where it is of no format."""

    def forged(self, data: bytes) -> bytes:
        """Checks and digests of what it holds put right, as far as it is of the format."""

    def use(self, data: bytes) -> None:
        """What a user does with such a file.

        Raises:
            SlimcodecError: when it is refused.
            WrongPicture: when what comes out is not what was declared.
        """


def _check_picture(picture: Any, height: int, width: int) -> None:
    if picture.shape != (height, width, 3) or picture.dtype.name != "uint8":
        raise WrongPicture(f"{picture.dtype} {picture.shape} where {height}x{width} was declared")


class Streams:
    """Streams of three small models, in every version of the format."""

    def __init__(self, folder: Path, work: Path) -> None:
        self.folder = folder / "streams"
        self.codecs: list[Any] = [open_codec(load(folder / name)) for name in MODELS]

    def seeds(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted(self.folder.iterdir())]

    def edited(self, data: bytes, rng: random.Random) -> bytes:
        frame = Frame.of(data)
        if frame is None:
            return edited_bytes(data, rng)
        pieces = frame.pieces
        which = rng.randrange(len(pieces)) if pieces else 0
        match rng.randrange(16):
            case 0 | 1:
                frame.numbers[rng.randrange(len(frame.numbers))] = _size(rng)
            case 2:
                frame.numbers[rng.randrange(2)] = _size(rng)
            case 3 if rng.random() < 0.3:
                frame.version = rng.choice((1, 2, 3, 1, 2, 3, 0, 4, 255))
            case 3 if rng.random() < 0.3:
                frame.stream_id = rng.choice([codec.stream_id for codec in self.codecs])
            case 3 | 4 if pieces and frame.version == 3:
                _edit_chunk(pieces[which], rng)
            case 4 if pieces:
                del pieces[which]
            case 5 if pieces and frame.version == 3 and rng.random() < 0.5:
                del pieces[which]
            case 5 if pieces:
                pieces.insert(rng.randrange(len(pieces) + 1), replace(pieces[which]))
            case 6 if pieces:
                pieces[which].payload = rng.randbytes(rng.choice((0, 1, 2, 4, 8, 40, 400)))
            case 7 | 8 | 9 | 10 if pieces:
                pieces[which].payload = _edited_words(pieces[which].payload, rng)
            case _ if pieces:
                pieces[which].payload = edited_bytes(pieces[which].payload, rng)
            case _:
                pieces.append(Piece(rng.randbytes(8)))
        if frame.version == 1 and rng.random() < 0.9:
            frame.numbers = [*frame.numbers[:3], len(pieces)]
        if frame.version == 3 and len(frame.numbers) < Frame.NUMBERS[3]:
            # Of another version so far, whose picture was one tile.
            frame.numbers = [*frame.numbers[:3], 0, 1, rng.randrange(2)]
        return frame.to_bytes()

    def forged(self, data: bytes) -> bytes:
        frame = Frame.of(data)
        return data if frame is None else frame.to_bytes()

    def use(self, data: bytes) -> None:
        is_progressive(data)
        size = image_size(data)
        # From here on all is a function of the input.
        rng = random.Random(data)
        whole, lost = salvage(data)
        header = unpack(whole, partial=True)
        if (header.width, header.height) != size:
            raise WrongStream(f"{size} pixels in the header of {header.width}x{header.height}")
        _check_functions(whole, header, lost, rng)
        for codec in self.codecs:
            if codec.stream_id == header.stream_id:
                _decode(codec, whole, header, rng)
                return
        self.codecs[0].decode(whole, partial=bool(header.missing))
        raise WrongPicture("a stream of no codec here was decoded")


def _check_functions(whole: bytes, header: Stream, lost: str | None, rng: random.Random) -> None:
    """That what is said of a stream, of what is salvaged of it and of what is cut off fits.

    Raises:
        WrongStream: otherwise.
    """
    again, still = salvage(whole)
    if again != whole or (still is None) != (not header.missing) or (lost is None and still):
        raise WrongStream("what was salvaged is not whole")
    if is_progressive(whole) != header.progressive:
        raise WrongStream("it is progressive and is not")
    beside = {name: b"other" for name in BESIDE if rng.random() < 0.5}
    if unpack(attach(whole, beside), partial=True) != replace(header, beside=beside):
        raise WrongStream("with something beside it, it is another stream")
    if header.missing:
        for refused in (step_ends, unpack):
            try:
                refused(whole)
            except SlimcodecError:
                continue
            raise WrongStream("a stream with holes is taken for a whole one")
        return
    ends = step_ends(whole)
    if ends[-1] > len(whole) or sorted(ends) != list(ends):
        raise WrongStream(f"steps end at {ends}")
    if header.progressive:
        if len(ends) != header.steps:
            raise WrongStream(f"{len(ends)} of its {header.steps} steps end")
        steps = rng.randint(1, len(ends))
        kept = header.sections[: steps * header.tiles]
        if unpack(cut(whole, steps)).sections != kept:
            raise WrongStream(f"cut to {steps} steps, it is another stream")


def _decode(codec: Any, whole: bytes, header: Stream, rng: random.Random) -> None:
    """All of a picture, and a part of it, which is had without the rest."""
    height, width = header.height, header.width
    if header.missing:
        try:
            codec.decode(whole)
        except SlimcodecError:
            pass
        else:
            raise WrongPicture("a stream with holes was decoded as if it were whole")
    partial = bool(header.missing)
    _check_picture(codec.decode(whole, partial=partial), height, width)
    left, top = rng.randrange(width), rng.randrange(height)
    region = Region(left, top, rng.randint(1, width - left), rng.randint(1, height - top))
    picture = codec.decode(whole, partial=partial, region=region)
    _check_picture(picture, region.height, region.width)


def _edit_chunk(piece: Piece, rng: random.Random) -> None:
    """One of the three numbers before a chunk's payload."""
    match rng.randrange(4):
        case 0:
            piece.kind = rng.choice((0, 0, 1, 2, 3, 4, 5, 100, 2**35 - 1))
        case 1:
            piece.number = max(0, piece.number + rng.choice((-2, -1, 1, 2, 4)))
        case 2:
            piece.number = _size(rng)
        case _:
            near = max(0, len(piece.payload) + rng.choice((-4, -1, 1, 4)))
            piece.length = rng.choice((near, near, _size(rng)))


def _edited_words(data: bytes, rng: random.Random) -> bytes:
    """Another word put in, or one less: entropy coders write whole ones."""
    words = [data[at : at + _WORD] for at in range(0, len(data), _WORD)]
    at = rng.randrange(len(words) + 1)
    words[at : at + rng.randrange(2)] = [rng.randbytes(_WORD)] * rng.choice((0, 1, 1, 1, 2))
    return b"".join(words)


def _size(rng: random.Random) -> int:
    few = (0, 1, 2, 15, 16, 17, 31, 33, 63, 64, 65, 100, rng.randrange(1, 200))
    large = (255, 256, 1000, 1024, 4000, 65535, 2**14, 2**28, 2**31, 2**35 - 1)
    return rng.choice(few if rng.random() < 0.9 else large)


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
    _check_picture(codec.decode(codec.encode(drawn(*PICTURE))), *PICTURE)


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
            files[name] = _edited_json(own, rng)
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


def _edited_json(data: bytes, rng: random.Random) -> bytes:
    try:
        return json.dumps(edited_values(json.loads(data), rng)).encode()
    except (ValueError, RecursionError):
        return edited_bytes(data, rng)


class Settings:
    """TOML files: values edited as values, or their text."""

    kind: ClassVar[str]

    def __init__(self, folder: Path, work: Path) -> None:
        self.folder, self.path = folder / self.kind, work / "hostile.toml"
        self.begin(folder)

    def begin(self, folder: Path) -> None:
        """What a use needs besides the file."""

    def seeds(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted(self.folder.iterdir())]

    def edited(self, data: bytes, rng: random.Random) -> bytes:
        text = data.decode(errors="replace")
        try:
            values = tomllib.loads(text)
            if rng.random() < 0.8:
                changed = _without_nothing(edited_values(values, rng))
                text = to_toml(changed)
                tomllib.loads(text)
                return text.encode()
        except (ValueError, TypeError, AttributeError, RecursionError):
            pass
        return edited_text(text, rng).encode(errors="replace")

    def forged(self, data: bytes) -> bytes:
        return data

    def use(self, data: bytes) -> None:
        self.path.write_bytes(data)
        self.read(self.path)

    def read(self, path: Path) -> None:
        raise NotImplementedError


def _without_nothing(values: Any) -> Any:
    """TOML has no null."""
    if isinstance(values, dict):
        return {k: _without_nothing(v) for k, v in values.items() if v is not None}
    if isinstance(values, list):
        return [_without_nothing(v) for v in values if v is not None]
    return values


class Recipes(Settings):
    """Read, checked against both families, planned on a small network of each."""

    kind = "recipes"

    def begin(self, folder: Path) -> None:
        models = [load(folder / name) for name in (MODELS[0], MODELS[2])]
        self.networks = [
            (thaw_network(model), registry.families.get(model.family)) for model in models
        ]

    def read(self, path: Path) -> None:
        from slimcodec.shrink import Recipe

        recipe = Recipe.read(path)
        refusal = None
        for network, family in self.networks:
            try:
                recipe.check(family, network.config)
                recipe.plan(network, family)
            except SlimcodecError as error:
                refusal = error
        if refusal is not None:
            raise refusal


class Studies(Settings):
    """Read, and said what a report is told."""

    kind = "studies"

    def read(self, path: Path) -> None:
        from slimcodec.bench.study import Study

        study = Study.read(path)
        json.dumps(study.describe())
        for variant in study.variants:
            json.dumps(variant.settings)


class Trainings(Settings):
    """Read, with the network's shape and the objective that they name."""

    kind = "trainings"

    def read(self, path: Path) -> None:
        from slimcodec.training import TrainingConfig

        run = TrainingConfig.read(path)
        family = registry.families.get(run.family)
        run.network_config(family)
        run.chosen_objective(family)
        for step in (0, run.last_step):
            run.learning_rate_factor(step)


class Checkpoints:
    """Published checkpoints: zips with a pickle, of both families."""

    def __init__(self, folder: Path, work: Path) -> None:
        self.folder, self.work = folder / "checkpoints", work

    def seeds(self) -> list[bytes]:
        return [
            joined({path.name: path.read_bytes() for path in sorted(own.iterdir())})
            for own in sorted(self.folder.iterdir())
        ]

    def edited(self, data: bytes, rng: random.Random) -> bytes:
        try:
            files = split(data)
            name = rng.choice(sorted(files))
            files[name] = _edited_zip(files[name], rng)
        except (ValueError, IndexError):
            return edited_bytes(data, rng)
        return joined(files)

    def forged(self, data: bytes) -> bytes:
        return data

    def use(self, data: bytes) -> None:
        try:
            files = split(data)
        except ValueError:
            return
        own = self.work / "checkpoint"
        shutil.rmtree(own, ignore_errors=True)
        own.mkdir()
        paths = [own / f"{number}.pt" for number in range(len(files))]
        for path, content in zip(paths, files.values(), strict=True):
            path.write_bytes(content)
        family = registry.families.get("hific" if len(paths) == 1 else "toderici")
        family.read_checkpoint(paths)


def _edited_zip(data: bytes, rng: random.Random) -> bytes:
    """One entry edited, the zip's own checks right."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, EOFError):
        return edited_bytes(data, rng)
    if not entries or rng.random() < 0.1:
        return edited_bytes(data, rng)
    pickles = [name for name in entries if name.endswith("data.pkl")]
    name = pickles[0] if pickles and rng.random() < 0.7 else rng.choice(sorted(entries))
    entries[name] = edited_bytes(entries[name], rng)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, own in entries.items():
            archive.writestr(name, own)
    return out.getvalue()


class Rows:
    """Rows of a bench, as SQLite, and of sensitivity, as lines: read, and made into pages."""

    def __init__(self, folder: Path, work: Path) -> None:
        self.folder, self.work = folder / "rows", work / "rows"

    def seeds(self) -> list[bytes]:
        return [
            joined({path.name: path.read_bytes()})
            for path in (
                self.folder / "bench" / "rows.sqlite",
                self.folder / "sensitivity" / "rows.jsonl",
            )
        ]

    def edited(self, data: bytes, rng: random.Random) -> bytes:
        try:
            ((name, own),) = split(data).items()
        except ValueError:
            return edited_bytes(data, rng)
        if name.endswith(".jsonl"):
            lines = own.split(b"\n")
            number = rng.randrange(len(lines))
            lines[number] = _edited_json(lines[number], rng)
            return joined({name: b"\n".join(lines)})
        if rng.random() < 0.2:
            return joined({name: edited_bytes(own, rng)})
        return joined({name: self._edited_table(own, rng)})

    def _edited_table(self, data: bytes, rng: random.Random) -> bytes:
        path = self.work.with_suffix(".sqlite")
        path.write_bytes(data)
        try:
            db = sqlite3.connect(path)
            db.execute("PRAGMA journal_mode = DELETE")
            keys = [key for (key,) in db.execute("SELECT key FROM rows")]
            key = rng.choice(keys)
            (text,) = db.execute("SELECT data FROM rows WHERE key = ?", (key,)).fetchone()
            with db:
                changed = _edited_json(str(text).encode(), rng).decode(errors="replace")
                db.execute("UPDATE rows SET data = ? WHERE key = ?", (changed, key))
            db.close()
        except (sqlite3.DatabaseError, IndexError, ValueError, UnicodeError):
            return edited_bytes(data, rng)
        return path.read_bytes()

    def forged(self, data: bytes) -> bytes:
        return data

    def use(self, data: bytes) -> None:
        from slimcodec.bench.rows import RowStore, rows_to_tsv
        from slimcodec.report import build_report, build_sensitivity_page

        try:
            ((name, own),) = split(data).items()
        except ValueError:
            return
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        if name.endswith(".jsonl"):
            (self.work / "rows.jsonl").write_bytes(own)
            build_sensitivity_page(self.work, 2.0)
            return
        path = self.work / "rows.sqlite"
        path.write_bytes(own)
        store = RowStore(path)
        try:
            rows_to_tsv(list(store), self.work / "rows.tsv")
        finally:
            store.close()
        build_report(self.work)


PARSERS: dict[str, Callable[[Path, Path], Parser]] = {
    "streams": Streams,
    "models": Models,
    "bundles": Bundles,
    "recipes": Recipes,
    "studies": Studies,
    "trainings": Trainings,
    "checkpoints": Checkpoints,
    "rows": Rows,
}
