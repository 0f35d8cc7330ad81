"""What of a JPEG file is read: its planes as libjpeg gives them, and how they were quantized.

Planes are Y, Cb, Cr at the file's own grid, before anything becomes RGB; chroma that was halved
comes up by libjpeg's own filter. Progressive and baseline, grey and colour files of 8 bits are
read; CMYK, RGB and deeper files, arithmetic and lossless ones are refused, each by its name.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from slimcodec.codecs.restore.config import CONDITION
from slimcodec.errors import ImageError
from slimcodec.images import load_picture, open_picture
from slimcodec.images.looking import look
from slimcodec.types import Image

__all__ = ["JpegFile", "condition_of", "read_header", "read_jpeg"]

_BLOCK = 64
"""Steps of a table."""
_MIDDLE_LOG, _SPREAD_LOG = 4.0, 2.0
"""Of the logarithms of steps: about zero and one behind these."""


@dataclass(frozen=True, eq=False)
class JpegFile:
    """A JPEG as decoded, not yet RGB.

    Attributes:
        planes: Y, Cb, Cr, ``uint8 [h, w, 3]``; chroma of a grey file is 128 everywhere.
        tables: steps of luma and of chroma, [8, 8] each, of whole numbers above 0, row by row from
            the mean on; of a grey file there is one.
        halved: whether chroma was halved across, and down.
        info: what Pillow found beside the pixels: EXIF, a colour profile and the like.
    """

    planes: Image
    tables: tuple[NDArray[np.int64], ...]
    halved: tuple[bool, bool]
    info: Mapping[str, Any]

    @property
    def grey(self) -> bool:
        """Whether it has no chroma."""
        return len(self.tables) == 1


def read_header(data: bytes) -> PIL.Image.Image:
    """A JPEG of which no pixel is decoded yet; its planes will be Y, Cb, Cr, or Y.

    Raises:
        ImageError: when it is none that can be restored, without naming the file.
    """
    if not data.startswith(b"\xff\xd8"):
        raise ImageError("this is not a JPEG; only those are restored")
    look(io.BytesIO(data))
    picture = open_picture(io.BytesIO(data), ["JPEG"])
    if picture.mode not in ("L", "RGB") or _is_rgb(picture):
        raise ImageError(
            f"a JPEG of {picture.mode} samples, and only those of luma and chroma, or grey, are "
            "restored"
        )
    if picture.mode == "RGB":
        picture.draft("YCbCr", None)
    return picture


def read_jpeg(data: bytes) -> JpegFile:
    """A whole file.

    Raises:
        ImageError: when it is no JPEG, of a kind that is not restored, damaged, or larger than
            Pillow's limit; without naming the file.
    """
    picture: Any = read_header(data)
    info = dict(picture.info)
    layers = _layers(picture)
    tables = _tables(picture, layers)
    load_picture(picture)
    pixels = np.asarray(picture)
    if picture.mode == "L":
        planes = np.full((*pixels.shape, 3), 128, np.uint8)
        planes[:, :, 0] = pixels
        return JpegFile(planes, tables, (False, False), info)
    (_, across, down, _), (_, chroma_across, chroma_down, _) = layers[:2]
    return JpegFile(pixels, tables, (across > chroma_across, down > chroma_down), info)


def condition_of(file: JpegFile) -> NDArray[np.float32]:
    """What a network is told of a file, [131]: 64 logarithms of luma's steps, 64 of chroma's, then
    whether it is grey, and whether chroma is halved across, and down."""
    facts = np.zeros(CONDITION, np.float32)
    for number, table in enumerate(file.tables):
        logs = (np.log2(table.ravel().astype(np.float32)) - _MIDDLE_LOG) / _SPREAD_LOG
        facts[number * _BLOCK : (number + 1) * _BLOCK] = logs
    facts[-3:] = file.grey, *file.halved
    return facts


def _is_rgb(picture: PIL.Image.Image) -> bool:
    """Whether libjpeg takes three components for R, G, B: without JFIF's marker, by Adobe's marker
    or by their names."""
    own: Any = picture
    if picture.mode != "RGB" or "jfif" in picture.info:
        return False
    if "adobe_transform" in picture.info:
        return bool(picture.info["adobe_transform"] == 0)
    return [layer[0] for layer in own.layer] == [ord(letter) for letter in "RGB"]


def _layers(picture: Any) -> list[tuple[int, int, int, int]]:
    """Number, sampling across and down, and table of each component, in their order."""
    return list(picture.layer)


def _tables(picture: Any, layers: Sequence[tuple[int, int, int, int]]) -> tuple[Any, ...]:
    """Of luma and, where there is chroma, of that.

    Raises:
        ImageError: when the file does not have them.
    """
    wanted = [layer[3] for layer in layers[: 1 if picture.mode == "L" else 2]]
    found = []
    for number in wanted:
        steps = np.asarray(picture.quantization.get(number, ()), np.int64)
        if steps.shape != (_BLOCK,) or steps.min() < 1:
            raise ImageError("damaged: it lacks a quantization table; get a fresh copy")
        found.append(steps.reshape(8, 8))
    return tuple(found)
