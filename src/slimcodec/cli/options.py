"""Options and inputs that several verbs take, with one wording each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, TypeVar

import typer

__all__ = [
    "Calibration",
    "Force",
    "Images",
    "Json",
    "Out",
    "Quiet",
    "Recursive",
    "RuntimeName",
    "SkipExisting",
    "colour_of",
    "naming",
    "parse_numbers",
    "parse_qualities",
    "read_stream",
]

T = TypeVar("T")

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Force = Annotated[
    bool, typer.Option("--force", help="Write over an output that exists; refused otherwise.")
]
Quiet = Annotated[
    bool,
    typer.Option("-q", "--quiet", help="Print nothing but errors, and what --json asks for."),
]
Recursive = Annotated[
    bool, typer.Option("-r", "--recursive", help="Take what is in subfolders of folders, too.")
]
SkipExisting = Annotated[
    bool, typer.Option("--skip-existing", help="Leave inputs alone whose output exists.")
]
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


_PIECE = 1 << 20
"""Bytes that are read of a stream at a time."""


def parse_numbers(
    text: str, option: str, kind: Callable[[str], T], form: str = "numbers separated by commas,"
) -> tuple[T, ...]:
    """``"1,3,5"`` to numbers.

    Args:
        text: what was given.
        option: to what, such as ``"--bits"``.
        kind: of number.
        form: what it takes, in words.

    Raises:
        UsageError: naming the piece that is not a number.
    """
    from slimcodec.errors import UsageError

    values = []
    for piece in text.split(","):
        try:
            values.append(kind(piece))
        except ValueError:
            raise UsageError(f"{option} takes {form} got {piece!r}") from None
    return tuple(values)


def parse_qualities(text: str | None) -> tuple[float, ...] | None:
    """Numbers; None stays None.

    Raises:
        UsageError: naming the piece that is not a number.
    """
    return None if text is None else parse_numbers(text, "--quality", float)


def colour_of(text: str | None) -> tuple[int, int, int]:
    """A colour that was given in words as a background; white where none was.

    Raises:
        UsageError: when there is none such.
    """
    from PIL import ImageColor

    from slimcodec.errors import UsageError

    try:
        red, green, blue = ImageColor.getrgb("white" if text is None else text)[:3]
    except ValueError:
        raise UsageError(f"--background takes a colour name or #rrggbb, got {text!r}") from None
    return red, green, blue


def read_stream(path: Path | None) -> tuple[bytes, str | None]:
    """The bytes of a stream's file; of a damaged progressive one what is whole, and what is lost.

    Args:
        path: of the file; None for standard input.

    Raises:
        StreamError: naming the file, when it cannot be read or nothing of it is whole.
    """
    from slimcodec.errors import StreamError
    from slimcodec.stream import MAX_BYTES, is_progressive, salvage

    name = "standard input" if path is None else str(path)
    read = bytearray()
    try:
        with nullcontext(sys.stdin.buffer) if path is None else path.open("rb") as file:
            # A device or a pipe need not end.
            while (piece := file.read(_PIECE)) and len(read) <= MAX_BYTES:
                read += piece
    except OSError as error:
        raise StreamError(f"{name} cannot be read: {(error.strerror or '').lower()}") from error
    if len(read) > MAX_BYTES:
        raise StreamError(f"{name} is no stream: it goes on after {MAX_BYTES:,} bytes")
    data = bytes(read)
    if not is_progressive(data):
        return data, None
    with naming(name):
        return salvage(data)


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """What is wrong with a stream's bytes, said with the name of the file they came from."""
    from slimcodec.errors import StreamError

    try:
        yield
    except StreamError as error:
        raise type(error)(f"{path}: {error}") from error
