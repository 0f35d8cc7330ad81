"""The verbs with a real recurrent model: what the network adds to a codec of plain bit planes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slimcodec import library
from slimcodec.images import read_image, write_image
from slimcodec.model_file import save
from slimcodec.stream import step_ends, unpack
from tests.published_files import published_files, write_published


@pytest.fixture(scope="module")
def model(tiny_models: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rnn") / "tiny.slim"
    save(tiny_models["toderici"], path)
    return path


@pytest.fixture()
def photo(picture: Any, tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    write_image(path, picture(50, 70))
    return path


def pixels(path: Path) -> np.ndarray:
    return read_image(path).pixels


def test_from_a_picture_to_its_iterations(
    outcome_of: Any, model: Path, photo: Path, tmp_path: Path
) -> None:
    codec = library.load_codec(model)
    words = ["encode", photo, "--codec", model, "--json", "--iterations", 4]
    facts = json.loads(outcome_of(*words).out)
    stream, coarser, out = Path(facts["stream"]), tmp_path / "coarser.slc", tmp_path / "out.png"
    assert stream.read_bytes() == codec.encode(pixels(photo), 4)
    assert outcome_of("cut", stream, "--iterations", 2, "-o", coarser).status == 0
    assert coarser.read_bytes() == codec.encode(pixels(photo), 2)
    assert outcome_of("decode", coarser, "-o", out, "--codec", model).status == 0
    expected = pixels(out)
    assert np.abs(expected.astype(int) - codec.decode(coarser.read_bytes())).max() == 0
    words = ["--codec", model, "--iterations", 2, "--force"]
    outcome = outcome_of("decode", stream, "-o", out, *words)
    assert outcome.out.endswith(f"decoded by {codec.name}, 2 iterations\n")
    assert np.array_equal(pixels(out), expected)

    data = stream.read_bytes()
    stream.write_bytes(data[: step_ends(data)[2] - 3])
    words = ["--codec", model, "--partial", "--force"]
    outcome = outcome_of("decode", stream, "-o", out, *words)
    assert outcome.status == 0
    assert "the first 2 sections are whole; they were decoded" in outcome.err
    assert np.array_equal(pixels(out), expected)


@pytest.mark.parametrize("choice", [("--iterations", 0), ("--iterations", 6), ("--quality", 1.5)])
def test_iterations_that_the_model_does_not_have(
    outcome_of: Any, model: Path, photo: Path, choice: Any
) -> None:
    outcome = outcome_of("encode", photo, "--codec", model, *choice)
    assert outcome.status == 2
    assert outcome.err.count("\n") == 1
    assert "the iterations (the quality) of tiny-toderici must be" in outcome.err
    assert not photo.with_suffix(".slc").exists()


def test_a_published_checkpoint_becomes_a_codec(
    outcome_of: Any, photo: Path, tmp_path: Path
) -> None:
    paths, out = write_published(published_files(), tmp_path), tmp_path / "rnn.slim"
    outcome = outcome_of("import", "toderici", *paths, "-o", out)
    assert outcome.status == 0
    (record,) = library.load_model(out).history
    assert record["files"] == {
        role: f"{role}_epoch_1.pth" for role in ("encoder", "binarizer", "decoder")
    }
    facts = json.loads(outcome_of("encode", photo, "--codec", out, "--json").out)
    assert len(unpack(Path(facts["stream"]).read_bytes()).sections) == facts["quality"] == 3
    back = tmp_path / "back.png"
    assert outcome_of("decode", facts["stream"], "-o", back, "--codec", out).status == 0
    assert pixels(back).shape == (50, 70, 3)


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ((1, 0, 2), "the file given as encoder holds the binarizer"),
        ((0, 1), "3 files, in this order: encoder, binarizer, decoder; got 2"),
    ],
)
def test_files_that_are_not_the_three(
    outcome_of: Any, tmp_path: Path, order: Any, words: Any
) -> None:
    paths, out = write_published(published_files(), tmp_path), tmp_path / "rnn.slim"
    outcome = outcome_of("import", "toderici", *[paths[i] for i in order], "-o", out)
    assert outcome.status != 0
    assert outcome.err.count("\n") == 1
    assert words in outcome.err
    assert not out.exists()
