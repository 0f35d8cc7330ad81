"""slimcodec demo: the main job on what ships inside the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the results; made afresh.")
    ] = Path("demo-out"),
) -> None:
    """Encode, decode, prune and measure the built-in codec on bundled photographs.

    Takes a minute or two, ends with a table and a report to open in a browser.
    """
    import shutil
    import tempfile

    from slimcodec import library
    from slimcodec.bench import Study
    from slimcodec.cli.study import run_study
    from slimcodec.errors import UsageError
    from slimcodec.images import find_images, read_image, write_image

    here = Path(__file__).parent.parent / "demo"
    photos = find_images(here)
    if out.exists() and any(out.iterdir()):
        if not (out / "rows.sqlite").exists():
            raise UsageError(f"{out} holds something else; name another folder with --out")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    codec = library.load_codec("hific-s")
    pixels = read_image(photos[0]).pixels
    stream = codec.encode(pixels)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.slc"
        path.write_bytes(stream)
        write_image(out / f"{photos[0].stem}.decoded.png", codec.decode(path.read_bytes()))
    print(
        f"{photos[0].name}: {pixels.nbytes:,} bytes of pixels → {len(stream):,} bytes of stream → "
        f"{out / (photos[0].stem + '.decoded.png')}"
    )
    study = Study.read(here / "demo.toml")
    run_study(study, here, out, pictures=len(photos), runtime="torch", json=False)
