"""mozjpeg: what a plain JPEG file can be when its encoder takes its time.

Trellis quantization, scans of a progressive file chosen by trying, deringing and mozjpeg's own
quantization tables; any viewer opens the result. Through libvips, whose wheels (``pyvips[binary]``,
LGPL-3) have mozjpeg inside and are kept up. The other way to a better JPEG encoder is jpegli, for
which there is a wheel (pyjpegli 0.3) that leaves no choice of effort: on four photographs it saved
5.6 % of libjpeg-turbo's bytes at equal PSNR and 10.1 % at equal SSIMULACRA 2, mozjpeg 12.7 and
18.7 %.

It is decoded as any JPEG.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import PIL.Image

from slimcodec.codecs.peers.jpeg import Jpeg
from slimcodec.errors import MissingExtraError

__all__ = ["MozJpeg"]

_EFFORT = {
    "optimize_coding": True,
    "interlace": True,
    "trellis_quant": True,
    "overshoot_deringing": True,
    "optimize_scans": True,
    "quant_table": 3,
}
"""What the program ``cjpeg`` of mozjpeg does when nothing is said."""


class MozJpeg(Jpeg):
    """JPEG by mozjpeg; the quality is libjpeg's, a whole number from 1 to 95, but other tables."""

    name = "mozjpeg"
    suffix = ".jpeg"

    def __init__(self) -> None:
        """Without side effects beyond the import.

        Raises:
            MissingExtraError: when pyvips is not installed, or its libvips has no mozjpeg.
        """
        if not _has_mozjpeg():
            raise MissingExtraError("mozjpeg", "codecs")

    @property
    def environment(self) -> Mapping[str, str]:
        """Beside what decodes it: pyvips and libvips, which brings mozjpeg, and the effort."""
        vips = _pyvips()
        return {
            "pyvips": vips.__version__,
            "libvips": ".".join(str(vips.version(part)) for part in range(3)),
            "effort": "trellis, scans, deringing, table 3",
            **super().environment,
        }

    def nearest_quality(self, quality: float) -> float:
        """Rounded: libvips is told whole numbers."""
        return round(quality)

    def write(self, picture: PIL.Image.Image, file: io.BytesIO, quality: float) -> None:
        """Save with 4:2:0 and no metadata beside the pixels."""
        file.write(_saved(np.asarray(picture), int(quality), **_EFFORT))


def _saved(pixels: np.ndarray[Any, Any], quality: int, **effort: object) -> bytes:
    height, width, _ = pixels.shape
    image = _pyvips().Image.new_from_memory(pixels.tobytes(), width, height, 3, "uchar")
    as_srgb = image.copy(interpretation="srgb")
    return bytes(as_srgb.jpegsave_buffer(Q=quality, subsample_mode="on", keep="none", **effort))


@functools.cache
def _has_mozjpeg() -> bool:
    """Whether trellis quantization changes anything: a libvips without says nothing of it."""
    vips = _pyvips()
    waves = 127 + 90 * np.sin(np.arange(32 * 32 * 3) / 5)
    pixels = waves.astype(np.uint8).reshape(32, 32, 3)
    try:
        return _saved(pixels, 50, trellis_quant=True) != _saved(pixels, 50)
    except vips.Error:  # a libvips before 8.12, or without JPEG
        return False


def _pyvips() -> Any:
    """The library, when it is here; it is imported only by those who ask for the codec."""
    try:
        import pyvips
    except (ImportError, OSError) as error:  # OSError: a pyvips that finds no libvips
        raise MissingExtraError("mozjpeg", "codecs") from error
    return pyvips
