"""What a process keeps from one job to the next: open codecs, metrics, the picture read last.

Opening a codec costs more than many a measurement, and jobs of one codec come one after another.
Whatever is kept of a file is kept under the file's size and time of change.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from slimcodec import library, registry
from slimcodec.bench.environment import environment_of
from slimcodec.bench.jobs import CodecReference
from slimcodec.bench.same_size import SameSize
from slimcodec.images import read_image
from slimcodec.metrics import Metric
from slimcodec.types import Codec, Image

__all__ = [
    "Picture",
    "environment",
    "forget",
    "is_new_to",
    "metric",
    "opened",
    "picture",
    "runtime_of",
]

_Stamp = tuple[int, int] | None
"""Size and time of change of a file; None of what is no file."""


@dataclass(frozen=True)
class Picture:
    """An image that was read.

    Attributes:
        pixels: of it.
        digest: of those and their shape.
        read_ms: what reading took.
    """

    pixels: Image
    digest: str
    read_ms: float


def opened(reference: CodecReference, threads: int | None = None) -> Codec:
    """The codec; the same object as long as its file stays as it is.

    Args:
        reference: which.
        threads: of each graph; all cores when not given.
    """
    whole = reference.anywhere()
    return _opened(whole, threads, _stamps(whole))


@cache
def _opened(reference: CodecReference, threads: int | None, stamps: tuple[_Stamp, ...]) -> Codec:
    codec = library.load_codec(reference.name, reference.runtime, threads=threads)
    other = reference.same_size_as
    return codec if other is None else SameSize(codec, opened(other, threads))


@cache
def runtime_of(reference: CodecReference) -> str:
    """Name of what executes it; empty for a peer, which brings its own."""
    return library.runtime_of(reference.name, reference.runtime)


@cache
def environment(reference: CodecReference, threads: int | None = None) -> dict[str, str]:
    """What decides its bytes besides its model, here.

    Args:
        reference: which codec.
        threads: with which it is open; they decide nothing.
    """
    codec, other = opened(reference, threads), reference.same_size_as
    own = codec.peer if isinstance(codec, SameSize) else codec
    return environment_of(
        own, runtime_of(reference), None if other is None else environment(other, threads)
    )


@cache
def metric(name: str) -> Metric:
    """Loaded.

    Raises:
        MissingExtraError, MissingWeightsError: when it cannot be had on this machine.
    """
    made: Metric = registry.metrics.get(name)()
    return made


def picture(path: Path) -> Picture:
    """The image of a file; that of the file asked for last is kept."""
    whole = path.absolute()
    return _picture(whole, _stamp(whole))


@lru_cache(1)
def _picture(path: Path, stamp: _Stamp) -> Picture:
    started = time.perf_counter()
    pixels = read_image(path).pixels
    read_ms = 1e3 * (time.perf_counter() - started)
    digest = hashlib.sha256(f"{pixels.shape}".encode() + pixels.tobytes()).hexdigest()[:16]
    return Picture(pixels, digest, read_ms)


_coded: set[tuple[int, tuple[int, ...]]] = set()
"""Codecs that are open, by their ``id``, and sizes of pictures that they coded here."""


def is_new_to(codec: Codec, shape: tuple[int, ...]) -> bool:
    """Whether an open codec has coded no picture of this size yet; from now on it has."""
    new = (id(codec), shape) not in _coded
    _coded.add((id(codec), shape))
    return new


def forget() -> None:
    """Let go of all of it."""
    for kept in (_opened, runtime_of, environment, metric, _picture):
        kept.cache_clear()
    _coded.clear()


def _stamps(reference: CodecReference) -> tuple[_Stamp, ...]:
    """Of its file, and of those of what it matches."""
    other = reference.same_size_as
    return (_stamp(Path(reference.name)), *(() if other is None else _stamps(other)))


def _stamp(path: Path) -> _Stamp:
    try:
        known = path.stat()
    except OSError:  # a name
        return None
    return known.st_size, known.st_mtime_ns
