"""JPEG as everyone meets it: libjpeg-turbo, baseline, 4:2:0, optimized Huffman tables."""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Mapping

import PIL.Image
from PIL import features

from slimcodec.codecs.peers.pillow import PillowCodec

__all__ = ["Jpeg"]


class Jpeg(PillowCodec):
    """JPEG; the quality is libjpeg's, from 1 to 95.

    libjpeg knows whole numbers only, which part files of photographs by some percent. Between them
    its quantization tables are scaled in between, by the same formula.
    """

    name = "jpeg"
    pillow_format = "JPEG"
    qualities = (5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 95)
    default_quality = 75
    quality_range = (1, 95)
    longest_side = 65500  # libjpeg's limit; the format's own is 65535
    most_pixels_per_byte = 1024
    """One bit for each block of 8 x 8 and its share of chroma is about 340 pixels a byte."""

    def library(self) -> Mapping[str, str]:
        """libjpeg-turbo where Pillow was built with it."""
        turbo = features.version_feature("libjpeg_turbo")
        return {"libjpeg-turbo": turbo} if turbo else {"libjpeg": str(features.version("jpg"))}

    def nearest_quality(self, quality: float) -> float:
        """As it is."""
        return quality

    def write(self, picture: PIL.Image.Image, file: io.BytesIO, quality: float) -> None:
        """Save by quantization tables: the same bytes as by quality.

        With ``optimize`` Pillow lends libjpeg a buffer for the whole file, of one byte a pixel when
        it is told a quality below 95, which noisy images exceed from 91 on ("broken data stream").
        When it is told tables, the buffer is two bytes a pixel, which is enough.
        """
        picture.save(
            file, format="JPEG", qtables=_tables(quality), subsampling="4:2:0", optimize=True
        )

    def is_whole(self, stream: bytes) -> bool:
        """From the start-of-image marker to the end-of-image marker."""
        return stream.startswith(b"\xff\xd8\xff") and stream.endswith(b"\xff\xd9")


@functools.cache
def _tables(quality: float) -> dict[int, list[int]]:
    """libjpeg's quantization tables of a quality; of whole numbers, what it would write itself."""
    below = math.floor(quality)
    scale = _percent(below) + (quality - below) * (_percent(below + 1) - _percent(below))
    return {
        number: [min(max(math.floor((step * scale + 50) / 100), 1), 255) for step in table]
        for number, table in _tables_as_printed().items()
    }


def _percent(quality: int) -> int:
    """By how much libjpeg scales the tables of quality 50."""
    return 5000 // quality if quality < 50 else 200 - 2 * quality


@functools.cache
def _tables_as_printed() -> dict[int, list[int]]:
    """Those of the JPEG standard's annex K, taken from a file of quality 50."""
    file = io.BytesIO()
    PIL.Image.new("RGB", (8, 8)).save(file, format="JPEG", quality=50)
    tables: dict[int, list[int]] = PIL.Image.open(file).quantization  # type: ignore[attr-defined]
    return tables
