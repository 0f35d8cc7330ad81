"""HEIC: one HEVC key frame by x265 in the boxes that libheif writes, 8 bits, 4:2:0.

Through pillow-heif, which is kept up and has wheels for all systems. Its own code is BSD-3, but
x265 inside its wheels is GPL-2, so it is an extra of its own that nothing else here needs.
(imagecodecs has HEIF in its sources and not in its wheels.)

libheif compares the size that the container claims with the coded one, and refuses where they
differ; what a header claims is checked here before a pixel is decoded.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from slimcodec.codecs.peers.boxes import read_boxes
from slimcodec.codecs.peers.file import FileCodec
from slimcodec.errors import MissingExtraError, StreamError, UsageError
from slimcodec.types import Image

__all__ = ["Heic"]

_LAYOUT = (b"ftyp", b"meta", b"mdat")


class Heic(FileCodec):
    """HEIC; the quality is libheif's, a whole number from 0 to 100.

    The effort is x265's preset ``slow``, tuned for SSIM: what libheif itself asks for, and so what
    pictures in the world are. ``slower`` and ``placebo`` save nothing on photographs. The chroma
    is 4:2:0, as JPEG's and AVIF's here. One thread; the bytes do not depend on it.

    A stream is the file that libheif writes for one picture without metadata: the boxes ``ftyp``,
    ``meta`` and ``mdat``, which say their length, and nothing else. The boxes are 378 bytes of it.
    """

    name = "heic"
    qualities = (1, 5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90)
    default_quality = 50
    quality_range = (0, 100)
    longest_side = 16384
    """More is not tried. Of 16 rows or columns and fewer, x265 takes 4208 along the other side."""
    most_pixels_per_byte = 1 << 16
    """A flat picture takes about a bit for each block of 64 x 64: 3900 pixels a byte, measured."""

    preset = "slow"
    tune = "ssim"
    chroma = 420

    def __init__(self) -> None:
        """Without side effects beyond the import.

        Raises:
            MissingExtraError: when pillow-heif is not installed, or has no encoder.
        """
        if not _pillow_heif().libheif_info()["HEIF"]:
            raise MissingExtraError("HEIC", "heic")

    @property
    def environment(self) -> Mapping[str, str]:
        """The versions of pillow-heif, libheif, x265 and libde265, and the preset."""
        library = _pillow_heif()
        versions = library.libheif_info()
        return {
            "pillow-heif": library.__version__,
            "libheif": versions["libheif"],
            "encoder": versions["HEIF"],
            "decoder": ", ".join(versions["decoders"].values()),
            "preset": self.preset,
            "tune": self.tune,
        }

    def nearest_quality(self, quality: float) -> float:
        """Rounded: libheif knows whole numbers only."""
        return round(quality)

    def to_file(self, image: Image, quality: float) -> bytes:
        """With no metadata beside the pixels.

        Raises:
            UsageError: when x265 takes no picture of such a shape.
        """
        height, width = image.shape[:2]
        file = io.BytesIO()
        try:
            _pillow_heif().encode(
                "RGB",
                (width, height),
                image.tobytes(),
                file,
                quality=int(quality),
                chroma=self.chroma,
                enc_params={"preset": self.preset, "tune": self.tune, "x265:pools": "1"},
            )
        except RuntimeError as error:
            raise UsageError(
                f"heic: x265 takes no picture of {width} x {height} pixels; cut or pad it"
            ) from error
        return file.getvalue()

    def is_whole(self, stream: bytes) -> bool:
        """The three boxes, each saying its length, and nothing behind them."""
        return tuple(kind for kind, _ in read_boxes(stream)) == _LAYOUT

    def from_file(self, stream: bytes) -> Image:
        """Read the head, check it, decode.

        Raises:
            StreamError: when it is damaged, or holds something else than one RGB image.
        """
        try:
            file = _pillow_heif().open_heif(stream, convert_hdr_to_8bit=False)
            modes = [picture.mode for picture in file]
            if modes != ["RGB"]:
                raise StreamError(
                    "HEIC stream: must hold one RGB image of 8 bits, got "
                    f"{' and '.join(modes) or 'none'}; read it as an image file instead"
                )
            width, height = file.size
            self.check_claim(width, height, len(stream))
            return np.array(file)
        except (RuntimeError, ValueError, EOFError, SyntaxError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise StreamError(f"HEIC stream: damaged ({reason}); encode the image again") from error


def _pillow_heif() -> Any:
    """The library, when it is here; it is imported only by those who ask for the codec."""
    try:
        import pillow_heif
    except ImportError as error:
        raise MissingExtraError("HEIC", "heic") from error
    return pillow_heif
