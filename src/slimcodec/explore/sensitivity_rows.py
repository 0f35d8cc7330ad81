"""Rows of sensitivity: what one photograph costs with one change of one layer, group or block.

``rows.jsonl`` begins with a line that says what was measured; every line behind it is one row,
written as soon as it is measured. So a run that is killed has lost the row it was in, and the same
command goes on. Costs are computed from rows (``costs_of``), never stored. No torch.

    price = rate + λ · 255² · squared error, both in bits per pixel
    cost of a change = Σ (price with it - price without) / Σ rate without,    in percent of the rate

A codec is trained where a bit more buys exactly λ · 255² of squared error less. So for small
changes the cost is what more bits the same quality would need; beyond some ten percent it
extrapolates. Rates are ideal code lengths, no streams.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Literal, TypeVar, get_type_hints

from slimcodec.atomic import write_atomically
from slimcodec.errors import SlimcodecError, UsageError
from slimcodec.settings import is_of

__all__ = ["Change", "Cost", "Kind", "Row", "RowFile", "Setup", "Subject", "costs_of", "read_rows"]

Kind = Literal["bits", "zeros", "channels", "block"]
D = TypeVar("D")

UNSHRUNK = "unshrunk"
"""Stands where a row of a changed network names its kind."""


@dataclass(frozen=True)
class Change:
    """One thing done to one layer, group or block; all else stays.

    Attributes:
        kind: ``bits``, weights of a layer rounded to the nearest level; ``zeros``, the smallest of
            them set to zero; ``channels``, the weakest of a group cut out; ``block``, a residual
            block cut out.
        name: whose.
        setting: bits, or the share that goes, in (0, 1]; 1 of a block.
    """

    kind: Kind
    name: str
    setting: float


@dataclass(frozen=True)
class Subject:
    """What may be changed.

    Attributes:
        name: of a layer, a group of channels, or a residual block.
        kind: ``layer``, ``group`` or ``block``.
        part: that it belongs to.
        parameters: of a layer its weights; of a group all weights that make or read it; of a block
            all inside.
        kmac: thousands of multiplications per pixel, of a recurrent codec in one iteration.
        bits: of a layer's weights now: 16, or those with which coding runs it in integers.
        maker: of a group, the layer that makes it alone; empty where several do.
        read: whether coding these photographs at these qualities runs it at all.
    """

    name: str
    kind: Literal["layer", "group", "block"]
    part: str
    parameters: int
    kmac: float
    bits: float = 16
    maker: str = ""
    read: bool = True


@dataclass(frozen=True)
class Setup:
    """What rows are of.

    Attributes:
        model: its name.
        digest: of the model.
        family: which learned codec it is.
        qualities: in the codec's own scale.
        photographs: digest of each crop to its file name.
        pixels: of all crops.
        subjects: in the order of the network.
    """

    model: str
    digest: str
    family: str
    qualities: tuple[float, ...]
    photographs: Mapping[str, str]
    pixels: int
    subjects: tuple[Subject, ...]

    def to_line(self) -> str:
        """The first line of ``rows.jsonl``."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Setup:
        """The inverse of ``to_line``."""
        values = json.loads(line)
        values["qualities"] = tuple(values["qualities"])
        values["subjects"] = tuple(_checked(Subject(**own)) for own in values["subjects"])
        return _checked(cls(**values))


@dataclass(frozen=True)
class Row:
    """One photograph, coded with one change or with none.

    Attributes:
        photograph: digest of the crop.
        kind: of the change, or ``unshrunk``.
        name: whose; empty without one.
        setting: of the change; 0 without one.
        rate_bpp: ideal code length at each quality, in bits per pixel.
        distortion_bpp: likewise what the squared error is worth.
        saved_bytes: about how many bytes of weights go, before entropy coding.
        saved_kmac: thousands of multiplications per pixel that go.
    """

    photograph: str
    kind: str
    name: str
    setting: float
    rate_bpp: tuple[float, ...]
    distortion_bpp: tuple[float, ...]
    saved_bytes: float = 0.0
    saved_kmac: float = 0.0

    @property
    def key(self) -> tuple[str, str, str, float]:
        """Identity of the measurement."""
        return self.photograph, self.kind, self.name, self.setting

    @classmethod
    def from_line(cls, line: str) -> Row:
        """From a line of ``rows.jsonl``."""
        values = json.loads(line)
        for name in ("rate_bpp", "distortion_bpp"):
            values[name] = tuple(values[name])
        return _checked(cls(**values))


def _checked(made: D) -> D:
    """Raise ``ValueError`` where a field is of another type than it should be."""
    for name, kind in get_type_hints(type(made)).items():
        value = getattr(made, name)
        sound = kind == tuple[Subject, ...] or is_of(value, kind)
        if not sound:
            raise ValueError(f"{name} is {value!r:.40}")
    return made


class RowFile:
    """Rows on the disk, to add to.

    Args:
        path: made when missing; its folder must exist.
        setup: what the rows are of.

    Raises:
        UsageError: when the file holds rows of something else.
        SlimcodecError: when it cannot be read.
    """

    def __init__(self, path: Path, setup: Setup) -> None:
        self.path, self.rows = path, dict[tuple[str, str, str, float], Row]()
        if not path.exists():
            write_atomically(path, setup.to_line().encode())
            return
        held, rows = read_rows(path)
        if held != setup:
            raise UsageError(
                f"{path} holds rows of another model, other qualities or photographs; name another "
                "folder with -o, or take it away"
            )
        self.rows = {row.key: row for row in rows}
        if not path.read_bytes().endswith(b"\n"):
            # What a kill left of a line.
            lines = [setup.to_line(), *map(_line, rows)]
            write_atomically(path, "".join(lines).encode())

    def __contains__(self, key: object) -> bool:
        return key in self.rows

    def add(self, row: Row) -> None:
        """Write a row, at once."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_line(row))
        self.rows[row.key] = row


def read_rows(path: Path) -> tuple[Setup, list[Row]]:
    """What ``rows.jsonl`` holds; what a kill left of its last line is left out.

    Raises:
        SlimcodecError: when it is not there, or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SlimcodecError(f"{path} cannot be read: {(error.strerror or '').lower()}") from error
    except UnicodeError as error:
        raise SlimcodecError(f"{path} holds no rows of `slimcodec sensitivity`: {error}") from error
    first, *lines = text[: text.rfind("\n") + 1].splitlines() or [""]
    try:
        setup, rows = Setup.from_line(first), [Row.from_line(line) for line in lines]
        for number, row in enumerate(rows, 2):
            _check_rates(row, setup, number)
        return setup, rows
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SlimcodecError(f"{path} holds no rows of `slimcodec sensitivity`: {error}") from error


def _check_rates(row: Row, setup: Setup, number: int) -> None:
    """Rates and distortions of each quality, and rates above 0, as they are divided by."""
    lengths = {len(row.rate_bpp), len(row.distortion_bpp)}
    if lengths != {len(setup.qualities)} or not all(rate > 0 for rate in row.rate_bpp):
        raise ValueError(f"line {number} has no rate and distortion of each quality")


def _line(row: Row) -> str:
    return json.dumps(asdict(row)) + "\n"


@dataclass(frozen=True)
class Cost:
    """What a change costs, over photographs and qualities.

    Attributes:
        change: which.
        percent: of the rate: mean over the qualities of the price's growth.
        rate_percent: the part of it that is bits; the rest is distortion, priced in bits.
        error_percent: standard error of ``percent`` over the photographs; 0 for a single one.
        bpp: the price's growth in bits per pixel, mean over the qualities.
        photographs: how many were measured.
        saved_bytes: see ``Row``.
        saved_kmac: see ``Row``.
    """

    change: Change
    percent: float
    rate_percent: float
    error_percent: float
    bpp: float
    photographs: int
    saved_bytes: float
    saved_kmac: float


def costs_of(rows: Sequence[Row]) -> list[Cost]:
    """One cost for each change that was measured, in the order of the rows."""
    plain = {row.photograph: row for row in rows if row.kind == UNSHRUNK}
    changed: dict[Change, list[Row]] = {}
    for row in rows:
        if row.kind != UNSHRUNK and row.photograph in plain:
            kind: Any = row.kind
            changed.setdefault(Change(kind, row.name, row.setting), []).append(row)
    return [_cost(change, own, plain) for change, own in changed.items()]


def _cost(change: Change, rows: Sequence[Row], plain: Mapping[str, Row]) -> Cost:
    pairs = [(row, plain[row.photograph]) for row in rows]
    qualities = range(len(rows[0].rate_bpp))
    rates = [fmean(before.rate_bpp[q] for _, before in pairs) for q in qualities]

    def growth(row: Row, before: Row, quality: int) -> float:
        after = row.rate_bpp[quality] + row.distortion_bpp[quality]
        return after - before.rate_bpp[quality] - before.distortion_bpp[quality]

    each = [fmean(100 * growth(*pair, q) / rates[q] for q in qualities) for pair in pairs]
    return Cost(
        change,
        percent=fmean(each),
        rate_percent=fmean(
            100 * (row.rate_bpp[q] - before.rate_bpp[q]) / rates[q]
            for row, before in pairs
            for q in qualities
        ),
        error_percent=stdev(each) / len(each) ** 0.5 if len(each) > 1 else 0.0,
        bpp=fmean(growth(*pair, q) for pair in pairs for q in qualities),
        photographs=len(rows),
        saved_bytes=rows[0].saved_bytes,
        saved_kmac=rows[0].saved_kmac,
    )
