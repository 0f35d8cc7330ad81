"""slimcodec study: a grid of recipes on learned codecs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slimcodec.cli.options import (
    Calibration,
    Images,
    Json,
    Out,
    RayAddress,
    RuntimeName,
    Workers,
    executor_of,
)

if TYPE_CHECKING:
    from slimcodec.bench import Executor, Study
    from slimcodec.workflows.bench import BenchResults


def study(
    studies: Annotated[
        list[str],
        typer.Argument(help="Grids: built-in studies by name, or TOML files.", metavar="STUDY..."),
    ],
    images: Images,
    out: Out,
    codec: Annotated[
        str | None,
        typer.Option("--codec", help="Take this codec instead of the study's own."),
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option(
            min=1, help="Timed runs of each encode and decode; the study's own if not given."
        ),
    ] = None,
    pictures: Annotated[
        int,
        typer.Option(
            min=0,
            help="Keep the decoded pictures of so many first images, and of the study's figure.",
        ),
    ] = 3,
    calibration: Calibration = None,
    runtime: RuntimeName = None,
    workers: Workers = None,
    ray: RayAddress = None,
    json: Json = False,
) -> None:
    """Shrink codecs in every way a study lists, and measure each on the same images.

    Several studies go into a folder of their names each, below that of --out, which then has a page
    of all. Interrupted at any moment, the same command goes on where it was.

    Example: slimcodec study paper_table2 --images kodak --out results/table2
    """
    from slimcodec.cli.bench import show
    from slimcodec.cli.console import note, print_json, progress_bar
    from slimcodec.cli.interrupting import kept_if_interrupted
    from slimcodec.cli.outputs import STUDY, check_results
    from slimcodec.images import find_images
    from slimcodec.workflows.bench import page_of
    from slimcodec.workflows.study import folders_of, read_study

    parsed = [read_study(name, codec=codec, repeats=repeats) for name in studies]
    find_images(images)
    folders = folders_of(parsed, out)
    for folder in folders:
        check_results(folder, STUDY)
    executor = executor_of(workers, ray)
    kept = f"models that are finished and rows are kept in {out}; the same command goes on"
    with kept_if_interrupted(kept):
        results = [
            shown(each, images, folder, pictures, runtime, calibration, executor)
            for each, folder in zip(parsed, folders, strict=True)
        ]
        page = None
        if len(folders) > 1:
            with progress_bar("reporting") as progress:
                page = page_of(folders, out / "report", progress, note)
    if json and len(results) > 1:
        print_json({result.folder.name: result.summary.to_dict() for result in results})
        return
    for result in results:
        show(result, json)
    if page is not None:
        print(f"report of all: {page}")


def shown(
    study: Study,
    images: Path,
    out: Path,
    pictures: int,
    runtime: str | None = None,
    calibration: Path | None = None,
    executor: Executor | None = None,
) -> BenchResults:
    """Run a study, and say on the terminal how far it is."""
    from slimcodec.cli.console import alone_on_stdout, note, progress_bar
    from slimcodec.workflows.study import run_study

    with alone_on_stdout(), progress_bar(study.name) as progress:
        return run_study(
            study, images, out,
            pictures=pictures, runtime=runtime, calibration=calibration, executor=executor,
            on_progress=progress, on_note=note,
        )  # fmt: skip
