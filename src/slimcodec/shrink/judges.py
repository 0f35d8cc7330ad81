"""Pictures that judge: the Kodak set, and the photographs that the recipes hold out. Whoever trains
on them measures what was learned by heart, so passes that learn refuse them, whatever their files
are called.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import resources
from pathlib import Path

from slimcodec.errors import UsageError
from slimcodec.images import read_image
from slimcodec.machine import available_cores
from slimcodec.types import Image

__all__ = ["digest_of", "digest_of_file", "refuse_judges"]


def refuse_judges(paths: Sequence[Path]) -> None:
    """Every photograph must be one that nothing is judged by.

    Raises:
        UsageError: naming one that is.
        ImageError: when one cannot be read.
    """
    judges = _judges()
    with ThreadPoolExecutor(available_cores()) as pool:
        for path, digest in zip(paths, pool.map(digest_of_file, paths), strict=True):
            if digest in judges:
                raise UsageError(
                    f"{path} is one of the pictures that codecs are judged by; take it out of the "
                    "folder, or name it under holdout where a recipe learns"
                )


def digest_of(pixels: Image) -> str:
    """Of a picture's pixels, whatever file they come from."""
    return hashlib.sha256(str(pixels.shape).encode() + pixels.tobytes()).hexdigest()[:16]


def digest_of_file(path: Path) -> str:
    """Of a photograph; read once while the file stays."""
    facts = path.stat()
    return _digest_once(path, facts.st_size, facts.st_mtime_ns)


@cache
def _digest_once(path: Path, size: int, changed_ns: int) -> str:
    """A folder is looked at before a recipe begins and again by each pass that learns."""
    return digest_of(read_image(path).pixels)


@cache
def _judges() -> frozenset[str]:
    text = resources.files(__package__).joinpath("judges.txt").read_text(encoding="utf-8")
    return frozenset(line.split()[0] for line in text.splitlines() if line[:1] not in ("", "#"))
