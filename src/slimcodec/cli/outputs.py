"""Where results go, and what is in the way there.

One rule for all verbs: **no file is written over.** An output that exists is refused in one line
before any work, unless ``--force`` says that it may go; nothing is guessed from what it holds. What
a verb gathers in a folder of results goes only where nothing of those names is, or where the verb
finds its own mark, by whose first bytes it knows its own results; then it goes on with them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from slimcodec.atomic import check_writable
from slimcodec.cli.inputs import PIPE, Input, Inputs
from slimcodec.errors import ImageError, SlimcodecError, UsageError

__all__ = [
    "BENCH",
    "SEARCH",
    "SENSITIVITY",
    "STUDY",
    "Job",
    "Results",
    "check_bundle",
    "check_folder",
    "check_formats",
    "check_jobs",
    "check_new",
    "check_results",
    "jobs_of",
    "training_results",
]


@dataclass(frozen=True)
class Job:
    """One file to code, and what it becomes.

    Attributes:
        source: what is read.
        target: what is written; None for standard output.
    """

    source: Input
    target: Path | None


def check_new(target: Path, force: bool, *sources: Path) -> None:
    """A file that may be written.

    Args:
        target: where to.
        force: whether a file that is there may go.
        sources: what it is made of, which may never go.

    Raises:
        UsageError: when there is a file already, or it is the source itself.
        SlimcodecError: when it cannot be written: no such folder, no permission, a folder itself.
    """
    there = [source for source in sources if source.exists()]
    if target.exists() and any(target.samefile(source) for source in there):
        raise UsageError(f"{target} is the input itself; name another output with -o")
    check_writable(target)
    if os.path.lexists(target) and not force:
        raise UsageError(f"{target} exists; name another output with -o, or replace it: --force")


def jobs_of(
    inputs: Inputs,
    output: str | None,
    short: Callable[[Path], str],
    long: Callable[[Path], str],
    note: Callable[[str], None],
) -> list[Job]:
    """What each input becomes.

    Args:
        inputs: what was found.
        output: as it was given: for a single input a file, a folder that is there or ``-``, for
            several a folder; when not given, beside each input, and standard output for standard
            input.
        short: the usual name of an output, from the path of its input.
        long: its name where two inputs would become the same file.
        note: told when names are long.

    Raises:
        UsageError: when two inputs would become one file all the same, or several go to one.
    """
    if inputs.single:
        (one,) = inputs.files
        return [Job(one, _target_of_single(one.path, output, short))]
    if output == PIPE:
        raise UsageError("-o - is standard output, for one input; name a folder for several")
    if output is not None and Path(output).exists() and not Path(output).is_dir():
        raise UsageError(f"{output} is a file; with several inputs, -o names a folder")
    jobs = [Job(one, _target(one, output, short)) for one in inputs.files]
    clashing = _clashing(jobs)
    if clashing:
        first, second = clashing[:2]
        note(
            f"{first.source.name} and {second.source.name} would both become {first.target}; such "
            "outputs keep the whole name of their input"
        )
        jobs = [
            Job(j.source, _target(j.source, output, long)) if j in clashing else j for j in jobs
        ]
    if still := _clashing(jobs):
        first, second = still[:2]
        raise UsageError(
            f"{first.source.name} and {second.source.name} would both become {first.target}; send "
            "them to different folders, one call each"
        )
    return jobs


def _target_of_single(
    path: Path | None, output: str | None, short: Callable[[Path], str]
) -> Path | None:
    """Where one input goes; None for standard output."""
    if output == PIPE or (output is None and path is None):
        return None
    if output is None:
        assert path is not None
        return path.with_name(short(path))
    target = Path(output)
    return target / short(path) if path is not None and target.is_dir() else target


def _target(one: Input, output: str | None, name_of: Callable[[Path], str]) -> Path:
    """Where one of several goes; standard input is never among them."""
    assert one.path is not None
    folder = one.path.parent if output is None else Path(output) / one.below
    return folder / name_of(one.path)


def _clashing(jobs: Sequence[Job]) -> list[Job]:
    """Those whose target another has, too; beside each other, by target."""
    counts = Counter(job.target for job in jobs)
    return sorted((job for job in jobs if counts[job.target] > 1), key=lambda job: str(job.target))


def check_formats(jobs: Sequence[Job]) -> None:
    """Pictures that can be written in the formats that their names say.

    Raises:
        UsageError: otherwise.
    """
    from slimcodec.images import check_suffix

    try:
        for job in jobs:
            check_suffix(job.target or "picture.png")
    except ImageError as error:
        raise UsageError(str(error)) from error


def check_jobs(jobs: Sequence[Job], *, single: bool, force: bool, skip_existing: bool) -> list[Job]:
    """Those jobs that are to be done; what cannot or must not be written is refused before any is.

    Args:
        jobs: as ``jobs_of`` makes them.
        single: whether it is one that was named as such; folders are made for others only.
        force: whether outputs that are there may go.
        skip_existing: whether to leave inputs alone whose output is there.

    Raises:
        UsageError: when outputs are there already.
        SlimcodecError: when one cannot be written.
    """
    if force and skip_existing:
        raise UsageError("--force replaces what --skip-existing leaves; give one of them")
    there = [job for job in jobs if job.target is not None and os.path.lexists(job.target)]
    if skip_existing:
        jobs = [job for job in jobs if job not in there]
    elif there and not single and not force:
        raise UsageError(
            f"{len(there)} of {len(jobs)} outputs exist, such as {there[0].target}; replace them "
            "with --force, leave them with --skip-existing, or name another folder with -o"
        )
    for folder in {job.target.parent for job in jobs if job.target is not None and not single}:
        check_folder(folder)
    for job in jobs:
        # Of several, places that are free are all alike to the folder they are in.
        if job.target is not None and (single or job in there):
            check_new(job.target, force, *filter(None, [job.source.path]))
    return list(jobs)


# Folders of results


@dataclass(frozen=True)
class Results:
    """What a verb writes into a folder of results.

    Attributes:
        of: what wrote it, in words.
        mark: the file by which it knows its own results; written before any of the others.
        begins: that file's first bytes.
        others: names of what else is written over while it goes on.
    """

    of: str
    mark: str
    begins: bytes
    others: tuple[str, ...]


_MEASURED = ("rows.tsv", "summary.json", "report", "pictures")
BENCH = Results("a bench", "rows.sqlite", b"SQLite format 3\0", _MEASURED)
STUDY = Results("a study", "study.json", b"{", ("rows.sqlite", "models", *_MEASURED))
SEARCH = Results("a search", "search.json", b"{", ("winner.toml", "learn", "report"))
SENSITIVITY = Results("sensitivity", "rows.jsonl", b"{", ("bits.toml", "index.html"))


def training_results(name: str) -> Results:
    """Of a run of that name."""
    return Results("a training run", "state.ckpt", b"PK", (f"{name}.slim", f"{name}.md"))


def check_bundle(folder: Path, force: bool) -> None:
    """A folder that a bundle may be put at.

    Args:
        folder: where to; one that is no bundle and not empty never goes.
        force: whether a bundle that is there may go.

    Raises:
        UsageError: when there is something.
        SlimcodecError: when there is no folder to put it in, or nothing can be written there.
    """
    from slimcodec.runtime.bundle import check_place, is_bundle

    check_place(folder)
    check_writable(folder.resolve().parent / ".slimcodec")
    if is_bundle(folder) and not force:
        raise UsageError(f"{folder} exists; name another folder with -o, or replace it: --force")


def check_ladder(folder: Path, force: bool, *sources: Path) -> None:
    """A folder that a ladder may be put at.

    Args:
        folder: where to; one that is no ladder, or holds anything else, never goes.
        force: whether a ladder that is there may go.
        sources: what it is made of, which may never go.

    Raises:
        UsageError: when there is something.
        SlimcodecError: when there is no folder to put it in, or nothing can be written there.
    """
    from slimcodec.ladder import check_replaceable

    if folder.exists() and any(path.exists() and folder.samefile(path) for path in sources):
        raise UsageError(f"{folder} is the input itself; name another folder with -o")
    check_replaceable(folder)
    if os.path.lexists(folder) and not force:
        raise UsageError(f"{folder} exists; name another folder with -o, or replace it: --force")
    check_writable(folder.resolve().parent / ".slimcodec")


def check_results(folder: Path, results: Results) -> None:
    """A folder that results may go into; it need not be there yet.

    Raises:
        UsageError: when it holds files of these names that something else wrote.
        SlimcodecError: when nothing can be written there.
    """
    check_folder(folder)
    mark = folder / results.mark
    if mark.exists():
        with mark.open("rb") as file:
            start = file.read(len(results.begins))
        # A kill right at the beginning leaves it empty.
        if start not in (results.begins, b""):
            raise UsageError(f"{mark} is not of {results.of}; name another folder with -o")
        return
    for name in results.others:
        if os.path.lexists(folder / name):
            raise UsageError(
                f"{folder / name} exists and is not of {results.of}, which would write over it; "
                "name another folder with -o"
            )


def check_folder(folder: Path) -> None:
    """A folder that can be written into, or be made.

    Raises:
        SlimcodecError: when it is a file, or the system refuses.
    """
    if os.path.lexists(folder) and not folder.is_dir():
        raise SlimcodecError(f"{folder} is a file; name a folder")
    nearest = folder
    while not os.path.lexists(nearest):
        nearest = nearest.parent
    if not nearest.is_dir():
        raise SlimcodecError(f"{folder} cannot be made: {nearest} is a file; name another folder")
    check_writable(nearest / ".slimcodec")
