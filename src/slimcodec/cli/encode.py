"""slimcodec encode: a picture to a stream."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slimcodec.cli.options import Json, RuntimeName


def encode(
    image: Annotated[Path, typer.Argument(help="The picture: PNG, JPEG, WebP, TIFF and more.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="The stream; beside the picture when not given."),
    ] = None,
    codec: Annotated[
        str, typer.Option("--codec", help="A codec by name, a model file or a bundle by path.")
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
    background: Annotated[
        str, typer.Option(help="What shows through transparency: a colour name or #rrggbb.")
    ] = "white",
    runtime: RuntimeName = None,
    json: Json = False,
) -> None:
    """Compress a picture into a stream.

    The stream holds everything the decoder needs besides the codec: `slimcodec decode` turns it
    back. A progressive codec refines the picture in iterations: a stream of 5 begins with the
    stream of 3, which `slimcodec cut` and `slimcodec decode --iterations 3` take out of it.

    Example: slimcodec encode photo.png --quality 2

    Example: slimcodec encode photo.png --codec toderici-s --iterations 5
    """
    from PIL import ImageColor

    from slimcodec import library
    from slimcodec.atomic import write_atomically
    from slimcodec.cli.console import note, print_json
    from slimcodec.errors import UsageError
    from slimcodec.images import read_image
    from slimcodec.machine import touch_ahead
    from slimcodec.metrics import bits_per_pixel
    from slimcodec.types import Progressive

    if iterations is not None and quality is not None:
        raise UsageError("--iterations and --quality both choose the quality; give one of them")
    try:
        colour = ImageColor.getrgb(background)[:3]
    except ValueError:
        raise UsageError(
            f"--background takes a colour name or #rrggbb, got {background!r}"
        ) from None
    read = read_image(image, background=(colour[0], colour[1], colour[2]))
    height, width, _ = read.pixels.shape
    if library.runtime_of(codec, runtime):
        touch_ahead(height * width)
    opened = library.load_codec(codec, runtime)
    if iterations is not None:
        if not isinstance(opened, Progressive):
            raise UsageError(
                f"{opened.name} has no iterations; choose its quality with --quality, for example "
                f"--quality {opened.default_quality:g}"
            )
        quality = iterations
    suffix = ".slc" if opened.model_bytes else f".{opened.name}"
    target = output or image.with_suffix(suffix)
    if target.exists() and target.samefile(image):
        raise UsageError(f"{target} is the picture itself; name another stream with -o")
    stream = opened.encode(read.pixels, quality)
    write_atomically(target, stream)
    bpp = bits_per_pixel(len(stream), height, width)
    for sentence in read.notes:
        note(f"{image}: {sentence}")
    if json:
        print_json(
            {
                "stream": str(target),
                "bytes": len(stream),
                "width": width,
                "height": height,
                "bpp": bpp,
                "codec": opened.name,
                "quality": opened.default_quality if quality is None else quality,
                "notes": list(read.notes),
            }
        )
        return
    smaller = 3 * height * width / len(stream)
    print(f"{target}: {len(stream):,} bytes, {bpp:.3f} bpp, {smaller:.0f}x smaller than the pixels")
