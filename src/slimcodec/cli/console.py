"""What verbs share on the terminal: progress on stderr, results on stdout, tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any, Literal, TextIO

from slimcodec.showing import readable_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from slimcodec.report import Table

__all__ = [
    "alone_on_stdout",
    "note",
    "note_skipped",
    "print_json",
    "print_table",
    "progress_bar",
    "readable_bytes",
    "silence",
]

Progressed = Callable[[int, int, str], None]


@contextmanager
def progress_bar(title: str) -> Iterator[Progressed]:
    """A bar on a terminal; a line every ten seconds where stderr is a file."""
    if not sys.stderr.isatty():
        yield _lines(title)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[what]}", style="dim"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None, count="", what="")  # how much, nobody knows yet

        def update(done: int, total: int, what: str) -> None:
            count = f"{done}/{total}"
            bar.update(task, completed=done, total=total, count=count, what=what)

        yield update


def _lines(title: str) -> Progressed:
    import time

    last = time.monotonic()

    def update(done: int, total: int, what: str) -> None:
        nonlocal last
        if time.monotonic() - last >= 10:
            last = time.monotonic()
            print(f"{title} {done}/{total}: {what}", file=sys.stderr, flush=True)

    return update


@contextmanager
def alone_on_stdout() -> Iterator[None]:
    """Around work by libraries that print, as Ray does when a worker dies: stdout is for the
    result, which comes after the block."""
    with redirect_stdout(sys.stderr):
        yield


def note(message: str) -> None:
    """One line beside the result, on stderr."""
    print(message, file=sys.stderr)


def silence(message: str) -> None:
    """In place of `note`, for whoever wants to read nothing."""


def note_skipped(folder: Path) -> None:
    """What of a folder of pictures is not taken, if there is any such thing."""
    from slimcodec.images import skipped

    line = skipped(folder)
    if line is not None:
        note(line)


def print_json(value: Any, file: TextIO | None = None) -> None:
    """The result as JSON, on stdout or another file."""
    print(json.dumps(value, indent=2), file=file)


def print_table(table: Table) -> None:
    """A table of the report on the terminal, as wide as that is; tab-separated text where stdout is
    a file."""
    if not sys.stdout.isatty():
        print(f"# {table.title}")
        print("\t".join(column.name for column in table.columns))
        for row in table.rows:
            print("\t".join(row))
        if table.note:
            print(f"# {table.note}")
        return
    from rich.console import Console

    _print_folded(table, Console())


def _print_folded(table: Table, console: Console) -> None:
    """As many tables as the width needs, between the title and the note."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    from slimcodec.cli.folding import GAP, column_widths, fold, key_columns

    widths = column_widths(table, console.width)
    console.print(Text(table.title, style="bold"), overflow="fold")
    for numbers in fold(widths, key_columns(table), console.width):
        # The box itself puts one of the spaces between columns.
        beside = (0, GAP - 1, 0, 0)
        rich = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=beside)
        for number in numbers:
            column = table.columns[number]
            justify: Literal["left", "right"] = "right" if column.numeric else "left"
            rich.add_column(
                Text(column.name), width=widths[number], justify=justify, overflow="fold"
            )
        for row in table.rows:
            rich.add_row(*(Text(row[number]) for number in numbers))
        console.print(rich)
        console.print()
    if table.note:
        console.print(Text(table.note, style="dim"), overflow="fold")
        console.print()
