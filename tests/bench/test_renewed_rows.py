"""``benchmarks/renew_rows.py``: what was measured again takes the place of what it was, and nothing
else changes."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from slimcodec.bench import Row, RowStore, read_rows, rows_to_tsv

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "renew_rows.py"
MakeRow = Callable[..., Row]


@pytest.fixture
def rows(make_row: MakeRow) -> list[Row]:
    """Of two codecs at two qualities."""
    return [
        make_row(variant=name, quality=quality, stream_bytes=900 + quality)
        for name in ("jpeg", "own")
        for quality in (1, 2)
    ]


def renew(folder: Path, rows: list[Row], again: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, given in (("results", rows), ("again", again)):
        (folder / name).mkdir(exist_ok=True)
        rows_to_tsv(given, folder / name / "rows.tsv")
    monkeypatch.setattr(sys, "argv", ["renew", str(folder / "results"), str(folder / "again")])
    runpy.run_path(str(SCRIPT), run_name="__main__")


def test_rows_in_the_places_of_others(
    rows: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = [row for row in rows if row.variant == "own"]
    again = [
        replace(row, stream_bytes=7, metrics={**row.metrics, "more": 1.0}) for row in reversed(own)
    ]
    renew(tmp_path, rows, again, monkeypatch)
    found = read_rows(tmp_path / "results")
    assert found == [replace(row, stream_bytes=7) if row.variant == "own" else row for row in rows]
    points = json.loads((tmp_path / "results" / "summary.json").read_text("utf-8"))["points"]
    assert {point["stream_bytes"] for point in points} == {901, 902, 7}


def test_what_cannot_take_their_places(
    rows: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = [row for row in rows if row.variant == "own"]
    with pytest.raises(SystemExit, match="own: 1 qualities or images are on one side only"):
        renew(tmp_path, rows, own[:1], monkeypatch)
    with pytest.raises(SystemExit, match="own: ssim was not measured again"):
        renew(tmp_path, rows, [replace(row, metrics={"psnr": 1.0}) for row in own], monkeypatch)
    store = RowStore(tmp_path / "results" / "rows.sqlite")
    store.close()
    with pytest.raises(SystemExit, match=r"has its rows\.sqlite: bench into it again"):
        renew(tmp_path, rows, own, monkeypatch)
