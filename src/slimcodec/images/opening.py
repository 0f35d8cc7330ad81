"""Pillow's many ways to fail, turned into one.

Pillow decodes files that anyone may have written, through a dozen plugins, and a damaged file makes
them raise almost anything: ``OSError``, ``SyntaxError``, ``ValueError``, ``struct.error``,
``IndexError``, ... Pillow documents no list. So this module is the one place that catches broadly,
around nothing but Pillow's own calls, and turns every failure into an `ImageError` that says what
is wrong with the file.

It also fixes what Pillow may open. Some of its plugins start other programs (EPS runs Ghostscript)
or only name a format without reading it; the table below holds those that decode pixels themselves.

Memory is guarded by Pillow's own limit on the number of pixels, checked from the header before a
pixel is decoded. Between one and two times `PIL.Image.MAX_IMAGE_PIXELS` Pillow warns, and beyond it
refuses; a 100-megapixel photograph is no attack, so the warning is dropped and the refusal kept.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

import PIL
import PIL.Image
from PIL import features

from slimcodec.errors import ImageError

__all__ = ["load_picture", "open_picture", "pixel_limit", "readable", "translated"]

_SUFFIXES = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg"),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm"),
    "GIF": (".gif",),
    "JPEG2000": (".jp2",),
    "AVIF": (".avif",),
}
"""Pillow's name of a format, and the suffixes its files go by."""

_OPTIONAL = {"WEBP": "webp", "JPEG2000": "jpg_2000", "AVIF": "avif"}
"""Formats that a build of Pillow may lack, with the name its ``features`` module gives them."""


def readable() -> dict[str, tuple[str, ...]]:
    """The formats that this machine's Pillow reads for us, and their suffixes in lower case."""
    return {
        name: suffixes
        for name, suffixes in _SUFFIXES.items()
        if name not in _OPTIONAL or features.check(_OPTIONAL[name])
    }


def pixel_limit() -> int | None:
    """The number of pixels beyond which Pillow refuses an image; None when it refuses none."""
    warned = PIL.Image.MAX_IMAGE_PIXELS
    return None if warned is None else 2 * warned


def open_picture(file: IO[bytes], formats: Sequence[str] | None = None) -> PIL.Image.Image:
    """Read the header of a picture: size, mode and metadata are known, no pixel is decoded.

    Args:
        file: the open file; it must stay open until `load_picture` is done.
        formats: Pillow's names of the formats to accept; all of `readable` when None.

    Raises:
        ImageError: what is wrong with the bytes, without naming the file.
    """
    accepted = tuple(readable()) if formats is None else tuple(formats)
    with translated():
        try:
            picture = PIL.Image.open(file, formats=accepted)
        except PIL.UnidentifiedImageError as error:
            known = ", ".join(accepted)
            raise ImageError(
                f"not an image of a known format ({known}); convert it to PNG"
            ) from error
    if min(picture.size) < 1:
        raise ImageError(f"it has no pixels: {picture.width} x {picture.height}")
    return picture


def load_picture(picture: PIL.Image.Image) -> None:
    """Decode the pixels of an opened picture, in place.

    Raises:
        ImageError: when the data is damaged or ends early, or does not fit into memory.
    """
    with translated():
        picture.load()


class _Quiet:
    """Pillow's warnings about odd files, dropped: they are printed past us, or become exceptions.

    `warnings.catch_warnings` changes the filters of the whole process, and two threads that enter
    and leave it crosswise leave the wrong filters behind for good. So the first thread in silences
    and the last one out restores; the images in between are read side by side.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._filters = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.simplefilter("ignore")
            self._inside += 1

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._filters.__exit__(None, None, None)


_QUIET = _Quiet()


@contextmanager
def translated() -> Iterator[None]:
    """Whatever Pillow raises inside leaves as an `ImageError`; what it warns of is dropped."""
    try:
        with _QUIET:
            yield
    except ImageError:
        raise
    except PIL.Image.DecompressionBombError as error:
        limit = (pixel_limit() or 0) // 1_000_000
        raise ImageError(
            f"it claims more than {limit} million pixels, a possible decompression bomb; "
            "cut it into smaller images"
        ) from error
    except MemoryError as error:
        raise ImageError("not enough memory for it; cut it into smaller images") from error
    except Exception as error:  # Pillow's plugins raise anything on damaged bytes; see the head
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"damaged or cut short ({reason}); get a fresh copy") from error
