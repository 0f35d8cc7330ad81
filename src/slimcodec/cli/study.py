"""slimcodec study: a grid of recipes on learned codecs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slimcodec.cli.options import Calibration, Images, Json, Out, RuntimeName

if TYPE_CHECKING:
    from slimcodec.bench import Study


def study(
    study: Annotated[
        str,
        typer.Argument(help="The grid: a built-in study by name, or a TOML file.", metavar="STUDY"),
    ],
    images: Images,
    out: Out,
    codec: Annotated[
        str | None,
        typer.Option("--codec", help="Take this codec instead of the study's own."),
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option(
            min=1, help="Timed runs of each encode and decode; the study's own if not given."
        ),
    ] = None,
    pictures: Annotated[
        int,
        typer.Option(
            min=0,
            help="Keep the decoded pictures of so many first images, and of the study's figure.",
        ),
    ] = 3,
    calibration: Calibration = None,
    runtime: RuntimeName = None,
    json: Json = False,
) -> None:
    """Shrink codecs in every way a study lists, and measure each on the same images.

    Interrupted at any moment, the same command goes on where it was.

    Example: slimcodec study paper_table2 --images kodak --out results/table2
    """
    import dataclasses

    from slimcodec import catalogue
    from slimcodec.bench import Study
    from slimcodec.cli.console import note_skipped
    from slimcodec.cli.interrupting import kept_if_interrupted

    parsed = Study.read(catalogue.studies.find(study))
    for folder in (images, calibration):
        if folder is not None:
            note_skipped(folder)
    if codec is not None:
        parsed = dataclasses.replace(parsed, codec=codec)
    if repeats is not None:
        parsed = dataclasses.replace(parsed, repeats=repeats)
    with kept_if_interrupted(f"what is done is kept in {out}; the same command goes on"):
        run_study(parsed, images, out, pictures, runtime, calibration, json)


def run_study(
    study: Study,
    images: Path,
    out: Path,
    pictures: int,
    runtime: str | None = None,
    calibration: Path | None = None,
    json: bool = False,
) -> None:
    """Shrink, then measure as ``bench`` does, with the study's description beside the rows."""
    import json as json_module

    from slimcodec.atomic import write_atomically
    from slimcodec.cli.bench import run
    from slimcodec.cli.console import progress_bar
    from slimcodec.cli.outputs import STUDY, check_results
    from slimcodec.images import find_images
    from slimcodec.shrink import Context

    find_images(images)  # a wrong folder should not cost minutes of shrinking first
    check_results(out, STUDY)
    _refuse_another_study(out / "study.json", study.name)
    out.mkdir(parents=True, exist_ok=True)
    # First of all: by it the folder is known for the study's, however soon it is interrupted.
    description = json_module.dumps(study.describe(), indent=2)
    write_atomically(out / "study.json", description.encode())
    with progress_bar("shrinking") as progress:
        context = Context(calibration, progress)
        candidates = study.candidates(out / "models", runtime, context)
    shown = study.figure.get("image")
    always = (shown,) if isinstance(shown, str) else ()
    run(list(candidates), images, out, list(study.metrics), study.repeats, pictures, json, always)


def _refuse_another_study(path: Path, name: str) -> None:
    """Before anything of the other one is written over."""
    import json

    from slimcodec.errors import UsageError

    try:
        held = json.loads(path.read_text(encoding="utf-8"))["name"]
    except (OSError, ValueError, KeyError, TypeError):
        return  # none, or none that a report could use
    if held != name:
        raise UsageError(f"{path.parent} holds the study {held!r}; name another folder with --out")
