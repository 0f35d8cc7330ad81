"""Rows: one measurement each, kept in SQLite.

A row is written in one transaction as soon as it is measured, under a key of what was measured, so
a run that is killed has lost the row it was in and nothing else; started again, it skips what is
there. Every table, plot and page is computed from rows.
"""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from slimcodec.errors import SlimcodecError
from slimcodec.settings import is_of
from slimcodec.showing import line

__all__ = ["Row", "RowStore"]


@dataclass(frozen=True)
class Row:
    """One codec at one quality on one image.

    Attributes:
        codec: its name.
        variant: a label that tells rows of one study apart; the codec's name in a plain bench.
        digest: identity of the model or library.
        runtime: what executed it; empty for a peer.
        quality: in the codec's own scale.
        image: file name.
        image_digest: of the pixels.
        height, width: of the image.
        stream_bytes: length of the stream, everything included.
        model_bytes: size of the model file, 0 without one.
        encode_ms, decode_ms: medians over the repeats, without reading and writing files.
        read_ms: decoding the source image file.
        parts_ms: medians per part, named ``encode.encoder`` and so on.
        spread: (largest - smallest) / median of encode + decode over the repeats; None of one
            repeat, which has none.
        metrics: by registry name; a metric that was not to be had is absent.
        settings: what the variant changed, for tables: for example ``{"generator": 0.3}``.
        machine: where it was measured.
        steps_ms: medians per part and step, named as in ``parts_ms``, first step first; empty for
            a codec without steps.
        base: digest of the codec that the variant was made from, its own where it was made from
            none; empty in rows of old.
        environment: what decides bytes and pixels besides the model: ``runtime`` and ``engine``
            with their versions, a peer's library and its effort. Part of the key; empty in rows of
            old.
        repeats: timed runs of each encode and decode.
        beside: what else had the machine's cores while this was timed, in words, so that nobody
            takes the times for those of a quiet machine; empty where nothing had.
        peak_mb: largest resident memory of the process while it coded, in 10^6 bytes; None where
            the system does not tell.
        energy_j: of the processor's package, per encode and decode together; None where the
            machine does not tell.
    """

    codec: str
    variant: str
    digest: str
    runtime: str
    quality: float
    image: str
    image_digest: str
    height: int
    width: int
    stream_bytes: int
    model_bytes: int
    encode_ms: float
    decode_ms: float
    read_ms: float
    parts_ms: Mapping[str, float]
    spread: float | None
    metrics: Mapping[str, float]
    settings: Mapping[str, Any] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)
    steps_ms: Mapping[str, Sequence[float]] = field(default_factory=dict)
    base: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    repeats: int = 1
    beside: str = ""
    peak_mb: float | None = None
    energy_j: float | None = None

    @classmethod
    def from_dict(cls, values: Any) -> Row:
        """From plain values, which anyone may have written.

        Raises:
            ValueError: when they are no row, naming the field.
        """
        try:
            row = cls(**values)
        except TypeError as error:
            raise ValueError(str(error)) from error
        types = get_type_hints(cls)
        for name, kind in types.items():
            # Equal pictures have infinitely many dB.
            largest = math.inf if name == "metrics" else sys.float_info.max
            if not is_of(getattr(row, name), kind, largest=largest):
                raise ValueError(f"{name} is {getattr(row, name)!r:.40}")
        if min(row.height, row.width, row.stream_bytes) < 1:
            raise ValueError(
                f"{row.stream_bytes} bytes of {row.width}x{row.height} pixels are no picture"
            )
        return row

    def __repr__(self) -> str:
        times = f"encode {self.encode_ms:.1f} ms, decode {self.decode_ms:.1f} ms"
        quality, rate = f"quality {self.quality:g}", f"{self.bpp:.3f} bpp"
        return line(self, self.variant, quality, self.image, rate, times)

    @property
    def bpp(self) -> float:
        """Bits per pixel of the real stream."""
        return 8 * self.stream_bytes / (self.height * self.width)

    @property
    def clocked_on(self) -> tuple[Any, Any, Any]:
        """Processor, its cores, and of these the threads of each graph: times of others do not
        compare. Rows of old do not say threads, and had all cores."""
        cores = self.machine.get("cores")
        return self.machine.get("cpu"), cores, self.machine.get("threads", cores)

    @property
    def key(self) -> str:
        """Identity of the measurement."""
        return row_key(
            self.variant, self.digest, self.runtime, self.quality, self.image_digest,
            self.environment,
        )  # fmt: skip


def row_key(
    variant: str,
    digest: str,
    runtime: str,
    quality: float,
    image_digest: str,
    environment: Mapping[str, str],
) -> str:
    """The key that a row of these will have."""
    text = "|".join([variant, digest, runtime, repr(float(quality)), image_digest])
    text += "".join(f"|{name}={environment[name]}" for name in sorted(environment))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class RowStore:
    """Rows in a SQLite file.

    Args:
        path: made when missing; its folder must exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._db = _opened(path)
        except sqlite3.DatabaseError as error:
            raise SlimcodecError(f"{path} cannot be used for rows: {error}") from error

    def __repr__(self) -> str:
        return line(self, str(self.path))

    def __contains__(self, key: object) -> bool:
        with self._sound():
            found = self._db.execute("SELECT 1 FROM rows WHERE key = ?", (key,)).fetchone()
        return found is not None

    def find(self, key: str) -> Row | None:
        """The row of a key; None where there is none."""
        with self._sound():
            found = self._db.execute("SELECT data FROM rows WHERE key = ?", (key,)).fetchone()
            return None if found is None else Row.from_dict(json.loads(found[0]))

    def add(self, row: Row) -> None:
        """Write one row in one transaction; a row of the same key is replaced."""
        values = {name: getattr(row, name) for name in row.__dataclass_fields__}
        try:
            with self._db:
                self._db.execute(
                    "INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?, ?)",
                    (row.key, row.variant, row.image, row.quality, json.dumps(values)),
                )
        except sqlite3.DatabaseError as error:
            raise SlimcodecError(f"{self.path} cannot be written: {error}") from error

    def expect(self, variants: Sequence[str]) -> None:
        """Say in which order variants stand, before rows of them come.

        Rows come in whatever order workers have them, and a row that is replaced is the last one;
        but the first variant is the one that others are changes of. Variants that are known keep
        their places, new ones stand behind them.
        """
        try:
            with self._db:
                self._db.execute(
                    "INSERT OR IGNORE INTO variants (name) "
                    "SELECT variant FROM rows GROUP BY variant ORDER BY MIN(rowid)"
                )
                self._db.executemany(
                    "INSERT OR IGNORE INTO variants (name) VALUES (?)", [(v,) for v in variants]
                )
        except sqlite3.DatabaseError as error:
            raise SlimcodecError(f"{self.path} cannot be written: {error}") from error

    def __iter__(self) -> Iterator[Row]:
        """All rows, by the order of their variants (``expect``; behind these, as they first came),
        then quality and image."""
        query = (
            "SELECT data FROM rows JOIN (SELECT variant AS v, MIN(rowid) AS first FROM rows "
            "GROUP BY variant) ON variant = v LEFT JOIN variants ON variant = name "
            "ORDER BY place IS NULL, place, first, quality, image"
        )
        with self._sound():
            rows = [Row.from_dict(json.loads(data)) for (data,) in self._db.execute(query)]
        yield from rows

    @contextmanager
    def _sound(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.DatabaseError, ValueError, TypeError, RecursionError) as error:
            raise SlimcodecError(
                f"{self.path} is damaged ({error}); take it away, and what it held is measured "
                "again"
            ) from error

    def close(self) -> None:
        """Fold the journal into the file and let go of it."""
        self._db.close()


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(
            "CREATE TABLE IF NOT EXISTS rows (key TEXT PRIMARY KEY, variant TEXT, image TEXT, "
            "quality REAL, data TEXT NOT NULL)"
        )
        db.execute(
            "CREATE TABLE IF NOT EXISTS variants (place INTEGER PRIMARY KEY, name TEXT UNIQUE)"
        )
    except sqlite3.DatabaseError:
        db.close()
        raise
    return db
