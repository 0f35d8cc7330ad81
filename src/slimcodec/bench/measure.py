"""One measurement, and grids of them: codecs x qualities x images into rows.

The bench knows no codec by name: it encodes, decodes, compares and writes down.
"""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import slimcodec
from slimcodec import registry
from slimcodec.bench.rows import Row, RowStore, row_key
from slimcodec.bench.timing import timed
from slimcodec.errors import MissingExtraError, MissingWeightsError, SlimcodecError, UsageError
from slimcodec.images import read_image, write_image
from slimcodec.machine import available_cores, cpu_flags, cpu_name
from slimcodec.metrics import Metric
from slimcodec.types import Codec, Image

__all__ = ["Candidate", "load_metrics", "measure", "picture_name", "run_grid"]

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
    """

    codec: Codec
    qualities: tuple[float, ...]
    variant: str
    runtime: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


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
    codec = candidate.codec
    # Untimed first: caches fill, memory comes, and a codec that searches does so once.
    stream = codec.encode(image, quality)
    codec.decode(stream)
    again, encode_ms, encode_parts = timed(
        lambda clock: codec.encode(image, quality, clock=clock), repeats
    )
    decoded, decode_ms, decode_parts = timed(
        lambda clock: codec.decode(stream, clock=clock), repeats
    )
    if again != stream:
        raise SlimcodecError(f"{codec.name} encoded {path.name} to other bytes the second time")
    if decoded.shape != image.shape:
        raise SlimcodecError(
            f"{codec.name} decoded {path.name} to {decoded.shape}, not {image.shape}"
        )
    both = [a + b for a, b in zip(encode_ms, decode_ms, strict=True)]
    parts = {f"encode.{name}": ms for name, ms in encode_parts.items()}
    parts |= {f"decode.{name}": ms for name, ms in decode_parts.items()}
    row = Row(
        codec=codec.name,
        variant=candidate.variant,
        digest=codec.digest,
        runtime=candidate.runtime,
        quality=float(quality),
        image=path.name,
        image_digest=_digest(image),
        height=image.shape[0],
        width=image.shape[1],
        stream_bytes=len(stream),
        model_bytes=codec.model_bytes,
        encode_ms=statistics.median(encode_ms),
        decode_ms=statistics.median(decode_ms),
        read_ms=read_ms,
        parts_ms=parts,
        spread=(max(both) - min(both)) / statistics.median(both),
        metrics={metric.name: float(metric(image, decoded)) for metric in metrics},
        settings=candidate.settings,
        machine=_machine(),
    )
    return row, decoded


def run_grid(
    candidates: Sequence[Candidate],
    images: Sequence[Path],
    metrics: Sequence[Metric],
    store: RowStore,
    *,
    repeats: int = 3,
    pictures: int = 3,
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
        on_progress: called with (done, total, what is next).
    """
    _refuse_other_models(candidates, store)
    total = len(images) * sum(len(candidate.qualities) for candidate in candidates)
    done = 0
    for number, path in enumerate(images):
        started = time.perf_counter()
        image = read_image(path).pixels
        read_ms = 1e3 * (time.perf_counter() - started)
        keep = number < pictures
        folder = store.path.parent / PICTURES / path.stem
        if keep:
            _keep(folder / "original.png", image)
        for candidate in candidates:
            for quality in candidate.qualities:
                on_progress(done, total, f"{path.name} · {candidate.variant} · {quality:g}")
                done += 1
                picture = folder / f"{picture_name(candidate.variant, quality)}.png"
                key = row_key(
                    candidate.variant,
                    candidate.codec.digest,
                    candidate.runtime,
                    quality,
                    _digest(image),
                )
                if key in store and (picture.exists() or not keep):
                    continue
                row, decoded = measure(candidate, quality, path, image, metrics, repeats, read_ms)
                if keep:
                    _keep(picture, decoded)
                store.add(row)
    on_progress(total, total, "done")


def _refuse_other_models(candidates: Sequence[Candidate], store: RowStore) -> None:
    """Rows of two models under one label would be averaged into a figure of neither."""
    digests = {candidate.variant: candidate.codec.digest for candidate in candidates}
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
