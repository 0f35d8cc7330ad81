"""Files of settings and rows that anyone may have damaged; terminals that print little."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from slimcodec.bench.rows import RowStore
from slimcodec.errors import ConfigError, SlimcodecError
from slimcodec.settings import read_toml


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 1500, "a = " + "{ b = " * 1500, "a = " + "9" * 5000]
)
def test_toml_beyond_what_is_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"recipe\.toml"):
        read_toml(path)


@pytest.mark.parametrize("data", ["{", "[" * 100_000, "[]", '{"x": 1}', "null"])
def test_a_row_that_is_none(tmp_path: Path, data: str) -> None:
    path = tmp_path / "rows.sqlite"
    RowStore(path).close()
    db = sqlite3.connect(path)
    with db:
        db.execute("INSERT INTO rows VALUES ('k', 'v', 'i', 1.0, ?)", (data,))
    db.close()
    store = RowStore(path)
    with pytest.raises(SlimcodecError, match=r"rows\.sqlite is damaged"):
        list(store)
    store.close()


def test_pages_of_rows_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "rows.sqlite"
    RowStore(path).close()
    whole = path.read_bytes()
    path.write_bytes(whole[:2048] + b"\xff" * (len(whole) - 2048))
    with pytest.raises(SlimcodecError, match=r"rows\.sqlite"):
        store = RowStore(path)
        list(store)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_that_cannot_print_a_name(tmp_path: Path, encoding: str) -> None:
    name = "fotografía-写真"
    result = subprocess.run(
        [sys.executable, "-m", "slimcodec", "encode", name],
        env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
        cwd=tmp_path,
        capture_output=True,
    )
    assert result.returncode == 1
    assert b"Traceback" not in result.stderr and b"\\u5199" in result.stderr
