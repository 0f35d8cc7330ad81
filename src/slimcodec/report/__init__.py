"""The report: one page in one file, made from rows and kept pictures and from nothing else.

A result that lives in somebody's terminal is lost by the evening. So a bench or a study ends in a
page that can be opened from the disk, sent to somebody or put on any web server: text, tables,
charts and pictures that can be compared to the pixel. Three rules make it trustworthy:

* **It measures nothing.** Every figure comes out of the rows, through the same aggregates that go
  to ``summary.json``; the same rows and pictures give the same bytes, with no date in them.
* **It cannot import torch.** A report must open on a machine that has none, in a second.
* **It fetches nothing.** Style, scripts, charts and pictures stand in the page. The charts are SVG
  drawn by `slimcodec.report.figures`, with five kilobytes of script: plotting libraries that were
  tried bring 51 to 1,190, and no key reaches a point of theirs.

The rooms, from rows to page: `runs` (folders read, told apart and put together), `selection` (which
points stand for a variant, and what it is a change of), `standing` (the leading codec against each
rival), `trends` (what was published, against what is seen here), `comparison` (a run against an
earlier one), `intervals` (of means); `text` (numbers and names as a reader wants them), `columns`
(what a table is), `tables`, `changes`, `rivalry` and `steps` (plain rows of words, for the page and
the command line alike), `study` (what a study says of itself), `sentences` and `verdict` (what it
all amounts to), `figures` (geometry), `pictures` (crops and copies); `chapter` (all that is said of
one bench or study) and `page` (all of it into one template, aside and renamed). `drawing` shows the
same figures in a notebook, `tabular` writes rows for other tools. Also made from rows are `card`,
what a model says of itself, as Markdown beside its file, `sensitivity`, a page with a heat map of
what each layer would cost to shrink, and `search`, the page of a search. `rendering` knows where
the templates are.
"""

from slimcodec.report.card import (
    CardFacts,
    figures_section,
    head_section,
    network_section,
    training_section,
)
from slimcodec.report.changes import change_table, speed_table
from slimcodec.report.chapter import study_tables
from slimcodec.report.columns import Column, Table
from slimcodec.report.drawing import Drawing, figure
from slimcodec.report.page import ReportPage, build_report, check_report
from slimcodec.report.runs import read_run, read_runs
from slimcodec.report.search import build_search_page, front_table, is_search
from slimcodec.report.sensitivity import bargain_tables, build_sensitivity_page
from slimcodec.report.steps import steps_table
from slimcodec.report.tables import bd_rate_table, points_table, rows_table, study_table
from slimcodec.report.tabular import runs_to_parquet, runs_to_tensorboard

__all__ = [
    "CardFacts",
    "Column",
    "Drawing",
    "ReportPage",
    "Table",
    "bargain_tables",
    "bd_rate_table",
    "build_report",
    "build_search_page",
    "build_sensitivity_page",
    "change_table",
    "check_report",
    "figure",
    "figures_section",
    "front_table",
    "head_section",
    "is_search",
    "network_section",
    "points_table",
    "read_run",
    "read_runs",
    "rows_table",
    "runs_to_parquet",
    "runs_to_tensorboard",
    "speed_table",
    "steps_table",
    "study_table",
    "study_tables",
    "training_section",
]
