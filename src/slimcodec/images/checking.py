"""Whether image files can be read, by their headers: asked before hours of work that would end at
the last of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from slimcodec.errors import ImageError
from slimcodec.images.looking import look
from slimcodec.images.opening import check_size, open_picture
from slimcodec.images.reading import open_file

__all__ = ["check_images"]


def check_images(paths: Iterable[Path]) -> None:
    """Look at the header of each file; no pixel is decoded, so damage behind it is not seen.

    Raises:
        ImageError: naming the first file that is none, or of a kind that is not read.
    """
    for path in paths:
        try:
            with open_file(path) as file:
                kind = look(file)
                if kind.decode is None:
                    open_picture(file)
                else:
                    check_size(*kind.size)
        except ImageError as error:
            raise ImageError(f"{path}: {error}") from error
