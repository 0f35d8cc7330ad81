"""Any image file, as the one kind of image that the rest of slimcodec knows.

A folder of photographs holds more than 8-bit RGB: phone pictures stored sideways with a flag,
16-bit scans, screenshots with transparency, palettes, CMYK from a print shop, an animation.
Refusing them would be a nuisance and converting them silently would be a lie, so each is converted
by one stated rule, and every rule that changed something leaves a sentence in `ReadImage.notes`:

=====================  ============================================================================
several frames         the first is taken
orientation (EXIF)     applied
more than 8 bits       scaled from the full range to 0..255 and rounded (grey); for RGB and for
                       grey with alpha Pillow hands us the high byte
32-bit integers        taken as 16-bit samples; what lies outside 0..65535 is clipped
floating point         0..1 becomes 0..255; files whose samples exceed 1 are taken as 0..255
CMYK, YCbCr, LAB       converted to RGB
ICC profile            converted to sRGB (`slimcodec.images.colour`)
transparency           composited on ``background``, in sRGB values as browsers do
=====================  ============================================================================

The order matters: colours are converted before they are composited, since the background is given
in sRGB. No rule looks at the content to stretch it (a min-max stretch reads as a change of tone);
the one exception is the scale of floating-point files, for which no convention exists.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ExifTags

from slimcodec.errors import ImageError
from slimcodec.images.colour import to_srgb
from slimcodec.images.opening import load_picture, open_picture, translated
from slimcodec.types import Image

__all__ = ["ReadImage", "read_image"]


@dataclass(frozen=True, eq=False)
class ReadImage:
    """An image as read, and what had to be done to it.

    Attributes:
        pixels: ``uint8 [h, w, 3]``, sRGB, h and w at least 1.
        notes: sentences for the user, each about something that the pixels no longer hold.
    """

    pixels: Image
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Header:
    """What a picture tells only until Pillow has decoded it.

    Attributes:
        several: there are more frames or pages than the one we take.
        rawmode: how the samples are stored, in Pillow's words, for example ``RGB;16B``.
        top: the sample value that is white in a grey picture of more than 8 bits.
        turned: Pillow's TIFF plugin is going to apply the orientation by itself.
    """

    several: bool
    rawmode: str
    top: int
    turned: bool


def read_image(
    path: str | os.PathLike[str], *, background: tuple[int, int, int] = (255, 255, 255)
) -> ReadImage:
    """Read an image file of any kind as 8-bit sRGB.

    Args:
        path: PNG, JPEG, WebP, BMP, TIFF, PPM/PGM, GIF, JPEG 2000 or AVIF, told by its content.
        background: the sRGB colour, 0..255 each, that shows through transparency.

    Raises:
        ImageError: when there is no such file, or it is a folder, empty, not an image, cut short,
            damaged, or larger than Pillow's limit on pixels. One line, naming the file.
        ValueError: when ``background`` is not three numbers from 0 to 255.
    """
    if len(background) != 3 or not all(0 <= value <= 255 for value in background):
        raise ValueError(f"background must be three numbers from 0 to 255, got {background}")
    path = Path(path)
    try:
        with _open(path) as file:
            picture = open_picture(file)
            header = _read_header(picture)
            load_picture(picture)
        rgb, alpha, notes = _colours(picture, header)
        left_to_turn = _orientation(picture)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error

    pixels: Image = np.asarray(rgb)
    if alpha is not None and alpha.min() < 255:
        pixels = _composite(pixels, alpha, background)
        notes.append(f"transparency was composited on {_colour_name(background)}")
    if header.turned or left_to_turn != 1:
        notes.append("the EXIF orientation was applied")
    if header.several:
        notes.append(
            "the file holds several pages: the first was taken"
            if picture.format in _PAGED
            else "animated: the first frame was taken"
        )
    return ReadImage(np.array(_turn(pixels, left_to_turn), order="C"), tuple(notes))


_PAGED = ("TIFF", "MPO")

_TOPS = {"I;12": 4095}
"""White, where the stored samples do not fill the 16 bits they are handed to us in."""


def _open(path: Path) -> IO[bytes]:
    """The file, after telling apart what opening would confuse or, for a pipe, wait for.

    Raises:
        ImageError: without the file's name.
    """
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise ImageError("this is a folder; name an image in it")
        if not stat.S_ISREG(found.st_mode):
            raise ImageError("this is a device or a pipe; store the image in a file first")
        if found.st_size == 0:
            raise ImageError("the file is empty (0 bytes); get a fresh copy")
        return path.open("rb")
    except (OSError, ValueError) as error:
        raise ImageError(_reason(error)) from error


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return "there is no such file; check the name and the folder"
    if isinstance(error, PermissionError):
        return "no permission to read it; change its permissions or copy it"
    if isinstance(error, OSError):
        return f"cannot be read: {(error.strerror or str(error)).lower()}"
    return f"cannot be read: {error}"


def _read_header(picture: PIL.Image.Image) -> _Header:
    with translated():
        several = bool(getattr(picture, "is_animated", False))
    tiles: Any = getattr(picture, "tile", ())
    arguments = tiles[0].args if tiles else ()
    if not isinstance(arguments, tuple):
        arguments = (arguments,)
    rawmode = str(arguments[0]) if arguments else ""
    if picture.format == "PPM" and len(arguments) == 2 and arguments[1] > 255:
        rawmode = f"{rawmode};16"  # the PPM decoder says its depth as the largest value instead
    return _Header(
        several,
        rawmode,
        top=_TOPS.get(rawmode, 65535),
        turned=picture.format == "TIFF" and _orientation(picture) != 1,
    )


def _orientation(picture: PIL.Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 (upright) as well when the EXIF data makes no sense."""
    try:
        with translated():
            value = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except ImageError:
        return 1  # broken metadata must not keep anyone from the pixels
    return value if value in range(1, 9) else 1


def _turn(pixels: Image, orientation: int) -> Image:
    """The stored pixels as they are meant to be seen."""
    if orientation >= 5:  # stored with rows and columns exchanged
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _colours(
    picture: PIL.Image.Image, header: _Header
) -> tuple[PIL.Image.Image, NDArray[np.uint8] | None, list[str]]:
    """The picture in 8-bit sRGB, its alpha ``uint8 [h, w]`` or None, and the notes so far."""
    notes: list[str] = []
    alpha: NDArray[np.uint8] | None = None
    profile = picture.info.get("icc_profile")
    mode = picture.mode
    if mode.startswith("I") or mode == "F":
        samples = np.asarray(picture)
        hidden = picture.info.get("transparency")
        if isinstance(hidden, int):
            alpha = np.where(samples == hidden, 0, 255).astype(np.uint8)
        grey, note = _to_8_bits(samples, header.top)
        picture = PIL.Image.fromarray(grey)
        notes.append(note)
    else:
        if ";16" in header.rawmode:
            notes.append("16-bit samples were reduced to 8")
            hidden = picture.info.get("transparency")
            if isinstance(hidden, tuple):  # a PNG's transparent colour, in 16 bits still
                picture.info["transparency"] = tuple(value >> 8 for value in hidden)
        with translated():
            if picture.has_transparency_data:
                picture = picture.convert("RGBA")
                alpha = np.array(picture.getchannel("A"))
            if mode != "CMYK":
                picture = picture.convert("L" if mode in ("1", "L", "LA") else "RGB")
        if mode in ("CMYK", "YCbCr", "LAB"):
            notes.append(f"{mode} was converted to RGB")
    rgb, note_on_profile = to_srgb(picture, profile if mode != "LAB" else None)
    if note_on_profile is not None:
        notes.append(note_on_profile)
    return rgb, alpha, notes


def _to_8_bits(samples: NDArray[Any], top: int) -> tuple[NDArray[np.uint8], str]:
    """Grey samples of more than 8 bits, ``[h, w]``, as ``uint8``, and a note on what was done."""
    if samples.dtype.kind == "f":
        sound = np.nan_to_num(samples, nan=0.0, posinf=255.0, neginf=0.0)
        scale, words = (255.0, "0 to 1") if sound.max() <= 1.0 else (1.0, "0 to 255")
        rounded = np.rint(np.clip(sound * scale, 0.0, 255.0))
        return rounded.astype(np.uint8), f"floating-point samples were read as {words}"
    note = f"{'12' if top == 4095 else '16'}-bit samples were reduced to 8"
    if samples.min() < 0 or samples.max() > top:
        note = f"samples outside 0 to {top} were clipped, and the rest reduced to 8 bits"
    wide = np.clip(samples, 0, top).astype(np.uint32)
    return ((wide * 255 + top // 2) // top).astype(np.uint8), note


def _composite(pixels: Image, alpha: NDArray[np.uint8], background: tuple[int, int, int]) -> Image:
    """``pixels`` over a plain background, rounded; 255 x 255 and the half fit into 16 bits."""
    cover = alpha[:, :, None].astype(np.uint16)
    mixed = pixels * cover + np.array(background, dtype=np.uint16) * (255 - cover)
    return ((mixed + 127) // 255).astype(np.uint8)


def _colour_name(background: tuple[int, int, int]) -> str:
    names = {(255, 255, 255): "white", (0, 0, 0): "black"}
    return names.get(background, f"rgb{background}")
