"""Streams that other programs wrote to pictures, and to streams of ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from slimcodec.codecs.foreign import (
    ForeignHeader,
    ForeignPicture,
    ReadsForeign,
    foreign_families,
)
from slimcodec.errors import StreamError, UsageError
from slimcodec.library import load_codec
from slimcodec.runtime import open_codec
from slimcodec.types import Codec, Region, Tiled
from slimcodec.workflows.importing import import_checkpoint

__all__ = ["ForeignStream", "Transcoded", "open_foreign", "to_stream"]

_RUNTIME = "torch"
"""What a model that is only made for this runs on: it is here, as a network is."""
_FARTHEST = 8.0
"""Levels of 255 that pictures of one network differ by on average, however it was shrunk; those of
two networks by several times that."""


@dataclass(frozen=True)
class ForeignStream:
    """A stream of another program whose header was read.

    Attributes:
        family: that reads it, its name.
        header: what it says.
    """

    family: str
    header: ForeignHeader

    @property
    def _reader(self) -> ReadsForeign:
        return foreign_families()[self.family]

    def read(
        self,
        checkpoint: Path,
        *,
        memory: int | None = None,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> ForeignPicture:
        """All of it; see ``codecs.foreign.ReadsForeign.read_foreign``."""
        return self._reader.read_foreign(self.header, [checkpoint], memory, on_progress)

    def rewritten(self, codec: Codec, picture: ForeignPicture, padded: bool) -> bytes:
        """As a stream of ours; see ``codecs.foreign.ReadsForeign.foreign_stream``."""
        return self._reader.foreign_stream(codec, picture, padded)


@dataclass(frozen=True)
class Transcoded:
    """A stream of ours that holds what another program's held.

    Attributes:
        stream: ours.
        codec: the name of the codec that wrote it.
        region: where the picture is in the stream's; all of it where there is no padding.
        farthest: levels of 255 that two pictures of the same symbols differ by at the most: this
            codec's, and that of the checkpoint's own weights.
        mean: levels that they differ by on average.
    """

    stream: bytes
    codec: str
    region: Region
    farthest: int
    mean: float


def open_foreign(data: bytes) -> ForeignStream:
    """The header of a stream of another program.

    Raises:
        StreamError: when no family reads it, and why.
    """
    why = []
    for name, family in foreign_families().items():
        try:
            return ForeignStream(name, family.foreign_header(data))
        except StreamError as error:
            why.append(str(error))
    raise StreamError("; ".join(why))


def to_stream(
    foreign: ForeignStream,
    picture: ForeignPicture,
    checkpoint: Path,
    *,
    codec: str | Path | None = None,
    padded: bool = False,
    on_step: Callable[[str], None] = lambda step: None,
) -> Transcoded:
    """The same symbols as a stream of ours, decoded once to compare the pictures.

    Args:
        foreign: the stream.
        picture: what was read of it.
        checkpoint: that wrote it.
        codec: of a model of the checkpoint; when not given, the one that importing it makes.
        padded: whether to keep the padding.
        on_step: is told what begins, in words.

    Raises:
        UsageError: when the codec is of another checkpoint, or the picture needs its padding.
    """
    foreign.header.check_beginning(padded)
    if codec is None:
        made = import_checkpoint(
            foreign.family, [checkpoint], name=checkpoint.stem, on_step=on_step
        )
        own = open_codec(made.model, _RUNTIME)
    else:
        own = load_codec(codec)
    stream = foreign.rewritten(own, picture, padded)
    region = foreign.header.region
    on_step("decoding the new stream, to compare the pictures")
    decoded = own.decode(stream, region=region) if isinstance(own, Tiled) else own.decode(stream)
    apart = np.abs(decoded.astype(np.int16) - picture.pixels)
    mean = float(apart.mean())
    if mean > _FARTHEST:
        raise UsageError(
            f"{own.name} makes another picture of these symbols than {checkpoint.name} does, "
            f"{mean:.0f} of 255 levels off on average: it is no model of that checkpoint"
        )
    return Transcoded(stream, own.name, region, int(apart.max()), mean)
