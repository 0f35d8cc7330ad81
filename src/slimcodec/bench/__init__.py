"""Measuring: real streams, per-part times, resumable grids, studies.

jobs          what is to be measured, in words that another process understands
measure       one job, real streams, into rows
executors     who runs jobs: this process, several, a cluster
grid          jobs of what is missing; the one writer of rows and pictures
study         a grid of recipes, as TOML
"""

from slimcodec.bench.break_even import BreakEven, break_even
from slimcodec.bench.executors import Executor, InProcess, Processes
from slimcodec.bench.grid import picture_name, run_grid
from slimcodec.bench.jobs import Candidate, CodecReference, Job, Measurement
from slimcodec.bench.measure import load_metrics, measure
from slimcodec.bench.published import (
    PublishedCurve,
    PublishedRate,
    published_rates,
    read_published,
    write_published,
)
from slimcodec.bench.rows import Row, RowStore
from slimcodec.bench.rows_text import read_rows, rows_from_tsv, rows_to_tsv
from slimcodec.bench.same_size import SameSize, SizeDifference, quality_at, size_difference
from slimcodec.bench.study import Study, Variant
from slimcodec.bench.summary import Point, Summary, summarise

__all__ = [
    "BreakEven",
    "Candidate",
    "CodecReference",
    "Executor",
    "InProcess",
    "Job",
    "Measurement",
    "Point",
    "Processes",
    "PublishedCurve",
    "PublishedRate",
    "Row",
    "RowStore",
    "SameSize",
    "SizeDifference",
    "Study",
    "Summary",
    "Variant",
    "break_even",
    "load_metrics",
    "measure",
    "picture_name",
    "published_rates",
    "quality_at",
    "read_published",
    "read_rows",
    "rows_from_tsv",
    "rows_to_tsv",
    "run_grid",
    "size_difference",
    "summarise",
    "write_published",
]
