"""Without an optional part every verb works, or says in one line what to install."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slimcodec.images import write_image
from slimcodec.types import Image

GOLDEN = Path(__file__).parents[1] / "golden"
WALKING = Path(__file__).with_name("walking.py")


@pytest.fixture
def folder(picture: Callable[..., Image], tmp_path: Path) -> Path:
    """What the verbs work on."""
    (tmp_path / "photos").mkdir()
    write_image(tmp_path / "photo.png", picture(40, 56))
    for number in range(3):
        write_image(tmp_path / "photos" / f"{number}.png", picture(140, 160, seed=number))
    for name in ("tiny.slim", "tiny-rnn.slim"):
        (tmp_path / name).write_bytes((GOLDEN / name).read_bytes())
    (tmp_path / "rnn.slc").write_bytes((GOLDEN / "tiny-rnn-odd.slc").read_bytes())
    (tmp_path / "recipe.toml").write_text('[[pass]]\npass = "prune"\ngenerator = 0.3\n')
    (tmp_path / "train.toml").write_text("steps = 1\nbatch = 1\ncrop = 128\n")
    (tmp_path / "study.toml").write_text(
        f'codec = "{tmp_path / "tiny.slim"}"\nmetrics = ["psnr"]\nrepeats = 1\n'
        '[[variant]]\nname = "half"\n[[variant.pass]]\npass = "prune"\ngenerator = 0.5\n'
    )
    return tmp_path


def walked(folder: Path, *missing: str, **surroundings: str) -> list[dict[str, Any]]:
    result = subprocess.run(
        [sys.executable, WALKING, folder, *missing],
        env={**os.environ, **surroundings},
        capture_output=True,
        check=True,
    )
    outcomes = [json.loads(line) for line in result.stdout.splitlines()]
    for outcome in outcomes:
        assert outcome["status"] in (0, 1, 2), outcome
        assert "Traceback" not in outcome["err"], outcome
    return outcomes


def extras_named(outcomes: list[dict[str, Any]]) -> dict[str, str]:
    """The verbs that a part was missing for, and what they say to install."""
    return {
        outcome["words"][0]: outcome["err"].rpartition("pip install ")[2].strip()
        for outcome in outcomes
        if outcome["status"] and "needs an optional part" in outcome["err"]
    }


@pytest.mark.slow
def test_without_torch(folder: Path) -> None:
    outcomes = walked(folder, "torch")
    named = extras_named(outcomes)
    assert {"shrink", "import", "study", "sensitivity", "search", "train"} <= set(named)
    assert set(named.values()) == {"'slimcodec[torch]'", "'slimcodec[train]'"}
    working = {outcome["words"][0] for outcome in outcomes if not outcome["status"]}
    assert {"list", "doctor", "inspect", "encode", "decode", "cut", "export"} <= working
    assert {"bench", "time"} <= working


@pytest.mark.slow
@pytest.mark.parametrize(
    ("missing", "extra", "verbs"),
    [
        ("openvino", "openvino", {"encode"}),
        ("imagecodecs", "codecs", {"bench"}),
        ("jinja2", "report", {"report"}),
        ("optuna", "search", {"search"}),
        ("lightning_fabric", "train", {"train"}),
    ],
)
def test_without_one_of_the_others(folder: Path, missing: str, extra: str, verbs: set[str]) -> None:
    named = extras_named(walked(folder, missing))
    assert verbs <= set(named)
    assert set(named.values()) == {f"'slimcodec[{extra}]'"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "surroundings",
    [{"PYTHONIOENCODING": "cp1252"}, {"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}],
    ids=lambda surroundings: "-".join(surroundings.values()),
)
def test_in_surroundings_that_print_little(folder: Path, surroundings: dict[str, str]) -> None:
    """A shrunk walk: without torch most verbs end early, and all of them print."""
    walked(folder, "torch", PYTHONUTF8="0", **surroundings)
