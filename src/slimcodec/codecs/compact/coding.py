"""A small picture through any codec, brought back: ``compact:jpeg``, ``compact:webp`` and so on.

    picture ─► filter + compactor ─► small picture ─► inner codec ─► file
    file ─► inner codec ─► small picture ─► filter + reconstructor ─► picture

Streams are slimcodec's own (``stream.container``). Their one section is

    1 byte    length of the inner codec's name
              that name, as ``registry.codecs`` has it
    2 bytes   what that codec lost (``losses.py``)
              the file that it wrote

so a decoder opens whatever codec a stream names. No torch.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from slimcodec import registry
from slimcodec.codecs.checks import (
    check_decodable,
    check_encodable,
    check_header,
    check_made,
    saying_memory,
)
from slimcodec.codecs.compact.config import CENTRE, FACTOR, UNIT, CompactConfig
from slimcodec.codecs.compact.losses import LOSS_BYTES, facts_of, measured
from slimcodec.codecs.tiles import Box, Sight, check_region
from slimcodec.codecs.trunk.modulation import Condition
from slimcodec.errors import StreamError, UnknownNameError
from slimcodec.stream import Stream, pack, unpack
from slimcodec.types import (
    Clock,
    Codec,
    Image,
    Region,
    check_image,
    codec_line,
    no_clock,
    quality_range,
)

__all__ = ["STREAM_ID", "CompactCodec", "Parcel", "ladder_of", "opened", "parcel_of"]

Floats = NDArray[np.float32]
Graph = Callable[..., Any]

STREAM_ID = hashlib.sha256(f"compact, factor {FACTOR}, version 1".encode()).digest()[:8]
"""Of all streams of the family. Whatever a decoder must know of one is in it, and any reconstructor
makes a picture of any small picture."""
_STRIDE = 16
"""Pixels on a side of a position."""
_FOLD = 8
"""Sides of what networks are given are multiples of it, in pixels of the whole picture."""
_PICTURE_BYTES = 16.0
"""Of memory for each pixel of a whole picture: itself, small and made large, what Pillow and the
inner codec hold of them."""
_NAME = re.compile(rb"[A-Za-z0-9][A-Za-z0-9+._-]*")
_BICUBIC = PIL.Image.Resampling.BICUBIC


def opened(inner: str) -> Codec:
    """An inner codec by name.

    Raises:
        UnknownNameError: when there is no such codec.
        MissingExtraError: when what it needs is not installed.
    """
    if inner not in registry.codecs:
        raise UnknownNameError("inner codec", inner, registry.codecs)
    codec: Codec = registry.codecs.get(inner)()
    return codec


def ladder_of(inner: Codec) -> tuple[float, ...]:
    """The qualities at which small pictures are worth writing: those of the inner codec up to what
    it uses when not told. Beyond, its bytes go into pixels that have too little to say."""
    low = tuple(quality for quality in inner.qualities if quality <= inner.default_quality)
    return low or inner.qualities


class Parcel(NamedTuple):
    """The section of a stream.

    Attributes:
        inner: name of the inner codec.
        losses: see ``losses.measured``.
        file: that the inner codec wrote.
    """

    inner: str
    losses: bytes
    file: bytes

    def to_bytes(self) -> bytes:
        """The inverse of ``from_bytes``."""
        name = self.inner.encode("ascii")
        return bytes([len(name)]) + name + self.losses + self.file

    @classmethod
    def from_bytes(cls, data: bytes) -> Parcel:
        """See the head of this file.

        Raises:
            StreamError: when they are none.
        """
        end = 1 + (data[0] if data else 0)
        name = data[1:end]
        if not _NAME.fullmatch(name) or len(data) < end + LOSS_BYTES:
            raise StreamError("the stream is damaged: it names no inner codec")
        losses, file = data[end : end + LOSS_BYTES], data[end + LOSS_BYTES :]
        return cls(name.decode("ascii"), losses, file)


class CompactCodec:
    """A model that makes pictures small as a codec around another; see ``types.Tiled`` and
    ``types.Enclosing``.

    Args:
        config: the networks' shape.
        graphs: ``compactor`` and ``reconstructor``, as the family's ``signatures`` say.
        condition: of the model file.
        inner: name of the codec that small pictures are written with.
        name: of the model.
        digest: of the model file.
        model_bytes: size of the model file.

    A quality is the inner codec's, of the small picture; see ``ladder_of``.
    """

    def __init__(
        self,
        config: CompactConfig,
        graphs: Mapping[str, Graph],
        condition: Condition,
        inner: str,
        *,
        name: str,
        digest: str,
        model_bytes: int,
    ) -> None:
        self.config, self.graphs, self.condition = config, graphs, condition
        self.inner, self.inner_name = opened(inner), inner
        self.model_name, self.digest, self.model_bytes = name, digest, model_bytes
        self.name = f"{name}:{inner}"
        self.qualities = ladder_of(self.inner)
        self.default_quality = self.qualities[len(self.qualities) // 2]
        self.quality_range = quality_range(self.inner)
        self.stream_id = STREAM_ID
        self._sight = Sight(_STRIDE, -(-config.halo // _STRIDE), config.bytes_per_pixel)

    def __repr__(self) -> str:
        return codec_line(self)

    @property
    def environment(self) -> Mapping[str, str]:
        """What decides bytes besides the model: the inner codec's."""
        found: Mapping[str, str] = getattr(self.inner, "environment", {})
        return found

    def around(self, inner: str) -> CompactCodec:
        """See ``types.Enclosing``."""
        return CompactCodec(
            self.config, self.graphs, self.condition, inner,
            name=self.model_name, digest=self.digest, model_bytes=self.model_bytes,
        )  # fmt: skip

    def inside(self, stream: bytes) -> str:
        """See ``types.Enclosing``."""
        header = unpack(stream, partial=True)
        check_header(header, STREAM_ID, self.name)
        return self._opened(parcel_of(header).inner).name

    def encode(
        self,
        image: Image,
        quality: float | None = None,
        *,
        memory: int | None = None,
        clock: Clock = no_clock,
    ) -> bytes:
        """One image to one stream."""
        check_image(image)
        height, width, _ = image.shape
        whole = _whole(height, width)
        left = check_encodable(image, self.name, self._need(whole), memory)
        exact = self.default_quality if quality is None else quality
        with saying_memory(self.name):
            small = self.compacted(image, memory=left, clock=clock)
            file = self.inner.encode(small, exact, clock=clock)
            with clock("losses"):
                losses = measured(small, self.inner.decode(file))
        section = Parcel(self.inner_name, losses, file).to_bytes()
        return pack(Stream(STREAM_ID, height, width, round(exact), (section,)))

    def decode(
        self,
        stream: bytes,
        *,
        region: Region | None = None,
        memory: int | None = None,
        partial: bool = False,
        clock: Clock = no_clock,
    ) -> Image:
        """One stream to one image, or a part of it. Such streams have no holes, so ``partial``
        changes nothing."""
        header = unpack(stream, partial=partial)
        check_header(header, STREAM_ID, self.name)
        height, width = header.height, header.width
        region = region or Region(0, 0, width, height)
        check_region(region, height, width)
        parcel = parcel_of(header)
        need = self._need(_whole(height, width))
        left = check_decodable(height, width, self.name, need, memory)
        with saying_memory(self.name):
            small = self._opened(parcel.inner).decode(parcel.file, clock=clock)
            if small.shape[:2] != _small(height, width):
                raise StreamError(
                    f"the stream is damaged: it claims {width}x{height} pixels, and inside is a "
                    f"picture of {small.shape[1]}x{small.shape[0]}"
                )
            return self._reconstructed(small, parcel.losses, (height, width), region, left, clock)

    def memory_needed(self, height: int, width: int) -> int:
        """See ``types.Tiled``."""
        return self._sight.usual(_whole(height, width), _PICTURE_BYTES * _STRIDE**2)

    def compacted(
        self, image: Image, *, memory: int | None = None, clock: Clock = no_clock
    ) -> Image:
        """The small picture that the inner codec is given, ``uint8 [h, w, 3]``.

        Args:
            image: any.
            memory: bytes that the network may take; what is usual when not given.
            clock: what the network is charged to.
        """
        height, width, _ = image.shape
        whole, small_sides = _whole(height, width), _small(height, width)
        with clock("filter"):
            filtered = _resized(_padded(image, FACTOR), small_sides)
        small = np.empty((*small_sides, 3), np.uint8)
        for window in self._sight.windows(whole, memory):
            seen = self._sight.grown(window, whole).times(_STRIDE)
            given = _padded(image[seen.slices], _FOLD)
            sides = tuple(side // FACTOR for side in given.shape[:2])
            with clock("compactor"):
                made: Floats = self.graphs["compactor"](_in_units(given))
                check_made(made, (1, 3, *sides), "compactor")
            inside = window.times(_STRIDE).over(FACTOR).within(Box(0, 0, *small_sides))
            place = inside.seen_from(seen.over(FACTOR)).slices
            small[inside.slices] = _added(filtered[inside.slices], made[0][:, *place])
        return small

    def _reconstructed(
        self,
        small: Image,
        losses: bytes,
        sides: tuple[int, int],
        region: Region,
        memory: int | None,
        clock: Clock,
    ) -> Image:
        """A region of the picture that a small one, as decoded, was made of."""
        whole, wanted = _whole(*sides), Box.of(region)
        layers = self.condition.layers
        known = (self.condition.modulation(facts_of(losses)),) if layers else ()
        with clock("filter"):
            large = _resized(small, tuple(FACTOR * side for side in small.shape[:2]))
        picture = np.empty((*wanted.size, 3), np.uint8)
        for window in self._sight.windows(wanted.over(_STRIDE).within(whole), memory):
            seen = self._sight.grown(window, whole).times(_STRIDE)
            of, factor = (small, FACTOR) if self.config.folded else (large, 1)
            given = _padded(of[seen.over(factor).slices], _FOLD // factor)
            with clock("reconstructor"):
                made: Floats = self.graphs["reconstructor"](_in_units(given), *known)
                made_sides = (factor * side for side in given.shape[:2])
                check_made(made, (1, 3, *made_sides), "reconstructor")
            inside = window.times(_STRIDE).within(wanted)
            place = inside.seen_from(seen).slices
            picture[inside.seen_from(wanted).slices] = _added(
                large[inside.slices], made[0][:, *place]
            )
        return picture

    def _opened(self, inner: str) -> Codec:
        """The codec that a stream names."""
        if inner == self.inner_name:
            return self.inner
        try:
            return opened(inner)
        except UnknownNameError as error:
            raise StreamError(
                f"the picture inside is coded with {inner}, which this installation does not have; "
                "install the package that brings it"
            ) from error

    def _need(self, whole: Box) -> Any:
        return self._sight.need(whole, _PICTURE_BYTES * _STRIDE**2)


def parcel_of(header: Stream) -> Parcel:
    """What a stream has in its one section.

    Raises:
        StreamError: when it holds something else.
    """
    if len(header.sections) != 1 or header.progressive:
        raise StreamError("the stream is damaged: it must have one section, of one picture")
    return Parcel.from_bytes(header.sections[0])


def _whole(height: int, width: int) -> Box:
    """All positions of a picture."""
    return Box(0, 0, -(-height // _STRIDE), -(-width // _STRIDE))


def _small(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of the small picture."""
    return -(-height // FACTOR), -(-width // FACTOR)


def _padded(image: Image, multiple: int) -> Image:
    """With the last row and column once more, up to sides that are multiples."""
    below, right = (-side % multiple for side in image.shape[:2])
    return np.pad(image, ((0, below), (0, right), (0, 0)), mode="edge")


def _resized(image: Image, sides: tuple[int, ...]) -> Image:
    """By a bicubic filter, as wide as it must be where pictures become smaller."""
    height, width = sides
    picture = PIL.Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(picture.resize((width, height), _BICUBIC))


def _in_units(image: Image) -> Floats:
    """[1, 3, h, w] as networks see it."""
    planes = np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32)
    planes -= CENTRE
    planes /= UNIT
    return planes


def _added(filtered: Image, correction: Floats) -> Image:
    """What a filter made [h, w, 3], and a correction [3, h, w] in units."""
    levels = correction.transpose(1, 2, 0) * np.float32(UNIT)
    levels += filtered
    return np.clip(np.rint(levels, out=levels), 0, 255, out=levels).astype(np.uint8)
