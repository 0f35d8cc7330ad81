"""The bytes of a stream of CompressAI's command line.

    offset  size    field, the highest byte first
    0       1       model: its number in a list that has grown since
    1       1       metric (0 mean squared error, 1 MS-SSIM) times 16, and quality less 1
    2       4, 4    height and width of the picture
    10      1       bits of its samples; not before CompressAI 1.2
            4, 4    shape of the last latents, down and across
            4       number of strings: y alone, or y and z
            then per string: 4 bytes of length, and the string

There is no mark at the beginning, so a stream is known by all of it fitting: shape to size, and
lengths to the file's. A picture is padded with zeros to multiples of 64, as much on its left and at
its top as on the other side, or one less.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from slimcodec.codecs.checks import check_pixels
from slimcodec.codecs.compressai.config import Architecture
from slimcodec.errors import StreamError
from slimcodec.types import Region

__all__ = ["HELP", "TheirStream", "parse"]

HELP = """\
compressai: what CompressAI's own command line writes (examples/codec.py encode) with
bmshj2018-factorized, bmshj2018-hyperprior or mbt2018-mean, its usual entropy coder (ans) and
pictures of eight bits. Its tables are picked by floats; that they came out right, the end of its
entropy coder tells.

Example: slimcodec transcode theirs.bin --checkpoint mbt2018-mean-4-e522738d.pth.tar --codec
mbt-4.slim -o photo.slc

Example: slimcodec transcode theirs.bin --checkpoint mbt2018-mean-4-e522738d.pth.tar -o photo.png"""


_FRONT, _COUNTS = struct.Struct(">BBII"), struct.Struct(">III")
_MULTIPLE, _STRIDE = 64, 16
_BITS = 8
_FIRST = ("bmshj2018-factorized",)
_HYPERPRIORS = ("bmshj2018-hyperprior", "mbt2018-mean")
_LAST = ("mbt2018", "cheng2020-anchor", "cheng2020-attn")
_LISTS = (
    (*_FIRST, *_HYPERPRIORS, *_LAST),
    (*_FIRST, "bmshj2018-factorized-relu", *_HYPERPRIORS, *_LAST),
)
"""Models by their numbers, until 1.2 and later; what came behind these is not told apart."""
_METRICS = ("MSE", "MS-SSIM")
_MOST_QUALITIES = 8


@dataclass(frozen=True)
class TheirStream:
    """What a stream says.

    Attributes:
        models: what may have written it, one name for each list of models.
        metric: that it was trained for.
        quality: of the published ones, 1 to 8.
        height, width: of the padded picture, multiples of 64.
        region: where in it the picture is.
        shape: of the latents that are read first, down and across.
        strings: of y, and then of z where there is a hyperprior.
    """

    models: tuple[str, ...]
    metric: str
    quality: int
    height: int
    width: int
    region: Region
    shape: tuple[int, int]
    strings: tuple[bytes, ...]

    @property
    def writer(self) -> str:
        """What wrote it, in words."""
        return f"CompressAI's {' or '.join(self.models)}, {self.metric}, quality {self.quality}"

    @property
    def hyperprior(self) -> bool:
        """Whether there are hyper-latents."""
        return len(self.strings) > 1

    def check_architecture(self, architecture: Architecture) -> None:
        """
        Raises:
            StreamError: when no model of that architecture can have written it.
        """
        if architecture not in self.models:
            raise StreamError(
                f"it says that {' or '.join(self.models)} wrote it, and the checkpoint is "
                f"{architecture}; give the checkpoint that wrote it"
            )


def parse(data: bytes) -> TheirStream:
    """A stream's fields and strings; nothing is decoded.

    Args:
        data: all of a file.

    Raises:
        StreamError: when it is no such stream, is damaged or cut short, or holds what is not read:
            another model's latents, more bits than eight, more pixels than are wanted.
    """
    if len(data) < _FRONT.size + 1 + _COUNTS.size:
        raise StreamError(f"not a stream of CompressAI's: {len(data)} bytes are less than a header")
    model, code, height, width = _FRONT.unpack_from(data)
    metric, quality = code >> 4, (code & 15) + 1
    models = tuple(dict.fromkeys(names[model] for names in _LISTS if model < len(names)))
    if not (height and width) or metric >= len(_METRICS) or quality > _MOST_QUALITIES:
        raise StreamError("not a stream of CompressAI's: its first bytes are no header")
    check_pixels(height, width)
    at = _FRONT.size
    # Where there is no such field yet, this is the highest byte of a small number.
    if data[at]:
        if data[at] != _BITS:
            raise StreamError(
                f"not a stream of CompressAI's that can be read: samples of {data[at]} bits, and "
                f"{_BITS} are"
            )
        at += 1
    if len(data) < at + _COUNTS.size:
        raise StreamError("the stream is cut short: it ends in its header")
    down, across, count = _COUNTS.unpack_from(data, at)
    rows, columns = (-(-side // _MULTIPLE) * _MULTIPLE for side in (height, width))
    strides = {1: _STRIDE, 2: _MULTIPLE}
    if count not in strides:
        raise StreamError(
            f"not a stream of CompressAI's that can be read: it has {count:,} strings; a "
            "factorized density has one, a hyperprior two"
        )
    wanted = rows // strides[count], columns // strides[count]
    if (down, across) != wanted:
        raise StreamError(
            f"not a stream of CompressAI's: latents of {across}x{down} are none of a picture of "
            f"{width}x{height}, which has {wanted[1]}x{wanted[0]}"
        )
    if not {*models} & {*_FIRST, *_HYPERPRIORS}:
        written = " or ".join(models) or f"model {model}"
        raise StreamError(
            f"{written} wrote it; streams of {_FIRST[0]}, {' and '.join(_HYPERPRIORS)} are read"
        )
    strings = _strings(data, at + _COUNTS.size, count)
    region = Region((columns - width) // 2, (rows - height) // 2, width, height)
    return TheirStream(
        models, _METRICS[metric], quality, rows, columns, region, (down, across), strings
    )


def _strings(data: bytes, at: int, count: int) -> tuple[bytes, ...]:
    found = []
    for number in range(1, count + 1):
        length = int.from_bytes(data[at : at + 4], "big")
        at += 4
        if at + length > len(data):
            raise StreamError(
                f"the stream is cut short: {at + length - len(data):,} bytes of string {number} "
                f"are missing"
            )
        found.append(data[at : at + length])
        at += length
    if at < len(data):
        raise StreamError(f"the stream is damaged: {len(data) - at:,} bytes after its end")
    return tuple(found)
