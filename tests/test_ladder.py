"""A ladder is a codec: its qualities name models, and a stream says which of them wrote it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slimcodec import library
from slimcodec.codecs.compressai.checkpoint import from_published
from slimcodec.codecs.compressai.network import CompressaiNetwork
from slimcodec.codecs.torch_file import filled
from slimcodec.errors import ModelFileError, SlimcodecError, UsageError, WrongModelError
from slimcodec.ladder import Ladder, read_ladder, written_ladder
from slimcodec.model_file import Model, freeze_network, save
from slimcodec.runtime import open_codec
from slimcodec.types import Codec, Region, Tiled
from tests.published_files import compressai_state


@pytest.fixture(scope="module")
def models() -> list[Model]:
    """Of one family, of other widths and other weights."""
    return [imported(number, 3 + number) for number in (1, 2)]


def imported(seed: int, width: int) -> Model:
    config, weights = from_published(
        {
            name: own.numpy()
            for name, own in compressai_state("mbt2018-mean", width, 6, seed).items()
        }
    )
    network: Any = filled(lambda: CompressaiNetwork(config), weights)
    return freeze_network(network, name=f"rung-{seed}", family="compressai")


@pytest.fixture(scope="module")
def folder(models: list[Model], tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("ladders") / "mbt"
    with written_ladder(place, ["1.slim", "2.slim"]) as aside:
        for number, model in enumerate(models, 1):
            save(model, aside / f"{number}.slim")
        assert not place.exists()
    assert sorted(path.name for path in place.parent.iterdir()) == ["mbt"]
    return place


def test_it_is_a_codec(folder: Path, models: list[Model], picture: Any) -> None:
    ladder = library.load_codec(folder, "torch")
    assert isinstance(ladder, Ladder) and isinstance(ladder, Codec) and isinstance(ladder, Tiled)
    assert (ladder.name, ladder.qualities, ladder.default_quality) == ("mbt", (1.0, 2.0), 2.0)
    files = [folder / "1.slim", folder / "2.slim"]
    assert ladder.model_bytes == sum(path.stat().st_size for path in files)
    assert int(ladder.digest, 16) and repr(ladder).startswith("<Ladder")
    image = picture(70, 90)
    for quality, path in zip(ladder.qualities, files, strict=True):
        alone = library.load_codec(path, "torch")
        stream = ladder.encode(image, quality)
        assert stream == alone.encode(image)
        pixels = alone.decode(stream)
        np.testing.assert_array_equal(ladder.decode(stream), pixels)
        np.testing.assert_array_equal(library.load_codec(folder, "torch").decode(stream), pixels)
        part = ladder.decode(stream, region=Region(10, 20, 30, 40))
        assert part.shape == (40, 30, 3)
    assert ladder.encode(image) == ladder.encode(image, 2)
    assert ladder.memory_needed(70, 90) > 0


def test_rungs_are_opened_when_they_are_needed(folder: Path, picture: Any) -> None:
    opened: list[str] = []

    def opening(path: Path) -> Codec:
        opened.append(path.name)
        return library.load_codec(path, "torch")

    ladder = Ladder(folder, opening)
    assert opened == []
    stream = ladder.encode(picture(20, 30), 1)
    ladder.decode(stream)
    ladder.encode(picture(20, 30), 1)
    assert opened == ["1.slim"]


@pytest.mark.parametrize("quality", [0, 1.5, 3, -1])
def test_qualities_that_are_none(folder: Path, quality: float, picture: Any) -> None:
    ladder = library.load_codec(folder, "torch")
    words = "mbt is a ladder of 2 models: its quality must be a whole number from 1 to 2, got"
    with pytest.raises(UsageError, match=words):
        ladder.encode(picture(20, 30), quality)
    with pytest.raises(UsageError, match="must be a whole number from 1 to 2"):
        library.check_quality(folder, quality)
    library.check_quality(folder, 2)
    assert library.stream_suffix(folder) == ".slc"


def test_streams_of_others(folder: Path, picture: Any) -> None:
    stream = open_codec(imported(9, 4), "torch").encode(picture(20, 30))
    with pytest.raises(WrongModelError, match="none of the 2 models of mbt wrote it"):
        library.load_codec(folder, "torch").decode(stream)


def test_one_model_where_one_is_asked_for(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"is a ladder of several models; name one of them"):
        library.load_model(folder)


def test_two_that_streams_cannot_tell_apart(models: list[Model], tmp_path: Path) -> None:
    with (
        pytest.raises(ModelFileError, match=r"a.slim and b.slim read the same streams"),
        written_ladder(tmp_path / "x", ["a.slim", "b.slim"]) as aside,
    ):
        save(models[0], aside / "a.slim")
        save(models[0], aside / "b.slim")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"{", b"{}", b'{"format": 2, "rungs": ["1.slim"]}', b'{"format": 1}',
        b'{"format": 1, "rungs": []}', b'{"format": 1, "rungs": "1.slim"}',
        b'{"format": 1, "rungs": [3]}', b'{"format": 1, "rungs": ["../1.slim"]}',
        b'{"format": 1, "rungs": [".."]}', b'{"format": 1, "rungs": ["3.slim"]}',
        b'{"format": 1, "rungs": ["1.slim", "1.slim"]}', b"[" * 60_000, b" " * 70_000,
        json.dumps({"format": 1, "rungs": [f"{n}.slim" for n in range(65)]}).encode(),
        b'{"format": 1, "rungs": ["ladder.json"]}', b'{"format": 1, "rungs": ["\\u0000"]}',
    ],
)  # fmt: skip
def test_ladders_that_say_nonsense(content: bytes, models: list[Model], tmp_path: Path) -> None:
    save(models[0], tmp_path / "1.slim")
    (tmp_path / "ladder.json").write_bytes(content)
    with pytest.raises(SlimcodecError) as error:
        read_ladder(tmp_path)
    assert "\n" not in str(error.value)
