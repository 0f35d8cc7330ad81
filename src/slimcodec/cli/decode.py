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
        typer.Option("-o", "--output", help="The picture; beside the stream, as PNG, by default."),
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(
            "--codec", help="The codec that wrote it; a built-in model is found by itself."
        ),
    ] = None,
    runtime: RuntimeName = "torch",
    json: Json = False,
) -> None:
    """Turn a stream back into a picture.

    A stream names the model that wrote it: a built-in one is found, any other is given with
    --codec.

    Example: slimcodec decode photo.slc -o photo.png
    """
    from slimcodec import library
    from slimcodec.cli.console import print_json
    from slimcodec.errors import StreamError, UsageError
    from slimcodec.images import write_image

    try:
        data = stream.read_bytes()
    except OSError as error:
        raise StreamError(f"{stream} cannot be read: {(error.strerror or '').lower()}") from error
    target = output or stream.with_suffix(".png")
    if target.exists() and target.samefile(stream):
        raise UsageError(f"{target} is the stream itself; name another picture with -o")
    try:
        if codec is None:
            opened = library.codec_of_stream(data, runtime)
        else:
            opened = library.load_codec(codec, runtime)
        image = opened.decode(data)
    except StreamError as error:
        raise type(error)(f"{stream}: {error}") from error
    write_image(target, image)
    height, width, _ = image.shape
    if json:
        print_json({"image": str(target), "width": width, "height": height, "codec": opened.name})
    else:
        print(f"{target}: {width}x{height}, decoded by {opened.name}")
