"""Options that several verbs take, with one wording each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Images", "Json", "Out", "RuntimeName", "parse_qualities"]

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
RuntimeName = Annotated[
    str, typer.Option("--runtime", help="What executes a learned codec (see `slimcodec list`).")
]
Images = Annotated[
    Path,
    typer.Option("--images", metavar="DIR", help="A folder of images, or one image."),
]
Out = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Folder for the results; made when missing.")
]


def parse_qualities(text: str | None) -> tuple[float, ...] | None:
    """``"1,3,5"`` to numbers; None stays None.

    Raises:
        UsageError: naming the piece that is not a number.
    """
    from slimcodec.errors import UsageError

    if text is None:
        return None
    values = []
    for piece in text.split(","):
        try:
            values.append(float(piece))
        except ValueError:
            raise UsageError(
                f"--quality takes numbers separated by commas, got {piece!r}"
            ) from None
    return tuple(values)
