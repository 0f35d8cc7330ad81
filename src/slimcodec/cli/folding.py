"""Tables that are wider than a terminal, folded like a long line of type.

A measured table has up to thirty columns, and a terminal as few as forty characters. Cells that are
cut say nothing, and which column matters is not for us to know. So a table that does not fit
becomes several below one another: each begins with the columns that tell its rows apart, and goes
on with as many of the others as there is room for. Headings break between words, and so do cells of
words where they are long; numbers stay whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slimcodec.report import Table

__all__ = ["GAP", "column_widths", "fold", "key_columns"]

GAP = 2
"""Characters between two columns."""
_LEAST_WORDS = 12
"""A column of words is not made narrower than this, in characters."""


def key_columns(table: Table) -> int:
    """How many of the first columns tell all rows apart; one where they are alike in all."""
    for count in range(1, len(table.columns)):
        if len({tuple(row[:count]) for row in table.rows}) == len(table.rows):
            return count
    return 1


def column_widths(table: Table, room: int) -> list[int]:
    """Characters that each column needs: its widest cell and the longest word of its heading. A
    column of words needs no more than two fifths of the room."""
    widths = []
    for number, column in enumerate(table.columns):
        cells = [row[number] for row in table.rows]
        widest = max(map(len, cells), default=0)
        if not column.numeric:
            widest = min(widest, max(2 * room // 5, _LEAST_WORDS))
        widths.append(max([widest, *map(len, column.name.split())]))
    return widths


def fold(widths: Sequence[int], keys: int, room: int) -> list[list[int]]:
    """The columns of each table that a wide one becomes, by their numbers.

    Args:
        widths: of all columns, in characters.
        keys: how many of the first stand in every table.
        room: of the terminal. A table has one other column at least, whatever the room.
    """
    first = list(range(keys))
    taken = sum(widths[:keys]) + GAP * (keys - 1)
    tables: list[list[int]] = []
    left = 0
    for number in range(keys, len(widths)):
        needed = GAP + widths[number]
        if not tables or needed > left:
            tables.append([*first])
            left = room - taken
        tables[-1].append(number)
        left -= needed
    return tables or [first]
