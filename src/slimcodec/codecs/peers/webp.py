"""WebP, lossy: libwebp at its slowest and best search (method 6)."""

from __future__ import annotations

import io
from collections.abc import Mapping

import PIL.Image
from PIL import features

from slimcodec.codecs.peers.pillow import PillowCodec

__all__ = ["WebP"]


class WebP(PillowCodec):
    """Lossy WebP; the quality is libwebp's, from 0 to 100, fractions allowed."""

    name = "webp"
    pillow_format = "WEBP"
    qualities = (1, 5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 95)
    default_quality = 75
    quality_range = (0, 100)
    longest_side = 16383
    most_pixels_per_byte = 1024
    """Two and a half bits a macroblock are about 800 pixels a byte."""

    method = 6

    def library(self) -> Mapping[str, str]:
        """The version of libwebp, and the method of its search."""
        return {"libwebp": str(features.version("webp")), "method": str(self.method)}

    def nearest_quality(self, quality: float) -> float:
        """As it is."""
        return quality

    def write(self, picture: PIL.Image.Image, file: io.BytesIO, quality: float) -> None:
        """Save with no metadata beside the pixels."""
        picture.save(file, format="WEBP", quality=quality, method=self.method)

    def is_whole(self, stream: bytes) -> bool:
        """A RIFF container of type WEBP whose length field counts the bytes that are there."""
        size = int.from_bytes(stream[4:8], "little") + 8
        return stream[:4] == b"RIFF" and stream[8:12] == b"WEBP" and len(stream) == size
