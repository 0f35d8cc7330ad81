"""AVIF: one AV1 key frame by libaom in the boxes that libavif writes, 8 bits, 4:2:0.

AVIF says the size of the picture twice: in a property of the container (``ispe``) and in AV1's
sequence header. When they differ, libavif decodes by the second and stretches the result to the
first, so that one damaged byte of the container yields a sound-looking picture of another size, of
up to half a gigabyte. So both are read, and must be the same, before a pixel is decoded.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

import PIL.Image
from PIL import features

from slimcodec.codecs.peers.boxes import read_boxes
from slimcodec.codecs.peers.pillow import PillowCodec
from slimcodec.errors import MissingExtraError, StreamError

__all__ = ["Avif"]

_LAYOUT = (b"ftyp", b"meta", b"mdat")
_OPENING = b"\x12\x00\x0a"
"""How the AV1 data starts: an empty temporal delimiter, and the type of a sequence header."""


class Avif(PillowCodec):
    """AVIF; the quality is libavif's, a whole number from 0 to 100.

    The effort is libavif's speed 4 of 0 (slowest) to 10; its own default is 6. On photographs 4
    saves about 4 % of the bytes at the same PSNR and takes six times as long. The chroma is 4:2:0,
    as JPEG's and WebP's here. One thread and one tile, so that the bytes do not depend on how many
    cores there are. What the encoder aims at is left to libavif; by its version 1.4 it is how a
    picture looks (``tune=iq``), at a few per cent more bytes for the same PSNR.

    A stream is the file that libavif writes for one picture without metadata: the boxes ``ftyp``,
    ``meta`` and ``mdat``, which say their length, and nothing else.
    """

    name = "avif"
    pillow_format = "AVIF"
    qualities = (1, 5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 95)
    default_quality = 75
    quality_range = (0, 100)
    longest_side = 32768
    """libavif writes up to 65536, but reads no more than this."""
    most_pixels_per_byte = 1 << 18
    """A flat picture takes 0.8 bits for each block of 128 x 128: 164 000 pixels a byte."""

    encoder = "aom"
    speed = 4
    subsampling = "4:2:0"
    threads = 1

    def __init__(self) -> None:
        """Without side effects.

        Raises:
            MissingExtraError: when this Pillow cannot write AVIF (its wheels can from 11.3 on).
        """
        if _encoder_version(self.encoder) is None:
            raise MissingExtraError("AVIF", "codecs")

    def library(self) -> Mapping[str, str]:
        """The versions of libavif and libaom, and the speed."""
        return {
            "libavif": str(features.version("avif")),
            self.encoder: str(_encoder_version(self.encoder)),
            "speed": str(self.speed),
        }

    def nearest_quality(self, quality: float) -> float:
        """Rounded: libavif knows whole numbers only."""
        return round(quality)

    def write(self, picture: PIL.Image.Image, file: io.BytesIO, quality: float) -> None:
        """Save with no metadata beside the pixels."""
        picture.save(
            file,
            format="AVIF",
            quality=int(quality),
            codec=self.encoder,
            speed=self.speed,
            subsampling=self.subsampling,
            max_threads=self.threads,
            autotiling=False,
        )

    def is_whole(self, stream: bytes) -> bool:
        """The three boxes, each saying its length, and nothing behind them."""
        return tuple(kind for kind, _ in read_boxes(stream)) == _LAYOUT

    def check_picture(self, picture: PIL.Image.Image, stream: bytes) -> None:
        """Also: the container must claim the size that is coded; see the head of this file.

        Raises:
            StreamError: when it does not, or the picture is not one RGB image.
        """
        super().check_picture(picture, stream)
        coded = _coded_size(dict(read_boxes(stream))[b"mdat"])
        if coded != picture.size:
            found = "of no readable size" if coded is None else f"{coded[0]} x {coded[1]}"
            raise StreamError(
                f"AVIF stream: the header claims {picture.width} x {picture.height} pixels, but "
                f"those coded are {found}; encode the image again"
            )


def _encoder_version(encoder: str) -> str | None:
    """Of an encoder inside libavif; None where Pillow or libavif was built without."""
    try:
        from PIL import AvifImagePlugin
    except ImportError:  # a Pillow before 11.3
        return None
    return AvifImagePlugin.get_codec_version(encoder) if AvifImagePlugin.SUPPORTED else None


def _coded_size(data: bytes) -> tuple[int, int] | None:
    """Width and height from the sequence header (AV1 specification, section 5.5.1).

    In the reduced form that stands before a single picture: three bits of profile, two that must be
    set (a still picture, the reduced form), five of level, twice four that say in how many bits the
    width and the height follow, less one each.
    """
    if not data.startswith(_OPENING):
        return None
    bits = "".join(f"{byte:08b}" for byte in data[len(_OPENING) + 1 :][:10])
    if len(bits) < 80 or bits[3:5] != "11":
        return None
    middle = 18 + int(bits[10:14], 2) + 1
    end = middle + int(bits[14:18], 2) + 1
    return int(bits[18:middle], 2) + 1, int(bits[middle:end], 2) + 1
