"""Options and inputs that several verbs take, with one wording each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Calibration",
    "Images",
    "Json",
    "Out",
    "RuntimeName",
    "naming",
    "parse_qualities",
    "read_stream",
]

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
RuntimeName = Annotated[
    str | None,
    typer.Option(
        "--runtime",
        help="What executes a learned codec (see `slimcodec list`): a bundle's own, else onnx.",
    ),
]
Calibration = Annotated[
    Path | None,
    typer.Option(
        "--calibration",
        metavar="DIR",
        help="Photographs for passes that measure on some; not those that judge the result.",
    ),
]
Images = Annotated[
    Path,
    typer.Option("--images", metavar="DIR", help="A folder of images, or one image."),
]
Out = Annotated[
    Path,
    typer.Option("-o", "--out", metavar="DIR", help="Folder for the results; made when missing."),
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


def read_stream(path: Path) -> tuple[bytes, str | None]:
    """The bytes of a stream's file; of a damaged progressive one what is whole, and what is lost.

    Raises:
        StreamError: naming the file, when it cannot be read or nothing of it is whole.
    """
    from slimcodec.errors import StreamError
    from slimcodec.stream import is_progressive, salvage

    try:
        data = path.read_bytes()
    except OSError as error:
        raise StreamError(f"{path} cannot be read: {(error.strerror or '').lower()}") from error
    if not is_progressive(data):
        return data, None
    with naming(path):
        return salvage(data)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """What is wrong with a stream's bytes, said with the name of the file they came from."""
    from slimcodec.errors import StreamError

    try:
        yield
    except StreamError as error:
        raise type(error)(f"{path}: {error}") from error
