"""What a shrunk codec is worth: real streams of photographs, beside the codec that it came from.

Bits and quality are means over the photographs at each quality, as in every summary, and BD-rates
are taken between those curves. Where a candidate reads the unshrunk codec's streams and would write
the same, those are decoded and nothing is encoded. Time is that of the transforms in a decode, the
same stream by both codecs in turns: what is said of it is the median, and the median of the ratios.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from slimcodec import library, registry
from slimcodec.bench.timing import timed
from slimcodec.errors import MissingExtraError, UsageError
from slimcodec.images import read_image
from slimcodec.metrics import Metric, MsSsim, Psnr, bd_rate, curve_quality
from slimcodec.model_file import Model, save
from slimcodec.runtime.bundled import BundleRuntime
from slimcodec.types import Codec, Image, Progressive

__all__ = ["Judge", "Measured", "fastest_runtime", "judged"]

LONG, SHORT = 768, 512
"""Sides of what is judged of a photograph, in pixels: those of a Kodak picture."""
_QUALITIES = 5
_TURNS = 7
"""Decodes of either codec that are timed."""

Progressed = Callable[[int, int, str], None]
Streams = Mapping[tuple[int, float], bytes]
"""By number of the picture, and quality."""


@dataclass(frozen=True)
class Measured:
    """What one codec came to, plain values.

    Attributes:
        bytes: of its model file.
        decode_ms: of the transforms, median, on the largest picture at the usual quality.
        decode_ratio: to the unshrunk codec's, measured in turns; 1 for itself.
        points: per quality, worst first, means over the pictures: ``quality``, ``bpp``, ``psnr``,
            ``ms-ssim``.
        bd_rate_percent: of ``psnr`` and ``ms-ssim``, to the unshrunk codec; None where the two
            curves share no range of quality.
    """

    bytes: int
    decode_ms: float
    decode_ratio: float
    points: Sequence[Mapping[str, float]]
    bd_rate_percent: Mapping[str, float | None]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "bytes": self.bytes,
            "decode_ms": self.decode_ms,
            "decode_ratio": self.decode_ratio,
            "points": [dict(point) for point in self.points],
            "bd_rate_percent": dict(self.bd_rate_percent),
        }


@dataclass(frozen=True)
class Judge:
    """Pictures, their streams by the unshrunk codec, and that codec, open.

    Attributes:
        codec: the unshrunk one.
        runtime: what executes it and every candidate.
        stages: of a clock, those that are transforms.
        pictures: uint8 [h, w, 3] each.
        qualities: where they are coded, worst first.
        streams: of the unshrunk codec.
        unshrunk: what it came to.
    """

    codec: Codec
    runtime: str
    stages: frozenset[str]
    pictures: Sequence[Image]
    qualities: Sequence[float]
    streams: Streams
    unshrunk: Measured

    @classmethod
    @contextmanager
    def of(
        cls, model: Model, pictures: Sequence[Image], runtime: str, on_progress: Progressed
    ) -> Iterator[Judge]:
        """Measure the unshrunk codec; it is open until the block ends."""
        with _opened(model, runtime) as (codec, size):
            stages = _stages(model)
            qualities = _ladder(codec.qualities)
            streams = _encoded(codec, pictures, qualities, on_progress)
            points = _points(codec, pictures, qualities, streams, on_progress)
            largest = _largest(pictures)
            stream = streams[largest, _usual(codec, qualities)]
            ms, _ = _times(codec, stream, codec, stream, stages)
            same = {"psnr": 0.0, "ms-ssim": 0.0}
            unshrunk = Measured(size, ms, 1.0, points, same)
            yield cls(codec, runtime, stages, pictures, qualities, streams, unshrunk)

    @property
    def quality(self) -> float:
        """Where time is measured."""
        return _usual(self.codec, self.qualities)

    @property
    def timed_size(self) -> tuple[int, int]:
        """Height and width of the picture that time is measured on."""
        height, width = self.pictures[_largest(self.pictures)].shape[:2]
        return height, width

    def measure(
        self, model: Model, same_streams: bool, on_progress: Progressed = lambda d, t, w: None
    ) -> Measured:
        """What a candidate comes to.

        Args:
            model: made from the unshrunk one.
            same_streams: whether it writes the streams that the unshrunk codec writes.
            on_progress: called with (done, total, what).
        """
        with _opened(model, self.runtime) as (codec, size):
            streams = self.streams
            if not same_streams:
                streams = _encoded(codec, self.pictures, self.qualities, on_progress)
            points = _points(codec, self.pictures, self.qualities, streams, on_progress)
            on_progress(0, 1, "timing")
            place = _largest(self.pictures), self.quality
            ms, ratio = _times(codec, streams[place], self.codec, self.streams[place], self.stages)
        rates = {name: _bd_rate(self.unshrunk.points, points, name) for name in _METRICS}
        return Measured(size, ms, ratio, points, rates)


def judged(path: Path) -> Image:
    """The middle of a photograph, no larger than a Kodak picture."""
    pixels = read_image(path).pixels
    height, width = pixels.shape[:2]
    sides = (SHORT, LONG) if width >= height else (LONG, SHORT)
    top, left = max(0, (height - sides[0]) // 2), max(0, (width - sides[1]) // 2)
    return np.ascontiguousarray(pixels[top : top + sides[0], left : left + sides[1]])


def fastest_runtime(model: Model, picture: Image, on_progress: Progressed) -> str:
    """Of the runtimes that are installed, the one whose transforms take least for a decode."""
    names, times = list(registry.runtimes), {}
    for number, name in enumerate(names):
        on_progress(number, len(names), f"timing {name}")
        try:
            registry.runtimes.get(name)()
        except MissingExtraError:
            continue
        with _opened(model, name) as (codec, _):
            stream = codec.encode(picture)
            times[name], _ = _times(codec, stream, codec, stream, _stages(model))
    return min(times, key=lambda name: times[name])


_METRICS: dict[str, Metric] = {"psnr": Psnr(), "ms-ssim": MsSsim()}


@contextmanager
def _opened(model: Model, runtime: str) -> Iterator[tuple[Codec, int]]:
    """A model as a codec, and the size of its file. What is made for it goes with it: dozens of
    candidates would fill the cache that models in use are kept in."""
    folder = Path(tempfile.mkdtemp(prefix="slimcodec-"))
    try:
        file = folder / "model.slim"
        save(model, file)
        if issubclass(registry.runtimes.get(runtime), BundleRuntime):
            library.export_model(model, folder / "bundle", runtime)
            codec = library.load_codec(folder / "bundle", runtime)
        else:
            codec = library.load_codec(file, runtime)
        yield codec, file.stat().st_size
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _stages(model: Model) -> frozenset[str]:
    """A clock's names of what runs graphs that are transforms; "prior" and "entropy" are not."""
    family = registry.families.get(model.family)
    return frozenset(family.signatures(family.config(model.config)))


def _ladder(qualities: Sequence[float]) -> tuple[float, ...]:
    """Evenly spread over a codec's own, its ends among them."""
    count = min(_QUALITIES, len(qualities))
    if count == 1:
        return tuple(qualities)
    last = len(qualities) - 1
    return tuple(qualities[round(n * last / (count - 1))] for n in range(count))


def _usual(codec: Codec, qualities: Sequence[float]) -> float:
    """The nearest to the codec's default that is on the ladder."""
    return min(qualities, key=lambda quality: abs(quality - codec.default_quality))


def _largest(pictures: Sequence[Image]) -> int:
    return max(range(len(pictures)), key=lambda number: pictures[number].size)


def _encoded(
    codec: Codec, pictures: Sequence[Image], qualities: Sequence[float], on_progress: Progressed
) -> dict[tuple[int, float], bytes]:
    streams = {}
    for number, picture in enumerate(pictures):
        on_progress(number, len(pictures), "encoding")
        if isinstance(codec, Progressive):
            whole = codec.encode(picture, qualities[-1])
            streams[number, qualities[-1]] = whole
            streams |= {(number, quality): codec.cut(whole, quality) for quality in qualities[:-1]}
        else:
            streams |= {(number, q): codec.encode(picture, q) for q in qualities}
    return streams


def _points(
    codec: Codec,
    pictures: Sequence[Image],
    qualities: Sequence[float],
    streams: Streams,
    on_progress: Progressed,
) -> list[dict[str, float]]:
    points = []
    for step, quality in enumerate(qualities):
        found: dict[str, list[float]] = {name: [] for name in ("bpp", *_METRICS)}
        for number, picture in enumerate(pictures):
            done = step * len(pictures) + number
            on_progress(done, len(pictures) * len(qualities), "decoding")
            stream = streams[number, quality]
            decoded = codec.decode(stream)
            found["bpp"].append(8 * len(stream) / (picture.shape[0] * picture.shape[1]))
            for name, metric in _METRICS.items():
                found[name].append(float(metric(picture, decoded)))
        means = {name: fmean(values) for name, values in found.items()}
        points.append({"quality": float(quality), **means})
    return points


def _bd_rate(
    reference: Sequence[Mapping[str, float]], candidate: Sequence[Mapping[str, float]], name: str
) -> float | None:
    def curve(points: Sequence[Mapping[str, float]]) -> list[tuple[float, float]]:
        return [(p["bpp"], float(curve_quality(name, p[name]))) for p in points]

    try:
        return bd_rate(curve(reference), curve(candidate))
    except UsageError:  # no overlap: there is no such number
        return None


def _times(
    codec: Codec, stream: bytes, other: Codec, other_stream: bytes, stages: frozenset[str]
) -> tuple[float, float]:
    """Milliseconds of one codec's transforms, and their ratio to another's, in turns."""

    def once(which: Codec, coded: bytes) -> float:
        _, timing = timed(lambda clock: which.decode(coded, clock=clock), 1)
        return sum(ms for stage, ms in timing.parts_ms.items() if stage in stages)

    once(codec, stream)  # untimed: graphs are loaded, memory comes
    pairs = [(once(codec, stream), once(other, other_stream)) for _ in range(_TURNS)]
    return (
        statistics.median(own for own, _ in pairs),
        statistics.median(own / base for own, base in pairs),
    )
