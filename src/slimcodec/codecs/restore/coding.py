"""A JPEG, decoded better: the codec ``jpeg+restore``.

Its streams are those of the codec inside, ordinary JPEG files, which everyone else reads too; what
is learned stands behind libjpeg's decoder and before anything becomes RGB. No torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.checks import (
    check_decodable,
    check_encodable,
    check_made,
    saying_memory,
)
from slimcodec.codecs.restore.config import CENTRE, UNIT, RestoreConfig
from slimcodec.codecs.restore.intervals import project, shares
from slimcodec.codecs.restore.jpeg_file import JpegFile, condition_of, read_header, read_jpeg
from slimcodec.codecs.tiles import Box, Sight, check_region
from slimcodec.codecs.trunk.modulation import Condition
from slimcodec.errors import ImageError, StreamError, UsageError
from slimcodec.types import (
    Clock,
    Codec,
    Image,
    Region,
    Restored,
    check_image,
    codec_line,
    no_clock,
    quality_range,
)

__all__ = ["Inner", "RestoreCodec", "phases"]

Floats = NDArray[np.float32]
Graph = Callable[..., Any]

_STRIDE = 16
"""Pixels on a side of a position: two blocks, one of halved chroma."""
_PICTURE_BYTES = 14.0
"""Of memory for each pixel of a whole picture: planes, what Pillow holds of them, RGB, the file."""
_TO_RGB = np.array(((1, 0, 1.402), (1, -0.344136, -0.714136), (1, 1.772, 0)), np.float32)
"""Differences of Y, Cb, Cr to those of R, G, B."""


class Inner(Codec, Protocol):
    """What is asked of the codec inside."""

    def is_whole(self, stream: bytes) -> bool:
        """Whether bytes begin and end as a file of it does."""

    def check_claim(self, width: int, height: int, length: int) -> None:
        """Of a size that a header claims; ``StreamError`` where so many bytes cannot hold it."""


def phases(height: int, width: int) -> Floats:
    """Which quarter of a block of JPEG's each position is, [1, 4, height / 4, width / 4] of sides
    in pixels, multiples of 8; 1 in one of the four channels."""
    quarters = np.eye(4, dtype=np.float32).reshape(1, 4, 2, 2)
    return np.tile(quarters, (1, 1, height // 8, width // 8))


class RestoreCodec:
    """A model that restores as a codec; see ``types.Tiled``.

    Args:
        config: the network's shape.
        graphs: ``restorer`` (planes, phases, modulation) -> planes, float32 [1, c, h, w].
        condition: of the model file.
        inner: whose streams are written and read.
        name: of the model.
        digest: of the model file.
        model_bytes: size of the model file.
    """

    def __init__(
        self,
        config: RestoreConfig,
        graphs: Mapping[str, Graph],
        condition: Condition,
        inner: Inner,
        *,
        name: str,
        digest: str,
        model_bytes: int,
    ) -> None:
        self.config, self.graphs, self.condition, self.inner = config, graphs, condition, inner
        self.name, self.digest, self.model_bytes = f"{inner.name}+{name}", digest, model_bytes
        self.qualities, self.default_quality = inner.qualities, inner.default_quality
        self.quality_range = quality_range(inner)
        halo = -(-config.halo // _STRIDE)
        self._sight = Sight(_STRIDE, halo, config.bytes_per_pixel)

    def __repr__(self) -> str:
        return codec_line(self)

    def encode(
        self,
        image: Image,
        quality: float | None = None,
        *,
        memory: int | None = None,
        clock: Clock = no_clock,
    ) -> bytes:
        """One image to one file of the codec inside."""
        check_image(image)
        need = self._sight.need(_whole(*image.shape[:2]), self._position_bytes)
        check_encodable(image, self.name, need, memory)
        return self.inner.encode(image, quality, clock=clock)

    def decode(
        self,
        stream: bytes,
        *,
        region: Region | None = None,
        memory: int | None = None,
        partial: bool = False,
        clock: Clock = no_clock,
    ) -> Image:
        """One file to one image, or a part of it. Such files have no holes, so ``partial`` changes
        nothing."""
        if not self.inner.is_whole(stream):
            raise StreamError(
                f"not a whole {self.inner.name.upper()} file ({len(stream)} bytes): it is cut "
                "short, has bytes added, or is of another format"
            )
        try:
            header = read_header(stream)
            self.inner.check_claim(header.width, header.height, len(stream))
            with clock("decoder"):
                file = self._read(stream, header.width, header.height, memory)
        except ImageError as error:
            raise StreamError(f"{self.inner.name.upper()} stream: {error}") from error
        return self.restore(file, region=region, memory=memory, clock=clock)

    def memory_needed(self, height: int, width: int) -> int:
        """See ``types.Tiled``."""
        return self._sight.usual(_whole(height, width), self._position_bytes)

    def size_of(self, file: bytes) -> tuple[int, int]:
        """See ``types.Restoring``."""
        width, height = read_header(file).size
        return width, height

    def restore_file(
        self,
        file: bytes,
        *,
        strength: float = 1.0,
        projected: bool = True,
        memory: int | None = None,
    ) -> Restored:
        """See ``types.Restoring``; more behind the file's end, such as a telephone's, is nothing
        to it."""
        width, height = self.size_of(file)
        try:
            read = self._read(file, width, height, memory)
        except StreamError as error:
            raise ImageError(str(error)) from error
        pixels = self.restore(read, strength=strength, projected=projected, memory=memory)
        return Restored(pixels, read.info)

    def restore(
        self,
        file: JpegFile,
        *,
        strength: float = 1.0,
        projected: bool = True,
        region: Region | None = None,
        memory: int | None = None,
        clock: Clock = no_clock,
    ) -> Image:
        """The better picture of a file that was read, or of a part of it.

        Args:
            file: as ``read_jpeg`` gives it.
            strength: 0 is the file as everyone decodes it, 1 what is to be taken of the network.
            projected: whether the picture is kept within what the file's quantization allows.
            region: what of it; all when not given.
            memory: bytes that the network may take beside the picture.
            clock: what the network is charged to.

        Raises:
            UsageError: when the strength is not from 0 to 1, or the region not inside.
        """
        if not 0 <= strength <= 1:
            raise UsageError(f"the strength must be from 0 to 1, got {strength:g}")
        height, width, _ = file.planes.shape
        region = region or Region(0, 0, width, height)
        check_region(region, height, width)
        own = self._position_bytes
        left = check_decodable(
            height, width, self.name, self._sight.need(_whole(height, width), own), memory
        )
        with saying_memory(self.name):
            inputs = self._inputs(file)
            return self._restored(file, inputs, strength, projected, region, left, clock)

    def _read(self, stream: bytes, width: int, height: int, memory: int | None) -> JpegFile:
        """A file's planes, once there is memory for them."""
        need = self._sight.need(_whole(height, width), self._position_bytes)
        check_decodable(height, width, self.name, need, memory)
        with saying_memory(self.name):
            return read_jpeg(stream)

    def _inputs(self, file: JpegFile) -> tuple[Floats, ...]:
        """What the network is given besides planes and places."""
        if not self.condition.layers:
            return ()
        return (self.condition.modulation(condition_of(file)),)

    def _restored(
        self,
        file: JpegFile,
        inputs: tuple[Floats, ...],
        strength: float,
        projected: bool,
        region: Region,
        memory: int | None,
        clock: Clock,
    ) -> Image:
        whole, wanted = _whole(*file.planes.shape[:2]), Box.of(region)
        steps = _steps(file) if projected else None
        taken = strength * shares(file.tables, sum(file.halved))[:, None, None]
        picture = np.empty((*wanted.size, 3), np.uint8)
        for window in self._sight.windows(wanted.over(_STRIDE).within(whole), memory):
            seen = self._sight.grown(window, whole).times(_STRIDE)
            inside = window.times(_STRIDE).within(wanted)
            place = inside.seen_from(seen).slices
            given = file.planes[seen.slices]
            if taken.any():
                with clock("restorer"):
                    made = self._run(given, inputs)
            else:
                made = given.transpose(2, 0, 1).astype(np.float32)
            with clock("colours"):
                if taken.min() < 1:
                    made += (1 - taken) * (given.transpose(2, 0, 1) - made)
                if steps is not None:
                    project(made, given, steps)
                picture[inside.seen_from(wanted).slices] = _rgb(made[:, *place], file.grey)
        return picture

    def _run(self, given: Image, inputs: tuple[Floats, ...]) -> Floats:
        """Planes of a window, [c, h, w] in levels, of its planes [h, w, c]."""
        height, width, _ = given.shape
        below, right = -height % 8, -width % 8
        # The last row and column once more: what libjpeg's encoders fill a block with.
        padded = np.pad(given, ((0, below), (0, right), (0, 0)), mode="edge")
        count = self.config.planes
        planes = np.empty((1, count, *padded.shape[:2]), np.float32)
        for number in range(count):
            np.subtract(padded[:, :, number], CENTRE, out=planes[0, number])
        planes /= UNIT
        places = (phases(*padded.shape[:2]),) if inputs else ()
        out: Floats = self.graphs["restorer"](planes, *places, *inputs)
        check_made(out, planes.shape, "restorer")
        made = np.empty((given.shape[2], height, width), np.float32)
        np.multiply(out[0, :, :height, :width], UNIT, out=made[:count])
        made[:count] += CENTRE
        for number in range(count, len(made)):
            made[number] = given[:, :, number]
        return made

    @property
    def _position_bytes(self) -> float:
        return _PICTURE_BYTES * _STRIDE**2


def _whole(height: int, width: int) -> Box:
    """All positions of a picture."""
    return Box(0, 0, -(-height // _STRIDE), -(-width // _STRIDE))


def _steps(file: JpegFile) -> list[NDArray[np.int64] | None]:
    """Of each plane whose blocks lie at the picture's own grid."""
    chroma = None if file.grey or any(file.halved) else file.tables[1]
    return [file.tables[0], chroma, chroma]


def _rgb(planes: Floats, grey: bool) -> Image:
    """Y, Cb, Cr [3, h, w], in levels, to sRGB or whatever colours the file has, [h, w, 3]."""
    image = np.empty((*planes.shape[1:], 3), np.uint8)
    chroma = [plane - np.float32(CENTRE) for plane in planes[1:]]
    for number, (_, *weights) in enumerate(_TO_RGB):
        levels = planes[0].copy()
        for plane, weight in zip(chroma, weights, strict=True):
            if weight and not grey:
                levels += weight * plane
        np.clip(np.rint(levels, out=levels), 0, 255, out=levels)
        image[:, :, number] = levels
    return image
