"""slimcodec restore: JPEGs to better pictures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slimcodec.cli.options import (
    Force,
    Json,
    MemoryLimit,
    Quiet,
    Recursive,
    RuntimeName,
    SkipExisting,
)

if TYPE_CHECKING:
    from slimcodec.cli.beside import Back
    from slimcodec.cli.coding import Coded, Memory
    from slimcodec.cli.inputs import Input
    from slimcodec.cli.outputs import Job
    from slimcodec.types import Restoring


def restore(
    jpegs: Annotated[
        list[str],
        typer.Argument(
            metavar="JPEG...",
            help="JPEG files, folders of them, patterns such as '*.jpg', or - for standard input.",
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            help="The picture, a folder for several, or - for standard output (PNG); "
            "photo.restored.png beside photo.jpg by default.",
        ),
    ] = None,
    strength: Annotated[
        float,
        typer.Option(help="From 0, what everyone sees, to 1, what the network makes of it."),
    ] = 1.0,
    no_projection: Annotated[
        bool,
        typer.Option(
            "--no-projection",
            help="Let pictures leave what the file's quantization allows.",
        ),
    ] = False,
    codec: Annotated[
        str, typer.Option("--codec", help="The model that restores.")
    ] = "jpeg+restore",
    no_metadata: Annotated[
        bool, typer.Option("--no-metadata", help="Leave EXIF and XMP of the file out.")
    ] = False,
    recursive: Recursive = False,
    skip_existing: SkipExisting = False,
    force: Force = False,
    memory: MemoryLimit = None,
    runtime: RuntimeName = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Take JPEG's artefacts off: blocks, ringing, banding, smeared colours.

    The file itself stays as it is. The network is told the file's own tables, and what it makes is
    kept within what they allow. Baseline and progressive files, grey and colour, of any sampling
    are read; pictures come out upright and sRGB, with EXIF and XMP where the format holds them. A
    file that cannot be restored does not stop the others.

    Example: slimcodec restore photo.jpg -o photo.png

    Example: slimcodec restore album --output restored --skip-existing

    Example: slimcodec restore photo.jpg --strength 0.5
    """
    from slimcodec import library
    from slimcodec.cli.beside import Back
    from slimcodec.cli.coding import Memory, Shown, code_all, refuse_terminal, threads_for
    from slimcodec.cli.console import note, silence
    from slimcodec.cli.inputs import Wanted, find_inputs
    from slimcodec.cli.options import parse_size
    from slimcodec.cli.outputs import check_formats, check_jobs, jobs_of
    from slimcodec.cli.suffixes import suffixes_like
    from slimcodec.errors import UsageError
    from slimcodec.images import WHITE
    from slimcodec.types import Restoring

    # Everything that can be refused is, before a model is opened.
    if not 0 <= strength <= 1:
        raise UsageError(f"--strength takes a number from 0 to 1, got {strength:g}")
    limit, say = parse_size(memory, "--memory"), silence if quiet else note
    inputs = find_inputs(jpegs, Wanted("JPEG", suffixes_like(".jpg"), recursive), say)
    found = jobs_of(inputs, output, _short, _long, say)
    check_formats(found)
    jobs = check_jobs(found, single=inputs.single, force=force, skip_existing=skip_existing)
    refuse_terminal(jobs)
    if len(jobs) < len(found):
        say(f"{len(found) - len(jobs)} of {len(found)} skipped, as the output exists")
    if not jobs:
        return
    opened = library.load_codec(codec, runtime, threads=threads_for(len(jobs)))
    if not isinstance(opened, Restoring):
        raise UsageError(f"{opened.name} restores nothing; a model that does is jpeg+restore")
    shown = Shown(
        "restoring", "jpeg", "picture",
        json, quiet, inputs.single, any(job.target is None for job in jobs), force,
    )  # fmt: skip
    back = Back(not no_metadata, WHITE)
    how = _How(opened, strength, not no_projection, Memory(limit), back)
    code_all(jobs, partial(_restore, how=how), shown)


@dataclass(frozen=True)
class _How:
    """How every file is restored.

    Attributes:
        codec: what restores.
        strength, projected: see ``types.Restoring``.
        memory: that pictures share.
        back: how metadata comes back.
    """

    codec: Restoring
    strength: float
    projected: bool
    memory: Memory
    back: Back


def _restore(job: Job, how: _How) -> Coded:
    """Read, restore and write one file."""
    from slimcodec.cli.beside import picture_bytes
    from slimcodec.cli.coding import Coded, write_output
    from slimcodec.errors import ImageError
    from slimcodec.metrics import bits_per_pixel
    from slimcodec.pictures import restored

    data = _read(job.source)
    try:
        width, height = how.codec.size_of(data)
        with how.memory.taken(how.codec, height, width) as allowed:
            read = restored(how.codec, data, how.strength, how.projected, allowed)
    except ImageError as error:
        raise ImageError(f"{job.source.name}: {error}") from error
    target = job.target or "picture.png"
    coded, held, lost = picture_bytes(read.pixels, read.metadata, target, how.back)
    written = write_output(job.target, coded)
    height, width, _ = read.pixels.shape
    notes = [*read.notes, *lost]
    return Coded(
        {
            "image": written,
            "jpeg": job.source.name,
            "width": width,
            "height": height,
            "codec": how.codec.name,
            "strength": how.strength,
            "projected": how.projected,
            "beside": held,
            "notes": notes,
        },
        f"{written}: {width}x{height}, restored by {how.codec.name}",
        tuple(f"{job.source.name}: {sentence}" for sentence in notes),
        len(data),
        len(coded),
        bits_per_pixel(len(data), height, width),
    )


def _read(source: Input) -> bytes:
    """A file's bytes.

    Raises:
        ImageError: naming it, when it cannot be read.
    """
    import sys

    from slimcodec.errors import ImageError

    if source.path is None:
        return sys.stdin.buffer.read()
    try:
        return source.path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ImageError(f"{source.name} cannot be read: {reason}") from error


def _short(path: Path) -> str:
    """``photo.jpg`` to ``photo.restored.png``."""
    return path.with_suffix(".restored.png").name


def _long(path: Path) -> str:
    """``photo.jpg`` to ``photo.jpg.restored.png``."""
    return path.name + ".restored.png"
