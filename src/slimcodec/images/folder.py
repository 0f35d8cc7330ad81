"""Which files of a folder are the images.

A measurement over a folder must mean the same images in the same order on every machine, so the
rule is plain: files directly in the folder, with a suffix of a format that is read here, sorted by
name character by character. Hidden files are passed over; they are the thumbnails and leftovers of
other programs (macOS puts a ``._photo.jpg`` beside each ``photo.jpg``) and of ours. Whatever else
is passed over may have been meant, so `skipped` says it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from slimcodec.errors import ImageError
from slimcodec.images.opening import readable

__all__ = [
    "find_images",
    "image_suffixes",
    "say_skipped",
    "skipped",
    "sort_out",
    "spread",
]

T = TypeVar("T")

_NAMED = 3
"""How many of the skipped are named; the others are counted."""


def find_images(folder: str | os.PathLike[str]) -> list[Path]:
    """The image files of a folder, sorted by name; not those of its subfolders.

    Args:
        folder: a folder, or one file, which is then taken as it is, whatever its suffix.

    Returns:
        At least one path, each starting with ``folder``.

    Raises:
        ImageError: when there is no such folder, it may not be listed, or holds no image.
    """
    suffixes = image_suffixes()
    images, _ = sort_out(Path(folder), suffixes)
    if not images:
        raise ImageError(
            f"{folder}: no image in this folder; looked for {' '.join(suffixes)}, "
            "not in its subfolders"
        )
    return images


def skipped(folder: str | os.PathLike[str]) -> str | None:
    """One sentence on what `find_images` passes over in a folder; None when that is nothing.

    Raises:
        ImageError: when there is no such folder, or it may not be listed.
    """
    _, others = sort_out(Path(folder), image_suffixes())
    return say_skipped(Path(folder), others)


def say_skipped(folder: Path, others: Sequence[Path]) -> str | None:
    """The sentence of `skipped` about these; None where there are none."""
    if not others:
        return None
    listed = ", ".join(each.name for each in others[:_NAMED])
    more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    return f"{folder}: skipped, as subfolders or files of other suffixes: {listed}{more}"


def spread(found: Sequence[T], count: int) -> list[T]:
    """So many of them, evenly spread; all where there are fewer."""
    chosen = min(count, len(found))
    return [found[i * len(found) // chosen] for i in range(chosen)]


def image_suffixes() -> tuple[str, ...]:
    """Of all formats that are read here, in lower case."""
    return tuple(sorted(suffix for each in readable().values() for suffix in each))


def sort_out(folder: Path, suffixes: Sequence[str]) -> tuple[list[Path], list[Path]]:
    """The files of these suffixes, and what else is there and not hidden, each by name; a file is
    its own only one.

    Raises:
        ImageError: when there is no such folder, or it may not be listed.
    """
    images: list[Path] = []
    others: list[Path] = []
    try:
        if folder.is_file():
            return [folder], []
        for entry in sorted(folder.iterdir(), key=lambda path: path.name):
            if not entry.name.startswith("."):
                is_image = entry.suffix.lower() in suffixes and entry.is_file()
                (images if is_image else others).append(entry)
    except FileNotFoundError as error:
        raise ImageError(f"{folder}: there is no such folder; check the name") from error
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise ImageError(f"{folder}: the folder cannot be listed: {reason}") from error
    return images, others
