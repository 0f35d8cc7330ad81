"""slimcodec bench: codecs over a folder of images, real streams, time per part."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slimcodec.cli.options import Images, Json, Out, RuntimeName, parse_qualities

if TYPE_CHECKING:
    from slimcodec.bench import Candidate


def bench(
    codecs: Annotated[
        list[str],
        typer.Argument(help="Codecs by name, model files and bundles by path.", metavar="CODEC..."),
    ],
    images: Images,
    out: Out,
    quality: Annotated[
        str | None,
        typer.Option(
            help="Qualities for every codec, such as 1,3,5; each one's own ladder if not given."
        ),
    ] = None,
    metrics: Annotated[str, typer.Option(help="Comma-separated; see `slimcodec list`.")] = (
        "psnr,ssim,ms-ssim,lpips,delta-e"
    ),
    repeats: Annotated[int, typer.Option(min=1, help="Timed runs of each encode and decode.")] = 1,
    pictures: Annotated[
        int, typer.Option(min=0, help="Keep the decoded pictures of so many first images.")
    ] = 3,
    runtime: RuntimeName = None,
    json: Json = False,
) -> None:
    """Measure codecs on a folder of images: real bytes, metrics, time per part.

    Writes rows.sqlite, rows.tsv, summary.json and report/index.html. Interrupted at any moment, the
    same command goes on where it was.

    Example: slimcodec bench hific-s jpeg webp --images photos --out results
    """
    from slimcodec import library, registry
    from slimcodec.bench import Candidate
    from slimcodec.cli.console import note_skipped
    from slimcodec.cli.interrupting import kept_if_interrupted
    from slimcodec.cli.outputs import BENCH, check_results
    from slimcodec.images import find_images

    find_images(images)
    check_results(out, BENCH)
    asked, measures = parse_qualities(quality), metrics.split(",")
    for measure in measures:
        registry.metrics.target(measure)
    for name in codecs:
        for value in asked or ():
            library.check_quality(name, value)
    note_skipped(images)
    candidates = []
    for name in codecs:
        codec = library.load_codec(name, runtime)
        candidates.append(
            Candidate(
                codec,
                asked or codec.qualities,
                codec.name,
                library.runtime_of(name, runtime),
            )
        )
    with kept_if_interrupted(f"what was measured is kept in {out}; the same command goes on"):
        run(candidates, images, out, measures, repeats, pictures, json)


def run(
    candidates: list[Candidate],
    images: Path,
    out: Path,
    metrics: list[str],
    repeats: int,
    pictures: int,
    json: bool,
    always: tuple[str, ...] = (),
) -> None:
    """Measure, aggregate, write everything, print: what bench, study and demo have in common.

    The pictures of images named in ``always`` are kept whatever ``pictures`` says.
    """
    from slimcodec.bench import (
        RowStore,
        load_metrics,
        rows_to_tsv,
        run_grid,
        summarise,
    )
    from slimcodec.cli.console import note, print_json, print_table, progress_bar
    from slimcodec.errors import MissingExtraError
    from slimcodec.images import find_images
    from slimcodec.report import bd_rate_table, build_report, points_table, study_tables

    found = find_images(images)
    loaded, absent = load_metrics(metrics)
    for line in absent:
        note(line)
    out.mkdir(parents=True, exist_ok=True)
    store = RowStore(out / "rows.sqlite")
    with progress_bar("measuring") as progress:
        run_grid(
            candidates, found, loaded, store,
            repeats=repeats, pictures=pictures, always=always, on_progress=progress,
        )  # fmt: skip
    rows = list(store)
    store.close()
    summary = summarise(rows)
    rows_to_tsv(rows, out / "rows.tsv")
    write_summary(out, summary.to_dict())
    try:
        page = str(build_report(out))
    except MissingExtraError as error:
        page = f"not written; {error}"
    if json:
        print_json(summary.to_dict())
        return
    tables = study_tables(out, summary) or [points_table(summary), bd_rate_table(summary)]
    for table in tables:
        if table.rows:
            print_table(table)
    print(f"report: {page}")


def write_summary(out: Path, summary: dict[str, object]) -> None:
    """summary.json, written aside and renamed."""
    import json as json_module

    from slimcodec.atomic import write_atomically

    write_atomically(out / "summary.json", json_module.dumps(summary, indent=2).encode())
