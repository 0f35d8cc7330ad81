"""One measurement, and grids of them: codecs x qualities x images into rows.

The bench knows no codec by name: it encodes, decodes, compares and writes down.
"""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import slimcodec
from slimcodec import registry
from slimcodec.bench.rows import Row, RowStore, row_key
from slimcodec.bench.timing import Timing, timed
from slimcodec.errors import MissingExtraError, MissingWeightsError, SlimcodecError, UsageError
from slimcodec.images import read_image, write_image
from slimcodec.machine import available_cores, cpu_flags, cpu_name
from slimcodec.metrics import Metric
from slimcodec.showing import line
from slimcodec.types import Codec, Image, Progressive

__all__ = ["Candidate", "load_metrics", "measure", "measure_curve", "picture_name", "run_grid"]

T = TypeVar("T")

PICTURES = "pictures"


@dataclass(frozen=True)
class Candidate:
    """A codec to be measured.

    Attributes:
        codec: the codec.
        qualities: where to measure it.
        variant: its label.
        runtime: what executes it; empty for a peer.
        settings: for tables.
        base: digest of the codec that this one was made from; empty for itself.
    """

    codec: Codec
    qualities: tuple[float, ...]
    variant: str
    runtime: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    base: str = ""

    def __repr__(self) -> str:
        qualities = f"{len(self.qualities)} qualities"
        return line(self, self.variant, self.codec.name, self.runtime, qualities)


def load_metrics(names: Sequence[str]) -> tuple[list[Metric], list[str]]:
    """Metrics by name, and one line for each that cannot be had on this machine."""
    metrics, absent = [], []
    for name in names:
        kind = registry.metrics.get(name)
        try:
            metrics.append(kind())
        except (MissingWeightsError, MissingExtraError) as error:
            absent.append(f"{name} is left out: {error}")
    return metrics, absent


def measure(
    candidate: Candidate,
    quality: float,
    path: Path,
    image: Image,
    metrics: Sequence[Metric],
    repeats: int,
    read_ms: float,
) -> tuple[Row, Image]:
    """Encode, decode and compare one image; the row and the decoded picture."""
    curve = measure_curve(candidate, (quality,), path, image, metrics, repeats, read_ms)
    return next(curve)


def measure_curve(
    candidate: Candidate,
    qualities: Sequence[float],
    path: Path,
    image: Image,
    metrics: Sequence[Metric],
    repeats: int,
    read_ms: float,
) -> Iterator[tuple[Row, Image]]:
    """``measure`` at several qualities, each when it is asked for.

    One encode of a ``Progressive`` codec, at the highest of them, gives the whole curve: the stream
    of a lower quality is cut from its stream, and the encode time there is the sum of that one
    encode's steps up to it, with whatever was charged to no step. Every quality's decode is run
    and timed by itself.
    """
    codec = candidate.codec
    for quality, stream, encoding in _streams(codec, qualities, path.name, image, repeats):
        decoded, decoding = _decode(codec, stream, repeats)
        if decoded.shape != image.shape:
            raise SlimcodecError(
                f"{codec.name} decoded {path.name} to {decoded.shape}, not {image.shape}"
            )
        both = [a + b for a, b in zip(encoding.totals_ms, decoding.totals_ms, strict=True)]
        row = Row(
            codec=codec.name,
            variant=candidate.variant,
            digest=codec.digest,
            base=candidate.base or codec.digest,
            runtime=candidate.runtime,
            quality=float(quality),
            image=path.name,
            image_digest=_digest(image),
            height=image.shape[0],
            width=image.shape[1],
            stream_bytes=len(stream),
            model_bytes=codec.model_bytes,
            encode_ms=encoding.median_ms,
            decode_ms=decoding.median_ms,
            read_ms=read_ms,
            parts_ms=_both_ways(encoding.parts_ms, decoding.parts_ms),
            steps_ms=_both_ways(encoding.steps_ms, decoding.steps_ms),
            spread=(max(both) - min(both)) / statistics.median(both) if repeats > 1 else None,
            repeats=repeats,
            metrics={metric.name: float(metric(image, decoded)) for metric in metrics},
            settings=candidate.settings,
            machine=_machine(),
        )
        yield row, decoded


def _streams(
    codec: Codec, qualities: Sequence[float], name: str, image: Image, repeats: int
) -> Iterator[tuple[float, bytes, Timing]]:
    """Each quality with its stream and what encoding to it takes."""
    if isinstance(codec, Progressive) and len(qualities) > 1:
        highest = max(qualities)
        whole, timing = _encode(codec, highest, name, image, repeats)
        for quality in qualities:
            if quality == highest:
                yield quality, whole, timing
            else:
                yield quality, codec.cut(whole, quality), timing.up_to(int(quality))
    else:
        for quality in qualities:
            yield quality, *_encode(codec, quality, name, image, repeats)


def _encode(
    codec: Codec, quality: float, name: str, image: Image, repeats: int
) -> tuple[bytes, Timing]:
    # Untimed first: caches fill, memory comes, and a codec that searches does so once.
    stream = codec.encode(image, quality)
    codec.decode(stream)
    again, timing = timed(lambda clock: codec.encode(image, quality, clock=clock), repeats)
    if again != stream:
        raise SlimcodecError(f"{codec.name} encoded {name} to other bytes the second time")
    return stream, timing


def _decode(codec: Codec, stream: bytes, repeats: int) -> tuple[Image, Timing]:
    return timed(lambda clock: codec.decode(stream, clock=clock), repeats)


def _both_ways(encode: Mapping[str, T], decode: Mapping[str, T]) -> dict[str, T]:
    """``encoder`` of an encode as ``encode.encoder``, and so on."""
    ways = {"encode": encode, "decode": decode}
    return {f"{way}.{part}": value for way, parts in ways.items() for part, value in parts.items()}


def run_grid(
    candidates: Sequence[Candidate],
    images: Sequence[Path],
    metrics: Sequence[Metric],
    store: RowStore,
    *,
    repeats: int = 3,
    pictures: int = 3,
    always: Collection[str] = (),
    on_progress: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> None:
    """Measure every candidate at each of its qualities on every image; skip rows that are there.

    Args:
        candidates: what to measure; candidates alternate within an image, so that the machine's
            drift falls on all of them.
        images: files to measure on.
        metrics: loaded metrics.
        store: where rows go.
        repeats: timed runs of each encode and decode.
        pictures: of so many first images, the decoded pictures are kept beside the rows.
        always: file names of images whose pictures are kept as well.
        on_progress: called with (done, total, what is next).
    """
    _refuse_other_models(candidates, store)
    total = len(images) * sum(len(candidate.qualities) for candidate in candidates)
    done = 0
    for number, path in enumerate(images):
        started = time.perf_counter()
        image = read_image(path).pixels
        read_ms = 1e3 * (time.perf_counter() - started)
        digest = _digest(image)
        keep = number < pictures or path.name in always
        folder = store.path.parent / PICTURES / path.stem
        if keep:
            _keep(folder / "original.png", image)
        for candidate in candidates:
            kept = folder if keep else None
            missing = [
                q for q in candidate.qualities if _is_missing(candidate, q, digest, store, kept)
            ]
            curve = measure_curve(candidate, missing, path, image, metrics, repeats, read_ms)
            for quality in candidate.qualities:
                on_progress(done, total, f"{path.name} · {candidate.variant} · {quality:g}")
                done += 1
                if quality not in missing:
                    continue
                row, decoded = next(curve)
                if keep:
                    _keep(_picture(folder, candidate, quality), decoded)
                store.add(row)
    on_progress(total, total, "done")


def _is_missing(
    candidate: Candidate, quality: float, digest: str, store: RowStore, kept: Path | None
) -> bool:
    """Whether the row is not there, or the picture in the folder where pictures are kept."""
    codec = candidate.codec
    key = row_key(candidate.variant, codec.digest, candidate.runtime, quality, digest, {})
    if key not in store:
        return True
    return kept is not None and not _picture(kept, candidate, quality).exists()


def _picture(folder: Path, candidate: Candidate, quality: float) -> Path:
    return folder / f"{picture_name(candidate.variant, quality)}.png"


def _refuse_other_models(candidates: Sequence[Candidate], store: RowStore) -> None:
    """Rows of two models under one label would be averaged into a figure of neither."""
    digests: dict[str, str] = {}
    for candidate in candidates:
        if digests.setdefault(candidate.variant, candidate.codec.digest) != candidate.codec.digest:
            raise UsageError(
                f"two different models are called {candidate.variant!r}; measure them into two "
                "folders, or give one another name"
            )
    for variant, digest in {(row.variant, row.digest) for row in store}:
        if digests.get(variant, digest) != digest:
            raise UsageError(
                f"{store.path} holds rows of another model under the name {variant!r}; "
                "name another folder with --out"
            )


def picture_name(variant: str, quality: float) -> str:
    """File name, without suffix, of a kept picture."""
    safe = "".join(c if c.isalnum() or c in "-.+" else "_" for c in variant)
    return f"{safe}@{quality:g}"


def _keep(path: Path, image: Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, image)


def _digest(image: Image) -> str:
    return hashlib.sha256(f"{image.shape}".encode() + image.tobytes()).hexdigest()[:16]


@cache
def _machine() -> dict[str, Any]:
    return {
        "cpu": cpu_name(),
        "flags": list(cpu_flags()),
        "cores": available_cores(),
        "slimcodec": slimcodec.__version__,
    }
