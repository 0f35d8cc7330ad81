"""Measuring: real streams, per-part times, resumable grids, studies."""

from slimcodec.bench.break_even import BreakEven, break_even
from slimcodec.bench.measure import Candidate, load_metrics, measure, picture_name, run_grid
from slimcodec.bench.published import (
    PublishedCurve,
    PublishedRate,
    published_rates,
    read_published,
    write_published,
)
from slimcodec.bench.rows import Row, RowStore, rows_to_tsv
from slimcodec.bench.same_size import SameSize, SizeDifference, quality_at, size_difference
from slimcodec.bench.study import Study, Variant
from slimcodec.bench.summary import Point, Summary, summarise

__all__ = [
    "BreakEven",
    "Candidate",
    "Point",
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
    "rows_to_tsv",
    "run_grid",
    "size_difference",
    "summarise",
    "write_published",
]
