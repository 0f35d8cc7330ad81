"""Rows for other tools: a Parquet file, and a log that TensorBoard shows."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slimcodec.atomic import write_atomically
from slimcodec.bench.rows import Row
from slimcodec.bench.summary import Point, Summary, summarise
from slimcodec.errors import UsageError, naming_extra
from slimcodec.report.runs import Run
from slimcodec.report.selection import by_variant
from slimcodec.report.text import metric_heading, not_taken, plain

__all__ = ["runs_to_parquet", "runs_to_tensorboard"]

_TEXTS = ("codec", "variant", "digest", "base", "runtime", "image", "image_digest", "beside")
_COUNTS = ("height", "width", "stream_bytes", "model_bytes", "repeats")
_FIGURES = ("quality", "bpp", "encode_ms", "decode_ms", "read_ms", "spread", "peak_mb", "energy_j")
_TABLES = ("settings", "environment", "machine")


@naming_extra("Parquet", "parquet")
def runs_to_parquet(runs: Sequence[Run], path: Path) -> None:
    """All rows as a Parquet file with typed columns, the run's name in the first.

    Metrics are columns ``metric.NAME``, parts ``ms.WAY.PART``, both null where a row has none;
    steps are lists in ``steps_ms.WAY.PART``. Settings, environment and machine are JSON, as their
    keys differ from row to row.

    Args:
        runs: at least one.
        path: written aside and renamed.

    Raises:
        MissingExtraError: when pyarrow is not installed.
    """
    import pyarrow
    from pyarrow import parquet

    def column(values: Sequence[object], kind: Any) -> Any:
        return pyarrow.array(values, type=kind)

    rows = [row for run in runs for row in run.rows]
    columns: dict[str, Any] = {
        "run": column([run.name for run in runs for _ in run.rows], pyarrow.string())
    }
    kinds: tuple[tuple[tuple[str, ...], Any], ...] = (
        (_TEXTS, pyarrow.string()),
        (_COUNTS, pyarrow.int64()),
        (_FIGURES, pyarrow.float64()),
    )
    for names, kind in kinds:
        for name in names:
            columns[name] = column([getattr(row, name) for row in rows], kind)
    for prefix, of in (("metric", _metrics), ("ms", _parts)):
        for name in sorted({name for row in rows for name in of(row)}):
            values = [of(row).get(name) for row in rows]
            columns[f"{prefix}.{name}"] = column(values, pyarrow.float64())
    for name in sorted({name for row in rows for name in row.steps_ms}):
        steps = [list(row.steps_ms[name]) if name in row.steps_ms else None for row in rows]
        columns[f"steps_ms.{name}"] = column(steps, pyarrow.list_(pyarrow.float64()))
    for name in _TABLES:
        texts = [json.dumps(getattr(row, name), sort_keys=True) for row in rows]
        columns[name] = column(texts, pyarrow.string())
    out = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), out)
    write_atomically(path, out.getvalue())


@naming_extra("TensorBoard", "train")
def runs_to_tensorboard(runs: Sequence[Run], folder: Path) -> None:
    """A log for TensorBoard: one line for each variant, a scalar for each metric over the rate.

    TensorBoard's steps are whole numbers, so a step is a thousandth of a bit per pixel. Times and
    bytes are scalars over the same steps; what made the variant stands there as text.

    Args:
        runs: their variants are folders in the log, within one of the run's name where there are
            several runs.
        folder: made when missing. What is in it already would be drawn over it, so it is refused.

    Raises:
        UsageError: when the folder is not empty.
        MissingExtraError: when TensorBoard is not installed.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not empty; name a new folder for the log")
    places: set[str] = set()
    for run in runs:
        place = folder / not_taken(_folder_name(run.name), places) if len(runs) > 1 else folder
        summary = summarise(run.rows, run.reference)
        names: set[str] = set()
        for variant, points in by_variant(summary.points).items():
            _write(_Log(place / not_taken(_folder_name(variant), names)), points, summary)


def _write(log: _Log, points: Sequence[Point], summary: Summary) -> None:
    for point in points:
        step = round(1000 * point.bpp)
        for name, value in point.metrics.items():
            log.scalar(f"metric/{metric_heading(name)}", value, step)
        log.scalar("size/bytes", point.stream_bytes, step)
        for name, ms in _times(point).items():
            log.scalar(f"ms/{name}", ms, step)
    for metric, rate in summary.bd_rates.get(points[0].variant, {}).items():
        log.scalar(f"bd_rate_percent/{metric_heading(metric)}", rate.value, 0)
    log.text("made_of", _made_of(points[0], summary.reference))
    log.close()


class _Log:
    """Events of one run, as TensorBoard reads them."""

    def __init__(self, folder: Path) -> None:
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._writer = EventFileWriter(str(folder))
        self._event, self._summary = event_pb2.Event, summary_pb2

    def scalar(self, tag: str, value: float, step: int) -> None:
        self._add(self._summary.Summary.Value(tag=tag, simple_value=value), step)

    def text(self, tag: str, text: str) -> None:
        """Markdown."""
        from tensorboard.compat.proto.tensor_pb2 import TensorProto
        from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

        shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
        tensor = TensorProto(dtype="DT_STRING", string_val=[text.encode()], tensor_shape=shape)
        plugin = self._summary.SummaryMetadata.PluginData(plugin_name="text")
        metadata = self._summary.SummaryMetadata(plugin_data=plugin)
        self._add(self._summary.Summary.Value(tag=tag, metadata=metadata, tensor=tensor), 0)

    def close(self) -> None:
        self._writer.close()

    def _add(self, value: Any, step: int) -> None:
        event = self._event(
            wall_time=time.time(), step=step, summary=self._summary.Summary(value=[value])
        )
        self._writer.add_event(event)


def _metrics(row: Row) -> Mapping[str, float]:
    return row.metrics


def _parts(row: Row) -> Mapping[str, float]:
    return row.parts_ms


def _times(point: Point) -> dict[str, float]:
    parts = {name.replace(".", "/"): ms for name, ms in point.parts_ms.items()}
    return {"encode/all": point.encode_ms, "decode/all": point.decode_ms, **parts}


def _folder_name(variant: str) -> str:
    """A variant's name as a folder's: what a file system or TensorBoard would trip over is gone."""
    return "".join(c if c.isalnum() or c in " .+-_" else "_" for c in variant).strip() or "_"


def _made_of(point: Point, reference: str) -> str:
    """What made a variant, a line for each fact."""
    lines = [
        f"codec: {point.codec}",
        f"model bytes: {point.model_bytes:,}",
        *(f"{name}: {plain(value)}" for name, value in point.settings.items()),
        f"BD-rates are against {reference}",
    ]
    return "  \n".join(lines)
