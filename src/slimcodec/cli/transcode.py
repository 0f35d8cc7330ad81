"""slimcodec transcode: a stream of another program to one of ours, or to a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from slimcodec.cli.options import Force, Json, MemoryLimit

if TYPE_CHECKING:
    from slimcodec.codecs.foreign import ForeignPicture
    from slimcodec.workflows.transcoding import ForeignStream

__all__ = ["COMMAND", "transcode"]

_SUFFIX = ".slc"


def transcode(
    stream: Annotated[Path, typer.Argument(help="What the other program wrote.")],
    checkpoint: Annotated[
        Path,
        typer.Option("--checkpoint", help="The file of weights that it was written with."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="A stream of ours (.slc), or a picture, by its suffix; theirs.slc beside "
            "theirs.bin by default.",
        ),
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(
            "--codec",
            help="The model that the new stream is for: what `slimcodec import` made of the "
            "checkpoint, or a bundle of that. When not given, one is made for this call, with the "
            "weights that import keeps when it is told nothing.",
        ),
    ] = None,
    padded: Annotated[
        bool,
        typer.Option(
            "--padded",
            help="Keep the padding that the other program put around the picture, where streams "
            "of ours cannot leave it out; `decode --region` takes it off.",
        ),
    ] = False,
    memory: MemoryLimit = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Turn a stream that another program wrote into one of ours, symbol for symbol.

    Nothing is encoded again: the same integers are written with tables that every machine picks
    alike, and with checks. The new stream is decoded once, and how far its picture is from that of
    the checkpoint's own weights is printed.
    """
    from slimcodec.cli.console import note, progress_bar
    from slimcodec.cli.options import naming, parse_size, read_stream
    from slimcodec.cli.outputs import check_new
    from slimcodec.errors import UsageError, check_extra
    from slimcodec.images import check_suffix
    from slimcodec.workflows.transcoding import open_foreign

    target = output or stream.with_suffix(_SUFFIX)
    limit, to_stream = parse_size(memory, "--memory"), target.suffix.lower() == _SUFFIX
    check_new(target, force, stream, checkpoint)
    if not to_stream:
        check_suffix(target)
        if padded or codec is not None:
            raise UsageError(f"--padded and --codec are for streams (.slc), {target} is a picture")
    data, _ = read_stream(stream)
    with naming(stream):
        foreign = open_foreign(data)
    if to_stream:
        foreign.header.check_beginning(padded)
    check_extra("reading a checkpoint", "torch", "torch")
    with naming(stream), progress_bar("reading") as update:
        picture = foreign.read(
            checkpoint,
            memory=limit,
            on_progress=lambda done, total: update(done, total, "symbols"),
        )
    for sentence in picture.notes:
        note(sentence)
    told = _Told(stream, target, len(data), foreign, picture, json)
    if to_stream:
        _write_stream(told, checkpoint, codec, padded)
    else:
        _write_picture(told)


class _Told:
    """What is printed of any outcome."""

    def __init__(
        self,
        stream: Path,
        target: Path,
        before: int,
        foreign: ForeignStream,
        picture: ForeignPicture,
        json: bool,
    ) -> None:
        self.target, self.foreign, self.picture, self.json = target, foreign, picture, json
        height, width, _ = picture.pixels.shape
        self.facts: dict[str, Any] = {
            "source": str(stream),
            "output": str(target),
            "writer": foreign.header.writer,
            "width": width,
            "height": height,
            "symbols": picture.symbols,
            "bytes_before": before,
            "notes": list(picture.notes),
        }

    def say(self, line: str, **more: Any) -> None:
        from slimcodec.cli.console import print_json

        if self.json:
            print_json({**self.facts, **more})
        else:
            print(line)


def _write_picture(told: _Told) -> None:
    from slimcodec.images import write_image

    write_image(told.target, told.picture.pixels)
    height, width, _ = told.picture.pixels.shape
    told.say(f"{told.target}: {width}x{height}, {told.foreign.header.writer}")


def _write_stream(told: _Told, checkpoint: Path, codec: str | None, padded: bool) -> None:
    from slimcodec.atomic import write_atomically
    from slimcodec.cli.console import note
    from slimcodec.workflows.transcoding import to_stream

    made = to_stream(
        told.foreign, told.picture, checkpoint, codec=codec, padded=padded, on_step=note
    )
    write_atomically(told.target, made.stream)
    if codec is None:
        note(
            f"{told.target} is read by what `slimcodec import {told.foreign.family} {checkpoint}` "
            "makes"
        )
    region = ",".join(map(str, made.region))
    if padded:
        note(f"the picture in it: slimcodec decode {told.target} --region {region}")
    told.say(
        f"{told.target}: {len(made.stream):,} bytes of {told.facts['bytes_before']:,}, the same "
        f"{told.picture.symbols:,} symbols; its picture is at most {made.farthest} of 255 levels "
        f"from the checkpoint's, {made.mean:.3f} on average",
        bytes=len(made.stream),
        codec=made.codec,
        region=list(made.region),
        levels_apart_most=made.farthest,
        levels_apart_mean=made.mean,
    )


class _TranscodeCommand(TyperCommand):
    """A verb whose help the families bring: which programs' streams they read."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Each family's own words about them."""
        from slimcodec.codecs.foreign import foreign_families

        for family in foreign_families().values():
            for paragraph in family.foreign_help.split("\n\n"):
                formatter.write_paragraph()
                formatter.write_text(" ".join(paragraph.split()))


COMMAND = _TranscodeCommand
