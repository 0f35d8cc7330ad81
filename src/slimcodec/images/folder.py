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

from slimcodec.errors import ImageError
from slimcodec.images.opening import readable

__all__ = ["find_images", "skipped", "spread"]

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
    images, _ = _sorted_out(Path(folder))
    if not images:
        raise ImageError(
            f"{folder}: no image in this folder; looked for {' '.join(_suffixes())}, "
            "not in its subfolders"
        )
    return images


def skipped(folder: str | os.PathLike[str]) -> str | None:
    """One sentence on what `find_images` passes over in a folder; None when that is nothing.

    Raises:
        ImageError: when there is no such folder, or it may not be listed.
    """
    _, others = _sorted_out(Path(folder))
    if not others:
        return None
    listed = ", ".join(each.name for each in others[:_NAMED])
    more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    return f"{folder}: skipped, as subfolders or files of other suffixes: {listed}{more}"


def spread(paths: Sequence[Path], count: int) -> list[Path]:
    """So many of them, evenly spread; all where there are fewer."""
    chosen = min(count, len(paths))
    return [paths[i * len(paths) // chosen] for i in range(chosen)]


def _suffixes() -> list[str]:
    return sorted(suffix for each in readable().values() for suffix in each)


def _sorted_out(folder: Path) -> tuple[list[Path], list[Path]]:
    """The images, and what else is there and not hidden, each by name; a file is its only image.

    Raises:
        ImageError: when there is no such folder, or it may not be listed.
    """
    suffixes = _suffixes()
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
