"""slimcodec bench: codecs over a folder of images, real streams, time per part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from slimcodec.cli.options import (
    Curves,
    Images,
    Json,
    Out,
    RayAddress,
    RuntimeName,
    Workers,
    executor_of,
    parse_qualities,
)

if TYPE_CHECKING:
    from slimcodec.workflows.bench import BenchResults


def bench(
    codecs: Annotated[
        list[str],
        typer.Argument(
            help="Codecs by name; model files, bundles and ladders by path.", metavar="CODEC..."
        ),
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
        "psnr,ssim,ms-ssim,lpips,delta-e,ssimulacra2"
    ),
    repeats: Annotated[int, typer.Option(min=1, help="Timed runs of each encode and decode.")] = 1,
    pictures: Annotated[
        int, typer.Option(min=0, help="Keep the decoded pictures of so many first images.")
    ] = 3,
    curves: Curves = None,
    runtime: RuntimeName = None,
    workers: Workers = None,
    ray: RayAddress = None,
    json: Json = False,
) -> None:
    """Measure codecs on a folder of images: real bytes, metrics, time per part.

    Writes rows.sqlite, rows.tsv, summary.json and report/index.html. Interrupted at any moment, the
    same command goes on where it was.

    Example: slimcodec bench hific-s jpeg webp --images photos --out results
    """
    from slimcodec import catalogue
    from slimcodec.bench import read_published
    from slimcodec.cli.console import alone_on_stdout, note, progress_bar
    from slimcodec.cli.interrupting import kept_if_interrupted
    from slimcodec.cli.outputs import BENCH, check_results
    from slimcodec.images import find_images
    from slimcodec.workflows.bench import run_bench

    find_images(images)
    check_results(out, BENCH)
    published = read_published(catalogue.published.find(curves)) if curves is not None else []
    executor = executor_of(workers, ray)
    kept = f"what was measured is kept in {out}; the same command goes on"
    with kept_if_interrupted(kept), alone_on_stdout(), progress_bar("measuring") as progress:
        results = run_bench(
            codecs, images, out,
            qualities=parse_qualities(quality), metrics=metrics.split(","), repeats=repeats,
            pictures=pictures, runtime=runtime, curves=published, executor=executor,
            on_progress=progress, on_note=note,
        )  # fmt: skip
    show(results, json)


def show(results: BenchResults, json: bool) -> None:
    """The tables of a bench or a study, and where its page is; or its summary as JSON."""
    from slimcodec.cli.console import print_json, print_table
    from slimcodec.report import bd_rate_table, points_table, study_tables

    summary = results.summary
    if json:
        print_json(summary.to_dict())
        return
    study = study_tables(results.folder, summary)
    for table in study or [points_table(summary), bd_rate_table(summary)]:
        if table.rows:
            print_table(table)
    if results.page is not None:
        print(f"report: {results.page}")
