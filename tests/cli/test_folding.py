"""Tables on terminals of any width: every cell is there, whole, and no line is too long."""

from __future__ import annotations

import io
import itertools
import re

import pytest

from slimcodec.cli.console import print_table
from slimcodec.cli.folding import GAP, column_widths, fold, key_columns
from slimcodec.report import Table
from slimcodec.report.columns import Column

HEADINGS = [
    "Size (bytes)", "Rate (bpp)", "SSIM", "MS-SSIM", "PSNR (dB)", "LPIPS", "ΔE", "Model (bytes)",
    "Encode (ms)", "Decode (ms)", "Average size (bytes)", "Generator (ms)", "Spread (%)",
]  # fmt: skip
COLUMNS = [
    Column("Variant", numeric=False),
    Column("Quality", numeric=True),
    *(Column(heading, numeric=True) for heading in HEADINGS),
]
NAMES = ["hific-s", "hific-s, generator 30 %", "JPEG, same size"]
ROWS = [
    [name, str(quality), *(f"{1000 * number + 7 * row:,}.{row}" for number in range(len(HEADINGS)))]
    for row, (name, quality) in enumerate(itertools.product(NAMES, (1, 5)))
]
TABLE = Table("All measured points", COLUMNS, ROWS, "Means over the images. " * 4)


def printed(width: int, table: Table, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a terminal of so many columns shows, line by line."""
    screen = io.StringIO()
    screen.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    print_table(table)
    return re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue()).splitlines()


@pytest.mark.parametrize("width", [40, 80, 120, 300])
def test_every_cell_is_there_whole(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(width, TABLE, monkeypatch)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert "…" not in text
    words = text.split()
    for row in ROWS:
        assert all(words.count(cell) >= 1 for cell in row[2:])
    for heading in HEADINGS:
        assert all(word in words for word in heading.split())
    assert lines[0] == "All measured points"
    assert " ".join(TABLE.note.split()) in " ".join(words)


@pytest.mark.parametrize(("width", "tables"), [(80, 3), (120, 2), (300, 1)])
def test_a_table_is_folded_as_often_as_it_must(
    width: int, tables: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = printed(width, TABLE, monkeypatch)
    assert sum(line.startswith("──") for line in lines) == tables
    # Each names its rows: the variants alone do not tell them apart.
    for heading in ("Variant", "Quality"):
        assert " ".join(lines).split().count(heading) == tables


def test_a_file_gets_all_columns_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    print_table(TABLE)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:-1] == ["\t".join(c.name for c in COLUMNS), *map("\t".join, ROWS)]


def test_a_name_that_is_wider_than_the_terminal_is_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "generator" * 8
    table = Table("t", COLUMNS[:3], [[name, "1", "2"]])
    lines = printed(40, table, monkeypatch)
    assert max(map(len, lines)) <= 40
    column = column_widths(table, 40)[0]
    assert "".join(line[:column].strip() for line in lines).count("r") >= name.count("r")


def test_the_columns_that_tell_rows_apart() -> None:
    assert key_columns(TABLE) == 2
    assert key_columns(Table("t", COLUMNS[:4], [row[:4] for row in ROWS[::2]])) == 1
    assert key_columns(Table("t", COLUMNS[:3], [["a", "1", "2"], ["a", "1", "2"]])) == 1
    assert key_columns(Table("t", COLUMNS[:1], [["a"]])) == 1


@pytest.mark.parametrize("room", range(10, 120, 7))
def test_folding_keeps_every_column_once_and_the_keys_everywhere(room: int) -> None:
    widths = column_widths(TABLE, room)
    tables = fold(widths, 2, room)
    assert all(table[:2] == [0, 1] for table in tables)
    assert [n for table in tables for n in table[2:]] == list(range(2, len(COLUMNS)))
    for table in tables:
        needed = sum(widths[n] for n in table) + GAP * (len(table) - 1)
        assert needed <= room or len(table) == 3
