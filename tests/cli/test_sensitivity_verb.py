"""``sensitivity`` on a tiny model."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from slimcodec.images import write_image
from slimcodec.model_file import Model, save


@pytest.fixture
def ask(tiny_model: Model, picture: Any, tmp_path: Path, outcome_of: Any) -> Any:
    """``ask("--parts", ...)``: what the verb says; results are in the folder ``out``."""
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    write_image(photographs / "a.png", picture(128, 128))
    save(tiny_model, tmp_path / "tiny.slim")
    known = ("--calibration", photographs, "-o", tmp_path / "out")
    return lambda *words: outcome_of("sensitivity", tmp_path / "tiny.slim", *known, *words)


def test_rows_page_recipe_and_bargains(ask: Any, tmp_path: Path) -> None:
    words = ("--parts", "generator.out,generator.stages.0", "--bits", "4,8", "--ratios", "none")
    found = ask(*words, "--channels", "50")
    assert found.status == 0, found.err
    assert "Cheapest per byte" in found.out and "Cheapest per multiplication" in found.out
    assert "mixed bits: " in found.out
    out = tmp_path / "out"
    assert len((out / "rows.jsonl").read_text(encoding="utf-8").splitlines()) == 2 + 2 * 2 + 1
    assert "<!doctype html>" in (out / "index.html").read_text(encoding="utf-8")
    layers = tomllib.loads((out / "bits.toml").read_text(encoding="utf-8"))["pass"][0]["layers"]
    assert set(layers) == {"generator.out", "generator.stages.0.conv"}
    # What is there is not measured again, and other settings come beside it.
    facts = json.loads(ask(*words[:2], "--bits", "none", "--ratios", "50", "--json").out)
    kinds = {cost["change"]["kind"] for cost in facts["costs"]}
    assert kinds == {"bits", "zeros", "channels"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--parts", "generater"), "unknown part, layer or group of hific"),
        (("--bits", "4,x"), "--bits takes numbers separated by commas, or none; got 'x'"),
        (("--bits", "1"), "weights take 2 to 16 bits, got 1"),
        (("--ratios", "100"), "the share of weights that goes must be above 0 and below 1"),
        (("--quality", "9"), "--quality takes some of 1, 2, 3, 4, 5 here, or all; got 9"),
    ],
)
def test_bad_input_is_one_line(ask: Any, tmp_path: Path, words: Any, said: Any) -> None:
    found = ask(*words)
    assert found.status == 2
    assert said in found.err and found.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_whoever_interrupts_has_a_page(
    ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from slimcodec.explore.sensitivity_rows import RowFile

    add = RowFile.add

    def stop(self: Any, row: Any) -> None:
        add(self, row)
        if len(self.rows) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(RowFile, "add", stop)
    found = ask("--parts", "generator.out")
    assert found.status == 130
    assert (tmp_path / "out" / "index.html").is_file()
