"""slimcodec encode: pictures to streams."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    from slimcodec.cli.beside import Kept
    from slimcodec.cli.coding import Coded, Memory
    from slimcodec.cli.compare import Comparison
    from slimcodec.cli.inputs import Input
    from slimcodec.cli.outputs import Job
    from slimcodec.cli.target import Target
    from slimcodec.images import ReadImage
    from slimcodec.types import Codec, Image


def encode(
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE...",
            help="Pictures (PNG, JPEG, WebP, TIFF and more), folders of them, patterns such as "
            "'*.png', or - for standard input.",
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            help="The stream, a folder for several, or - for standard output; beside each picture "
            "when not given.",
        ),
    ] = None,
    codec: Annotated[
        str,
        typer.Option(
            "--codec", help="A codec by name; a model file, a bundle or a ladder by path."
        ),
    ] = "hific-s",
    quality: Annotated[
        float | None,
        typer.Option("--quality", help="In the codec's own scale; hific-s: 1 (small) to 5."),
    ] = None,
    iterations: Annotated[
        int | None,
        typer.Option(
            "--iterations",
            help="The quality of a progressive codec, from 1 (small) on; fewer can be decoded "
            "from the same stream.",
        ),
    ] = None,
    target_bytes: Annotated[
        int | None,
        typer.Option(
            "--target-bytes",
            metavar="N",
            help="Instead of a quality: the largest stream that takes no more bytes than this.",
        ),
    ] = None,
    target_bpp: Annotated[
        float | None,
        typer.Option("--target-bpp", metavar="X", help="The same in bits per pixel."),
    ] = None,
    effort: Annotated[
        int,
        typer.Option(
            "--effort",
            metavar="0..9",
            help="Look longer for a smaller stream of the same quality; each step takes a second "
            "or more for 768x512 pixels. Every decoder reads it. For hific-s and models like it; "
            "takes torch.",
        ),
    ] = 0,
    metadata: Annotated[
        bool,
        typer.Option(
            "--metadata",
            help="EXIF and XMP travel in the stream, put right for pixels that are upright and "
            "sRGB: orientation 1, no thumbnail, no colour profile. A position travels too.",
        ),
    ] = False,
    alpha: Annotated[
        bool,
        typer.Option(
            "--alpha",
            help="Transparency travels in the stream, without loss, instead of being composited.",
        ),
    ] = False,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare",
            help="Afterwards, show what the image formats that are installed make of the picture "
            "at the same size.",
        ),
    ] = False,
    background: Annotated[
        str | None,
        typer.Option(
            help="What shows through transparency: a colour name or #rrggbb; white when not given."
        ),
    ] = None,
    mask: Annotated[
        str | None,
        typer.Option(
            "--mask",
            metavar="FILE",
            help="A picture of the same size: white where it matters, black where it does not, "
            "grey between. Of several pictures a folder of such, each named like its picture. "
            "For jpeg-regions.",
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
    """Compress pictures into streams, photo.png into photo.slc.

    The stream holds everything the decoder needs besides the codec: `slimcodec decode` turns it
    back. A progressive codec refines the picture in iterations: a stream of 5 begins with the
    stream of 3, which `slimcodec cut` and `slimcodec decode --iterations 3` take out of it.
    A picture that cannot be coded does not stop the others; the exit status is 1 then.
    With --target-bytes or --target-bpp the line says what quality it became.
    jpeg-regions writes an ordinary JPEG that spends its bytes where a mask is white or, without
    one, where people are likely to look.

    Example: slimcodec encode photo.png --quality 2

    Example: slimcodec encode photos more.jpg -o streams

    Example: slimcodec encode photo.png --codec toderici-s --iterations 5

    Example: slimcodec encode photo.jpg --target-bytes 20000 --metadata

    Example: slimcodec encode photo.png --effort 6

    Example: slimcodec encode photo.png --codec jpeg-regions --mask mask.png
    """
    from slimcodec import library
    from slimcodec.cli.beside import Kept, check_kept
    from slimcodec.cli.coding import Memory, Shown, code_all, refuse_terminal
    from slimcodec.cli.console import note, silence
    from slimcodec.cli.inputs import Wanted, find_inputs
    from slimcodec.cli.masks import find_masks
    from slimcodec.cli.options import colour_of, parse_size
    from slimcodec.cli.outputs import check_jobs, jobs_of
    from slimcodec.cli.suffixes import check_suffix_fits
    from slimcodec.cli.target import target_of
    from slimcodec.cli.writers import codec_with, writer
    from slimcodec.errors import UsageError
    from slimcodec.images.folder import image_suffixes

    # Everything that can be refused is, before a model is opened or a picture read.
    if iterations is not None and quality is not None:
        raise UsageError("--iterations and --quality both choose the quality; give one of them")
    limit = parse_size(memory, "--memory")
    codec = codec_with(codec, effort)
    colour, wanted = colour_of(background), quality if iterations is None else iterations
    target = target_of(target_bytes, target_bpp, quality, iterations)
    say = silence if quiet else note
    inputs = find_inputs(images, Wanted("image", image_suffixes(), recursive), say)
    suffix = library.stream_suffix(codec, runtime)
    masks = find_masks(mask, codec, inputs)
    kept = Kept(metadata, alpha)
    check_kept(kept, suffix, background)
    found = jobs_of(inputs, output, partial(_short, suffix), partial(_long, suffix), say)
    jobs = check_jobs(found, single=inputs.single, force=force, skip_existing=skip_existing)
    for job in jobs:
        check_suffix_fits(job.target, suffix, codec)
    refuse_terminal(jobs)
    if compare and not (inputs.single and found[0].target is not None):
        raise UsageError(
            "--compare takes one picture and prints a table, so the stream goes to a file; "
            "`slimcodec bench` compares over folders"
        )
    if wanted is not None:
        library.check_quality(codec, wanted)
    if len(jobs) < len(found):
        say(f"{len(found) - len(jobs)} of {len(found)} skipped, as the output exists")

    # One is read before a model is opened; of several, the model is common to all.
    several = None if inputs.single else len(jobs)
    open_codec = writer(codec, runtime, iterations, several, limit is None)
    shown = Shown(
        "encoding", "image", "stream",
        json, quiet, inputs.single, any(job.target is None for job in jobs), force,
    )  # fmt: skip
    how = _How(
        open_codec, wanted, colour, Memory(limit), target, kept, compare and not quiet,
        inputs.single and not quiet, masks,
    )  # fmt: skip
    code_all(jobs, partial(_encode, how=how), shown)


@dataclass(frozen=True)
class _How:
    """How every picture is coded.

    Attributes:
        open_codec: from the number of its pixels, the codec.
        quality: in the codec's own scale; its usual one when None.
        background: what shows through transparency.
        memory: that pictures share.
        target: a size instead of a quality; None where there is none.
        kept: what travels with a picture.
        compare: whether image formats are shown at the same size.
        bar: whether a bar shows the search for a size; several pictures have one of their own.
        masks: of pictures that have one.
    """

    open_codec: Callable[[int], Codec]
    quality: float | None
    background: tuple[int, int, int]
    memory: Memory
    target: Target | None
    kept: Kept
    compare: bool
    bar: bool
    masks: Mapping[Input, Path]


def _encode(job: Job, how: _How) -> Coded:
    """Read, code and write one picture."""
    from slimcodec.cli.beside import travelling
    from slimcodec.cli.coding import Coded, write_output
    from slimcodec.metrics import bits_per_pixel

    read, size = _read(job.source, None if how.kept.alpha else how.background)
    height, width, _ = read.pixels.shape
    beside, about = travelling(read, how.kept, job.source.name)
    codec = how.open_codec(height * width)
    if job.source in how.masks:
        from slimcodec.pictures import with_mask

        codec = with_mask(codec, how.masks[job.source])
    with how.memory.taken(codec, height, width) as allowed:
        made = _made(codec, read.pixels, beside, how, allowed)
    stream = made.stream
    written = write_output(job.target, stream)
    bpp = bits_per_pixel(len(stream), height, width)
    smaller = 3 * height * width / len(stream)
    notes = [*read.notes, *about]
    fit = f", {made.fit}" if made.fit else ""
    compared = _compared(codec, read.pixels, stream, beside) if how.compare else None
    return Coded(
        {
            "image": job.source.name,
            "stream": written,
            "bytes": len(stream),
            "width": width,
            "height": height,
            "bpp": bpp,
            "codec": codec.name,
            "quality": made.quality,
            **({"target_bytes": made.target_bytes} if made.target_bytes is not None else {}),
            **({"beside_bytes": {k: len(v) for k, v in beside.items()}} if beside else {}),
            "notes": notes,
            **({"compare": compared.facts()} if compared else {}),
        },
        f"{written}: {len(stream):,} bytes, {bpp:.3f} bpp, {smaller:.0f}x smaller than the pixels"
        f"{fit}",
        tuple(f"{job.source.name}: {sentence}" for sentence in notes),
        size,
        len(stream),
        bpp,
        table=compared.table() if compared else None,
    )


def _compared(
    codec: Codec, pixels: Image, stream: bytes, beside: Mapping[str, bytes]
) -> Comparison:
    """Image formats at the size of the picture's own bytes, while a bar says how far it is."""
    from slimcodec.cli.compare import compare
    from slimcodec.cli.console import progress_bar
    from slimcodec.stream import attach

    with progress_bar("comparing") as progress:
        return compare(codec, pixels, attach(stream, {}) if beside else stream, progress)


@dataclass(frozen=True)
class _Made:
    """A stream, and how it was made.

    Attributes:
        stream: with what travels.
        quality: in the codec's own scale.
        target_bytes: that it was to fit into; None where a quality was given.
        fit: how it does, in words; empty where a quality was given.
    """

    stream: bytes
    quality: float
    target_bytes: int | None = None
    fit: str = ""


def _made(
    codec: Codec, pixels: Image, beside: Mapping[str, bytes], how: _How, memory: int | None
) -> _Made:
    """The stream of a picture, of the quality or the size that was asked for."""
    from slimcodec.cli.rounds import rounds_shown
    from slimcodec.cli.target import fit_sentence, trials_shown
    from slimcodec.target_size import encode_to_size
    from slimcodec.types import Tiled

    finish = partial(_with, beside)
    if how.target is None:
        quality = codec.default_quality if how.quality is None else how.quality
        if isinstance(codec, Tiled):
            with rounds_shown(codec, how.bar) as clock:
                stream = codec.encode(pixels, how.quality, memory=memory, clock=clock)
        else:
            stream = codec.encode(pixels, how.quality)
        return _Made(finish(stream), quality)
    height, width, _ = pixels.shape
    target = how.target.bytes_for(height, width)
    with trials_shown(how.bar) as on_trial:
        fitted = encode_to_size(codec, pixels, target, on_trial, finish, memory)
    return _Made(fitted.stream, fitted.quality, target, fit_sentence(fitted, target, codec))


def _with(beside: Mapping[str, bytes], stream: bytes) -> bytes:
    """The stream with what travels; as it was where nothing does."""
    from slimcodec.stream import attach

    return attach(stream, beside) if beside else stream


def _read(source: Input, background: tuple[int, int, int] | None) -> tuple[ReadImage, int]:
    """A picture, and the bytes of its file."""
    import sys

    from slimcodec.images import read_image, read_image_bytes

    if source.path is not None:
        read = read_image(source.path, background=background)
        return read, source.path.stat().st_size
    data = sys.stdin.buffer.read()
    return read_image_bytes(data, source.name, background=background), len(data)


def _short(suffix: str, path: Path) -> str:
    """``photo.jpg`` to ``photo.slc``."""
    return path.with_suffix(suffix).name


def _long(suffix: str, path: Path) -> str:
    """``photo.jpg`` to ``photo.jpg.slc``."""
    return path.name + suffix
