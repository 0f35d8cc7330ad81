"""Several studies in one command, and who measures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slimcodec.images import write_image
from slimcodec.types import Image

GRID = """
codec = "jpeg"
quality = {quality}
metrics = ["psnr"]
repeats = 1
[[variant]]
name = "JPEG"
"""


@pytest.fixture()
def place(picture: Callable[..., Image], tmp_path: Path) -> Path:
    write_image(tmp_path / "photo.png", picture(40, 56))
    for name, quality in (("low", 20), ("high", 80)):
        (tmp_path / f"{name}.toml").write_text(GRID.format(quality=quality))
    return tmp_path


def test_several_studies_in_one_command(outcome_of: Any, place: Path) -> None:
    words = ("--images", place / "photo.png", "--out", place / "out")
    found = outcome_of("study", place / "low.toml", place / "high.toml", *words, "--json")
    assert found.status == 0, found.err
    told = json.loads(found.out)
    assert {name: each["points"][0]["quality"] for name, each in told.items()} == {
        "low": 20, "high": 80,
    }  # fmt: skip
    for name in told:
        assert (place / "out" / name / "rows.sqlite").is_file()
    assert (place / "out" / "report" / "index.html").is_file()
    alone = outcome_of("study", place / "low.toml", *words[:3], place / "alone", "--json")
    assert json.loads(alone.out)["points"][0]["quality"] == 20
    twice = outcome_of("study", place / "low.toml", place / "low.toml", *words)
    assert twice.status == 2 and "two of the studies are called 'low'" in twice.err


def test_workers_measure_the_same(outcome_of: Any, place: Path) -> None:
    bytes_of = []
    for number, more in enumerate(((), ("--workers", 2))):
        words = ("jpeg", "--images", place / "photo.png", "--out", place / f"out{number}")
        found = outcome_of("bench", *words, "--metrics", "psnr", "--json", *more)
        assert found.status == 0, found.err
        bytes_of.append([p["stream_bytes"] for p in json.loads(found.out)["points"]])
    assert bytes_of[0] == bytes_of[1] and len(bytes_of[0]) > 1
    both = outcome_of("bench", *words, "--workers", 2, "--ray", "auto")
    assert both.status == 2 and "give one of them" in both.err
