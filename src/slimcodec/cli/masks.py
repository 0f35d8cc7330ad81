"""Which mask is for which picture: ``--mask FILE`` for one, ``--mask FOLDER`` for several."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from slimcodec.errors import UsageError

if TYPE_CHECKING:
    from slimcodec.cli.inputs import Input, Inputs

__all__ = ["find_masks"]


def find_masks(mask: str | None, codec: str, inputs: Inputs) -> Mapping[Input, Path]:
    """The mask of every picture; none where none was given. No file is read.

    Args:
        mask: as it was given: a file, or a folder of files that are named like their pictures, but
            for the suffix.
        codec: by name or path.
        inputs: the pictures.

    Raises:
        UsageError: when the codec takes none, one file is for several pictures, or a folder has no
            mask for a picture, or two.
    """
    if mask is None:
        return {}
    from slimcodec.pictures import check_takes_mask

    check_takes_mask(codec)
    place = Path(mask)
    if place.is_dir():
        return {source: _in_folder(place, source) for source in inputs.files}
    if not inputs.single:
        raise UsageError(
            f"--mask {mask} is for one picture; of several, name a folder of masks, each named "
            "like its picture"
        )
    return {inputs.files[0]: place}


def _in_folder(folder: Path, source: Input) -> Path:
    """The one mask there that is named like a picture."""
    from slimcodec.images.folder import image_suffixes

    if source.path is None:
        raise UsageError("standard input has no name to find a mask by; name the mask's file")
    below = folder / source.below
    there = sorted(below.iterdir()) if below.is_dir() else []
    found = [
        path
        for path in there
        if path.stem == source.path.stem and path.suffix.lower() in image_suffixes()
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(f"there is no mask for {source.name}: {below / source.path.stem}.png")
    raise UsageError(f"{found[0]} and {found[1]} could both be the mask of {source.name}")
