"""What a table is: columns applied to things.

A column is its heading and a way to get a cell out of a thing (a point, a row, a step). Cells are
finished text: separators, a real minus, "–" where there is nothing; units stand in the headings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Generic, TypeVar

__all__ = ["Column", "Field", "Table", "fill", "number_field", "text_field"]

T = TypeVar("T")


@dataclass(frozen=True)
class Column:
    """A heading, unit included, and whether its cells are numbers; ``group`` heads several."""

    name: str
    numeric: bool
    group: str = ""


@dataclass(frozen=True)
class Table:
    """Finished text. Every row has one cell per column."""

    title: str
    columns: list[Column]
    rows: list[list[str]]
    note: str = ""

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Heading and width of each run of grouped columns; empty where no column has a group."""
        if not any(column.group for column in self.columns):
            return []
        runs = groupby(self.columns, key=lambda column: column.group)
        return [(name, len(list(run))) for name, run in runs]


@dataclass(frozen=True)
class Field(Generic[T]):
    """A column and how its cell is made."""

    column: Column
    cell: Callable[[T], str]


def fill(title: str, fields: Sequence[Field[T]], things: Iterable[T], note: str = "") -> Table:
    """The columns applied to the things, one row each."""
    rows = [[field.cell(thing) for field in fields] for thing in things]
    return Table(title, [field.column for field in fields], rows, note)


def text_field(name: str, cell: Callable[[T], str]) -> Field[T]:
    """A column of words."""
    return Field(Column(name, numeric=False), cell)


def number_field(name: str, cell: Callable[[T], str], group: str = "") -> Field[T]:
    """A column of numbers."""
    return Field(Column(name, numeric=True, group=group), cell)
