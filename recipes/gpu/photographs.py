"""Photographs in one file, small enough to be carried to where a GPU is.

A zip, stored: ``manifest.json`` and one AVIF per photograph, under the name that the photograph had
when it was packed. Recipes hold photographs out by file name, and images are told by their content,
so a ``p0102.jpg`` that holds an AVIF is what every part of the training expects.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from slimcodec.atomic import atomic_path
from slimcodec.errors import UsageError

__all__ = ["Photograph", "entry_of", "read_names", "unpack", "write_pack"]

FORMAT, VERSION = "slimcodec-photos", 1
MANIFEST, FOLDER = "manifest.json", "photographs/"


@dataclass(frozen=True)
class Photograph:
    """An entry of the manifest."""

    name: str
    sha256: str
    width: int
    height: int


def entry_of(name: str, data: bytes, size: tuple[int, int]) -> Photograph:
    """The entry of a file that was just made."""
    return Photograph(name, hashlib.sha256(data).hexdigest(), *size)


def write_pack(
    path: Path, photographs: Sequence[tuple[Photograph, bytes]], scale: float, quality: int
) -> None:
    """Write a pack, aside and renamed; its folder is made when missing."""
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "photographs": [asdict(entry) for entry, _ in photographs],
        "scale": scale,
        "quality": quality,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as aside, zipfile.ZipFile(aside, "w", zipfile.ZIP_STORED) as pack:
        pack.writestr(MANIFEST, json.dumps(manifest, indent=1))
        for entry, data in photographs:
            pack.writestr(FOLDER + entry.name, data)


def read_names(path: Path) -> list[str]:
    """The names of a pack's photographs, in its order.

    Raises:
        UsageError: when it is not a pack, is damaged, or of another version.
    """
    with _opened(path) as (_, entries):
        return [entry.name for entry in entries]


def unpack(path: Path, folder: Path, names: Sequence[str] | None = None) -> list[Path]:
    """A pack's photographs as files in a folder, each compared with its digest.

    Args:
        path: the pack.
        folder: where to write; it exists.
        names: which photographs; all when None.

    Raises:
        UsageError: as ``read_names``, and when a photograph is not what was packed.
    """
    made = []
    with _opened(path) as (pack, entries):
        for entry in entries:
            if names is not None and entry.name not in names:
                continue
            data = pack.read(FOLDER + entry.name)
            if hashlib.sha256(data).hexdigest() != entry.sha256:
                raise UsageError(_damaged(path, f"{entry.name} is not what was packed"))
            made.append(folder / entry.name)
            made[-1].write_bytes(data)
    return made


@contextmanager
def _opened(path: Path) -> Iterator[tuple[zipfile.ZipFile, list[Photograph]]]:
    """An open pack and its entries; what is wrong with it, inside the block too, in one line."""
    try:
        with zipfile.ZipFile(path) as pack:
            yield pack, _entries(path, pack)
    except FileNotFoundError as error:
        raise UsageError(f"there is no pack {path}; make it with recipes/gpu/pack.py") from error
    except (zipfile.BadZipFile, EOFError) as error:
        reason = "cut short, or no pack at all" if not zipfile.is_zipfile(path) else str(error)
        raise UsageError(_damaged(path, reason)) from error
    except KeyError as error:
        raise UsageError(_damaged(path, str(error.args[0]).lower())) from error


def _entries(path: Path, pack: zipfile.ZipFile) -> list[Photograph]:
    if MANIFEST not in pack.namelist():
        raise UsageError(f"{path} is not a pack of photographs: it has no {MANIFEST}")
    try:
        manifest = json.loads(pack.read(MANIFEST))
        kind, version = manifest["format"], manifest["version"]
        if (kind, version) == (FORMAT, VERSION):
            entries = [Photograph(**entry) for entry in manifest["photographs"]]
    except (ValueError, TypeError, LookupError) as error:
        raise UsageError(_damaged(path, f"its {MANIFEST} cannot be read")) from error
    if kind != FORMAT:
        raise UsageError(f"{path} is not a pack of photographs: it calls itself {kind!r}")
    if version != VERSION:
        raise UsageError(
            f"{path} is a pack of version {version}, this reads version {VERSION}; pack again"
        )
    for entry in entries:
        if Path(entry.name).name != entry.name:  # it would be written outside the folder
            raise UsageError(_damaged(path, f"{entry.name!r} is not a file's name"))
    return entries


def _damaged(path: Path, why: str) -> str:
    return f"{path} is damaged ({why}); copy it again or pack again"
