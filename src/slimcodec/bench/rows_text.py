"""Rows as tab-separated text, for people and for whoever passes results on; and back."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from slimcodec.atomic import write_atomically
from slimcodec.bench.rows import Row, RowStore
from slimcodec.errors import SlimcodecError

__all__ = ["read_rows", "rows_from_tsv", "rows_to_tsv"]

_PLAIN = ("variant", "codec", "quality", "image", "width", "height", "stream_bytes")
_TIMES = ("encode_ms", "decode_ms", "read_ms")
_FIGURES = {"spread": 3, "peak_mb": 1, "energy_j": 3}
"""What a row may lack, and its digits."""
_TABLES = ("environment", "settings", "machine")
"""Written as JSON."""
_BEHIND = (
    "model_bytes", "runtime", "repeats", *_FIGURES, "beside", "digest", "base", "image_digest",
    *_TABLES,
)  # fmt: skip
"""Columns behind those of parts."""
_MS, _STEPS = "_ms", "_steps_ms"


def read_rows(folder: Path) -> list[Row]:
    """What was measured into a folder: its ``rows.sqlite``, or, where that did not travel with
    it, ``rows.tsv``.

    Raises:
        SlimcodecError: when neither is there, or holds rows.
    """
    store, text = folder / "rows.sqlite", folder / "rows.tsv"
    if not store.is_file() and not text.is_file():
        raise SlimcodecError(
            f"{store} is not there, nor is {text.name}; name the folder that `slimcodec bench` or "
            "`study` wrote to"
        )
    path = store if store.is_file() else text
    try:
        rows = _stored(path) if path is store else rows_from_tsv(path)
    except (TypeError, ValueError, OSError, sqlite3.DatabaseError) as error:
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
    out = io.StringIO()
    usual = csv.writer(out, delimiter="\t", lineterminator="\n")
    quoting = csv.writer(out, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_ALL)
    names = [f"{part}{_MS}" for part in parts] + [f"{part}{_STEPS}" for part in steps]
    usual.writerow([*_PLAIN, "bpp", *metrics, *_TIMES, *names, *_BEHIND])
    for row in rows:
        own = {
            **{name: _cell(getattr(row, name), digits) for name, digits in _FIGURES.items()},
            **{name: _json(getattr(row, name)) for name in _TABLES},
        }
        cells = [
            *[getattr(row, name) for name in _PLAIN],
            f"{row.bpp:.6f}",
            *[_cell(row.metrics.get(name), 6) for name in metrics],
            *[_cell(getattr(row, name), 3) for name in _TIMES],
            *[_cell(row.parts_ms.get(name), 3) for name in parts],
            *[" ".join(_cell(ms, 3) for ms in row.steps_ms.get(name, ())) for name in steps],
            *[own.get(name, getattr(row, name)) for name in _BEHIND],
        ]
        # A name of a file may hold what ends a line for some readers.
        (quoting if any("\r" in str(cell) for cell in cells) else usual).writerow(cells)
    write_atomically(path, out.getvalue().encode())


def _cell(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(dict(values), ensure_ascii=False) if values else ""


def rows_from_tsv(path: Path) -> list[Row]:
    """The inverse of ``rows_to_tsv``, figures as they are written there.

    Text of old says neither what a picture's digest is nor on which machine it was: pictures are
    then known by their names, and the machine is one that is no other's.

    Raises:
        ValueError: when they are no such rows, naming the line.
        OSError: when the file cannot be read.
    """
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file, delimiter="\t", strict=True)
        try:
            names = next(reader, [])
            columns = _Columns(names, f"not said in {path}")
            return [columns.row(cells) for cells in reader]
        except (csv.Error, ValueError) as error:
            raise ValueError(f"line {max(1, reader.line_num)}: {error}") from error


class _Columns:
    """What stands where.

    Args:
        names: the first line.
        unknown: the processor of rows that say none.
    """

    def __init__(self, names: Sequence[str], unknown: str) -> None:
        known = (*_PLAIN, "bpp", *_TIMES, "model_bytes", "runtime", "digest")
        if missing := [name for name in known if name not in names]:
            raise ValueError(f"there is no column {missing[0]}")
        if len(set(names)) < len(names):
            raise ValueError("two columns have one name")
        self.names, self.unknown = names, unknown
        self.metrics = list(self._between("bpp", _TIMES[0]))
        self.parts = list(self._between(_TIMES[-1], "model_bytes"))

    def _between(self, first: str, last: str) -> Iterator[str]:
        """Columns behind one, before another."""
        yield from self.names[self.names.index(first) + 1 : self.names.index(last)]

    def row(self, values: Sequence[str]) -> Row:
        """Of a line.

        Raises:
            ValueError: when it is none.
        """
        if len(values) != len(self.names):
            raise ValueError(f"{len(values)} cells under {len(self.names)} names")
        cells = dict(zip(self.names, values, strict=True))
        made: dict[str, Any] = {
            **{name: cells[name] for name in ("codec", "variant", "image", "runtime", "digest")},
            **{name: float(cells[name]) for name in ("quality", *_TIMES)},
            **{name: int(cells[name]) for name in ("width", "height", "stream_bytes")},
            "model_bytes": int(cells["model_bytes"]),
            "repeats": int(cells.get("repeats") or 1),
            "base": cells.get("base", ""),
            "beside": cells.get("beside", ""),
            "image_digest": cells.get("image_digest", cells["image"]),
            "metrics": {name: float(cells[name]) for name in self.metrics if cells[name]},
            "parts_ms": {
                name.removesuffix(_MS): float(cells[name])
                for name in self.parts
                if cells[name] and not name.endswith(_STEPS)
            },
            "steps_ms": {
                name.removesuffix(_STEPS): [float(ms) for ms in cells[name].split()]
                for name in self.parts
                if cells[name] and name.endswith(_STEPS)
            },
            **{name: float(cells[name]) if cells.get(name) else None for name in _FIGURES},
            **{name: json.loads(cells.get(name) or "{}") for name in _TABLES[1:]},
            "environment": _environment(cells.get("environment") or "{}"),
        }
        if "machine" not in cells:
            made["machine"] = {"cpu": self.unknown}
        return Row.from_dict(made)


def _environment(cell: str) -> Any:
    """JSON now, ``name: words; name: words`` once."""
    if cell.startswith("{"):
        return json.loads(cell)
    return dict(part.partition(": ")[::2] for part in cell.split("; "))
