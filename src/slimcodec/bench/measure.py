"""One job measured: real streams of one codec on one image, into rows.

The bench knows no codec by name: it encodes, decodes, compares and writes down.

A codec that meets a picture of a new size runs once untimed: caches fill and memory comes. After
that every encode and decode is timed, so that a bench costs what its rows tell and little more.
"""

from __future__ import annotations

import operator
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeVar

import slimcodec
from slimcodec.bench import opening
from slimcodec.bench.environment import in_words
from slimcodec.bench.jobs import Job, Measurement
from slimcodec.bench.opening import Picture
from slimcodec.bench.rows import Row
from slimcodec.bench.same_size import SameSize
from slimcodec.bench.surroundings import beside, watched
from slimcodec.bench.timing import Timing, timed
from slimcodec.errors import MissingExtraError, MissingWeightsError, SlimcodecError
from slimcodec.machine import available_cores, cpu_flags, cpu_name
from slimcodec.metrics import Metric
from slimcodec.types import Clock, Codec, Image, Progressive

__all__ = ["load_metrics", "measure"]

T = TypeVar("T")


def load_metrics(names: Sequence[str]) -> tuple[list[Metric], list[str]]:
    """Metrics by name, and one line for each that cannot be had on this machine."""
    metrics, absent = [], []
    for name in names:
        try:
            metrics.append(opening.metric(name))
        except (MissingWeightsError, MissingExtraError) as error:
            absent.append(f"{name} is left out: {error}")
    return metrics, absent


def measure(job: Job) -> Iterator[Measurement]:
    """Encode, decode and compare: a measurement for each quality, made when it is asked for.

    One encode of a ``Progressive`` codec, at the highest quality, gives the whole curve: the stream
    of a lower quality is cut from its stream, and the encode time there is the sum of that one
    encode's steps up to it, with whatever was charged to no step. Every quality's decode is run
    and timed by itself.

    Raises:
        SlimcodecError: when this process would measure something else than whoever made the job
            meant, another picture, model or versions; or when the codec breaks its contract.
    """
    codec = opening.opened(job.candidate.codec, job.threads)
    picture = opening.picture(job.image)
    _check_the_same(job, codec, picture)
    metrics = [opening.metric(name) for name in job.metrics]
    streams = _streams(codec, job, picture.pixels)
    for _ in job.candidate.qualities:
        # What else had the cores is counted by ticks of 10 ms, so over as much as there is.
        with watched() as around:
            quality, stream, encoding = next(streams)
            decoded, decoding = _decode(codec, stream, job.repeats)
        if decoded.shape != picture.pixels.shape:
            raise SlimcodecError(
                f"{codec.name} decoded {job.image.name} to {decoded.shape}, "
                f"not {picture.pixels.shape}"
            )
        compared = {each.name: float(each(picture.pixels, decoded)) for each in metrics}
        row = _row(job, codec, picture, quality, len(stream), encoding, decoding)
        # Of a curve one encode serves all rows, so what ran beside it did so for all of them.
        others = max((n for n in (around.others, encoding.others) if n is not None), default=None)
        row = replace(row, metrics=compared, beside=_said([job.beside, beside(others)]))
        yield Measurement(row, decoded if job.keeps_pictures else None)


def _check_the_same(job: Job, codec: Codec, picture: Picture) -> None:
    if picture.digest != job.image_digest:
        raise SlimcodecError(
            f"{job.image} holds other pixels here than where the jobs were made; give every worker "
            "the same files"
        )
    if codec.digest != job.digest:
        raise SlimcodecError(
            f"{job.candidate.codec.name} is another model here than where the jobs were made; give "
            "every worker the same files, and leave them alone while they are measured"
        )
    here = opening.environment(job.candidate.codec, job.threads)
    if here != job.environment:
        raise SlimcodecError(
            f"a worker would measure {job.candidate.variant} with "
            f"{in_words(here, job.environment)}, where the jobs were made it is "
            f"{in_words(job.environment, here)}; install the same versions on both"
        )


def _row(
    job: Job,
    codec: Codec,
    picture: Picture,
    quality: float,
    length: int,
    encoding: _Coding,
    decoding: _Coding,
) -> Row:
    """All but what the metrics and the surroundings say."""
    candidate, encode, decode = job.candidate, encoding.timing, decoding.timing
    both = [a + b for a, b in zip(encode.totals_ms, decode.totals_ms, strict=True)]
    return Row(
        codec=codec.name,
        variant=candidate.variant,
        digest=codec.digest,
        base=candidate.base or codec.digest,
        runtime=opening.runtime_of(candidate.codec),
        quality=float(quality),
        image=job.image.name,
        image_digest=picture.digest,
        height=picture.pixels.shape[0],
        width=picture.pixels.shape[1],
        stream_bytes=length,
        model_bytes=codec.model_bytes,
        encode_ms=encode.median_ms,
        decode_ms=decode.median_ms,
        read_ms=picture.read_ms,
        parts_ms=_both_ways(encode.parts_ms, decode.parts_ms),
        steps_ms=_both_ways(encode.steps_ms, decode.steps_ms),
        spread=(max(both) - min(both)) / statistics.median(both) if job.repeats > 1 else None,
        repeats=job.repeats,
        metrics={},
        settings=candidate.settings,
        machine={**_machine(), "threads": job.threads or available_cores()},
        environment=job.environment,
        peak_mb=_together(max, encode.peak_mb, decode.peak_mb),
        energy_j=_together(operator.add, encoding.energy_j, decoding.energy_j),
    )


def _together(
    how: Callable[[float, float], float], a: float | None, b: float | None
) -> float | None:
    """Of two numbers; None where either is not known."""
    return None if a is None or b is None else how(a, b)


def _said(words: Sequence[str]) -> str:
    return "; ".join(filter(None, words))


@dataclass(frozen=True)
class _Coding:
    """One way of a codec, there or back.

    Attributes:
        timing: of its repeats.
        energy_j: of each of them; None where the machine does not tell.
        others: cores that other processes kept busy meanwhile; None where that is not known.
    """

    timing: Timing
    energy_j: float | None
    others: float | None


def _timed(work: Callable[[Clock], T], repeats: int) -> tuple[T, _Coding]:
    with watched() as watch:
        result, timing = timed(work, repeats)
    joules = watch.energy_j
    return result, _Coding(timing, None if joules is None else joules / repeats, watch.others)


def _streams(codec: Codec, job: Job, image: Image) -> Iterator[tuple[float, bytes, _Coding]]:
    """Each quality with its stream and what encoding to it takes."""
    qualities, name = job.candidate.qualities, job.image.name
    if isinstance(codec, Progressive) and len(qualities) > 1:
        highest = max(qualities)
        whole, encoding = _encode(codec, highest, name, image, job.repeats)
        for quality in qualities:
            if quality == highest:
                yield quality, whole, encoding
            else:
                early = encoding.timing.up_to(int(quality))
                # Nobody knows which joules went into which step.
                yield quality, codec.cut(whole, quality), _Coding(early, None, encoding.others)
    else:
        for quality in qualities:
            yield quality, *_encode(codec, quality, name, image, job.repeats)


def _encode(
    codec: Codec, quality: float, name: str, image: Image, repeats: int
) -> tuple[bytes, _Coding]:
    streams: set[bytes] = set()
    if isinstance(codec, SameSize):
        codec.quality_for(image, quality)  # the search is no part of what a peer takes
    if opening.is_new_to(codec, image.shape):
        stream = codec.encode(image, quality)
        codec.decode(stream)
        streams.add(stream)

    def encode(clock: Clock) -> bytes:
        stream = codec.encode(image, quality, clock=clock)
        streams.add(stream)
        return stream

    stream, encoding = _timed(encode, repeats)
    if len(streams) > 1:
        raise SlimcodecError(f"{codec.name} encoded {name} to other bytes the second time")
    return stream, encoding


def _decode(codec: Codec, stream: bytes, repeats: int) -> tuple[Image, _Coding]:
    return _timed(lambda clock: codec.decode(stream, clock=clock), repeats)


def _both_ways(encode: Mapping[str, T], decode: Mapping[str, T]) -> dict[str, T]:
    """``encoder`` of an encode as ``encode.encoder``, and so on."""
    ways = {"encode": encode, "decode": decode}
    return {f"{way}.{part}": value for way, parts in ways.items() for part, value in parts.items()}


@cache
def _machine() -> dict[str, Any]:
    return {
        "cpu": cpu_name(),
        "flags": list(cpu_flags()),
        "cores": available_cores(),
        "slimcodec": slimcodec.__version__,
    }
