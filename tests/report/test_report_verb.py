"""``report`` on the command line."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slimcodec.bench import Row
from slimcodec.cli import main

Said = tuple[int, str, str]


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """``say(*words)``: exit status, output and complaints of ``slimcodec report``."""

    def call(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["slimcodec", "report", *map(str, words)])
        status = 0
        try:
            main()
        except SystemExit as stop:
            status = int(stop.code or 0)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


@pytest.fixture
def two(tmp_path: Path, fill: Any, bench_rows: list[Row], study_rows: list[Row]) -> list[Path]:
    places = [tmp_path / "bench", tmp_path / "study"]
    for place in places:
        place.mkdir()
    fill(places[0], bench_rows)
    fill(places[1], study_rows, {"title": "A study"})
    return places


def test_several_folders_become_one_page(say: Callable[..., Said], two: list[Path]) -> None:
    out = two[0].parent / "page"
    status, said, _ = say(*two, "-o", out)
    assert (status, said) == (0, f"report: {out / 'index.html'}\n")
    assert "A study" in (out / "index.html").read_text("utf-8")


def test_a_page_of_something_else_stays(say: Callable[..., Said], two: list[Path]) -> None:
    out = two[0].parent / "page"
    out.mkdir()
    (out / "index.html").write_text("mine")
    status, _, said = say(two[0], "-o", out)
    assert status == 2 and "is a page of something else; name another folder" in said
    assert (out / "index.html").read_text() == "mine"
    (out / "index.html").unlink()
    assert [say(two[0], "-o", out)[0] for _ in range(2)] == [0, 0]


def test_everything_at_once(say: Callable[..., Said], two: list[Path]) -> None:
    pytest.importorskip("pyarrow")
    pytest.importorskip("tensorboard")
    parquet, log = two[0].parent / "rows.parquet", two[0].parent / "log"
    before = two[0].parent / "before"
    shutil.copytree(two[0], before)
    words = ("--curves", "kodak", "--against", before, "--parquet", parquet, "--tensorboard", log)
    status, said, notes = say(two[0], *words)
    assert status == 0, notes
    assert said == f"report: {two[0] / 'report' / 'index.html'}\n"
    assert parquet.is_file() and (log / "jpeg").is_dir()
    assert f"tensorboard --logdir {log}" in notes
    assert "No change in hific-s and jpeg" in (two[0] / "report" / "index.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("bench", "study"), "say -o DIR"),
        (("bench", "bench", "-o", "page"), "is named twice"),
        (("bench", "--against", "study"), "have nothing in common"),
        (("bench", "-o", "study"), "holds results"),
        (("bench", "--curves", "kodac"), "cannot be read"),
        (("bench", "nowhere", "-o", "page"), "rows.sqlite is not there"),
        (("bench", "--tensorboard", "study"), "is not empty"),
        (("bench", "--against", "bench"), "is set against itself"),
        (("bench", "--against", "nowhere", "--parquet", "page"), "rows.sqlite is not there"),
        (("bench", "study", "--parquet", "page"), "say -o DIR"),
        (("bench", "--against", "study", "--tensorboard", "page"), "have nothing in common"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    say: Callable[..., Said], two: list[Path], words: tuple[str, ...], error: str
) -> None:
    place = two[0].parent
    status, said, complaint = say(*(w if w.startswith("-") else place / w for w in words))
    assert status in (1, 2) and said == ""
    assert error in complaint and complaint.count("\n") == 1
    assert not (place / "page").exists()
