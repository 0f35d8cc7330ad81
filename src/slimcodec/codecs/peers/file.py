"""The codec contract over a still-picture file format: everything but the format itself.

A peer says its name, its ladder of qualities, its limits and how pixels become a file; the rest is
the same for all, above all what to do with bad bytes. Image formats are made to show something of a
damaged file, and their libraries decode what they can; a measurement must not take that for a
result. So a stream must be a whole file with nothing before or after it, hold one RGB image, and
not claim more pixels than its bytes can hold (a header of 16 bytes could otherwise ask for half a
gigabyte). Damage *inside* the coded data is found where the format allows it; none of the formats
here has a checksum.

The times are the library's as Python calls it: the conversion of the array is charged too, as it is
part of what a caller waits for.
"""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping

from slimcodec.errors import StreamError, UsageError
from slimcodec.images import pixel_limit
from slimcodec.types import Clock, Image, check_image, codec_line, no_clock

__all__ = ["FileCodec"]


class FileCodec(ABC):
    """One image format as a codec; a subclass fills in the attributes and the abstract methods.

    Attributes:
        name: of the codec, for tables.
        qualities: the ladder, worst first.
        default_quality: where nothing else is said.
        quality_range: the least and the greatest quality that `encode` takes.
        longest_side: in pixels, as the format or its library allows.
        most_pixels_per_byte: more than any stream of the format can reach.
    """

    name: str
    qualities: tuple[float, ...]
    default_quality: float
    quality_range: tuple[float, float]
    longest_side: int
    most_pixels_per_byte: int
    model_bytes: int = 0

    def __repr__(self) -> str:
        return codec_line(self)

    @property
    def suffix(self) -> str:
        """What names of the format's files end in."""
        return f".{self.name}"

    @property
    def digest(self) -> str:
        """SHA-256 over the name, the versions of the libraries and any effort they are told."""
        made_of = [self.name, *(f"{what} {said}" for what, said in self.environment.items())]
        return hashlib.sha256(", ".join(made_of).encode()).hexdigest()

    @property
    @abstractmethod
    def environment(self) -> Mapping[str, str]:
        """What decides bytes and pixels besides image and quality.

        The libraries that do the work with their versions, outermost first, and the effort under
        the library's own word for it.
        """

    @abstractmethod
    def nearest_quality(self, quality: float) -> float:
        """The quality that the format would use for this one."""

    @abstractmethod
    def to_file(self, image: Image, quality: float) -> bytes:
        """Code ``uint8 [h, w, 3]``, already checked, at a quality within the range."""

    @abstractmethod
    def is_whole(self, stream: bytes) -> bool:
        """Whether the bytes begin and end as a file of this format does."""

    @abstractmethod
    def from_file(self, stream: bytes) -> Image:
        """Decode a whole file to ``uint8 [h, w, 3]``; `check_claim` comes before the pixels.

        Raises:
            StreamError: when it is damaged, or holds something else than one RGB image.
        """

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
            return self.to_file(image, exact)

    def decode(self, stream: bytes, *, clock: Clock = no_clock) -> Image:
        """The image ``uint8 [h, w, 3]`` of a file of the format.

        Raises:
            StreamError: when the bytes are not exactly one whole file of this format, with one RGB
                image in it.
        """
        with clock("decoder"):
            if not self.is_whole(stream):
                raise StreamError(
                    f"not a whole {self.name.upper()} file ({len(stream)} bytes): it is cut "
                    f"short, has bytes added, or is of another format; encode the image again"
                )
            return self.from_file(stream)

    def check_claim(self, width: int, height: int, length: int) -> None:
        """Of the size that a header claims, before memory is taken for the pixels.

        Raises:
            StreamError: when ``length`` bytes cannot hold so many pixels, or nobody wants them.
        """
        limit = pixel_limit()
        if limit is not None and width * height > limit:
            raise StreamError(
                f"{self.name.upper()} stream: it claims {width} x {height}, more than {limit} "
                "pixels, a possible decompression bomb; cut the image into smaller ones"
            )
        if width * height > self.most_pixels_per_byte * length:
            raise StreamError(
                f"{self.name.upper()} stream: {length} bytes cannot hold the "
                f"{width} x {height} pixels that the header claims"
            )

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
            # It could be written, but would be refused when read back.
            raise UsageError(
                f"{self.name} is limited to {limit} pixels here, got {width} x {height}; "
                "cut the image into smaller ones"
            )
