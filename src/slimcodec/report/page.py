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
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from slimcodec.atomic import write_atomically
from slimcodec.bench.rows import Row, RowStore
from slimcodec.bench.summary import Summary, summarise
from slimcodec.errors import SlimcodecError
from slimcodec.report import figures
from slimcodec.report.changes import change_table, speed_table
from slimcodec.report.gallery import Gallery
from slimcodec.report.pictures import PICTURE_BYTES, Progressed, make_gallery
from slimcodec.report.rendering import template
from slimcodec.report.selection import by_variant, is_ladder, leader
from slimcodec.report.sentences import absent_metrics, facts, headline
from slimcodec.report.steps import steps_table
from slimcodec.report.study import read_study
from slimcodec.report.tables import bd_rate_table, points_table, rows_table, study_table
from slimcodec.report.text import join_words, plural
from slimcodec.report.viewer import shot_id, viewer_data
from slimcodec.showing import line

__all__ = ["ReportPage", "build_report"]

_DATA = (
    ("rows.sqlite", "every measurement, as SQLite"),
    ("rows.tsv", "the same as tab-separated text, for a spreadsheet"),
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


def build_report(folder: Path, on_progress: Progressed = lambda done, total, what: None) -> Path:
    """Make the page of a bench or study.

    Args:
        folder: holds ``rows.sqlite``; ``study.json`` and ``pictures/`` are used where they are.
        on_progress: called with (pictures' images done, images, name of the next).

    Returns:
        The page, ``folder/report/index.html``. It needs no other file; only the links to the data
        lead out of it.

    Raises:
        MissingExtraError: when Jinja2 is not installed.
        SlimcodecError: when there are no rows, or something in the folder is damaged.
    """
    page_template = template("page.html.j2")
    folder = Path(folder)
    rows = _read_rows(folder / "rows.sqlite")
    study = read_study(folder)
    summary = summarise(rows, rows[0].variant if study is not None else None)
    target = folder / "report"
    try:
        target.mkdir(exist_ok=True)
    except OSError as error:
        raise SlimcodecError(f"{target} cannot be made: {error.strerror}") from error
    figure = (study or {}).get("figure", {})
    gallery = make_gallery(
        rows, folder / "pictures", leader(summary), figure, PICTURE_BYTES, on_progress
    )
    page = page_template.render(
        **_tables(summary, rows, study),
        **_words(summary, rows, study),
        **_pictures(gallery, summary),
        charts=figures.charts(summary),
        drawing=figures,
        bars=figures.time_bars(summary, rows),
        data=[(name, words) for name, words in _DATA if (folder / name).exists()],
    )
    index = target / "index.html"
    write_atomically(index, page.encode())
    _remove_former_pictures(target)
    return index


def _remove_former_pictures(target: Path) -> None:
    """Pages of before had their pictures beside them; nothing shows those any more."""
    folder = target / "pictures"
    for path in sorted(folder.glob("*/*.png")):
        path.unlink()
    for path in (*sorted(folder.glob("*")), folder):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _pictures(gallery: Gallery, summary: Summary) -> dict[str, object]:
    return {
        "gallery": gallery,
        "viewer": viewer_data(gallery),
        "shot_id": shot_id,
        "same_rate": is_ladder(summary.points),
    }


def _read_rows(path: Path) -> list[Row]:
    if not path.is_file():
        raise SlimcodecError(
            f"{path} is not there; name the folder that `slimcodec bench` or `study` wrote to"
        )
    store = RowStore(path)
    try:
        rows = list(store)
    except (TypeError, ValueError, sqlite3.DatabaseError) as error:
        raise SlimcodecError(f"{path} holds rows that this version cannot read: {error}") from error
    finally:
        store.close()
    if not rows:
        raise SlimcodecError(f"{path} holds no rows yet; nothing has been measured")
    return rows


def _tables(
    summary: Summary, rows: Sequence[Row], study: dict[str, Any] | None
) -> dict[str, object]:
    speed = speed_table(summary)
    steps = steps_table(summary)
    rates = bd_rate_table(summary)
    ladder = is_ladder(summary.points) and len(by_variant(summary.points)) > 1
    tables: dict[str, object] = {
        "rates": rates if rates.rows else None,
        "rates_missing": ladder and not rates.rows,
        "speed": speed if speed.rows else None,
        "steps": steps if steps.rows else None,
        "everything": rows_table(rows),
        "changes": None,
    }
    if study is None:
        return {**tables, "main": points_table(summary)}
    changes = change_table(summary, study)
    main = study_table(summary, study, rows)
    return {**tables, "main": main, "changes": changes if changes.rows else None}


def _words(
    summary: Summary, rows: Sequence[Row], study: dict[str, Any] | None
) -> dict[str, object]:
    said = study or {}
    variants = list(by_variant(summary.points))
    images = plural(len({row.image_digest for row in rows}), "image")
    who = join_words(variants) if len(variants) <= 4 else plural(len(variants), "variant")
    title = said.get("title") or said.get("name") or f"{who} on {images}"
    return {
        "title": title,
        "headline": headline(summary, is_study=study is not None),
        "facts": facts(rows),
        "absent": absent_metrics(rows),
        "notes": said.get("notes", []),
        "is_study": study is not None,
    }
