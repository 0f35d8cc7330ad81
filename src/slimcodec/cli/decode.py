"""slimcodec decode: streams to pictures."""

from __future__ import annotations

from collections.abc import Callable
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
    from slimcodec.cli.outputs import Job
    from slimcodec.types import Codec, Image, Region


def decode(
    streams: Annotated[
        list[str],
        typer.Argument(
            metavar="STREAM...",
            help="Streams written by `slimcodec encode`, folders of them, patterns such as "
            "'*.slc', or - for standard input.",
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            help="The picture, a folder for several, or - for standard output (PNG); "
            "photo.decoded.png beside photo.slc by default.",
        ),
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(
            "--codec", help="The codec that wrote it; a built-in model is found by itself."
        ),
    ] = None,
    look: Annotated[
        str | None,
        typer.Option(
            "--look",
            help="Of a stream that several built-in models read: faithful (to the original, as far "
            "as the bits go; the default), natural (as a photograph would look; fine detail is "
            "invented) or fast (faithful by a narrower network, in less time).",
        ),
    ] = None,
    iterations: Annotated[
        int | None,
        typer.Option(
            "--iterations", help="Of a progressive stream, decode only so many, for a coarser look."
        ),
    ] = None,
    partial_: Annotated[
        bool,
        typer.Option(
            "--partial",
            help="Be content with what is whole of a damaged stream, progressive or in tiles: exit "
            "status 0.",
        ),
    ] = False,
    region: Annotated[
        str | None,
        typer.Option(
            "--region",
            metavar="X,Y,W,H",
            help="Decode this part of the picture alone, in pixels from its top left corner.",
        ),
    ] = None,
    max_pixels: Annotated[
        int | None,
        typer.Option(
            "--max-pixels",
            min=1,
            metavar="N",
            help="Refuse streams that claim more pixels; about 179 million when not given.",
        ),
    ] = None,
    no_metadata: Annotated[
        bool,
        typer.Option("--no-metadata", help="Leave EXIF and XMP out that travel in the stream."),
    ] = False,
    background: Annotated[
        str | None,
        typer.Option(
            help="What shows through transparency where the picture's format has none (JPEG, BMP, "
            "PPM): a colour name or #rrggbb; white when not given."
        ),
    ] = None,
    recursive: Recursive = False,
    skip_existing: SkipExisting = False,
    force: Force = False,
    memory: MemoryLimit = None,
    runtime: RuntimeName = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Turn streams back into pictures.

    A stream names the model that wrote it: a built-in one is found, any other is given with
    --codec. Of a progressive stream that is damaged or cut short, and of a large picture's, which
    is in tiles, what is whole is decoded and a warning says how much that is; the exit status is 1
    then, or 0 with --partial. A stream that cannot be decoded does not stop the others. Pictures
    are called after their look: photo.decoded.png, photo.natural.png, photo.fast.png. EXIF, XMP and
    transparency that travel in a stream come back into PNG, WebP and TIFF, and into JPEG but for
    the transparency.

    Example: slimcodec decode photo.slc -o photo.png

    Example: slimcodec decode streams -o pictures

    Example: slimcodec decode photo.slc --look natural

    Example: slimcodec decode photo.slc --iterations 2 -o coarse.png

    Example: slimcodec decode map.slc --region 4000,3000,512,512 -o part.png
    """
    import PIL.Image

    from slimcodec.cli.beside import Back
    from slimcodec.cli.coding import Memory, Shown, code_all, refuse_terminal
    from slimcodec.cli.console import note, silence
    from slimcodec.cli.inputs import Wanted, find_inputs
    from slimcodec.cli.options import colour_of, parse_region, parse_size
    from slimcodec.cli.outputs import check_formats, check_jobs, jobs_of
    from slimcodec.cli.readers import opener
    from slimcodec.cli.suffixes import suffixes_like

    # Everything that can be refused is, before a model is opened.
    _check_look(look, codec)
    back = Back(not no_metadata, colour_of(background))
    if max_pixels is not None:
        # The limit of every format, as Pillow counts it: beyond twice this it refuses.
        PIL.Image.MAX_IMAGE_PIXELS = -(-max_pixels // 2)
    limit, part = parse_size(memory, "--memory"), parse_region(region)
    say = silence if quiet else note
    wanted = Wanted("stream", suffixes_like(_suffix(codec, runtime)), recursive)
    inputs = find_inputs(streams, wanted, say)
    short, long = partial(_short, _ending(look)), partial(_long, _ending(look))
    found = jobs_of(inputs, output, short, long, say)
    check_formats(found)
    jobs = check_jobs(found, single=inputs.single, force=force, skip_existing=skip_existing)
    refuse_terminal(jobs)
    if len(jobs) < len(found):
        say(f"{len(found) - len(jobs)} of {len(found)} skipped, as the output exists")
    ahead = limit is None and part is None
    several = None if inputs.single else len(jobs)
    open_codec = opener(codec, look, runtime, several, ahead)
    shown = Shown(
        "decoding", "stream", "picture",
        json, quiet, inputs.single, any(job.target is None for job in jobs), force,
    )  # fmt: skip
    how = _How(open_codec, iterations, partial_, part, Memory(limit), back)
    code_all(jobs, partial(_decode, how=how), shown)


@dataclass(frozen=True)
class _How:
    """How every stream is decoded.

    Attributes:
        open_codec: from a stream, what reads it.
        iterations: so many of each, all when None.
        partial: whether to be content with what is whole.
        region: what of each picture; all when None.
        memory: that pictures share.
        back: how what travelled with a picture comes back.
    """

    open_codec: Callable[[bytes], Codec]
    iterations: int | None
    partial: bool
    region: Region | None
    memory: Memory
    back: Back


def _decode(job: Job, how: _How) -> Coded:
    """Read, decode and write one stream."""
    from slimcodec.cli.beside import picture_bytes, travelled
    from slimcodec.cli.coding import Coded, write_output
    from slimcodec.cli.options import naming, read_stream
    from slimcodec.metrics import bits_per_pixel
    from slimcodec.stream import is_progressive, unpack

    data, lost = read_stream(job.source.path)
    size = len(data) if job.source.path is None else job.source.path.stat().st_size
    count = unpack(data, partial=True).steps if is_progressive(data) else None
    with naming(job.source.name):
        codec = how.open_codec(data)
        # More than the damage left: then all that is left.
        if how.iterations is not None and not (lost and count and how.iterations > count):
            data, lost = _cut(codec, data, lost, how.iterations)
            count = how.iterations
        image = _picture(codec, data, how, holes=bool(lost))
        target = job.target or "picture.png"
        coded, held, notes = picture_bytes(
            image, travelled(data), target, how.back, _place(data, how)
        )
    written = write_output(job.target, coded)
    height, width, _ = image.shape
    steps = f", {count} iteration{'s' * (count != 1)}" if count else ""
    decoded = "it was" if count == 1 else "they were"
    accept = "" if how.partial else " (--partial makes this exit status 0)"
    return Coded(
        {
            "image": written,
            "stream": job.source.name,
            "width": width,
            "height": height,
            "codec": codec.name,
            "iterations": count,
            "partial": lost is not None,
            "beside": held,
            "notes": list(notes),
        },
        f"{written}: {width}x{height}, decoded by {codec.name}{steps}",
        tuple(f"{job.source.name}: {sentence}" for sentence in notes),
        size,
        len(coded),
        bits_per_pixel(size, height, width),
        f"{job.source.name}: {lost}; {decoded} decoded{accept}" if lost else "",
        how.partial,
    )


def _picture(codec: Codec, data: bytes, how: _How, *, holes: bool) -> Image:
    """What is wanted of a stream's picture.

    Raises:
        UsageError: when a part is asked of a codec that gives none, or it is not inside.
    """
    from slimcodec.cli.readers import picture_size
    from slimcodec.errors import UsageError
    from slimcodec.types import Tiled

    if how.region is not None and not isinstance(codec, Tiled):
        raise UsageError(f"{codec.name} decodes whole pictures; leave out --region")
    width, height = picture_size(data) if how.region is None else how.region[2:]
    with how.memory.taken(codec, height, width) as allowed:
        if isinstance(codec, Tiled):
            return codec.decode(data, region=how.region, memory=allowed, partial=holes)
        return codec.decode(data)


def _place(data: bytes, how: _How) -> tuple[Region, tuple[int, int]] | None:
    """Where the part that is wanted lies in its picture, and how wide and high that is."""
    from slimcodec.cli.readers import picture_size

    return None if how.region is None else (how.region, picture_size(data))


def _cut(codec: Codec, data: bytes, lost: str | None, iterations: int) -> tuple[bytes, str | None]:
    """So many iterations of a stream, and what is lost of these.

    Raises:
        UsageError: when its codec has none.
    """
    from slimcodec.errors import UsageError
    from slimcodec.stream import unpack
    from slimcodec.types import Progressive

    if not isinstance(codec, Progressive):
        raise UsageError(
            f"{codec.name} has no iterations; decode the whole stream, without --iterations"
        )
    fewer = codec.cut(data, iterations)
    if lost is None:
        return fewer, None
    before, after = (unpack(each, partial=True) for each in (data, fewer))
    # Damage without a hole is behind all steps, or, beside tiles, of what travels with the picture.
    untouched = not after.missing and (bool(before.missing) or before.tiles == 1)
    return fewer, None if untouched else lost


def _check_look(look: str | None, codec: str | None) -> None:
    """A look that a built-in model has.

    Raises:
        UsageError: when there is none such, or a model is named beside it.
    """
    from slimcodec import readers
    from slimcodec.errors import UnknownNameError, UsageError

    if look is None:
        return
    if codec is not None:
        raise UsageError("--look picks one of the built-in models; --codec names a model already")
    if look not in (known := readers.built_in_looks()):
        raise UnknownNameError("look", look, known)


def _suffix(codec: str | None, runtime: str | None) -> str:
    """Of the streams in a folder.

    Raises:
        SlimcodecError: when there is no such codec or runtime.
    """
    from slimcodec import library
    from slimcodec.cli.suffixes import STREAM

    return STREAM if codec is None else library.stream_suffix(codec, runtime)


def _ending(look: str | None) -> str:
    """Of a picture's name. Never just the suffix: photo.png may well be what was encoded."""
    from slimcodec.model_file import FAITHFUL

    return ".decoded.png" if look in (None, FAITHFUL) else f".{look}.png"


def _short(ending: str, path: Path) -> str:
    """``photo.slc`` to ``photo.decoded.png``."""
    return path.with_suffix(ending).name


def _long(ending: str, path: Path) -> str:
    """``photo.slc`` to ``photo.slc.decoded.png``."""
    return path.name + ending
