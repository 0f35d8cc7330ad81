"""A vector quantizer as a codec, and what may be done to its model: tiles, damage, every pass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slimcodec import library, registry
from slimcodec.errors import StreamError, UnknownNameError, UsageError, WrongModelError
from slimcodec.images import write_image
from slimcodec.model_file import Model, freeze_network, load, save
from slimcodec.runtime import open_codec
from slimcodec.shrink import Context, Recipe
from slimcodec.stream import Stream, pack, salvage, unpack
from slimcodec.target_size import encode_to_size
from slimcodec.types import Adjustable, Image, Region, Tiled

Picture = Callable[..., Image]

PASSES: dict[str, dict[str, Any]] = {
    "prune": {"decoder": 0.5},
    "quantize": {"weights": 8, "activations": 8, "images": 1},
    "quantize to few bits": {"weights": 4, "images": 1},
    "finetune": {"steps": 2, "batch": 2, "crop": 128},
    "correct-tone": {},
}


@pytest.fixture(scope="module")
def photographs(picture: Picture, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(2):
        write_image(folder / f"{number}.png", picture(144, 128, seed=number))
    return folder


@pytest.fixture(scope="module")
def tiny(tiny_models: dict[str, Model]) -> Any:
    return open_codec(tiny_models["vq"])


def shrunk(model: Model, name: str, photographs: Path) -> Model:
    settings = {"pass": name.split()[0], **PASSES[name]}
    recipe = Recipe.from_dict({"name": "small", "pass": [settings]}, "here")
    return library.shrink_model(model, recipe, Context(photographs))


@pytest.mark.parametrize("name", PASSES)
def test_every_pass(
    name: str, tiny_models: dict[str, Model], photographs: Path, picture: Picture, tmp_path: Path
) -> None:
    """None of them touches what streams depend on."""
    before = tiny_models["vq"]
    model = shrunk(before, name, photographs)
    assert model.digest != before.digest
    assert model.stream_id == before.stream_id
    save(model, tmp_path / "small.slim")
    assert load(tmp_path / "small.slim").digest == model.digest
    stream = open_codec(before).encode(picture(40, 56))
    one, other = (open_codec(model, runtime).decode(stream) for runtime in ("torch", "onnx"))
    assert one.shape == (40, 56, 3)
    assert np.abs(one.astype(int) - other).max() <= 2


def test_no_teacher_teaches_it(tiny_models: dict[str, Model], photographs: Path) -> None:
    recipe = Recipe.from_dict({"name": "x", "pass": [{"pass": "distil"}]}, "here")
    with pytest.raises(UsageError, match="vq cannot be distilled; the pass finetune"):
        library.shrink_model(tiny_models["vq"], recipe, Context(photographs))


def test_learning_everything_writes_other_streams(
    tiny_models: dict[str, Model], photographs: Path
) -> None:
    settings = {**PASSES["finetune"], "pass": "finetune", "parts": ["probability"]}
    recipe = Recipe.from_dict({"name": "small", "pass": [settings]}, "here")
    model = library.shrink_model(tiny_models["vq"], recipe, Context(photographs))
    assert model.stream_id != tiny_models["vq"].stream_id


@pytest.fixture
def in_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of more than a few thousand pixels are of several tiles, and of several windows."""
    monkeypatch.setattr("slimcodec.codecs.tiles.WHOLE", 64 * 64)
    monkeypatch.setattr("slimcodec.codecs.tiles.TILE", 8)


def test_tiles_and_parts_of_them(tiny: Any, picture: Picture, in_tiles: None) -> None:
    assert isinstance(tiny, Tiled)
    image = picture(150, 210)
    stream = tiny.encode(image)
    assert unpack(stream).tiles == 4
    whole = tiny.decode(stream)
    for region in (Region(0, 0, 1, 1), Region(50, 60, 90, 70), Region(200, 140, 10, 10)):
        left, top, width, height = region
        part = tiny.decode(stream, region=region)
        wanted = whole[top : top + height, left : left + width]
        # A float's last bit may turn a level.
        assert np.abs(part.astype(int) - wanted).max() <= 1


def test_windows_are_in_no_picture(
    tiny: Any, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = tiny.encode(picture(300, 340))
    whole = tiny.decode(stream)
    monkeypatch.setattr("slimcodec.codecs.tiles._USUAL_BYTES", 1)
    assert np.abs(tiny.decode(stream).astype(int) - whole).max() <= 1


def test_a_tile_that_is_lost_costs_itself(tiny: Any, picture: Picture, in_tiles: None) -> None:
    stream = bytearray(tiny.encode(picture(150, 210)))
    whole = tiny.decode(bytes(stream))
    stream[-3] ^= 1
    with pytest.raises(StreamError):
        tiny.decode(bytes(stream))
    kept = tiny.decode(salvage(bytes(stream))[0], partial=True)
    same = (np.abs(kept.astype(int) - whole).max(axis=2) <= 1).mean()
    assert 0.45 < same < 0.6  # the last tile is the largest, and there is an edge around it


def test_payloads_of_nonsense(tiny: Any, picture: Picture) -> None:
    header = unpack(tiny.encode(picture(64, 80)))
    rng = np.random.default_rng(0)
    for length in (0, 4, 60, 400):
        for _ in range(10):
            forged = pack(Stream(tiny.stream_id, 64, 80, header.quality, (rng.bytes(length),)))
            try:
                assert tiny.decode(forged).shape == (64, 80, 3)
            except StreamError as error:
                assert "\n" not in str(error)
    with pytest.raises(StreamError, match="quality step 2"):
        tiny.decode(pack(Stream(tiny.stream_id, 64, 80, 2, header.sections)))


def test_a_header_claims_no_more_than_its_bytes_hold(tiny: Any) -> None:
    forged = pack(Stream(tiny.stream_id, 1500, 1300, 0, (b"\1\0\0\1",)))
    with pytest.raises(StreamError, match="cannot hold the 1300x1500 pixels"):
        tiny.decode(forged)


def test_any_number_of_bytes(tiny: Any, picture: Picture) -> None:
    assert isinstance(tiny, Adjustable)
    image = picture(160, 208)
    prepared = tiny.prepare(image)
    assert prepared.encode(2.0) == tiny.encode(image, 2.0)
    streams = [prepared.encode(quality) for quality in (2.0, 1.7, 1.1)]
    sizes = [len(stream) for stream in streams]
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == 3
    assert {unpack(stream).quality for stream in streams} == {1}  # of the second quality, all
    fitted = encode_to_size(tiny, image, sizes[0] - 4)
    assert sizes[2] <= len(fitted.stream) <= sizes[0] - 4
    assert fitted.stream == tiny.encode(image, fitted.quality)
    for quality in (-0.1, 2.1):
        with pytest.raises(UsageError, match="quality of tiny-vq must be 0 to 2, got"):
            tiny.encode(image, quality)


def test_models_of_other_tables_read_no_streams(
    tiny: Any, make_network_of: Any, picture: Picture
) -> None:
    other = open_codec(freeze_network(make_network_of("vq", 9), name="other", family="vq"))
    with pytest.raises(WrongModelError, match="written by another model"):
        other.decode(tiny.encode(picture(32, 32)))


def test_its_family_says_what_it_knows() -> None:
    family = registry.families.get("vq")
    with pytest.raises(UnknownNameError, match=r"unknown vq preset 'vq-t'; did you mean vq-s"):
        family.preset("vq-t")
