"""Any image file, as the one kind of image that the rest of slimcodec knows.

A folder of photographs holds more than 8-bit RGB: phone pictures stored sideways with a flag,
16-bit scans, screenshots with transparency, palettes, CMYK from a print shop, an animation.
Refusing them would be a nuisance and converting them silently would be a lie, so each is converted
by one stated rule, and every rule that changed something leaves a sentence in `ReadImage.notes`:

=====================  ============================================================================
several frames         the first is taken
orientation (EXIF)     applied
other than 8 bits      scaled so that what the format declares to be white becomes 255
floating point         0 is black and 1 is white; what lies outside is clipped
CMYK, YCbCr, LAB       converted to RGB
ICC profile            converted to sRGB (`slimcodec.images.colour`)
code points            converted to sRGB, or refused (`slimcodec.images.codepoints`)
transparency           composited on ``background``, in sRGB values as browsers do; or kept beside
=====================  ============================================================================

What is read is what the file says, within rounding, or the file is refused by the name of its kind;
`slimcodec.images.looking` decides that before a sample is decoded, and who decodes it.

The order matters: colours are converted before they are composited, since the background is given
in sRGB. No rule looks at the content to stretch it (a min-max stretch reads as a change of tone).
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from slimcodec.errors import ImageError, MissingExtraError
from slimcodec.images.codepoints import from_primaries
from slimcodec.images.colour import from_lab, to_srgb
from slimcodec.images.exif import metadata_of, orientation_of, turn, upright
from slimcodec.images.kind import Kind
from slimcodec.images.looking import look
from slimcodec.images.opening import check_size, load_picture, open_picture, translated
from slimcodec.images.samples import Samples
from slimcodec.images.transparency import composite, fill_hidden
from slimcodec.showing import line
from slimcodec.types import Image

__all__ = [
    "WHITE",
    "ReadImage",
    "convert_picture",
    "open_file",
    "read_image",
    "read_image_bytes",
]

WHITE = (255, 255, 255)


@dataclass(frozen=True, eq=False)
class ReadImage:
    """An image as read, and what had to be done to it.

    Attributes:
        pixels: ``uint8 [h, w, 3]``, sRGB, h and w at least 1.
        notes: sentences for the user, each about something that the pixels no longer hold.
        metadata: ``exif`` and ``xmp`` where the file has some, put right for these pixels
            (`slimcodec.images.exif`).
        alpha: transparency ``uint8 [h, w]``, 0 where nothing is to be seen, where it was to be
            kept and the file has some; pixels are not composited then.
    """

    pixels: Image
    notes: tuple[str, ...]
    metadata: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    alpha: NDArray[np.uint8] | None = None

    def __repr__(self) -> str:
        height, width, _ = self.pixels.shape
        return line(self, f"{width}x{height}", "; ".join(self.notes))


@dataclass(frozen=True, eq=False)
class _Decoded:
    """A picture in 8 bits, in the colours of its file.

    Attributes:
        picture: mode ``L``, ``RGB`` or ``CMYK``.
        alpha: ``uint8 [h, w]``, or None.
        deep: its samples had more than 8 bits.
        profile: the ICC profile that says what the colours are.
        turned: the orientation was applied by the decoder.
        orientation: what is left of it to apply, 1 to 8.
        notes: sentences on what was done so far.
        last: the sentence on other frames or pages, if there are any.
        metadata: as the file has it.
    """

    picture: PIL.Image.Image
    alpha: NDArray[np.uint8] | None
    deep: bool
    profile: bytes | None
    turned: bool
    orientation: int
    notes: tuple[str, ...]
    last: tuple[str, ...]
    metadata: Mapping[str, bytes]


def read_image(
    path: str | os.PathLike[str], *, background: tuple[int, int, int] | None = WHITE
) -> ReadImage:
    """Read an image file of any kind as 8-bit sRGB.

    Args:
        path: PNG, JPEG, WebP, BMP, TIFF, PPM/PGM, GIF, JPEG 2000 or AVIF, told by its content.
        background: the sRGB colour, 0..255 each, that shows through transparency; None to keep that
            (`ReadImage.alpha`).

    Raises:
        ImageError: when there is no such file, or it is a folder, empty, not an image, of a kind
            that is not read, cut short, damaged, or larger than Pillow's limit on pixels. One line,
            naming the file.
        MissingExtraError: when its kind needs the optional decoders.
        ValueError: when ``background`` is not three numbers from 0 to 255.
    """
    return _read(lambda: open_file(Path(path)), str(path), background)


def read_image_bytes(
    data: bytes, name: str, *, background: tuple[int, int, int] | None = WHITE
) -> ReadImage:
    """The same, of a file's bytes that are here already.

    Args:
        data: of the whole file.
        name: what errors call it.
        background: see `read_image`.

    Raises:
        ImageError, MissingExtraError, ValueError: see `read_image`.
    """

    def opened() -> IO[bytes]:
        if not data:
            raise ImageError("there is nothing in it (0 bytes)")
        return io.BytesIO(data)

    return _read(opened, name, background)


def _read(
    opened: Callable[[], IO[bytes]], name: str, background: tuple[int, int, int] | None
) -> ReadImage:
    """What both ways to read have in common."""
    _check_background(background)
    try:
        with opened() as file:
            kind = look(file)
            found = _by_pillow(file, kind) if kind.decode is None else _by_decoder(file, kind)
        return _in_srgb(found, kind, background)
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    except MissingExtraError as error:
        raise MissingExtraError(f"{name}: {error.purpose}", error.extra) from error


def convert_picture(
    picture: PIL.Image.Image, *, background: tuple[int, int, int] = WHITE
) -> ReadImage:
    """A picture that Pillow has opened or made, by the rules for files.

    Args:
        picture: of any mode but ``I`` and ``F``; its pixels are decoded if they are not yet.
        background: the sRGB colour, 0..255 each, that shows through transparency.

    Raises:
        ImageError: when it has no pixels, more than Pillow's limit, or is damaged; or when its mode
            does not say which value is white, as ``I`` and ``F`` do not: Pillow makes them of 8
            bits and of files that hold 0 to 1 alike.
        ValueError: when ``background`` is not three numbers from 0 to 255.
    """
    _check_background(background)
    if picture.mode in ("I", "F"):
        raise ImageError(
            f"a picture of mode {picture.mode} does not say which value is white; scale it, and "
            "convert it to L or RGB"
        )
    check_size(*picture.size)
    kind = Kind(picture.format or "")
    if picture.mode in _STRAIGHT:
        load_picture(picture)
        picture = picture.convert(_STRAIGHT[picture.mode])
    found = _loaded(picture, kind)
    if found.last:
        found = replace(found, last=("of several frames, the current one was taken",))
    return _in_srgb(found, kind, background)


_STRAIGHT = {"La": "LA", "RGBa": "RGBA"}
"""Modes of premultiplied alpha, and those that hold the same without."""


def _check_background(background: tuple[int, int, int] | None) -> None:
    if background is None:
        return
    if len(background) != 3 or not all(0 <= value <= 255 for value in background):
        raise ValueError(f"background must be three numbers from 0 to 255, got {background}")


def _in_srgb(found: _Decoded, kind: Kind, background: tuple[int, int, int] | None) -> ReadImage:
    """Colours converted, then composited, then turned upright.

    Raises:
        ImageError: without the file's name.
    """
    if kind.primaries is None:
        rgb, note_on_colours = to_srgb(found.picture, found.profile, reduced=found.deep)
    else:
        rgb, note_on_colours = from_primaries(found.picture, kind.primaries)
    notes = [*kind.notes, *found.notes]
    notes += [] if note_on_colours is None else [note_on_colours]
    pixels: Image = np.asarray(rgb)
    alpha = None
    if found.alpha is not None and background is not None:
        pixels, on_transparency = composite(pixels, found.alpha, background)
        notes += on_transparency
    elif found.alpha is not None and found.alpha.min() < 255:
        pixels = fill_hidden(pixels, found.alpha, WHITE)
        alpha = np.array(turn(found.alpha, found.orientation), order="C")
    if found.turned or found.orientation != 1:
        notes.append("the EXIF orientation was applied")
    notes += found.last
    pixels = np.array(turn(pixels, found.orientation), order="C")
    height, width, _ = pixels.shape
    return ReadImage(pixels, tuple(notes), upright(found.metadata, width, height), alpha)


_SEVERAL_PAGES = "the file holds several pages: the first was taken"
_PAGED = ("TIFF", "MPO")


def open_file(path: Path) -> IO[bytes]:
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


def _by_decoder(file: IO[bytes], kind: Kind) -> _Decoded:
    """A kind that Pillow would read wrong.

    Raises:
        ImageError: when it is damaged or too large.
        MissingExtraError: when its decoder is not installed.
    """
    assert kind.decode is not None
    check_size(*kind.size)
    with translated():
        samples = kind.decode(file.read())
    file.seek(0)
    metadata = _metadata_without_pixels(file)
    colours, alpha, notes = samples.in_8_bits()
    several = (_SEVERAL_PAGES,) if kind.several else ()
    orientation = kind.orientation if kind.orientation in range(1, 9) else 1
    picture = PIL.Image.fromarray(colours)
    deep = samples.white != 255
    return _Decoded(
        picture, alpha, deep, kind.profile, False, orientation, tuple(notes), several, metadata
    )


def _metadata_without_pixels(file: IO[bytes]) -> dict[str, bytes]:
    """Of a file whose pixels Pillow would read wrong: its header may be read."""
    try:
        return metadata_of(open_picture(file))
    except ImageError:
        return {}  # nor must metadata keep anyone from the pixels


def _by_pillow(file: IO[bytes], kind: Kind) -> _Decoded:
    """A kind that Pillow reads right.

    Raises:
        ImageError: when it is damaged, too large, or no image.
    """
    return _loaded(open_picture(file), kind)


def _loaded(picture: PIL.Image.Image, kind: Kind) -> _Decoded:
    """An opened picture, its pixels decoded.

    Raises:
        ImageError: when it is damaged.
    """
    rawmode = _rawmode(picture)
    with translated():
        several = bool(getattr(picture, "is_animated", False))
    turned = picture.format == "TIFF" and orientation_of(picture) != 1
    load_picture(picture)
    left_to_turn = orientation_of(picture)
    bits = _depth(picture, rawmode, kind.bits)
    colours, alpha, notes = _colours(picture, rawmode, bits)
    profile = kind.profile or picture.info.get("icc_profile")
    words = _SEVERAL_PAGES if picture.format in _PAGED else "animated: the first frame was taken"
    return _Decoded(
        colours,
        alpha,
        bits > 8,
        profile if picture.mode != "LAB" else None,
        turned,
        left_to_turn,
        tuple(notes),
        (words,) if several else (),
        metadata_of(picture),
    )


def _rawmode(picture: PIL.Image.Image) -> str:
    """How samples are stored, in Pillow's words, ``RGB;16B`` for example; told until it decodes."""
    tiles: Any = getattr(picture, "tile", ())
    arguments = tiles[0].args if tiles else ()
    if not isinstance(arguments, tuple):
        arguments = (arguments,)
    rawmode = str(arguments[0]) if arguments else ""
    if picture.format == "PPM" and len(arguments) == 2 and arguments[1] > 255:
        rawmode = f"{rawmode};16"  # the PPM decoder says its depth as the largest value instead
    return rawmode


def _depth(picture: PIL.Image.Image, rawmode: str, bits: int) -> int:
    """Bits of a sample: those that the header says, or else what Pillow makes of it."""
    if picture.mode == "F":
        return 32
    deep = picture.mode.startswith("I") or ";16" in rawmode
    return 16 if deep and bits <= 8 else bits


_STEPS = {"L;2": 85, "L;4": 17}
"""What Pillow multiplies samples of fewer bits with, and a PNG's transparent one not."""


def _colours(
    picture: PIL.Image.Image, rawmode: str, bits: int
) -> tuple[PIL.Image.Image, NDArray[np.uint8] | None, list[str]]:
    """The picture as ``L``, ``RGB`` or ``CMYK``, its alpha ``uint8 [h, w]`` or None, and notes."""
    mode = picture.mode
    if mode == "F":
        light, _, notes = Samples(np.asarray(picture)[:, :, None], 1.0, colours=1).in_8_bits()
        return PIL.Image.fromarray(light), None, notes
    notes = [f"{bits}-bit samples were reduced to 8"] if bits > 8 else []
    alpha = None
    if mode.startswith("I"):  # of whatever depth, Pillow has made 65535 white
        samples = np.asarray(picture)
        hidden = picture.info.get("transparency")
        if isinstance(hidden, int):
            alpha = np.where(samples == hidden, 0, 255).astype(np.uint8)
        light, _, _ = Samples(samples[:, :, None], 65535.0, colours=1).in_8_bits()
        return PIL.Image.fromarray(light), alpha, notes
    with translated():
        if picture.has_transparency_data:
            if rawmode in _STEPS and "transparency" in picture.info:
                picture.info["transparency"] *= _STEPS[rawmode]
            picture = picture.convert("RGBA")
            alpha = np.array(picture.getchannel("A"))
        if mode == "LAB":
            picture = from_lab(picture)
        elif mode != "CMYK":
            picture = picture.convert("L" if mode in ("1", "L", "LA") else "RGB")
    if mode in ("CMYK", "YCbCr", "LAB"):
        notes.append(f"{mode} was converted to RGB")
    return picture, alpha, notes
