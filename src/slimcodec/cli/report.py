"""slimcodec report: the page from rows that exist."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    folder: Annotated[Path, typer.Argument(help="Where bench or study wrote rows.sqlite.")],
) -> None:
    """Write the HTML report of a bench or study again, from its rows and pictures alone.

    Example: slimcodec report results
    """
    from slimcodec.report import build_report

    print(f"report: {build_report(folder)}")
