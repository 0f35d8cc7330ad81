"""The words that every layer shares: an image, a clock, a codec."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from slimcodec.errors import UsageError
from slimcodec.showing import line, readable_bytes, short_digest

__all__ = [
    "FAITHFUL",
    "NATURAL",
    "Adjustable",
    "Clock",
    "Codec",
    "Enclosing",
    "Image",
    "Mask",
    "Maskable",
    "Prepared",
    "Progressive",
    "Ranged",
    "Refining",
    "Region",
    "Restored",
    "Restoring",
    "Tiled",
    "check_image",
    "codec_line",
    "no_clock",
    "quality_range",
]

FAITHFUL, NATURAL = "faithful", "natural"
"""Looks: as close to the original as the bits allow, or as a photograph would look."""

Image: TypeAlias = NDArray[np.uint8]
"""Pixels, ``uint8 [h, w, 3]``, sRGB, rows from the top."""

Mask: TypeAlias = NDArray[np.uint8]
"""What matters of a picture, ``uint8 [h, w]``: white (255) most, black (0) least."""


class Region(NamedTuple):
    """A part of a picture, in pixels."""

    left: int
    top: int
    width: int
    height: int


def check_image(image: Image) -> None:
    """What every codec asks of its input.

    Raises:
        UsageError: when the array is not ``uint8 [h, w, 3]``, or has no pixels.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise UsageError(
            f"an image must be uint8 [h, w, 3] and not empty, got {image.dtype} {image.shape}"
        )


@runtime_checkable
class Clock(Protocol):
    """``with clock("generator"): ...`` charges the time spent inside to that stage.

    A stage is a piece of coding with a name: running a graph, the prior, the entropy coder. A codec
    that works in steps says which one, from 1 on: ``with clock("decoder", 3): ...``. What a step
    needs is charged to it, so the steps up to n together are what it took to get there; what
    is needed once, however many steps there are, is charged to none.
    """

    def __call__(self, stage: str, step: int = 0, /) -> AbstractContextManager[object]: ...


def no_clock(stage: str, step: int = 0, /) -> AbstractContextManager[object]:
    """The clock that measures nothing."""
    return nullcontext()


@runtime_checkable
class Codec(Protocol):
    """What the bench, the reports and the command line know of a codec: bytes there and back.

    ``decode(encode(image))`` has the shape of ``image``; the bytes say everything that the decoder
    needs besides the codec itself.
    """

    @property
    def name(self) -> str:
        """A short name for tables and plots."""

    @property
    def digest(self) -> str:
        """Hex digits that change when the codec's results may change."""

    @property
    def qualities(self) -> tuple[float, ...]:
        """The ladder a rate-distortion curve is measured at, worst first."""

    @property
    def default_quality(self) -> float:
        """What ``encode`` uses when not told."""

    @property
    def model_bytes(self) -> int:
        """Size of the model file; 0 for a codec that needs none."""

    def encode(
        self, image: Image, quality: float | None = None, *, clock: Clock = no_clock
    ) -> bytes:
        """One stream for one image.

        Raises:
            UsageError: when the quality is outside the codec's range.
        """

    def decode(self, stream: bytes, *, clock: Clock = no_clock) -> Image:
        """The image of a stream.

        Raises:
            StreamError: when the bytes are damaged, foreign or of another model.
        """


@runtime_checkable
class Ranged(Codec, Protocol):
    """A codec that takes qualities beside those of its ladder."""

    @property
    def quality_range(self) -> tuple[float, float]:
        """The least and the greatest quality that ``encode`` takes; between them, all whole ones at
        least."""


def quality_range(codec: Codec) -> tuple[float, float]:
    """The least and the greatest quality that a codec takes: the ends of its ladder where it does
    not say."""
    if isinstance(codec, Ranged):
        return codec.quality_range
    return codec.qualities[0], codec.qualities[-1]


@runtime_checkable
class Progressive(Codec, Protocol):
    """A codec whose qualities are steps: a stream of n steps begins with those of all fewer.

    ``qualities`` are whole numbers from 1 on, and ``clock`` is told the step.
    """

    def cut(self, stream: bytes, quality: float) -> bytes:
        """The stream as ``encode`` would have written it at a lower quality.

        Raises:
            UsageError: when the stream does not reach that far, or it is no step.
            StreamError: as ``decode``.
        """


@runtime_checkable
class Tiled(Codec, Protocol):
    """A codec that takes pictures of any size in bounded memory, and gives a part without the rest.

    Large pictures are coded in tiles, whose sections stand alone; what a network sees at once is a
    window of the picture. A window's surroundings end at its halo, so another choice of windows, of
    a region's for example, moves a level here and there by one.
    """

    def memory_needed(self, height: int, width: int) -> int:
        """Bytes that coding so many pixels takes, about, where it may take what is usual."""

    def encode(
        self,
        image: Image,
        quality: float | None = None,
        *,
        memory: int | None = None,
        clock: Clock = no_clock,
    ) -> bytes:
        """One stream for one image.

        Args:
            image: pixels.
            quality: as of any codec.
            memory: bytes that coding may take, beside the image; what the machine can spare when
                not given.
            clock: what stages are charged to; with one, nothing is done side by side.

        Raises:
            UsageError: when the quality is outside the codec's range, or memory is too little.
        """

    def decode(
        self,
        stream: bytes,
        *,
        region: Region | None = None,
        memory: int | None = None,
        partial: bool = False,
        clock: Clock = no_clock,
    ) -> Image:
        """The image of a stream, or a part of it.

        Args:
            stream: bytes.
            region: what of it; all when not given.
            memory: bytes that coding may take, the image included.
            partial: whether to be content with a stream that has holes (``stream.salvage``); what
                is not there is grey.
            clock: as for ``encode``.

        Raises:
            StreamError: when the bytes are damaged, foreign or of another model.
            UsageError: when the region is not inside the picture, or memory is too little.
        """


def codec_line(codec: Codec) -> str:
    """What a codec is, in one line, for ``repr``."""
    size = readable_bytes(codec.model_bytes) if codec.model_bytes else ""
    ladder = f"qualities {codec.qualities[0]:g} to {codec.qualities[-1]:g}"
    if len(codec.qualities) == 1:
        ladder = "one quality"
    return line(codec, codec.name, size, ladder, short_digest(codec.digest))


@runtime_checkable
class Enclosing(Codec, Protocol):
    """A codec around another one, which may be any."""

    def around(self, inner: str) -> Codec:
        """The same around another one.

        Args:
            inner: its name in ``registry.codecs``.

        Raises:
            UnknownNameError: when there is no such codec.
            MissingExtraError: when what it needs is not installed.
        """

    def inside(self, stream: bytes) -> str:
        """The codec that a stream has inside, by its name; any such codec reads it.

        Raises:
            StreamError: when the bytes are damaged or foreign.
        """


@runtime_checkable
class Refining(Codec, Protocol):
    """A codec that may refine what it encodes in rounds (``refine``). Its clock is told the stage
    ``refine`` and the number of each round, from 1 to one more than there are: the last one looks
    at what has become."""

    @property
    def rounds(self) -> int:
        """How many there are; 0 where nothing is refined."""


class Restored(NamedTuple):
    """A better picture of a file.

    Attributes:
        pixels: in the colours and the orientation of the file.
        info: what Pillow found in it beside pixels: EXIF, a colour profile and the like.
    """

    pixels: Image
    info: Mapping[str, Any]


@runtime_checkable
class Restoring(Codec, Protocol):
    """A codec whose streams are files of an image format, of which it makes better pictures; those
    that people have too, which came from anywhere."""

    def size_of(self, file: bytes) -> tuple[int, int]:
        """Width and height of a file's picture.

        Raises:
            ImageError: when it cannot be restored, without naming it.
        """

    def restore_file(
        self,
        file: bytes,
        *,
        strength: float = 1.0,
        projected: bool = True,
        memory: int | None = None,
    ) -> Restored:
        """The better picture of a whole file.

        Args:
            file: its bytes.
            strength: 0 is the picture that everyone sees, 1 what the network makes of it.
            projected: whether the picture is kept within what the file's quantization allows.
            memory: bytes that this may take.

        Raises:
            ImageError: when it cannot be restored, without naming it.
            UsageError: when the strength is not from 0 to 1, or memory is too little.
        """


@runtime_checkable
class Maskable(Codec, Protocol):
    """A codec that spends its bytes where a mask says that it matters."""

    def masked(self, mask: Mask) -> Codec:
        """The same codec for pictures that this mask is for; no decoder needs it.

        What it gives refuses a picture of another size than the mask's, as a ``UsageError``.

        Raises:
            UsageError: when the mask is not ``uint8 [h, w]``, or tells no places apart.
        """


class Prepared(Protocol):
    """An image of which everything is computed that does not depend on the quality."""

    def encode(self, quality: float, *, clock: Clock = no_clock) -> bytes:
        """The stream that the codec writes at a quality.

        Args:
            quality: as ``Codec.encode`` takes it, which writes the same stream.
            clock: is told the stages that are left.

        Raises:
            UsageError: when the quality is out of range.
        """


@runtime_checkable
class Adjustable(Codec, Protocol):
    """A codec that codes one image at many qualities for little more than one, and in between.

    Streams grow from one of its steps of quality to the next, counted from the least that it takes
    (``quality_range``); in between, fractions give lengths in between.
    """

    @property
    def quality_step(self) -> float:
        """From one quality to the next that surely gives a longer stream."""

    def prepare(
        self, image: Image, *, memory: int | None = None, clock: Clock = no_clock
    ) -> Prepared:
        """The transforms of an image, run once.

        Raises:
            UsageError: as ``encode``, of the image.
        """
