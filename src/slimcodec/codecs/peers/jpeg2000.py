"""JPEG 2000, lossy: OpenJPEG's irreversible wavelet and colour transform, one tile, one layer.

Through Pillow, which has OpenJPEG in its wheels. OpenJPEG knows no effort: it always codes every
bit plane and cuts where the wanted quality is reached. There is no usual subsampling of chroma
either; wavelets leave out its fine scales by themselves, so the samples are 4:4:4.

The stream is a JP2 file, whose four boxes cost 85 bytes and say its length; a bare codestream ends
at a marker that is also taken for an end when most of it is missing.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

import PIL.Image
from PIL import features

from slimcodec.codecs.peers.boxes import read_boxes
from slimcodec.codecs.peers.pillow import PillowCodec
from slimcodec.errors import MissingExtraError

__all__ = ["Jpeg2000"]

_LAYOUT = (b"jP  ", b"ftyp", b"jp2h", b"jp2c")


class Jpeg2000(PillowCodec):
    """JPEG 2000; the quality is the PSNR in dB that OpenJPEG aims at, fractions allowed.

    It aims in its own colour space, and ends up to a decibel beside it in RGB.
    """

    name = "jpeg2000"
    suffix = ".jp2"
    pillow_format = "JPEG2000"
    qualities = (22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 43, 46)
    default_quality = 36
    quality_range = (10, 100)
    longest_side = 65535
    """More is not tried; the format allows 2^32."""
    most_pixels_per_byte = 1 << 20
    """An empty packet is a byte however large its picture, so the pixel limit is what bounds it."""

    def __init__(self) -> None:
        """Without side effects.

        Raises:
            MissingExtraError: when this Pillow was built without OpenJPEG.
        """
        if not features.check("jpg_2000"):
            raise MissingExtraError("JPEG 2000", "codecs")

    def library(self) -> Mapping[str, str]:
        """The version of OpenJPEG."""
        return {"OpenJPEG": str(features.version("jpg_2000"))}

    def nearest_quality(self, quality: float) -> float:
        """As it is."""
        return quality

    def write(self, picture: PIL.Image.Image, file: io.BytesIO, quality: float) -> None:
        """Save as JP2; without `mct` Pillow would code R, G and B each by itself."""
        picture.save(
            file,
            format="JPEG2000",
            quality_mode="dB",
            quality_layers=[quality],
            irreversible=True,
            mct=1,
        )

    def is_whole(self, stream: bytes) -> bool:
        """The four boxes, each saying its length, and nothing behind them."""
        return tuple(kind for kind, _ in read_boxes(stream)) == _LAYOUT
