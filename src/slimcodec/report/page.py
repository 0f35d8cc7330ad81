"""Rows, pictures and templates into ``report/index.html``.

Style, scripts, charts and pictures stand in the page itself, so it is one file that can be sent to
somebody. It is written aside and renamed. Built again from the same rows and pictures it is the
same to the byte.

Everything that came from outside (names of variants and images, titles, notes) is escaped by the
template engine, which here never gets a string marked as safe.
"""

from __future__ import annotations

import html
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from slimcodec.atomic import write_atomically
from slimcodec.bench.published import PublishedCurve
from slimcodec.errors import SlimcodecError, UsageError
from slimcodec.report import figures
from slimcodec.report.chapter import Chapter, make_chapter
from slimcodec.report.comparison import Comparison, compare_rows
from slimcodec.report.gallery import Gallery, join_galleries
from slimcodec.report.pictures import PICTURE_BYTES, Progressed, make_gallery
from slimcodec.report.rendering import template
from slimcodec.report.runs import Group, Run, group_runs, read_run, read_runs
from slimcodec.report.selection import leader
from slimcodec.report.text import join_words
from slimcodec.report.viewer import shot_id, viewer_data
from slimcodec.showing import line

__all__ = ["ReportPage", "build_report", "check_report"]

_DATA = (
    ("rows.sqlite", "every measurement, as SQLite"),
    ("rows.tsv", "every measurement, as tab-separated text for a spreadsheet"),
    ("summary.json", "the means over images and the BD-rates"),
)


@dataclass(frozen=True)
class ReportPage:
    """A page that was written, to be looked at in a notebook: ``ReportPage(build_report(folder))``.

    Attributes:
        path: of the page. A notebook's browser reads files below the notebook's folder only.
    """

    path: Path

    def __repr__(self) -> str:
        return line(self, str(self.path))

    def _repr_html_(self) -> str:
        address = html.escape(quote(os.path.relpath(self.path)))
        return (
            f'<iframe src="{address}" width="100%" height="600"></iframe>'
            f'<p><a href="{address}">{html.escape(str(self.path))}</a></p>'
        )


_MADE_BY, _HEAD_BYTES = b'content="slimcodec"', 4096
"""What every page says of itself, so near its beginning."""


def build_report(
    folders: Path | Sequence[Path],
    out: Path | None = None,
    against: Path | None = None,
    published: Sequence[PublishedCurve] = (),
    on_progress: Progressed = lambda done, total, what: None,
) -> Path:
    """Make the page of a bench or study, or of several.

    Args:
        folders: each holds ``rows.sqlite`` or ``rows.tsv``; ``study.json`` and ``pictures/`` are
            used where they are. Benches are put together, a study has a chapter of its own.
        out: folder of the page; needed for several. ``report`` in the only one by default.
        against: an earlier run; the page then says what changed since.
        published: curves from elsewhere, drawn beside those of benches; those that the runs keep
            when not given.
        on_progress: called with (chapters or pictures' images done, of how many, what is next).

    Returns:
        The page, ``out/index.html``. It needs no other file; only the links to the data lead out of
        it.

    Raises:
        MissingExtraError: when Jinja2 is not installed.
        UsageError: when several folders have no picture in common, or no place for the page.
        SlimcodecError: when there are no rows, or something in a folder is damaged.
    """
    page_template = template("page.html.j2")
    runs, target, old = _asked(folders, out, against)
    groups = group_runs(runs)
    published = published or _kept(runs)
    chapters = []
    for n, group in enumerate(groups):
        on_progress(n, len(groups), join_words([run.name for run in group.runs]))
        chapters.append(make_chapter(group, f"c{n + 1}-" if n else "", published))
    since = None if old is None else _since(runs, groups, old)
    gallery = _gallery(groups, chapters, on_progress)
    page = page_template.render(
        title=chapters[0].title
        if len(chapters) == 1
        else f"Results of {join_words([run.name for run in runs])}",
        chapters=chapters,
        since=since,
        drawing=figures,
        gallery=gallery,
        viewer=viewer_data(gallery),
        shot_id=shot_id,
        same_rate=any(chapter.same_rate for chapter in chapters),
        data=_data(runs, target),
    )
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SlimcodecError(f"{target} cannot be made: {error.strerror}") from error
    index = target / "index.html"
    write_atomically(index, page.encode())
    if out is None:
        _remove_former_pictures(target)
    return index


def check_report(
    folders: Path | Sequence[Path], out: Path | None = None, against: Path | None = None
) -> None:
    """Refuse now what `build_report` would, before anything else is made of the same folders.

    Raises:
        UsageError, SlimcodecError: as `build_report`.
    """
    runs, _, old = _asked(folders, out, against)
    groups = group_runs(runs)
    if old is not None:
        _since(runs, groups, old)


def _asked(
    folders: Path | Sequence[Path], out: Path | None, against: Path | None
) -> tuple[list[Run], Path, Run | None]:
    """The runs, the page's folder, and the earlier run."""
    given = [Path(f) for f in ([folders] if isinstance(folders, str | Path) else folders)]
    runs = read_runs(given)
    if against is None:
        return runs, _target(runs, out), None
    if Path(against).resolve() in [folder.resolve() for folder in given]:
        raise UsageError(f"{against} is set against itself; --against takes an earlier run")
    return runs, _target(runs, out), read_run(Path(against))


def _kept(runs: Sequence[Run]) -> list[PublishedCurve]:
    """What the runs were given; a curve that several have counts once."""
    found = {(curve.codec, curve.source): curve for run in runs for curve in run.published}
    return list(found.values())


def _gallery(
    groups: Sequence[Group], chapters: Sequence[Chapter], on_progress: Progressed
) -> Gallery:
    """The pictures of all runs; an image that several runs kept is shown once for each."""
    kept = [
        (run, chapter)
        for group, chapter in zip(groups, chapters, strict=True)
        for run in group.runs
        if (run.folder / "pictures").is_dir()
    ]
    return join_galleries(
        [
            (
                run.name,
                make_gallery(
                    run.rows,
                    run.folder / "pictures",
                    leader(chapter.summary),
                    (run.study or {}).get("figure", {}),
                    PICTURE_BYTES // len(kept),
                    on_progress,
                ),
            )
            for run, chapter in kept
        ]
    )


def _remove_former_pictures(target: Path) -> None:
    """Pages of before had their pictures beside them; nothing shows those any more."""
    folder = target / "pictures"
    for path in sorted(folder.glob("*/*.png")):
        path.unlink()
    for path in (*sorted(folder.glob("*")), folder):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _target(runs: Sequence[Run], out: Path | None) -> Path:
    """Where the page goes; not among the rows, where one would look for a page of them alone."""
    if out is None:
        if len(runs) > 1:
            raise UsageError("a page of several folders needs a place: say -o DIR")
        return runs[0].folder / "report"
    if any((out / name).exists() for name in ("rows.sqlite", "rows.tsv")):
        raise UsageError(f"{out} holds results; name another folder, such as {out / 'report'}")
    index = out / "index.html"
    if index.is_file() and _MADE_BY not in index.read_bytes()[:_HEAD_BYTES]:
        raise UsageError(f"{index} is a page of something else; name another folder with -o")
    return out


def _since(runs: Sequence[Run], groups: Sequence[Group], old: Run) -> Comparison:
    rows = [row for group in groups for row in group.rows]
    name = join_words([run.name for run in runs])
    if name == old.name:  # as in results/now and results-of-before/now
        return compare_rows(rows, old.rows, ("the new run", "the old run"))
    return compare_rows(rows, old.rows, (name, old.name))


def _data(runs: Sequence[Run], target: Path) -> list[tuple[str, str, str]]:
    """Address, name and words of every file with data."""
    return [
        (
            quote(Path(os.path.relpath(run.folder / name, target)).as_posix()),
            name if len(runs) == 1 else f"{run.name}/{name}",
            words,
        )
        for run in runs
        for name, words in _DATA
        if (run.folder / name).exists()
    ]
