"""slimcodec demo: the main job on what ships inside the package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from slimcodec.types import Codec, Progressive

CODECS = ("hific-s", "toderici-s")
MARK = ".slimcodec-demo"
"""The first thing in a demo's folder: what has it may be removed, finished or interrupted."""


def demo(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the results; made afresh.")
    ] = Path("demo-out"),
) -> None:
    """Encode, decode, prune and measure the built-in codecs on bundled photographs.

    Takes two or three minutes, ends with tables and a report to open in a browser.

    Needs pip install 'slimcodec[torch,report]'.
    """
    import shutil

    from slimcodec import library
    from slimcodec.cli.bench import show
    from slimcodec.cli.interrupting import kept_if_interrupted
    from slimcodec.cli.outputs import check_folder
    from slimcodec.cli.study import shown
    from slimcodec.errors import UsageError, check_extra
    from slimcodec.images import find_images
    from slimcodec.types import Progressive
    from slimcodec.workflows.study import read_study

    check_extra("the demo", "torch,report", "torch", "jinja2")
    here = Path(__file__).parent.parent / "demo"
    photos = find_images(here)
    check_folder(out)
    if out.exists() and any(out.iterdir()):
        if not (out / MARK).exists():
            raise UsageError(f"{out} holds something else; name another folder with --out")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / MARK).touch()
    with kept_if_interrupted(f"{out} holds the part that was done; the same command begins again"):
        for codec in map(library.load_codec, CODECS):
            print(there_and_back(codec, photos[0], out))
            for line in other_looks(codec, photos[0], out):
                print(line)
            if isinstance(codec, Progressive):
                print(cut_short(codec, photos[0], out))
        results = shown(read_study(here / "demo.toml"), here, out, pictures=len(photos))
    show(results, json=False)


def there_and_back(codec: Codec, photo: Path, out: Path) -> str:
    """Write the stream of a photograph, and the picture that comes out of that file; say so."""
    from slimcodec.images import read_image, write_image

    pixels = read_image(photo).pixels
    stream = out / f"{photo.stem}.{codec.name}.slc"
    stream.write_bytes(codec.encode(pixels))
    picture = stream.with_suffix(".png")
    write_image(picture, codec.decode(stream.read_bytes()))
    return (
        f"{photo.name}: {pixels.nbytes:,} bytes of pixels → {stream.stat().st_size:,} bytes of "
        f"{codec.name} stream → {picture}"
    )


def other_looks(codec: Codec, photo: Path, out: Path) -> list[str]:
    """Decode the stream that ``there_and_back`` wrote with every other model that reads it."""
    from slimcodec import library, readers
    from slimcodec.images import write_image
    from slimcodec.stream import unpack

    stream = out / f"{photo.stem}.{codec.name}.slc"
    lines = []
    for look, path in readers.looks_of(unpack(stream.read_bytes()).stream_id.hex()).items():
        other = library.load_codec(path)
        if other.name != codec.name:
            picture = stream.with_suffix(f".{look}.png")
            write_image(picture, other.decode(stream.read_bytes()))
            lines.append(f"{photo.name}: the same stream, {look} look → {picture}")
    return lines


def cut_short(codec: Progressive, photo: Path, out: Path) -> str:
    """Write what every beginning of one stream decodes to; say how long each is."""
    from slimcodec.images import read_image, write_image

    last = codec.qualities[-1]
    whole = codec.encode(read_image(photo).pixels, last)
    cuts = []
    for step in codec.qualities:
        stream = codec.cut(whole, step) if step < last else whole
        cuts.append(f"{step:g}: {len(stream):,}")
        write_image(out / f"{photo.stem}.{codec.name}@{step:g}.png", codec.decode(stream))
    return (
        f"{photo.name}: one {codec.name} stream of {last:g} iterations, bytes when cut after "
        f"{' · '.join(cuts)} → {out / f'{photo.stem}.{codec.name}@N.png'}"
    )
