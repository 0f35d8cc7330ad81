"""Options and inputs that several verbs take, with one wording each."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from slimcodec.bench import Executor
    from slimcodec.types import Region

__all__ = [
    "Calibration",
    "Curves",
    "Force",
    "Images",
    "Json",
    "MemoryLimit",
    "Out",
    "Quiet",
    "RayAddress",
    "Recursive",
    "RuntimeName",
    "SkipExisting",
    "Workers",
    "colour_of",
    "executor_of",
    "naming",
    "parse_numbers",
    "parse_qualities",
    "parse_region",
    "parse_size",
    "read_stream",
]

T = TypeVar("T")

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Force = Annotated[
    bool, typer.Option("--force", help="Write over an output that exists; refused otherwise.")
]
MemoryLimit = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="SIZE",
        help="The most memory of this process, such as 1GB: large pictures are coded in smaller "
        "windows. What the machine can spare when not given.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        metavar="N",
        help="Measure in so many processes that share the cores; times are of fewer cores each.",
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="Measure on a Ray cluster, such as 10.0.0.1:6379, or auto for this machine's; images "
        "and models lie where its nodes see them.",
    ),
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
Curves = Annotated[
    str | None,
    typer.Option(
        "--curves",
        metavar="CURVES",
        help="Published curves to draw beside: a built-in set by name (kodak), or a CSV file: a "
        "line codec,bpp,psnr,..., a line `# source: ...`, then a line for each point.",
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


_UNITS = {"": 0, "k": 1, "m": 2, "g": 3}
"""Powers of 1000, or of 1024 in ``MiB``."""


def parse_size(text: str | None, option: str) -> int | None:
    """``"1.5GB"``, ``"800M"`` or bytes to bytes; None stays None.

    Raises:
        UsageError: when it is none of these.
    """
    from slimcodec.errors import UsageError

    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]?)(i?)b?", text.strip().lower())
    if found is None:
        raise UsageError(f"{option} takes a size such as 1.5GB, 800MB or bytes, got {text!r}")
    size = float(found[1]) * (1024 if found[3] else 1000) ** _UNITS[found[2]]
    if not 1 <= size < 1 << 62:
        raise UsageError(f"{option} takes a size from one byte on, got {text!r}")
    return int(size)


def parse_region(text: str | None) -> Region | None:
    """``"x,y,width,height"`` to a region; None stays None.

    Raises:
        UsageError: when it is not four whole numbers.
    """
    from slimcodec.errors import UsageError
    from slimcodec.types import Region

    if text is None:
        return None
    numbers = parse_numbers(text, "--region", int, "x,y,width,height in pixels,")
    if len(numbers) != len(Region._fields):
        raise UsageError(f"--region takes x,y,width,height in pixels, got {text!r}")
    return Region(*numbers)


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


def executor_of(workers: int | None, ray: str | None) -> Executor:
    """Who measures: this process where neither is given.

    Raises:
        UsageError: when both are.
        MissingExtraError: when Ray is wanted and not installed.
    """
    from slimcodec.bench import InProcess, Processes
    from slimcodec.errors import UsageError

    if workers is not None and ray is not None:
        raise UsageError("--workers is for this machine, --ray for a cluster; give one of them")
    if ray is not None:
        from slimcodec.bench.executors.cluster import Cluster

        return Cluster(ray)
    return InProcess() if workers is None else Processes(workers)


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
    """The bytes of a stream's file; of a damaged one what is whole, and what is lost.

    Args:
        path: of the file; None for standard input.

    Raises:
        StreamError: naming the file, when it cannot be read or nothing of it is whole.
    """
    from slimcodec.errors import StreamError
    from slimcodec.stream import MAX_BYTES, has_parts, salvage

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
    if not has_parts(data):
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
