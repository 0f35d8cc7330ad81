"""A study: codecs shrunk in every way it lists, and measured on the same images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from slimcodec import catalogue
from slimcodec.atomic import write_atomically
from slimcodec.bench import Executor, Study
from slimcodec.bench.making import candidates_of
from slimcodec.errors import UsageError
from slimcodec.images import check_images, find_images, skipped
from slimcodec.shrink import Context
from slimcodec.workflows.bench import BenchResults, Noted, Progressed, measure_into

__all__ = ["folders_of", "read_study", "run_study"]

FILE = "study.json"


def read_study(
    name_or_path: str | Path, *, codec: str | None = None, repeats: int | None = None
) -> Study:
    """A study that ships, by name, or one's own, by path.

    Args:
        name_or_path: of the TOML file.
        codec: in the place of the study's own.
        repeats: in the place of the study's own.

    Raises:
        UnknownNameError: when there is none of that name.
        ConfigError: naming the file and the line or key.
    """
    study = Study.read(catalogue.studies.find(name_or_path))
    return replace(study, codec=codec or study.codec, repeats=repeats or study.repeats)


def run_study(
    study: Study,
    images: Path,
    out: Path,
    *,
    pictures: int = 3,
    runtime: str | None = None,
    calibration: Path | None = None,
    executor: Executor | None = None,
    on_progress: Progressed = lambda done, total, what: None,
    on_note: Noted = lambda sentence: None,
) -> BenchResults:
    """Shrink, then measure as ``run_bench`` does, with the study's description beside the rows.

    Killed at any moment, the same call goes on where it was.

    Args:
        study: as ``read_study`` gives it.
        images: a folder, or one image.
        out: folder for models, rows, pictures, tables and the page; made when missing.
        pictures: of so many first images, and of the study's figure, pictures are kept.
        runtime: what executes those whose variant names no runtime.
        calibration: a folder of photographs for passes that measure on some.
        executor: who measures; this process when not given. Models are made in this process.
        on_progress: called with (done, total, what is worked on) while models are made, each of
            their passes from the beginning, and once more while they are measured.
        on_note: told what is left out, and why.

    Raises:
        UsageError: when ``out`` holds another study, one that was calibrated on other photographs,
            or rows that another model or other versions made; naming the variant, when it cannot be
            made or measured.
        ImageError: when there is no image, or the header of one says that it cannot be read.
    """
    check_images(find_images(images))  # a wrong folder should not cost minutes of shrinking first
    if calibration is not None and (sentence := skipped(calibration)):
        on_note(sentence)
    _refuse_another_study(out / FILE, study.name)

    def begin() -> None:
        out.mkdir(parents=True, exist_ok=True)
        # First of all: by it the folder is known for the study's, however soon it is interrupted.
        write_atomically(out / FILE, json.dumps(study.describe(), indent=2).encode())

    def shrinking(done: int, total: int, what: str) -> None:
        on_progress(done, total, f"shrinking · {what}")

    context = Context(calibration, shrinking)
    candidates = candidates_of(study, out / "models", runtime, context, begin)
    shown = study.figure.get("image")
    return measure_into(
        out, candidates, images, study.metrics,
        repeats=study.repeats, pictures=pictures,
        always=(shown,) if isinstance(shown, str) else (),
        executor=executor, on_progress=on_progress, on_note=on_note,
    )  # fmt: skip


def folders_of(studies: Sequence[Study], out: Path) -> list[Path]:
    """Where each goes: one into the folder itself, several into folders of their names in it.

    Raises:
        UsageError: when two have one name.
    """
    names = [study.name for study in studies]
    if len(names) == 1:
        return [out]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two of the studies are called {name!r}; run them one by one")
    return [out / name for name in names]


def _refuse_another_study(path: Path, name: str) -> None:
    """Before anything of the other one is written over."""
    try:
        held: Any = json.loads(path.read_text(encoding="utf-8"))["name"]
    except (OSError, ValueError, KeyError, TypeError):
        return  # none, or none that a report could use
    if held != name:
        raise UsageError(f"{path.parent} holds the study {held!r}; name another folder with --out")
