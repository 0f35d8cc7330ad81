"""slimcodec report: the page from rows that exist."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slimcodec.cli.options import Curves


def report(
    folders: Annotated[
        list[Path],
        typer.Argument(
            help="Where bench, study or search wrote its rows; several make one page.",
            metavar="FOLDER...",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            help="Folder of the page; needed for several folders, report in the only one if not "
            "given.",
        ),
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="An earlier run: say what changed since.")
    ] = None,
    curves: Curves = None,
    parquet: Annotated[
        Path | None, typer.Option(help="Write all rows to this Parquet file too.")
    ] = None,
    tensorboard: Annotated[
        Path | None, typer.Option(help="Write a log for TensorBoard into this new folder too.")
    ] = None,
) -> None:
    """Write the HTML report of benches and studies, or of a search, again, from rows and pictures.

    Several folders become one page: benches of the same pictures are put together, and each study
    keeps its own part.

    Example: slimcodec report results results-int8 -o page --curves kodak --against results-before
    """
    from slimcodec import catalogue
    from slimcodec.bench.published import read_published
    from slimcodec.cli.console import note, progress_bar
    from slimcodec.errors import UsageError
    from slimcodec.report import (
        build_report,
        build_search_page,
        check_report,
        is_search,
        read_runs,
        runs_to_parquet,
        runs_to_tensorboard,
    )

    searches = [folder for folder in folders if is_search(folder)]
    if searches:
        others = (out, against, curves, parquet, tensorboard)
        if len(folders) > 1 or any(each is not None for each in others):
            raise UsageError(
                f"{searches[0]} holds a search, which has a page of its own: name it alone"
            )
        print(f"report: {build_search_page(folders[0])}")
        return
    published = read_published(catalogue.published.find(curves)) if curves is not None else []
    if parquet is not None or tensorboard is not None:
        check_report(folders, out, against)
        runs = read_runs(folders)
        if parquet is not None:
            runs_to_parquet(runs, parquet)
            note(f"rows: {parquet}")
        if tensorboard is not None:
            runs_to_tensorboard(runs, tensorboard)
            note(f"log: tensorboard --logdir {tensorboard}")
    with progress_bar("reporting") as progress:
        page = build_report(folders, out, against, published, progress)
    print(f"report: {page}")
