"""The codec contract over a format that Pillow codes: everything but the format's own numbers.

A peer says its name, its ladder of qualities, its limits and how to save; the rest is the same for
all, above all what to do with bad bytes. Image formats are made to show something of a damaged
file, and their libraries decode what they can; a measurement must not take that for a result. So a
stream must be a whole file with nothing before or after it, hold one RGB image, and not claim more
pixels than its bytes can hold (a header of 16 bytes could otherwise ask for half a gigabyte).
Damage *inside* the coded data is found where the format allows it; neither JPEG nor WebP has a
checksum.

The times are Pillow's: the conversion of the array is charged too, as it is part of what a caller
waits for.
"""

from __future__ import annotations

import hashlib
import io
import math
from abc import ABC, abstractmethod

import numpy as np
import PIL
import PIL.Image

from slimcodec.errors import ImageError, StreamError, UsageError
from slimcodec.images import load_picture, open_picture, pixel_limit
from slimcodec.types import Clock, Image, check_image, no_clock

__all__ = ["PillowCodec"]

_MOST_PIXELS_PER_BYTE = 1024
"""More than JPEG and lossy WebP can reach: one bit for each block of 8 x 8 and its share of chroma
is about 340 pixels a byte in the one; two and a half bits a macroblock, about 800, in the other."""


class PillowCodec(ABC):
    """One image format as a codec; a subclass fills in the attributes and the four methods.

    Attributes:
        name: of the codec, for tables.
        pillow_format: Pillow's name of the format.
        qualities: the ladder, worst first.
        default_quality: where nothing else is said.
        quality_range: the least and the greatest quality that `encode` takes.
        longest_side: in pixels, as the format allows.
    """

    name: str
    pillow_format: str
    qualities: tuple[float, ...]
    default_quality: float
    quality_range: tuple[float, float]
    longest_side: int
    model_bytes: int = 0

    @property
    def digest(self) -> str:
        """SHA-256 over the name and the versions of Pillow and of the format's library."""
        made_of = f"{self.name}, Pillow {PIL.__version__}, {self.library()}"
        return hashlib.sha256(made_of.encode()).hexdigest()

    @abstractmethod
    def library(self) -> str:
        """The library that does the work, with its version."""

    @abstractmethod
    def nearest_quality(self, quality: float) -> float:
        """The quality that the format would use for this one."""

    @abstractmethod
    def write(self, picture: PIL.Image.Image, file: io.BytesIO, quality: float) -> None:
        """Code a picture of mode RGB."""

    @abstractmethod
    def is_whole(self, stream: bytes) -> bool:
        """Whether the bytes begin and end as a file of this format does."""

    def encode(
        self, image: Image, quality: float | None = None, *, clock: Clock = no_clock
    ) -> bytes:
        """One file of the format for one image ``uint8 [h, w, 3]``.

        Raises:
            UsageError: when the quality is outside ``quality_range``, or the image is empty, larger
                than the format or Pillow's pixel limit allows, or of another type.
        """
        exact = self._checked_quality(self.default_quality if quality is None else quality)
        self._check_image(image)
        with clock("encoder"):
            file = io.BytesIO()
            self.write(PIL.Image.fromarray(np.ascontiguousarray(image)), file, exact)
            return file.getvalue()

    def decode(self, stream: bytes, *, clock: Clock = no_clock) -> Image:
        """The image ``uint8 [h, w, 3]`` of a file of the format.

        Raises:
            StreamError: when the bytes are not exactly one whole file of this format, with one RGB
                image in it.
        """
        with clock("decoder"):
            if not self.is_whole(stream):
                raise StreamError(
                    f"not a whole {self.pillow_format} file ({len(stream)} bytes): it is cut "
                    f"short, has bytes added, or is of another format; encode the image again"
                )
            try:
                picture = open_picture(io.BytesIO(stream), [self.pillow_format])
                self._check_picture(picture, len(stream))
                load_picture(picture)
            except ImageError as error:
                raise StreamError(f"{self.pillow_format} stream: {error}") from error
            return np.array(picture)

    def _checked_quality(self, quality: float) -> float:
        least, greatest = self.quality_range
        exact = self.nearest_quality(quality) if math.isfinite(quality) else math.nan
        if not least <= exact <= greatest:
            raise UsageError(
                f"{self.name} quality must be {least:g} to {greatest:g}, got {quality:g}"
            )
        return exact

    def _check_image(self, image: Image) -> None:
        check_image(image)
        height, width = image.shape[:2]
        if max(height, width) > self.longest_side:
            raise UsageError(
                f"{self.name} holds at most {self.longest_side} pixels a side, got "
                f"{width} x {height}; cut the image into smaller ones"
            )
        limit = pixel_limit()
        if limit is not None and height * width > limit:
            # Pillow writes it but would refuse to read it back.
            raise UsageError(
                f"{self.name} is limited to {limit} pixels here, got {width} x {height}; "
                "cut the image into smaller ones"
            )

    def _check_picture(self, picture: PIL.Image.Image, length: int) -> None:
        """From the header alone, before memory is taken for the pixels."""
        if picture.mode != "RGB" or getattr(picture, "is_animated", False):
            raise StreamError(
                f"{self.pillow_format} stream: must hold one RGB image, got {picture.mode}; "
                "read it as an image file instead"
            )
        if picture.width * picture.height > _MOST_PIXELS_PER_BYTE * length:
            raise StreamError(
                f"{self.pillow_format} stream: {length} bytes cannot hold the "
                f"{picture.width} x {picture.height} pixels that the header claims"
            )
