"""`slimcodec import`: what it asks, what it says, and one line for everything it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from slimcodec import library
from slimcodec.images import write_image
from tests.published_files import hific_args, hific_state


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bare") / "weights.pt"
    torch.save({"state_dict": hific_state()}, path)
    return path


ANSWERED = ("--likelihood", "logistic", "--input-range", "0..1")


def test_the_help_teaches(outcome_of: Any) -> None:
    text = " ".join(outcome_of("import", "--help").out.split())
    for words in (
        "--likelihood gaussian|logistic", "--precision half|single", "--check PICTURE",
        "hific: one file", "toderici: three files", "no multiples of 64", "compressai: one file",
        "--arch bmshj2018-factorized|", "several are a ladder",
        "Example: slimcodec import hific", "Example: slimcodec import toderici",
    ):  # fmt: skip
        assert words in text, text


def test_what_the_file_leaves_open_is_asked_and_kept(
    outcome_of: Any, bare: Path, tmp_path: Path
) -> None:
    out = tmp_path / "x.slim"
    asked = outcome_of("import", "hific", bare, "-o", out)
    assert asked.status == 2 and "--likelihood gaussian or logistic" in asked.err
    assert asked.err.splitlines()[-1].startswith(f"slimcodec: {bare}: the file does not say")
    assert not out.exists()
    done = outcome_of("import", "hific", bare, *ANSWERED, "-o", out)
    assert done.status == 0, done.err
    assert "logistic likelihood, as --likelihood says" in done.err
    model = library.load_model(out)
    assert model.config["likelihood"] == "logistic"
    (record,) = model.history
    assert record["answers"] == {"likelihood": "logistic", "input-range": "0..1"}
    assert "half precision: weights changed by at most 0.0" in done.out


def test_precision_and_a_picture_to_check_on(
    outcome_of: Any, bare: Path, tmp_path: Path, picture: Any
) -> None:
    photo, out = tmp_path / "photo.png", tmp_path / "x.slim"
    write_image(photo, picture(64, 64))
    done = outcome_of("import", "hific", bare, *ANSWERED, "-o", out, "--check", photo)
    assert done.status == 0 and " of 160 symbols of the picture are others" in done.out
    words = ("import", "hific", bare, *ANSWERED, "-o", out, "--force", "--precision")
    assert "single precision: no weight changed" in outcome_of(*words, "single").out
    assert library.load_model(out).precision == "single"
    refused = outcome_of(*words, "double")
    assert refused.status == 2 and "half" in refused.err and "single" in refused.err


def test_values_that_half_precision_cannot_hold(outcome_of: Any, tmp_path: Path) -> None:
    state = hific_state()
    state["Encoder.conv_block1.1.bias"] = torch.full((4,), 1e6)
    torch.save({"model_state_dict": state, "args": hific_args()}, tmp_path / "x.pt")
    words = ("import", "hific", tmp_path / "x.pt", "-o", tmp_path / "x.slim")
    refused = outcome_of(*words)
    assert refused.status == 1 and "encoder.stem.bias holds values that half" in refused.err
    assert "--precision single" in refused.err and not (tmp_path / "x.slim").exists()
    assert outcome_of(*words, "--precision", "single").status == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("toderici", "a", "b", "c", "--likelihood", "gaussian"), "take no options of their own"),
        (("hific", "a", "--likelihood", "laplace"), "must be gaussian or logistic, got 'laplace'"),
        (("hifik", "a"), "hific"),
        (("restore", "a"), "nobody published a restore checkpoint"),
        (("hific", "a"), "there is no checkpoint a"),
    ],
)
def test_what_is_refused(
    outcome_of: Any, words: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = outcome_of("import", *words, "-o", tmp_path / "x.slim")
    assert refused.status in (1, 2) and said in refused.err.splitlines()[-1], refused.err
    assert list(tmp_path.iterdir()) == []
