"""Rows as tab-separated text, for people and for whoever passes results on; and back."""

from __future__ import annotations

import csv
import io
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from slimcodec.atomic import write_atomically
from slimcodec.bench.rows import Row, RowStore
from slimcodec.errors import SlimcodecError

__all__ = ["read_rows", "rows_from_tsv", "rows_to_tsv"]

_AND, _SAYS = "; ", ": "
"""Between what decides a row's bytes, and behind its name."""
_AROUND_METRICS = ("bpp", "encode_ms")
"""Columns before and behind those of metrics."""


def read_rows(folder: Path) -> list[Row]:
    """What was measured into a folder: its ``rows.sqlite``, or, where that did not travel with
    it, ``rows.tsv``.

    Raises:
        SlimcodecError: when neither is there, or holds rows.
    """
    store, text = folder / "rows.sqlite", folder / "rows.tsv"
    if not store.is_file() and not text.is_file():
        raise SlimcodecError(
            f"{store} is not there; name the folder that `slimcodec bench` or `study` wrote to"
        )
    path = store if store.is_file() else text
    try:
        rows = _stored(path) if path is store else rows_from_tsv(path)
    except (TypeError, ValueError, sqlite3.DatabaseError) as error:
        raise SlimcodecError(f"{path} holds rows that this version cannot read: {error}") from error
    if not rows:
        raise SlimcodecError(f"{path} holds no rows yet; nothing has been measured")
    return rows


def _stored(path: Path) -> list[Row]:
    store = RowStore(path)
    try:
        return list(store)
    finally:
        store.close()


def rows_to_tsv(rows: Sequence[Row], path: Path) -> None:
    """All rows as tab-separated text, one column per metric and part.

    Times per step stand in one column per part as well, separated by spaces: a column for each
    step would make most of the file empty.
    """
    metrics = sorted({name for row in rows for name in row.metrics})
    parts = sorted({name for row in rows for name in row.parts_ms})
    steps = sorted({name for row in rows for name in row.steps_ms})
    plain = ["variant", "codec", "quality", "image", "width", "height", "stream_bytes"]
    times = ["encode_ms", "decode_ms", "read_ms"]
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    writer.writerow(
        [
            *plain,
            "bpp",
            *metrics,
            *times,
            *[f"{p}_ms" for p in parts],
            *[f"{p}_steps_ms" for p in steps],
            "model_bytes",
            "runtime",
            "digest",
            "base",
            "repeats",
            "spread",
            "peak_mb",
            "energy_j",
            "beside",
            "environment",
        ]
    )
    for row in rows:
        writer.writerow(
            [
                *[getattr(row, name) for name in plain],
                f"{row.bpp:.6f}",
                *[_cell(row.metrics.get(name), 6) for name in metrics],
                *[_cell(getattr(row, name), 3) for name in times],
                *[_cell(row.parts_ms.get(name), 3) for name in parts],
                *[" ".join(_cell(ms, 3) for ms in row.steps_ms.get(name, ())) for name in steps],
                row.model_bytes,
                row.runtime,
                row.digest[:16],
                row.base[:16],
                row.repeats,
                _cell(row.spread, 3),
                _cell(row.peak_mb, 1),
                _cell(row.energy_j, 3),
                row.beside,
                _AND.join(f"{name}{_SAYS}{words}" for name, words in row.environment.items()),
            ]
        )
    write_atomically(path, out.getvalue().encode())


def _cell(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def rows_from_tsv(path: Path) -> list[Row]:
    """The inverse of ``rows_to_tsv``, of what the text holds: digests of 16 digits, figures as they
    are written there, and no settings and machine. An image is known by its name.

    Raises:
        ValueError: when they are no such rows, naming the line.
        OSError: when the file cannot be read.
    """
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file, delimiter="\t", strict=True)
        names = list(reader.fieldnames or ())
        rows = []
        try:
            first, behind = (names.index(name) for name in _AROUND_METRICS)
            for cells in reader:
                rows.append(_row(cells, names[first + 1 : behind]))
        except (csv.Error, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"line {reader.line_num}: {error}") from error
    return rows


def _row(cells: Mapping[str, str], metrics: Sequence[str]) -> Row:
    def number(name: str) -> float | None:
        return float(cells[name]) if cells.get(name) else None

    parts = {
        name.removesuffix("_ms"): float(cell)
        for name, cell in cells.items()
        if "." in name and not name.endswith("_steps_ms") and cell
    }
    steps = {
        name.removesuffix("_steps_ms"): [float(ms) for ms in cell.split()]
        for name, cell in cells.items()
        if name.endswith("_steps_ms") and cell
    }
    said = (cells.get("environment") or "").split(_AND)
    environment = dict(part.split(_SAYS, 1) for part in said if part)
    return Row.from_dict(
        {
            **{name: cells[name] for name in ("codec", "variant", "digest", "runtime", "image")},
            "image_digest": cells["image"],
            "quality": float(cells["quality"]),
            **{
                name: int(cells[name])
                for name in ("height", "width", "stream_bytes", "model_bytes")
            },
            **{name: float(cells[name]) for name in ("encode_ms", "decode_ms", "read_ms")},
            "parts_ms": parts,
            "steps_ms": steps,
            "metrics": {name: float(cells[name]) for name in metrics if cells[name]},
            "base": cells.get("base") or "",
            "environment": environment,
            "repeats": int(cells.get("repeats") or 1),
            "beside": cells.get("beside") or "",
            **{name: number(name) for name in ("spread", "peak_mb", "energy_j")},
        }
    )
