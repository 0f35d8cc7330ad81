"""slimcodec decode: a stream to a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slimcodec.cli.options import Json, RuntimeName


def decode(
    stream: Annotated[Path, typer.Argument(help="A stream written by `slimcodec encode`.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="The picture; photo.decoded.png beside photo.slc by default."
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
    partial: Annotated[
        bool,
        typer.Option(
            "--partial",
            help="Be content with what is whole of a damaged progressive stream: exit status 0.",
        ),
    ] = False,
    max_pixels: Annotated[
        int | None,
        typer.Option(
            "--max-pixels",
            min=1,
            metavar="N",
            help="Refuse streams that claim more pixels; about 179 million when not given.",
        ),
    ] = None,
    runtime: RuntimeName = None,
    json: Json = False,
) -> None:
    """Turn a stream back into a picture.

    A stream names the model that wrote it: a built-in one is found, any other is given with
    --codec. Of a progressive stream that is damaged or cut short, what is whole is decoded and a
    warning says how much that is; the exit status is 1 then, or 0 with --partial.

    Example: slimcodec decode photo.slc -o photo.png

    Example: slimcodec decode photo.slc --look natural

    Example: slimcodec decode photo.slc --look fast

    Example: slimcodec decode photo.slc --iterations 2 -o coarse.png
    """
    import PIL.Image

    from slimcodec import library
    from slimcodec.cli.console import note, print_json
    from slimcodec.cli.options import naming, read_stream
    from slimcodec.errors import UsageError
    from slimcodec.images import write_image
    from slimcodec.machine import touch_ahead
    from slimcodec.model_file import FAITHFUL
    from slimcodec.stream import is_progressive, step_ends, unpack
    from slimcodec.types import Progressive

    if codec is not None and look is not None:
        raise UsageError("--look picks one of the built-in models; --codec names a model already")
    if max_pixels is not None:
        # The limit of every format, as Pillow counts it: beyond twice this it refuses.
        PIL.Image.MAX_IMAGE_PIXELS = -(-max_pixels // 2)
    data, lost = read_stream(stream)
    # Not photo.png: that may well be the picture that was encoded.
    target = output or stream.with_suffix(".decoded.png")
    if target.exists() and target.samefile(stream):
        raise UsageError(f"{target} is the stream itself; name another picture with -o")
    count = len(step_ends(data)) if is_progressive(data) else None
    with naming(stream):
        if codec is None:
            header = unpack(data)
            touch_ahead(header.height * header.width)
            opened = library.codec_of_stream(data, runtime, look or FAITHFUL)
        else:
            opened = library.load_codec(codec, runtime)
        if iterations is not None:
            if not isinstance(opened, Progressive):
                raise UsageError(
                    f"{opened.name} has no iterations; decode the whole stream, without "
                    "--iterations"
                )
            # More than the damage left: then all that is left.
            if not (lost and count and iterations > count):
                data, lost, count = opened.cut(data, iterations), None, iterations
        image = opened.decode(data)
    write_image(target, image)
    height, width, _ = image.shape
    if json:
        print_json(
            {
                "image": str(target),
                "width": width,
                "height": height,
                "codec": opened.name,
                "iterations": count,
                "partial": lost is not None,
            }
        )
    else:
        steps = f", {count} iteration{'s' * (count != 1)}" if count else ""
        print(f"{target}: {width}x{height}, decoded by {opened.name}{steps}")
    if lost:
        decoded = "it was" if count == 1 else "they were"
        accept = "" if partial else " (--partial makes this exit status 0)"
        note(f"{stream}: {lost}; {decoded} decoded{accept}")
        if not partial:
            raise typer.Exit(1)
