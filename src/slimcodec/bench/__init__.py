"""Measuring: real streams, per-part times, resumable grids, studies."""

from slimcodec.bench.measure import Candidate, load_metrics, measure, picture_name, run_grid
from slimcodec.bench.rows import Row, RowStore, rows_to_tsv
from slimcodec.bench.same_size import SameSize, SizeDifference, quality_at, size_difference
from slimcodec.bench.study import Study, Variant
from slimcodec.bench.summary import Point, Summary, summarise

__all__ = [
    "Candidate",
    "Point",
    "Row",
    "RowStore",
    "SameSize",
    "SizeDifference",
    "Study",
    "Summary",
    "Variant",
    "load_metrics",
    "measure",
    "picture_name",
    "quality_at",
    "rows_to_tsv",
    "run_grid",
    "size_difference",
    "summarise",
]
