"""What a family must say of streams that somebody else's program wrote, so that reading one need
not know whose it is.

It is beside ``published``: what such a stream means, the checkpoint says that wrote it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from slimcodec.codecs.published import Published, published_families
from slimcodec.errors import UsageError
from slimcodec.types import Image, Region

__all__ = ["ForeignHeader", "ForeignPicture", "ReadsForeign", "foreign_families"]


@dataclass(frozen=True)
class ForeignHeader:
    """What a stream says before it is read.

    Attributes:
        writer: which program and model wrote it, in words.
        height, width: of what was coded, padding included.
        region: where in that the picture is.
        content: of the family.
    """

    writer: str
    height: int
    width: int
    region: Region
    content: Any

    def check_beginning(self, padded: bool) -> None:
        """The picture begins where what was coded does, as in streams of ours, or its padding is
        kept.

        Raises:
            UsageError: otherwise.
        """
        left, top, width, height = self.region
        if (left or top) and not padded:
            raise UsageError(
                f"the picture of {width}x{height} begins at {left},{top} of the {self.width}x"
                f"{self.height} that were coded, and streams of ours begin where pictures do; keep "
                "the padding (--padded; decode --region then takes it off), or name a picture "
                "with -o"
            )


@dataclass(frozen=True)
class ForeignPicture:
    """What a stream holds.

    Attributes:
        header: of the stream.
        symbols: how many integers it has.
        pixels: the picture that its own networks make of them.
        latents: of the family.
        notes: what was not the usual way, a sentence each.
    """

    header: ForeignHeader
    symbols: int
    pixels: Image
    latents: Any
    notes: tuple[str, ...] = ()


@runtime_checkable
class ReadsForeign(Published, Protocol):
    """A family that reads streams of its checkpoints which another program wrote."""

    foreign_help: str
    """For ``slimcodec transcode --help``: which program, and what of it is read."""

    def foreign_header(self, data: bytes) -> ForeignHeader:
        """
        Args:
            data: all of a file.

        Raises:
            StreamError: when it is no such stream, or damaged as far as can be seen.
        """

    def read_foreign(
        self,
        header: ForeignHeader,
        paths: Sequence[Path],
        memory: int | None = None,
        on_progress: Callable[[int, int], None] = ...,
    ) -> ForeignPicture:
        """
        Args:
            header: of the stream.
            paths: of the checkpoint that wrote it, as for ``read_checkpoint``.
            memory: bytes that may be taken; what there is when not given.
            on_progress: is told how many symbols are read, and of how many.

        Raises:
            CheckpointError: when it is none.
            StreamError: when the stream is damaged, or another checkpoint wrote it.
        """

    def foreign_stream(self, codec: Any, picture: ForeignPicture, padded: bool) -> bytes:
        """The same integers as a stream of ours.

        Args:
            codec: of a model of the checkpoint.
            picture: that was read.
            padded: whether to keep the padding: the stream's picture is all that was coded.

        Raises:
            UsageError: when the codec is no such model, or the picture does not begin where what
                was coded does and the padding is not to be kept.
        """


def foreign_families() -> dict[str, ReadsForeign]:
    """The families that read streams of other programs, by name."""
    found = published_families()
    return {name: family for name, family in found.items() if isinstance(family, ReadsForeign)}
