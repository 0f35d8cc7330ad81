"""slimcodec cut: a coarser stream out of a progressive one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slimcodec.cli.options import Force, Json


def cut(
    stream: Annotated[
        Path, typer.Argument(help="A progressive stream, written with `encode --iterations`.")
    ],
    iterations: Annotated[
        int, typer.Option("--iterations", help="How many to keep, counted from the first.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="The coarser stream; photo.slc cut to 3 is photo.3.slc."
        ),
    ] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Make a progressive stream smaller, without decoding it.

    What comes out is, byte for byte, what encoding at fewer iterations would have written. No model
    is needed, and none is loaded. A damaged stream can be cut to what is whole of it. EXIF, XMP and
    transparency that travel in the stream stay.

    Example: slimcodec cut photo.slc --iterations 3
    """
    from slimcodec import stream as container
    from slimcodec.atomic import write_atomically
    from slimcodec.cli.console import note, print_json
    from slimcodec.cli.options import naming, read_stream
    from slimcodec.cli.outputs import check_new
    from slimcodec.cli.suffixes import STREAM, check_suffix_fits
    from slimcodec.errors import UsageError
    from slimcodec.metrics import bits_per_pixel

    whole, lost = read_stream(stream)
    target = output or stream.with_name(f"{stream.stem}.{iterations}{stream.suffix}")
    check_new(target, force, stream)
    check_suffix_fits(output, STREAM, "cut")
    try:
        with naming(stream):
            coarser = container.cut(whole, iterations)
            header = container.unpack(whole, partial=True)
    except UsageError as error:
        raise UsageError(f"{stream}: {error}{f' ({lost})' if lost else ''}") from error
    write_atomically(target, coarser)
    if lost:
        note(f"{stream}: {lost}")
    before, after = stream.stat().st_size, len(coarser)
    bpp_before = bits_per_pixel(before, header.height, header.width)
    bpp_after = bits_per_pixel(after, header.height, header.width)
    if json:
        print_json(
            {
                "stream": str(target),
                "iterations": iterations,
                "iterations_before": header.steps,
                "bytes": after,
                "bytes_before": before,
                "bpp": bpp_after,
                "bpp_before": bpp_before,
            }
        )
        return
    print(
        f"{target}: {after:,} of {before:,} bytes, {bpp_after:.3f} of {bpp_before:.3f} bpp, "
        f"{iterations} of {header.steps} iterations"
    )
