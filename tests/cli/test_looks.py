"""One stream, and the looks that the built-in models give it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slimcodec import library
from slimcodec.images import read_image, write_image
from slimcodec.model_file import NATURAL, Model, freeze_network, save, thaw_network

Outcome = Any


@pytest.fixture()
def two_looks(tiny_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with the tiny model and a natural look of it, and a photograph beside them."""
    import torch

    network = thaw_network(tiny_model)
    with torch.no_grad():
        for parameter in network.generator.parameters():
            parameter.add_(0.02)
    models = tmp_path / "models"
    models.mkdir()
    save(tiny_model, models / "tiny.slim")
    natural = freeze_network(network, name="tiny-natural", family="hific", look=NATURAL)
    save(natural, models / "tiny-natural.slim", models / "tiny.slim")
    monkeypatch.setattr("slimcodec.naming._MODELS", models)
    rng = np.random.default_rng(0)
    write_image(tmp_path / "photo.png", rng.integers(0, 255, (64, 80, 3)).astype(np.uint8))
    return tmp_path


def test_a_look_is_chosen_when_a_stream_is_decoded(outcome_of: Any, two_looks: Path) -> None:
    photo, stream = two_looks / "photo.png", two_looks / "photo.slc"
    assert outcome_of("encode", photo, "--codec", "tiny").status == 0
    pictures = {}
    for look in ("", "faithful", "natural"):
        words = ["--look", look] if look else []
        out = two_looks / f"out{look}.png"
        found = outcome_of("decode", stream, "-o", out, *words, "--json")
        assert found.status == 0, found.err
        pictures[look] = read_image(out).pixels, json.loads(found.out)["codec"]
    assert [codec for _, codec in pictures.values()] == ["tiny", "tiny", "tiny-natural"]
    assert np.array_equal(pictures[""][0], pictures["faithful"][0])
    assert not np.array_equal(pictures[""][0], pictures["natural"][0])
    by_name = library.load_codec("tiny-natural").decode(stream.read_bytes())
    assert np.array_equal(by_name, pictures["natural"][0])
    sizes = [library.load_codec(name).model_bytes for name in ("tiny", "tiny-natural")]
    assert sizes[1] == pytest.approx(sizes[0], abs=20_000)


def test_a_look_that_there_is_not(outcome_of: Any, two_looks: Path) -> None:
    stream = two_looks / "photo.slc"
    outcome_of("encode", two_looks / "photo.png", "--codec", "tiny-natural")
    found = outcome_of("decode", stream, "--look", "naturl")
    assert found.status == 2
    assert "did you mean natural" in found.err and found.err.count("\n") == 1
    found = outcome_of("decode", stream, "--look", "natural", "--codec", "tiny")
    assert found.status == 2
    assert "--codec names a model already" in found.err
    assert not list(two_looks.glob("*.decoded.png"))


def test_inspect_tells_of_looks(outcome_of: Any, two_looks: Path) -> None:
    outcome_of("encode", two_looks / "photo.png", "--codec", "tiny")
    facts = json.loads(outcome_of("inspect", two_looks / "photo.slc", "--json").out)
    assert (facts["model"], facts["looks"]) == ("tiny", ["natural", "faithful"])
    facts = json.loads(outcome_of("inspect", "tiny-natural", "--json").out)
    assert (facts["look"], facts["builds_on"]) == ("natural", "tiny.slim")
    assert facts["bytes"] < facts["bytes_whole"]
