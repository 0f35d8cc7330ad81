"""A chapter of a page: all that it says and draws of one bench or one study.

A page of one run has one chapter, a page of several has one for the benches together and one for
each study. Within a chapter a variant has the same colour everywhere; a part of a codec has it on
every page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slimcodec.bench.published import PublishedCurve
from slimcodec.bench.rows import Row
from slimcodec.bench.summary import Summary, summarise
from slimcodec.metrics.intervals import FEWEST_IMAGES
from slimcodec.report import figures
from slimcodec.report.changes import change_table, speed_table
from slimcodec.report.columns import Table
from slimcodec.report.rivalry import break_even_table, of_other_pictures, published_table
from slimcodec.report.runs import Group, read_run
from slimcodec.report.selection import by_variant, changed_points, is_ladder, leader
from slimcodec.report.sentences import absent_metrics, beside_note, facts, same_size_notes
from slimcodec.report.standing import duels, standings
from slimcodec.report.steps import steps_table
from slimcodec.report.study import read_study
from slimcodec.report.tables import bd_rate_table, points_table, rows_table, study_table
from slimcodec.report.text import join_words, plural
from slimcodec.report.trends import find_trends, trend_sentences, trend_table
from slimcodec.report.verdict import verdict

__all__ = ["Chapter", "make_chapter", "study_tables"]


@dataclass(frozen=True)
class Chapter:
    """What the templates are given of one group of runs; None and empty is left out of the page.

    Attributes:
        prefix: before every anchor, so that no two chapters have the same.
        title: of the study, or who was measured on what.
        gist: the sentences that stand for the chapter where there are several.
        verdict: all sentences.
        lanes: the verdict's picture.
        summary, rows: what all of it is computed from.
    """

    prefix: str
    title: str
    is_study: bool
    gist: list[str]
    verdict: list[str]
    lanes: list[figures.LaneChart]
    facts: list[tuple[str, str]]
    absent: str
    beside: str
    notes: list[str]
    charts: list[figures.Chart]
    has_bands: bool
    has_intervals: bool
    legend: tuple[list[figures.Curve], list[figures.Curve]]
    rates: Table | None
    rates_missing: bool
    pareto: list[figures.ParetoChart]
    published: Table | None
    break_even: Table | None
    scatters: list[figures.ScatterChart]
    main: Table
    layers: list[figures.LayerChart]
    changes: Table | None
    trends: Table | None
    bars: tuple[list[figures.BarGroup], list[figures.Segment]]
    steps: Table | None
    speed: Table | None
    everything: Table
    same_rate: bool
    summary: Summary
    rows: Sequence[Row]


def make_chapter(
    group: Group,
    prefix: str = "",
    published: Sequence[PublishedCurve] = (),
) -> Chapter:
    """Everything of one group of runs.

    Args:
        group: its rows, and what the study says of itself.
        prefix: see `Chapter`.
        published: curves from elsewhere, drawn beside a bench's.
    """
    rows, study = group.rows, group.study
    images = {Path(row.image).stem for row in rows}
    summary = summarise(rows, rows[0].variant if study is not None else None)
    lead = leader(summary).variant
    has_changes = study is not None and bool(changed_points(summary))
    fought = {} if has_changes else duels(summary, rows)
    compared = standings(summary, fought)
    drawn = figures.charts(summary, rows, published)
    several = len(by_variant(summary.points)) > 1
    rates = bd_rate_table(summary)
    trends = [] if study is None else find_trends(summary, rows, study)
    agreement = trend_sentences(trends)
    said = verdict(summary, rows, fought, is_study=study is not None)
    changes = None if study is None else change_table(summary, study)
    return Chapter(
        prefix=prefix,
        title=_title(study or {}, rows),
        is_study=study is not None,
        gist=[*said[:1], *agreement[:1]],
        verdict=[*said, *agreement],
        lanes=figures.change_lanes(summary, trends) or figures.bd_rate_lanes(summary),
        facts=facts(rows),
        absent=absent_metrics(rows),
        beside=beside_note(rows),
        notes=[
            *(study or {}).get("notes", []),
            *same_size_notes(study or {}, rows),
            *([apart] if (apart := of_other_pictures(published, images)) and drawn else []),
            *group.remarks,
        ],
        charts=drawn,
        has_bands=any(curve.band for chart in drawn for curve in chart.curves),
        has_intervals=len({row.image_digest for row in rows}) >= FEWEST_IMAGES,
        legend=figures.legend(drawn),
        rates=_filled(rates),
        rates_missing=is_ladder(summary.points) and several and not rates.rows,
        pareto=figures.pareto_charts(summary),
        published=_filled(published_table(summary, published, images)),
        break_even=_filled(break_even_table(rows)),
        scatters=figures.image_scatters(rows, lead, compared),
        layers=figures.layer_charts(summary),
        main=points_table(summary) if study is None else study_table(summary, study, rows),
        changes=_filled(changes),
        trends=_filled(trend_table(trends)),
        bars=figures.time_bars(summary, rows),
        steps=_filled(steps_table(summary)),
        speed=_filled(speed_table(summary)),
        everything=rows_table(rows),
        same_rate=is_ladder(summary.points),
        summary=summary,
        rows=rows,
    )


def study_tables(folder: Path, summary: Summary) -> list[Table]:
    """The tables of the study in a folder, for a terminal; none where it holds no study.

    Args:
        folder: of the study, with its rows.
        summary: of these.
    """
    study = read_study(folder)
    if study is None or not summary.points:
        return []
    trends = find_trends(summary, read_run(folder).rows, study)
    tables = [
        study_table(summary, study),
        trend_table(trends),
        change_table(summary, study),
        speed_table(summary),
    ]
    return [table for table in tables if table.rows]


def _filled(table: Table | None) -> Table | None:
    return table if table is not None and table.rows else None


def _title(study: Mapping[str, Any], rows: Sequence[Row]) -> str:
    variants = list(dict.fromkeys(row.variant for row in rows))
    images = plural(len({row.image_digest for row in rows}), "image")
    who = join_words(variants) if len(variants) <= 4 else plural(len(variants), "variant")
    return str(study.get("title") or study.get("name") or f"{who} on {images}")
