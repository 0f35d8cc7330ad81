"""Measuring: real streams, per-part times, resumable grids, studies.

jobs          what is to be measured, in words that another process understands
measure       one job, real streams, into rows
executors     who runs jobs: this process, several, a cluster
grid          jobs of what is missing; the one writer of rows and pictures
study         a grid of recipes, as TOML
"""

from slimcodec.bench.executors import Executor, InProcess, Processes
from slimcodec.bench.grid import picture_name, run_grid
from slimcodec.bench.jobs import Candidate, CodecReference, Job, Measurement
from slimcodec.bench.measure import load_metrics, measure
from slimcodec.bench.rows import Row, RowStore, rows_to_tsv
from slimcodec.bench.same_size import SameSize, quality_at
from slimcodec.bench.study import Study, Variant
from slimcodec.bench.summary import Point, Summary, summarise

__all__ = [
    "Candidate",
    "CodecReference",
    "Executor",
    "InProcess",
    "Job",
    "Measurement",
    "Point",
    "Processes",
    "Row",
    "RowStore",
    "SameSize",
    "Study",
    "Summary",
    "Variant",
    "load_metrics",
    "measure",
    "picture_name",
    "quality_at",
    "rows_to_tsv",
    "run_grid",
    "summarise",
]
