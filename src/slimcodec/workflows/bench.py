"""Codecs over a folder of images: measured, summed up, written down, and the page made."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from slimcodec import library, registry
from slimcodec.atomic import write_atomically
from slimcodec.bench import (
    Candidate,
    CodecReference,
    Executor,
    InProcess,
    PublishedCurve,
    Row,
    RowStore,
    Summary,
    load_metrics,
    opening,
    rows_to_tsv,
    run_grid,
    summarise,
    write_published,
)
from slimcodec.bench.published import KEPT_AS
from slimcodec.errors import MissingExtraError
from slimcodec.images import check_images, find_images, skipped
from slimcodec.report import build_report, read_run
from slimcodec.showing import line

__all__ = ["METRICS", "BenchResults", "measure_into", "page_of", "run_bench"]

METRICS = ("psnr", "ssim", "ms-ssim", "lpips", "delta-e", "ssimulacra2")
"""What is measured where nobody says what."""

Progressed = Callable[[int, int, str], None]
Noted = Callable[[str], None]


@dataclass(frozen=True)
class BenchResults:
    """What came of a bench or a study.

    Attributes:
        folder: that holds it.
        rows: every measurement.
        summary: means over the images and BD-rates.
        page: the report; None where Jinja2 is not installed.
    """

    folder: Path
    rows: Sequence[Row]
    summary: Summary
    page: Path | None

    def __repr__(self) -> str:
        return line(self, str(self.folder), f"{len(self.rows)} rows")


def run_bench(
    codecs: Sequence[str | Path],
    images: Path,
    out: Path,
    *,
    qualities: Sequence[float] | None = None,
    metrics: Sequence[str] = METRICS,
    repeats: int = 1,
    pictures: int = 3,
    runtime: str | None = None,
    curves: Sequence[PublishedCurve] = (),
    executor: Executor | None = None,
    on_progress: Progressed = lambda done, total, what: None,
    on_note: Noted = lambda sentence: None,
) -> BenchResults:
    """Measure codecs on a folder of images, each under its own name.

    Killed at any moment, the same call goes on where it was.

    Args:
        codecs: names, or paths of model files and bundles.
        images: a folder, or one image.
        out: folder for rows, pictures, tables and the page; made when missing.
        qualities: for every codec; each one's own ladder when not given.
        metrics: by registry name; one that cannot be had here is left out with a note.
        repeats: timed runs of each encode and decode.
        pictures: of so many first images, the decoded pictures are kept.
        runtime: what executes learned codecs; a bundle's own, or the default, when not given.
        curves: published ones (``bench.read_published``), kept beside the rows and drawn with them.
        executor: who measures; this process when not given.
        on_progress: called with (done, total, what is worked on).
        on_note: told what is left out, and why.

    Raises:
        UsageError: when a name, a runtime or a quality is none, or ``out`` holds rows of the same
            names that another model or other versions made.
        ImageError: when there is no image, or the header of one says that it cannot be read.
    """
    check_images(find_images(images))
    for name in metrics:
        registry.metrics.target(name)
    for codec in codecs:
        library.stream_suffix(codec, runtime)
        for quality in qualities or ():
            library.check_quality(codec, quality)
    candidates = []
    for codec in codecs:
        reference = CodecReference(str(codec), runtime)
        own = opening.opened(reference)
        candidates.append(Candidate(reference, tuple(qualities or own.qualities), own.name))
    return measure_into(
        out, candidates, images, metrics,
        repeats=repeats, pictures=pictures, curves=curves, executor=executor,
        on_progress=on_progress, on_note=on_note,
    )  # fmt: skip


def measure_into(
    out: Path,
    candidates: Sequence[Candidate],
    images: Path,
    metrics: Sequence[str],
    *,
    repeats: int,
    pictures: int,
    always: Collection[str] = (),
    curves: Sequence[PublishedCurve] = (),
    executor: Executor | None = None,
    on_progress: Progressed = lambda done, total, what: None,
    on_note: Noted = lambda sentence: None,
) -> BenchResults:
    """Measure, sum up, write everything: what a bench and a study have in common.

    Args:
        out, candidates, images, metrics, repeats, pictures, curves, executor, on_progress, on_note:
            see ``run_bench``.
        always: names of images whose pictures are kept whatever ``pictures`` says.
    """
    found, passed_over = find_images(images), skipped(images)
    loaded, absent = load_metrics(metrics)
    for sentence in (*([passed_over] if passed_over else []), *absent):
        on_note(sentence)
    out.mkdir(parents=True, exist_ok=True)
    store = RowStore(out / "rows.sqlite")
    try:
        run_grid(
            candidates, found, [metric.name for metric in loaded], store,
            repeats=repeats, pictures=pictures, always=always,
            executor=executor or InProcess(), on_progress=on_progress,
        )  # fmt: skip
    finally:
        store.close()
    if curves:
        write_published(curves, out / KEPT_AS)
    # As the page has them, so that no figure is another one there.
    run = read_run(out)
    summary = summarise(run.rows, run.reference)
    rows_to_tsv(run.rows, out / "rows.tsv")
    write_atomically(out / "summary.json", json.dumps(summary.to_dict(), indent=2).encode())
    page = page_of([out], None, on_progress, on_note)
    return BenchResults(out, run.rows, summary, page)


def page_of(
    folders: Sequence[Path], out: Path | None, on_progress: Progressed, on_note: Noted
) -> Path | None:
    """The page of one folder of results or of several; None, with a note, without Jinja2.

    Args:
        folders: of a bench or a study each.
        out: see ``build_report``.
        on_progress: told how far it is.
        on_note: told what is missing.
    """

    def reporting(done: int, total: int, what: str) -> None:
        on_progress(done, total, f"reporting · {what}")

    try:
        return build_report(folders, out, on_progress=reporting)
    except MissingExtraError as error:
        on_note(f"the page is not written: {error}")
        return None
