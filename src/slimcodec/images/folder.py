"""Which files of a folder are the images.

A measurement over a folder must mean the same images in the same order on every machine, so the
rule is plain: files directly in the folder, with a suffix of a format that is read here, sorted by
name character by character. Hidden files are passed over; they are the thumbnails and leftovers of
other programs (macOS puts a ``._photo.jpg`` beside each ``photo.jpg``) and of ours.
"""

from __future__ import annotations

import os
from pathlib import Path

from slimcodec.errors import ImageError
from slimcodec.images.opening import readable

__all__ = ["find_images"]


def find_images(folder: str | os.PathLike[str]) -> list[Path]:
    """The image files of a folder, sorted by name; not those of its subfolders.

    Args:
        folder: a folder, or one file, which is then taken as it is, whatever its suffix.

    Returns:
        At least one path, each starting with ``folder``.

    Raises:
        ImageError: when there is no such folder, it may not be listed, or holds no image.
    """
    folder = Path(folder)
    suffixes = sorted(suffix for each in readable().values() for suffix in each)
    try:
        if folder.is_file():
            return [folder]
        entries = list(folder.iterdir())
    except FileNotFoundError as error:
        raise ImageError(f"{folder}: there is no such folder; check the name") from error
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise ImageError(f"{folder}: the folder cannot be listed: {reason}") from error
    images = [
        entry
        for entry in entries
        if entry.suffix.lower() in suffixes and not entry.name.startswith(".") and entry.is_file()
    ]
    if not images:
        raise ImageError(
            f"{folder}: no image in this folder; looked for {' '.join(suffixes)}, "
            "not in its subfolders"
        )
    return sorted(images, key=lambda path: path.name)
