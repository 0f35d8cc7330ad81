"""Codecs timed in turn: how long each encodes and decodes, and who is faster by how much.

    >>> times = time_codecs(["hific-s", "hific-s-fast"], find_images("photos"))
    >>> times.decode.competitors[1].verdict
    '54.6 % less time (95 %: 52.5 to 55.7)'

The first codec is opened twice, and its second instance is the control (``bench.ratios``). Memory
is that of a process that does nothing else: in this one, which holds all codecs, it would be
everybody's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from slimcodec import library
from slimcodec.bench.alternating import Alternation, Limits, Work, compare
from slimcodec.bench.surroundings import peak_bytes
from slimcodec.errors import UsageError
from slimcodec.images import read_image
from slimcodec.machine import available_cores, cpu_name
from slimcodec.showing import line
from slimcodec.types import Clock, Codec, Image, no_clock

__all__ = ["CodecTimes", "Timed", "say_peak", "time_codecs"]

Progressed = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Timed:
    """A codec that was timed.

    Attributes:
        name: as it was given, and numbered where it was given before.
        quality: in the codec's own scale.
        stream_bytes: of all pictures together.
        encode_peak_mb, decode_peak_mb: largest resident memory of a process that opens the codec
            and codes the largest picture, in 10^6 bytes; None where the system does not tell.
    """

    name: str
    quality: float
    stream_bytes: int
    encode_peak_mb: float | None
    decode_peak_mb: float | None


@dataclass(frozen=True)
class CodecTimes:
    """Codecs timed in turn.

    Attributes:
        codecs: as they were given; ratios are to the first.
        encode, decode: times of all pictures together, in the order of ``codecs``.
        pictures: how many.
        pixels: of all of them.
        threads: of each graph; None for all cores.
        cpu: the processor's name.
        cores: that this process may use.
    """

    codecs: Sequence[Timed]
    encode: Alternation
    decode: Alternation
    pictures: int
    pixels: int
    threads: int | None
    cpu: str
    cores: int

    def __repr__(self) -> str:
        names = " against ".join(codec.name for codec in self.codecs)
        return line(self, names, f"{self.pictures} pictures")

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class _Entry:
    """A codec in the race, and its streams of all pictures."""

    name: str
    codec: Codec
    quality: float
    streams: Sequence[bytes]


def time_codecs(
    codecs: Sequence[str | Path],
    images: Sequence[Path],
    *,
    qualities: Sequence[float] = (),
    runtime: str | None = None,
    threads: int | None = None,
    limits: Limits | None = None,
    parts: bool = False,
    on_progress: Progressed = lambda done, total, what: None,
) -> CodecTimes:
    """Time encode and decode of codecs, in turn.

    Args:
        codecs: names, model files or bundles; the first is what the others are compared with.
        images: picture files; a run codes all of them, one after the other.
        qualities: one for all codecs, or one each; the middle of each one's own when not given.
        runtime: what executes a learned codec; see ``library.load_codec``.
        threads: of each graph; all cores when not given.
        limits: when to stop; its seconds are for rounds of encode and decode together, not for
            opening codecs, warming up, and their memory.
        parts: whether to take times per part, which keeps a codec from doing things side by side.
        on_progress: called with (seconds done, seconds, what is next).

    Raises:
        UsageError: when there is nothing to time, or a quality is out of range.
        SlimcodecError: when there is no such codec, runtime or picture.
    """
    limits = limits or Limits()
    chosen = _chosen(codecs, qualities)
    if not images:
        raise UsageError("nothing to time codecs on; name one picture or more")
    for name, quality in zip(codecs, chosen, strict=True):
        library.stream_suffix(name, runtime)
        if quality is not None:
            library.check_quality(name, quality)
    pictures = [read_image(path).pixels for path in images]
    entries: list[_Entry] = []
    # The first once more, as its own rival.
    for place in [*range(len(codecs)), 0]:
        on_progress(0, round(limits.seconds), f"opening {codecs[place]}")
        codec = library.load_codec(codecs[place], runtime, threads=threads)
        again = len(entries) == len(codecs)
        name = f"{codecs[place]}, again" if again else _numbered(codecs, place)
        entries.append(_entry(name, codec, chosen[place], pictures))
    encode, decode = _in_turn(entries, pictures, limits, parts, on_progress)
    largest = max(range(len(images)), key=lambda place: pictures[place].size)
    timed = []
    for given, entry in zip(codecs, entries, strict=False):
        on_progress(round(limits.seconds), round(limits.seconds), f"memory of {entry.name}")
        job = {"codec": str(given), "runtime": runtime, "threads": threads}
        peaks = _peaks(job, images[largest], entry.quality, entry.streams[largest])
        timed.append(Timed(entry.name, entry.quality, sum(map(len, entry.streams)), *peaks))
    return CodecTimes(
        timed,
        encode,
        decode,
        len(pictures),
        sum(image.shape[0] * image.shape[1] for image in pictures),
        threads,
        cpu_name(),
        available_cores(),
    )


def _entry(name: str, codec: Codec, quality: float | None, pictures: Sequence[Image]) -> _Entry:
    if quality is None:
        quality = codec.qualities[len(codec.qualities) // 2]
    return _Entry(name, codec, quality, [codec.encode(image, quality) for image in pictures])


def _in_turn(
    entries: Sequence[_Entry],
    pictures: Sequence[Image],
    limits: Limits,
    parts: bool,
    on_progress: Progressed,
) -> tuple[Alternation, Alternation]:
    """Encode and decode; the second has the time that the first left."""
    encoding = [_encoding(entry, pictures) for entry in entries]
    decoding = [_decoding(entry) for entry in entries]
    first = _Told(on_progress, 0, limits.seconds, "encode")
    half = replace(limits, seconds=limits.seconds / 2)
    encode = compare(encoding[:-1], half, control=encoding[-1], parts=parts, on_progress=first)
    left = replace(limits, seconds=limits.seconds - min(first.last, half.seconds))
    second = _Told(on_progress, first.last, limits.seconds, "decode")
    decode = compare(decoding[:-1], left, control=decoding[-1], parts=parts, on_progress=second)
    return encode, decode


class _Told:
    """One comparison's progress as a part of the whole; remembers how far that came, in seconds."""

    def __init__(self, on_progress: Progressed, before: float, total: float, way: str) -> None:
        self.on_progress, self.before, self.way = on_progress, before, way
        self.total, self.last = round(total), before

    def __call__(self, seconds: float, rounds: int) -> None:
        self.last = self.before + seconds
        done = min(self.total, round(self.last))
        self.on_progress(done, self.total, f"{self.way}, round {rounds + 1}")


def _chosen(codecs: Sequence[str | Path], qualities: Sequence[float]) -> list[float | None]:
    """Of each codec, where one was given.

    Raises:
        UsageError: when there are no codecs, or another number of qualities.
    """
    if not codecs:
        raise UsageError("nothing to time; name one codec or more")
    if len(qualities) not in (0, 1, len(codecs)):
        raise UsageError(
            f"one quality for all codecs or one each, got {len(qualities)} for {len(codecs)}"
        )
    if not qualities:
        return [None] * len(codecs)
    return list(qualities) if len(qualities) == len(codecs) else [qualities[0]] * len(codecs)


def _numbered(codecs: Sequence[str | Path], place: int) -> str:
    """A codec's name; of one that was given before with a number."""
    names = [str(codec) for codec in codecs]
    before = names[:place].count(names[place])
    return f"{names[place]} ({before + 1})" if before else names[place]


def _encoding(entry: _Entry, pictures: Sequence[Image]) -> Work:
    def run(clock: Clock) -> None:
        for image in pictures:
            entry.codec.encode(image, entry.quality, clock=clock)

    return Work(entry.name, run)


def _decoding(entry: _Entry) -> Work:
    def run(clock: Clock) -> None:
        for stream in entry.streams:
            entry.codec.decode(stream, clock=clock)

    return Work(entry.name, run)


# Memory, of a process that does nothing else

_PROGRAM = "from slimcodec.workflows.timing import say_peak; say_peak()"


def _peaks(
    job: dict[str, Any], image: Path, quality: float, stream: bytes
) -> tuple[float | None, float | None]:
    """Largest resident memory of encoding and of decoding, in 10^6 bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stream"
        path.write_bytes(stream)
        return (
            _peak({**job, "image": str(image), "quality": quality}),
            _peak({**job, "stream": str(path)}),
        )


def _peak(job: dict[str, Any]) -> float | None:
    result = subprocess.run(
        [sys.executable, "-c", _PROGRAM], input=json.dumps(job), capture_output=True, text=True
    )
    # A codec that only this process knows, or a system that does not tell.
    return int(result.stdout) / 1e6 if result.stdout.strip().isdigit() else None


def say_peak() -> None:
    """What the process does whose memory is wanted: codes what standard input says, as JSON, and
    prints the largest memory that it had, in bytes."""
    job = json.load(sys.stdin)
    codec = library.load_codec(job["codec"], job["runtime"], threads=job["threads"])
    if "image" in job:
        codec.encode(read_image(Path(job["image"])).pixels, job["quality"], clock=no_clock)
    else:
        codec.decode(Path(job["stream"]).read_bytes(), clock=no_clock)
    print(peak_bytes(Path("/proc/self/status").read_text(encoding="ascii")))
