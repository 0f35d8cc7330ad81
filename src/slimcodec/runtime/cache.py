"""What can be made again, kept: bundles of models, made when a runtime that runs bundles is first
asked to run the model.

A kept bundle is named after the model's digest. Which digest a model file has is kept too, once
all of the file was read and checked, with its size and time of change: while those stay, the file
is run without reading its weights again. Where nothing can be kept, a bundle lives as long as the
process.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import TypeVar

from slimcodec.atomic import folder_aside, write_atomically
from slimcodec.errors import BundleError, SlimcodecError
from slimcodec.machine import cpu_flags, cpu_name
from slimcodec.model_file import Model
from slimcodec.runtime.bundle import Bundle, is_made_of, open_bundle

__all__ = [
    "KnownFile",
    "cache_folder",
    "keep_bundle",
    "kept_bundle",
    "kept_folder",
    "kept_work",
    "known_file",
]

T = TypeVar("T")

_VERSION = 11
"""Of what export writes; raised when the same model comes to give other graphs."""


_STATES = "states.json"
"""Sizes and times of change of the other files in a folder of what a runtime made."""

_MAKING = threading.Lock()
"""One bundle is made at a time in a process."""

_SETTLED_NS = 2_000_000_000
"""How long a file must have lain unchanged before it is remembered: a change within one tick of the
file system's clock would not be seen."""


@dataclass(frozen=True)
class KnownFile:
    """A model file that was read and checked before and has not changed since.

    Attributes:
        digest: of its model, in hex.
        bytes: what ``model_file.file_bytes`` says of it.
        stream_id: of its streams, in hex.
        look: what its pictures aim at.
    """

    digest: str
    bytes: int
    stream_id: str
    look: str


_FACTS = tuple(field.name for field in fields(KnownFile))


def known_file(path: Path) -> KnownFile | None:
    """What is remembered of a model file; None where nothing is, or where it changed."""
    try:
        record = json.loads(_record(path).read_text(encoding="utf-8"))
        if any(_state(Path(file)) != state for file, state in record["files"].items()):
            return None
        return KnownFile(**{key: record[key] for key in _FACTS})
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def remember_file(path: Path, files: Sequence[Path], known: KnownFile) -> None:
    """Remember a model file that was checked, with the files that it is made of."""
    states = {str(file.resolve()): _state(file) for file in files}
    record = {"files": states, **asdict(known)}
    settled = time.time_ns() - max(changed for _, changed in states.values()) > _SETTLED_NS
    if settled and kept_folder("models") is not None:
        with suppress(SlimcodecError):
            write_atomically(_record(path), json.dumps(record).encode())


def kept_bundle(digest: str, runtime: str, model: Model | None = None) -> Bundle | None:
    """The bundle of a model that was made before, if it is there and sound.

    Args:
        digest: of the model, in hex.
        runtime: what the bundle is for.
        model: what it must be made of, where that was read.
    """
    try:
        bundle = open_bundle(_place(digest, runtime), kept=True)
    except BundleError:
        return None
    sound = bundle.model["digest"] == digest and bundle.runtime == runtime
    return bundle if sound and (model is None or is_made_of(bundle, model)) else None


def keep_bundle(model: Model, runtime: str, make: Callable[[Path], None]) -> Bundle:
    """Make a bundle and keep it.

    Args:
        model: what it is made of.
        runtime: what the bundle is for.
        make: writes it to a folder, whole or not at all.
    """
    place = _place(model.digest, runtime)
    with _MAKING:
        # Another thread may have been faster, and what it made may be in use.
        if (found := kept_bundle(model.digest, runtime, model)) is not None:
            return found
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            make(place)
        except (OSError, SlimcodecError):
            # Another process may have been faster; else nothing can be kept there.
            if (found := kept_bundle(model.digest, runtime, model)) is not None:
                return found
            place = Path(_passing().name) / place.name
            if not place.exists():
                make(place)
        return open_bundle(place, kept=True)


def kept_work(
    room: str,
    facts: tuple[object, ...],
    load: Callable[[Path], T],
    make: Callable[[Path | None], T],
) -> T:
    """What a runtime makes of a graph: from what was kept of it, or made now, and kept.

    A folder of what is kept is filled aside and renamed, and never changed again, as others may
    have it mapped into their memory.

    Args:
        room: a folder in the cache.
        facts: all that it depends on; the processor is among it without being said.
        load: from a folder that is as it was left.
        make: anew; what there is to keep is left in the folder, where one is given.
    """
    work = kept_folder(room)
    if work is None:
        return make(None)
    name = hashlib.sha256(repr((facts, (cpu_name(), *cpu_flags()))).encode()).hexdigest()[:32]
    if _sound(work / name):
        return load(work / name)
    try:
        with folder_aside(work) as aside:
            made = make(aside)
            _keep(aside, work / name)
            return made
    except OSError:
        # A disk that is full, for example; the graph runs without.
        return make(None)


def kept_folder(name: str) -> Path | None:
    """A folder in the cache, made when it is not there; None where none can be."""
    folder = cache_folder() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def cache_folder() -> Path:
    """Where what can be made again is kept: ``$SLIMCODEC_CACHE``, or the user's cache folder."""
    if own := os.environ.get("SLIMCODEC_CACHE"):
        return Path(own)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "slimcodec"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "slimcodec"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slimcodec"


def _place(digest: str, runtime: str) -> Path:
    return cache_folder() / "bundles" / f"{digest[:16]}-{runtime}-{_VERSION}"


def _record(path: Path) -> Path:
    name = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:32]
    return cache_folder() / "models" / f"{name}.json"


def _state(path: Path) -> list[int]:
    facts = path.stat()
    return [facts.st_size, facts.st_mtime_ns]


def _sound(place: Path) -> bool:
    """Whether a folder is as it was left: sizes and times of change, as a digest would take longer
    than making it all again."""
    try:
        states = json.loads((place / _STATES).read_text(encoding="utf-8"))
        return bool(states) and all(_state(place / name) == own for name, own in states.items())
    except (OSError, ValueError, AttributeError):
        return False


def _keep(made: Path, place: Path) -> None:
    """Give a folder its name, unless another thread or process was faster, which may be using what
    it put there."""
    states = {path.name: _state(path) for path in made.iterdir()}
    (made / _STATES).write_text(json.dumps(states), encoding="utf-8")
    if _sound(place):
        return
    shutil.rmtree(place, ignore_errors=True)
    try:
        made.rename(place)
    except OSError:
        if not _sound(place):
            raise


@cache
def _passing() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="slimcodec-")
