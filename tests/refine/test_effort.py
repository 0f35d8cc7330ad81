"""An effort as part of a codec's name, wherever codecs have names."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slimcodec import library
from slimcodec.cli.app import app
from slimcodec.errors import SlimcodecError, UsageError
from slimcodec.images import write_image
from slimcodec.ladder import Ladder
from slimcodec.model_file import Model, freeze_network, save
from slimcodec.naming import effort_of, parted, with_effort
from slimcodec.types import Image, Refining


def test_names() -> None:
    assert effort_of("hific-s") == ("hific-s", 0)
    assert effort_of("hific-s+effort=6") == ("hific-s", 6)
    assert effort_of(Path("a/b.slim+effort=0")) == (os.path.join("a", "b.slim"), 0)
    assert with_effort("hific-s", 6) == "hific-s+effort=6"
    assert with_effort("hific-s", 0) == "hific-s"
    assert parted("hific-s+effort=6") == ("hific-s", "")


@pytest.mark.parametrize("bad", ["10", "-1", "", "1.5", "six", "²", "06", "1" * 5000])
def test_an_effort_that_is_none(bad: str) -> None:
    with pytest.raises(UsageError, match="effort must be 0 to 9"):
        library.load_codec(f"hific-s+effort={bad}")


def test_a_file_of_that_name_is_that_file(
    tmp_path: Path, monkeypatch: Any, tiny_model: Model
) -> None:
    monkeypatch.chdir(tmp_path)
    save(tiny_model, Path("odd+effort=12"))
    assert effort_of("odd+effort=12") == ("odd+effort=12", 0)
    assert library.load_codec("odd+effort=12").name == "tiny"


def test_codecs_by_name(tmp_path: Path, tiny_model: Model, picture: Any) -> None:
    path = tmp_path / "tiny.slim"
    save(tiny_model, path)
    name = f"{path}+effort=1"
    codec = library.load_codec(name)
    assert isinstance(codec, Refining)
    assert (codec.name, codec.rounds) == ("tiny+effort=1", 4)
    assert library.stream_suffix(name) == ".slc"
    assert library.runtime_of(name, None) == "onnx"
    library.check_quality(name, 1.5)
    with pytest.raises(UsageError, match="quality"):
        library.check_quality(name, 99)
    stream = codec.encode(picture(32, 48))
    assert library.load_codec(path).decode(stream).shape == (32, 48, 3)


def test_a_ladder_passes_it_on(
    tmp_path: Path, tiny_model: Model, make_network: Any, picture: Any
) -> None:
    save(tiny_model, tmp_path / "1.slim")
    other = freeze_network(make_network(1), name="other", family="hific")
    save(other, tmp_path / "2.slim")
    (tmp_path / "ladder.json").write_text(
        json.dumps({"format": 1, "rungs": ["1.slim", "2.slim"]}), encoding="utf-8"
    )
    plain, refined = (library.load_codec(f"{tmp_path}{own}") for own in ("", "+effort=2"))
    assert isinstance(refined, Ladder)
    image: Image = picture(64, 64, seed=4)
    assert refined.encode(image, 1) != plain.encode(image, 1)


@pytest.mark.parametrize(
    ("codec", "words"),
    [
        ("jpeg", "jpeg takes no effort"),
        ("hific-s-natural", "the faithful model of the same streams"),
        ("hific-s+effort=2", "both say an effort"),
        ("toderici-s", "toderici-s takes no effort"),
    ],
)
def test_refusals_of_the_verb(tmp_path: Path, picture: Any, codec: str, words: str) -> None:
    write_image(tmp_path / "a.png", picture(32, 32))
    arguments = ["encode", str(tmp_path / "a.png"), "--codec", codec, "--effort", "1"]
    with pytest.raises(SlimcodecError, match=words.replace("+", r"\+")) as error:
        app(arguments)
    assert "\n" not in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png"]


def test_the_verb(tmp_path: Path, picture: Any) -> None:
    """The real model: with an effort the stream is smaller, and no worse by more than a little."""
    image = picture(96, 128, seed=9)
    write_image(tmp_path / "a.png", image)
    sizes = []
    for effort in ("0", "2"):
        out = tmp_path / f"{effort}.slc"
        arguments = ["encode", str(tmp_path / "a.png"), "-o", str(out), "--effort", effort]
        assert app(arguments) == 0
        sizes.append(out.stat().st_size)
    assert sizes[1] < sizes[0]
    decoded = [
        library.load_codec("hific-s").decode((tmp_path / f"{own}.slc").read_bytes()) for own in "02"
    ]
    errors = [float(np.square(one.astype(np.float64) - image).mean()) for one in decoded]
    assert errors[1] < 1.1 * errors[0]
