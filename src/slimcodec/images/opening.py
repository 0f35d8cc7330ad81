"""Pillow's many ways to fail, turned into one.

Pillow decodes files that anyone may have written, through a dozen plugins, and a damaged file makes
them raise almost anything: ``OSError``, ``SyntaxError``, ``ValueError``, ``struct.error``,
``IndexError``, ... Pillow documents no list. So this module is the one place that catches broadly,
around nothing but decoders' own calls, and turns every failure into an `ImageError` that says what
is wrong with the file.

It also fixes what Pillow may open. Some of its plugins start other programs (EPS runs Ghostscript)
or only name a format without reading it; the table below holds those that decode pixels themselves.

Memory is guarded by Pillow's own limit on the number of pixels, checked from the header before a
pixel is decoded. Between one and two times `PIL.Image.MAX_IMAGE_PIXELS` Pillow warns, and beyond it
refuses; a 100-megapixel photograph is no attack, so the warning is dropped and the refusal kept.

What libtiff has to say it prints to the terminal by itself, hundreds of lines for a damaged file.
It has a switch for that, which Pillow does not touch, and which is set here.
"""

from __future__ import annotations

import ctypes
import functools
import re
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

import PIL
import PIL.Image
from PIL import _imaging, features

from slimcodec.errors import ImageError, SlimcodecError
from slimcodec.images.signatures import LONGEST, foreign_name, format_of

__all__ = ["check_size", "load_picture", "open_picture", "pixel_limit", "readable", "translated"]

_SUFFIXES = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    "GIF": (".gif",),
    "JPEG2000": (".jp2", ".j2k", ".jpc", ".jpf", ".jpx", ".j2c"),
    "AVIF": (".avif", ".avifs"),
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
    start = file.read(LONGEST)
    file.seek(0)
    if format_of(start) == "TIFF":
        _silence_libtiff()
    with translated():
        try:
            picture = PIL.Image.open(file, formats=accepted)
        except PIL.UnidentifiedImageError as error:
            raise _unidentified(start, accepted) from error
    check_size(*picture.size)
    return picture


def _unidentified(start: bytes, accepted: tuple[str, ...]) -> ImageError:
    """What to say of a file that no decoder takes, from its first bytes."""
    own, known = format_of(start), ", ".join(accepted)
    if own in accepted:
        return ImageError(
            f"it begins like {own}, but is damaged, or of a kind that is not read; get a fresh "
            "copy, or convert it to PNG"
        )
    if own in _OPTIONAL:
        return ImageError(f"{own} is not read by this machine's Pillow; install a newer Pillow")
    foreign = foreign_name(start)
    but = f" but {foreign}" if foreign else ""
    return ImageError(f"not an image of a known format ({known}){but}; convert it to PNG")


def check_size(width: int, height: int) -> None:
    """Refuse a picture of no pixels, or of more than `pixel_limit`, before memory is taken for it.

    Raises:
        ImageError: saying which.
    """
    if min(width, height) < 1:
        raise ImageError(f"it has no pixels: {width} x {height}")
    limit = pixel_limit()
    if limit is not None and width * height > limit:
        raise _bomb()


def _bomb() -> ImageError:
    limit = (pixel_limit() or 0) // 1_000_000
    return ImageError(
        f"it claims more than {limit} million pixels, a possible decompression bomb; "
        "cut it into smaller images"
    )


@functools.cache
def _silence_libtiff() -> None:
    """Take away the handlers with which Pillow's libtiff prints; errors are raised still.

    They are found through Pillow's own extension module, which is linked to libtiff. Where libtiff
    is inside of it, as on Windows, they have no name to be found by, and it goes on printing.
    """
    library = ctypes.CDLL(_imaging.__file__)
    for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        if hasattr(library, name):
            handler = getattr(library, name)
            handler.argtypes, handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            handler(None)


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


_UNSUPPORTED = re.compile(r"unsupported|not( yet)? supported|not available", re.IGNORECASE)
"""How decoders say that a file is sound, but beyond them."""


@contextmanager
def translated() -> Iterator[None]:
    """Whatever a decoder raises inside leaves as an `ImageError`; what it warns of is dropped."""
    try:
        with _QUIET:
            yield
    except SlimcodecError:
        raise
    except PIL.Image.DecompressionBombError as error:
        raise _bomb() from error
    except MemoryError as error:
        raise ImageError("not enough memory for it; cut it into smaller images") from error
    except Exception as error:  # Pillow's plugins raise anything on damaged bytes; see the head
        reason = " ".join(str(error).split()) or type(error).__name__
        if _UNSUPPORTED.search(reason):
            raise ImageError(f"a kind that is not read ({reason}); convert it to PNG") from error
        raise ImageError(f"damaged or cut short ({reason}); get a fresh copy") from error
