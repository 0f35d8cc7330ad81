"""slimcodec report: the page from rows that exist."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    folder: Annotated[Path, typer.Argument(help="Where bench, study or search wrote its rows.")],
) -> None:
    """Write the HTML report of a bench, study or search again, from its rows and pictures.

    Example: slimcodec report results
    """
    from slimcodec.report import build_report, build_search_page, is_search

    build = build_search_page if is_search(folder) else build_report
    print(f"report: {build(folder)}")
