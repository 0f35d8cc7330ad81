"""``search`` on the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from slimcodec.explore import search as searching
from slimcodec.images import write_image
from slimcodec.model_file import Model, save


@pytest.fixture
def found(tiny_model: Model, picture: Any, tmp_path: Path, outcome_of: Any) -> Any:
    """``found(*more)``: what the verb says; its folder is ``out``."""
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for number in range(2):
        write_image(photographs / f"{number}.png", picture(64, 64, number))
    save(tiny_model, tmp_path / "tiny.slim")

    def call(*more: Any) -> Any:
        return outcome_of(
            "search", tmp_path / "tiny.slim", "--calibration", photographs, "--runtime", "onnx",
            "-o", tmp_path / "out", *more,
        )  # fmt: skip

    return call


def test_a_front_a_page_and_a_recipe(
    found: Any,
    tmp_path: Path,
    outcome_of: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = found("--trials", 1, "--steps", 0)
    assert said.status == 0, said.err
    assert "1 photographs are measured on" in said.err
    assert "BD-rate PSNR (%)" in said.out
    assert "winner: trial 1" in said.out
    page = tmp_path / "out" / "report" / "index.html"
    text = page.read_text(encoding="utf-8")
    page.unlink()
    assert outcome_of("report", tmp_path / "out").status == 0
    assert page.read_text(encoding="utf-8") == text
    # Done already; another budget weighs the same rows.
    monkeypatch.delattr(searching, "_trial")
    again = found("--trials", 1, "--steps", 0, "--budget", "bytes<=100", "--json")
    assert again.status == 1
    assert json.loads(again.out)["winner"] is None
    assert "the nearest is trial 1: bytes" in again.err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--budget", "decode<30"), "a budget is written such as"),
        (("--budget", "encode<=30ms"), "unknown quantity to budget 'encode'"),
        (("--parts", "decoder"), "unknown part of hific 'decoder'"),
        (("--runtime", "onyx"), "unknown runtime 'onyx'; did you mean onnx?"),
    ],
)
def test_what_cannot_be_meant(found: Any, tmp_path: Path, more: Any, words: Any) -> None:
    said = found(*more)
    assert said.status == 2
    assert words in said.err
    assert not (tmp_path / "out").exists()


def test_without_optuna(found: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    said = found()
    assert said.status == 1
    assert "pip install 'slimcodec[search]'" in said.err
