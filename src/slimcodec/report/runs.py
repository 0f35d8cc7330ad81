"""Runs: folders that a bench or a study wrote to, read, told apart and put together.

Several benches of the same pictures become one, as if they had been measured in one run. Three
rules keep that honest. What is the same measurement (the same key) counts once, and the first
run's times are taken. What only has the same *name*, made by another model, library or version, is
told apart by the run's name and never averaged. And only pictures that all of them measured count,
or means would be over different ones. A study stays by itself: its variants are changes of its own
first ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from slimcodec.bench.published import KEPT_AS, PublishedCurve, read_published
from slimcodec.bench.rows import Row
from slimcodec.bench.rows_text import read_rows
from slimcodec.errors import UsageError
from slimcodec.report.study import read_study
from slimcodec.report.text import join_words, not_taken, plural

__all__ = ["Group", "Run", "group_runs", "read_run", "read_runs"]


@dataclass(frozen=True)
class Run:
    """A folder with rows.

    Attributes:
        name: of the folder, with as much of what is above it as tells it from the others.
        folder: where its rows and pictures are.
        rows: at least one.
        study: what its ``study.json`` says; None for a bench.
        published: curves from elsewhere that it was given.
    """

    name: str
    folder: Path
    rows: Sequence[Row]
    study: Mapping[str, Any] | None
    published: Sequence[PublishedCurve] = ()

    @property
    def reference(self) -> str | None:
        """What BD-rates are against: a study's first variant, what is usual for a bench."""
        return None if self.study is None else self.rows[0].variant


@dataclass(frozen=True)
class Group:
    """Runs that are shown as one: a study, or all benches together.

    Attributes:
        runs: one study, or one or more benches.
        rows: of all, told apart.
        study: see `Run`.
        remarks: sentences on what was left out or renamed.
    """

    runs: Sequence[Run]
    rows: Sequence[Row]
    study: Mapping[str, Any] | None
    remarks: Sequence[str]


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """Read every folder.

    Raises:
        UsageError: when there are none, or one is there twice.
        SlimcodecError: when one holds no rows, or something in it is damaged.
    """
    if not folders:
        raise UsageError("a report needs at least one folder that `slimcodec bench` wrote to")
    places = [folder.resolve() for folder in folders]
    twice = [str(folder) for n, folder in enumerate(folders) if places[n] in places[:n]]
    if twice:
        raise UsageError(f"{twice[0]} is named twice; a run counts once")
    names = _names(places)
    return [read_run(folder, name) for folder, name in zip(folders, names, strict=True)]


def read_run(folder: Path, name: str | None = None) -> Run:
    """Read one folder.

    Raises:
        SlimcodecError: when it holds no rows, or something in it is damaged.
    """
    rows = read_rows(folder)
    kept = folder / KEPT_AS
    published = read_published(kept) if kept.exists() else []
    own = name or folder.resolve().name
    return Run(own, folder, _told_apart(rows), read_study(folder), published)


def group_runs(runs: Sequence[Run]) -> list[Group]:
    """All benches as one group, which comes first, and each study as its own.

    Raises:
        UsageError: when the benches have no picture in common.
    """
    benches = [run for run in runs if run.study is None]
    studies = [Group([run], run.rows, run.study, []) for run in runs if run.study is not None]
    if not benches:
        return studies
    only = Group(benches, benches[0].rows, None, [])
    return [only if len(benches) == 1 else _merged(benches), *studies]


def _merged(runs: Sequence[Run]) -> Group:
    shared = set.intersection(*({row.image_digest for row in run.rows} for run in runs))
    if not shared:
        raise UsageError(
            f"{join_words([run.name for run in runs])} have no picture in common, so nothing in "
            "them compares; make a page of each"
        )
    makers: dict[str, set[tuple[str, ...]]] = {}
    for run in runs:
        for row in run.rows:
            makers.setdefault(row.variant, set()).add(_maker(row))
    images = {row.image_digest: row.image for run in reversed(runs) for row in run.rows}
    taken, names = set(makers), dict[tuple[str, int], str]()
    for variant, each in makers.items():
        for n, run in enumerate(runs):
            names[variant, n] = variant
            if len(each) > 1 and any(row.variant == variant for row in run.rows):
                names[variant, n] = not_taken(f"{variant} ({run.name})", taken)
    rows: dict[str, Row] = {}
    twice: set[str] = set()
    for n, run in enumerate(runs):
        for row in run.rows:
            if row.image_digest not in shared:
                continue
            if row.key in rows:
                twice.add(row.variant)
            # A picture that was renamed is the one that it was.
            named = replace(row, variant=names[row.variant, n], image=images[row.image_digest])
            first = rows.setdefault(named.key, named)
            # Of the same bytes and pixels, so what only one of them measured is true of both.
            rows[named.key] = replace(first, metrics={**named.metrics, **first.metrics})
    return Group(runs, _ordered(list(rows.values())), None, _remarks(runs, shared, makers, twice))


def _ordered(rows: Sequence[Row]) -> list[Row]:
    """As one run has them: variants as they first came, then quality and image."""
    places = {name: n for n, name in enumerate(dict.fromkeys(row.variant for row in rows))}
    return sorted(rows, key=lambda row: (places[row.variant], row.quality, row.image))


def _remarks(
    runs: Sequence[Run],
    shared: set[str],
    makers: Mapping[str, set[tuple[str, ...]]],
    twice: set[str],
) -> list[str]:
    found = []
    every = {row.image_digest for run in runs for row in run.rows}
    if len(every) > len(shared):
        found.append(
            f"{plural(len(every) - len(shared), 'picture')} that not all runs measured "
            f"{'is' if len(every) - len(shared) == 1 else 'are'} left out."
        )
    apart = [name for name, each in makers.items() if len(each) > 1]
    if apart:
        found.append(
            f"{join_words(apart)} {'was' if len(apart) == 1 else 'were'} made by other models or "
            "versions in other runs, so each run’s stands by itself under the run’s name."
        )
    if twice:
        found.append(
            f"{join_words(sorted(twice))} {'is' if len(twice) == 1 else 'are'} in several runs and "
            f"the same to the key; the times are those of {runs[0].name}, or of the first run that "
            "has them."
        )
    if len({row.clocked_on for run in runs for row in run.rows}) > 1:
        found.append(
            "The runs are of different machines, or of another number of threads, so their times "
            "do not compare."
        )
    return found


def _maker(row: Row) -> tuple[str, ...]:
    """What decides a row's bytes and pixels, but for quality and picture."""
    return row.digest, row.runtime, *(f"{k}={v}" for k, v in sorted(row.environment.items()))


def _told_apart(rows: Sequence[Row]) -> list[Row]:
    """Rows of one run, with variants that changed their maker in its course under two names.

    So it is after an update of a runtime: the folder then holds what both versions measured.
    """
    makers: dict[str, dict[tuple[str, ...], Row]] = {}
    for row in rows:
        makers.setdefault(row.variant, {}).setdefault(_maker(row), row)
    names: dict[tuple[str, tuple[str, ...]], str] = {}
    taken = set(makers)
    for variant, each in makers.items():
        for n, maker in enumerate(each):
            names[variant, maker] = variant
            if n:
                names[variant, maker] = not_taken(f"{variant} ({_what(each, maker)})", taken)
    return [
        row
        if names[row.variant, _maker(row)] == row.variant
        else replace(row, variant=names[row.variant, _maker(row)])
        for row in rows
    ]


def _what(makers: Mapping[tuple[str, ...], Row], maker: tuple[str, ...]) -> str:
    """What tells a maker from the first of its name."""
    first = next(iter(makers))
    words = [word.partition("=")[2] or word for word in maker[1:] if word not in first]
    return ", ".join(words) or f"digest {maker[0][:6]}"


def _names(places: Sequence[Path]) -> list[str]:
    """The shortest ends of paths that are all different."""
    for depth in range(1, max(len(place.parts) for place in places) + 1):
        names = ["/".join(place.parts[-depth:]) for place in places]
        if len(set(names)) == len(names):
            return names
    return [str(place) for place in places]
