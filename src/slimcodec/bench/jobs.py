"""What is to be measured, in words that another process understands.

A codec is named, never handed over: an open one holds sessions of a runtime that belong to one
process. So a candidate and a job are frozen, picklable and small, and whoever runs a job opens what
it names (``bench.opening``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from slimcodec import library
from slimcodec.bench.rows import Row
from slimcodec.showing import line
from slimcodec.types import Image

__all__ = ["Candidate", "CodecReference", "Job", "Measurement"]


@dataclass(frozen=True)
class CodecReference:
    """Which codec.

    Attributes:
        name: a peer's or a built-in model's, or a path of a model file or a bundle.
        runtime: what executes it; its own or the default when not given.
        same_size_as: whose stream length it is to match, image by image (``SameSize``).
    """

    name: str
    runtime: str | None = None
    same_size_as: CodecReference | None = None

    def __repr__(self) -> str:
        other = self.same_size_as
        size = "" if other is None else f"as long as {other.name}"
        return line(self, self.name, self.runtime or "", size)

    def anywhere(self) -> CodecReference:
        """The same for a process in another folder: paths of what is there are whole; names stay,
        and what is neither, so that whoever opens it says what was typed."""
        other = self.same_size_as
        return replace(
            self,
            name=str(Path(self.name).absolute()) if _is_path(self.name) else self.name,
            same_size_as=None if other is None else other.anywhere(),
        )


def _is_path(text: str) -> bool:
    return text not in library.codec_names() and Path(text).exists()


@dataclass(frozen=True)
class Candidate:
    """A codec to be measured.

    Attributes:
        codec: which.
        qualities: where to measure it.
        variant: its label.
        settings: for tables.
        base: digest of the codec that this one was made from; empty for itself.
    """

    codec: CodecReference
    qualities: tuple[float, ...]
    variant: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    base: str = ""

    def __repr__(self) -> str:
        qualities = f"{len(self.qualities)} qualities"
        return line(self, self.variant, self.codec.name, self.codec.runtime or "", qualities)


@dataclass(frozen=True)
class Job:
    """One codec on one image, at several qualities.

    Attributes:
        candidate: what to measure; of its qualities those that are wanted.
        image: the file, readable where the job is run.
        image_digest: of its pixels, as they were where the job was made.
        digest: of the codec's model or library there.
        environment: what else decides bytes there. All three are part of the rows' keys.
        metrics: by registry name.
        repeats: timed runs of each encode and decode.
        keeps_pictures: whether the decoded pictures are wanted too.
        threads: of each graph; all cores when not given.
        beside: what runs beside the job, in words, as far as whoever runs it knows.
    """

    candidate: Candidate
    image: Path
    image_digest: str
    digest: str
    environment: Mapping[str, str]
    metrics: tuple[str, ...]
    repeats: int = 1
    keeps_pictures: bool = False
    threads: int | None = None
    beside: str = ""

    def __repr__(self) -> str:
        return line(self, self.what)

    @property
    def what(self) -> str:
        """For progress."""
        return f"{self.image.name} · {self.candidate.variant}"


@dataclass(frozen=True)
class Measurement:
    """What comes of a job at one of its qualities.

    Attributes:
        row: what was measured.
        decoded: the picture; None where nobody wants it.
    """

    row: Row
    decoded: Image | None

    def __repr__(self) -> str:
        return line(self, self.row.variant, f"quality {self.row.quality:g}", self.row.image)
