"""JPEG XL, lossy (VarDCT in XYB): libjxl at its own default effort, through imagecodecs.

Pillow has no JPEG XL. Of what brings it, imagecodecs was taken: its licence is BSD-3 like libjxl's,
it changes nothing by being imported, and it decodes into an array that it is given, whose shape and
type are thereby checked against the header before a pixel is decoded. (pillow-jxl-plugin is a tenth
of its size, but GPL-3, adds itself to Pillow when imported, and decodes all pixels on opening.)

A bare JPEG XL codestream says nowhere how long it is, and libjxl ignores what stands behind it. So
the stream is the container of ISO/IEC 18181-2, which costs 40 bytes more than the bare codestream
and says its length: libjxl's own container, of three boxes without metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from slimcodec.codecs.peers.boxes import read_boxes
from slimcodec.codecs.peers.file import FileCodec
from slimcodec.errors import MissingExtraError, StreamError
from slimcodec.types import Image

__all__ = ["JpegXl"]

_LAYOUT = (b"JXL ", b"ftyp", b"jxlc")
_CODESTREAM = b"\xff\x0a"
_SIZE_BITS = (9, 13, 18, 30)
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


class JpegXl(FileCodec):
    """JPEG XL; the quality is that of ``cjxl -q``, from 0 to 99, fractions allowed.

    libjxl's formula turns it into a Butteraugli distance: 90 is distance 1 ("visually lossless"),
    each step of ten below is 0.9 more down to 30, and 0 is 25. 100 would be another method, a
    lossless one. The effort is 7 of 1 (fastest) to 10, libjxl's default; 8 and 9 take four times as
    long and more, and need as many bytes for the same PSNR. One thread, so that times compare.

    From one quality to the next a stream can become a few bytes shorter, where it is of a few
    hundred bytes; over the steps of the ladder it grows.
    """

    name = "jxl"
    qualities = (1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95)
    default_quality = 75
    quality_range = (0, 99)
    longest_side = 1 << 18
    """Of level 5 of the format, which is what decoders must support."""
    most_pixels_per_byte = 1 << 16
    """An empty group of 256 x 256 takes the 12 bits of its length: 43 700 pixels a byte."""

    effort = 7
    threads = 1

    def __init__(self) -> None:
        """Without side effects beyond the import.

        Raises:
            MissingExtraError: when imagecodecs is not installed, or was built without libjxl.
        """
        _imagecodecs()

    @property
    def environment(self) -> Mapping[str, str]:
        """The versions of imagecodecs and libjxl, and the effort."""
        codecs = _imagecodecs()
        library, version = codecs.jpegxl_version().split()
        return {"imagecodecs": codecs.__version__, library: version, "effort": str(self.effort)}

    def nearest_quality(self, quality: float) -> float:
        """As it is."""
        return quality

    def to_file(self, image: Image, quality: float) -> bytes:
        """In the container; sRGB, no metadata."""
        return bytes(
            _imagecodecs().jpegxl_encode(
                image,
                distance=_distance(quality),
                effort=self.effort,
                photometric="RGB",
                usecontainer=True,
                numthreads=self.threads,
            )
        )

    def is_whole(self, stream: bytes) -> bool:
        """The three boxes, each saying its length, and nothing behind them."""
        return tuple(kind for kind, _ in read_boxes(stream)) == _LAYOUT

    def from_file(self, stream: bytes) -> Image:
        """Read the size, check it, decode into pixels of just that size.

        Raises:
            StreamError: when it is damaged, or holds something else than one RGB image.
        """
        width, height = _claimed_size(read_boxes(stream)[-1][1])
        self.check_claim(width, height, len(stream))
        try:
            pixels = np.zeros((height, width, 3), np.uint8)
            # It refuses pixels of a shape or type other than the stream's own: grey, with alpha,
            # of 16 bits, rotated, or several.
            _imagecodecs().jpegxl_decode(stream, numthreads=self.threads, out=pixels)
        except MemoryError as error:
            raise StreamError(
                "JXL stream: not enough memory for it; cut the image into smaller ones"
            ) from error
        except (RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise StreamError(
                f"JXL stream: damaged, or not one RGB image of 8 bits ({reason}); "
                "encode the image again"
            ) from error
        return pixels


def _distance(quality: float) -> float:
    """What ``JxlEncoderDistanceFromQuality`` makes of it, which takes fractions as well."""
    if quality >= 30:
        return 0.1 + (100 - quality) * 0.09
    return 53 / 3000 * quality**2 - 23 / 20 * quality + 25


def _imagecodecs() -> Any:
    """The library, when it is here; it is imported only by those who ask for the codec."""
    try:
        import imagecodecs
    except ImportError as error:
        raise MissingExtraError("JPEG XL", "codecs") from error
    if not imagecodecs.JPEGXL.available:
        raise MissingExtraError("JPEG XL", "codecs")
    return imagecodecs


def _claimed_size(codestream: bytes) -> tuple[int, int]:
    """Width and height from the head of a codestream (ISO/IEC 18181-1, ``SizeHeader``).

    Bits from the least significant one on: one that says whether the height is a multiple of 8 up
    to 256, the height, three for one of seven ratios, and where they are 0 the width, coded as the
    height.

    Raises:
        StreamError: when it does not begin as a codestream does.
    """
    if not codestream.startswith(_CODESTREAM):
        raise StreamError("JXL stream: its codestream has no head; encode the image again")
    bits = int.from_bytes(codestream[2:14], "little")

    def take(count: int) -> int:
        nonlocal bits
        value = bits & ((1 << count) - 1)
        bits >>= count
        return value

    small = take(1)

    def side() -> int:
        return 8 * (take(5) + 1) if small else take(_SIZE_BITS[take(2)]) + 1

    height = side()
    ratio = take(3)
    if ratio == 0:
        return side(), height
    over, under = _RATIOS[ratio - 1]
    return height * over // under, height
