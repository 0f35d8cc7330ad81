"""Codecs and models by name or path, and what shrinking means for streams."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slimcodec import library, readers, registry
from slimcodec.errors import (
    MissingExtraError,
    ModelFileError,
    UnknownNameError,
    UsageError,
    WrongModelError,
)
from slimcodec.model_file import Model, load, read_manifest, save
from slimcodec.runtime import open_codec
from slimcodec.shrink import Prune, Recipe
from slimcodec.types import Codec, Image

Picture = Callable[..., Image]


@pytest.fixture(scope="module")
def path(tiny_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("library") / "tiny.slim"
    save(tiny_model, path)
    return path


def test_peers_by_name_models_by_path(path: Path, tiny_model: Model) -> None:
    for name in registry.codecs:
        with contextlib.suppress(MissingExtraError):
            assert library.load_codec(name).name == name
    assert library.load_codec("jpeg").name == "jpeg"
    codec = library.load_codec(path)
    assert codec.name == "tiny"
    assert codec.model_bytes == path.stat().st_size
    assert library.load_codec(str(path)).digest == codec.digest == tiny_model.digest
    assert library.load_model(path).digest == tiny_model.digest


def test_built_in_models_are_models() -> None:
    for name, built_in in library.built_in_models().items():
        assert built_in.name == f"{name}.slim"
        assert library.model_path(name) == built_in
        assert library.load_model(name).name == name


def test_names_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownNameError, match="unknown codec 'jpg'; did you mean jpeg"):
        library.load_codec("jpg")
    for absent in ("absent.slim", "folder/absent", tmp_path / "x"):
        with pytest.raises(ModelFileError, match="there is no model file"):
            library.load_codec(absent)


# Shrinking


def pruned(model: Model, **ratios: float) -> tuple[Model, Recipe]:
    recipe = Recipe([Prune(ratios)], name="cut")
    return library.shrink_model(model, recipe), recipe


def test_qualities_are_known_of_what_is_not_opened(path: Path, tmp_path: Path) -> None:
    library.export_model(load(path), tmp_path / "bundle", "onnx")
    for name in (path, tmp_path / "bundle", "hific-s", "toderici-s", "jpeg"):
        codec = library.load_codec(name)
        for quality in (*codec.qualities, codec.default_quality):
            library.check_quality(name, quality)
        for quality in (-1.0, 1e6, float("nan")):
            with pytest.raises(UsageError, match="got"):
                library.check_quality(name, quality)
    with pytest.raises(UsageError, match=r"whole number.*got 1\.5"):
        library.check_quality("toderici-s", 1.5)
    library.check_quality("hific-s", 1.5)


def test_what_streams_are_called(path: Path, tmp_path: Path) -> None:
    assert library.stream_suffix(path) == library.stream_suffix("hific-s") == ".slc"
    assert library.stream_suffix("webp") == ".webp"
    with pytest.raises(ModelFileError):
        library.stream_suffix(tmp_path / "none.slim")
    for words in (("hific-z", None), ("hific-s", "onx")):
        with pytest.raises(UnknownNameError):
            library.stream_suffix(*words)
    assert readers.built_in_looks() == {"faithful", "natural", "fast"}


def test_streams_do_not_depend_on_threads(path: Path, picture: Picture) -> None:
    image = picture(70, 90)
    alone = library.load_codec(path, threads=1)
    stream = alone.encode(image)
    assert stream == library.load_codec(path).encode(image)
    # Torch has a setting of its own for them.
    assert library.load_codec(path, "torch", threads=1).decode(stream).shape == image.shape


def test_a_shrunk_model_says_what_was_done(tiny_model: Model, tmp_path: Path) -> None:
    before = tiny_model.digest
    small, _ = pruned(tiny_model, generator=0.5)
    assert tiny_model.digest == before
    assert small.digest != before
    assert small.name == "tiny+cut"
    assert small.history[: len(tiny_model.history)] == tiny_model.history
    record: Any = json.loads(json.dumps(small.history[-1]))
    assert record["pass"] == "prune"
    assert record["settings"] == {"generator": 0.5}
    assert all(layer["layer"].startswith("generator.") for layer in record["layers"])
    save(small, tmp_path / "small.slim")
    assert load(tmp_path / "small.slim").digest == small.digest


def test_shrinking_twice_gives_the_same_model(tiny_model: Model) -> None:
    assert pruned(tiny_model, encoder=0.3)[0].digest == pruned(tiny_model, encoder=0.3)[0].digest


def test_an_encoder_alone_keeps_every_decoder(
    tiny_model: Model, tiny_codec: Codec, picture: Picture
) -> None:
    small, recipe = pruned(tiny_model, encoder=0.5)
    assert small.stream_id == tiny_model.stream_id
    words = library.stream_change(tiny_model, small, recipe)
    assert words.startswith(f"stream id stays {tiny_model.stream_id}: only the encoder changed")
    assert "every decoder of tiny reads the new streams" in words
    image, small_codec = picture(70, 90), open_codec(small)
    stream = small_codec.encode(image)
    assert stream != tiny_codec.encode(image)
    np.testing.assert_array_equal(tiny_codec.decode(stream), small_codec.decode(stream))


def test_a_generator_alone_keeps_every_stream(
    tiny_model: Model, tiny_codec: Codec, picture: Picture
) -> None:
    small, recipe = pruned(tiny_model, generator=0.5)
    assert small.stream_id == tiny_model.stream_id
    words = library.stream_change(tiny_model, small, recipe)
    assert words.startswith(f"stream id stays {tiny_model.stream_id}: streams written by tiny")
    assert "the other way round" in words
    image, small_codec = picture(70, 90), open_codec(small)
    stream = tiny_codec.encode(image)
    assert small_codec.encode(image) == stream
    assert not np.array_equal(small_codec.decode(stream), tiny_codec.decode(stream))


def test_a_probability_model_makes_new_streams(
    tiny_model: Model, tiny_codec: Codec, picture: Picture
) -> None:
    small, recipe = pruned(tiny_model, encoder=0.5, probability=0.2)
    assert small.stream_id != tiny_model.stream_id
    words = library.stream_change(tiny_model, small, recipe)
    assert words.startswith(f"new stream id {small.stream_id}: the probability model changed")
    assert "streams written by tiny need tiny to decode" in words
    small_codec = open_codec(small)
    stream = small_codec.encode(picture(70, 90))
    assert small_codec.decode(stream).shape == (70, 90, 3)
    with pytest.raises(WrongModelError, match="another model"):
        tiny_codec.decode(stream)


def test_a_part_that_both_sides_run(tiny_models: dict[str, Model]) -> None:
    whole = tiny_models["toderici"]
    small, recipe = pruned(whole, decoder=0.5)
    words = library.stream_change(whole, small, recipe)
    assert words.startswith(f"stream id stays {whole.stream_id}: ")
    assert words.endswith("each model's pictures are best from its own streams")


def test_nothing_pruned_nothing_changed(tiny_model: Model) -> None:
    small, recipe = pruned(tiny_model, encoder=0, probability=0.0)
    assert small.stream_id == tiny_model.stream_id
    assert "the other way round" in library.stream_change(tiny_model, small, recipe)
    for name, weights in tiny_model.weights.items():
        np.testing.assert_array_equal(small.weights[name], weights)


def test_unknown_parts_are_refused_before_anything_is_loaded(tiny_model: Model) -> None:
    with pytest.raises(UsageError, match="unknown part of hific 'binarizer'"):
        pruned(tiny_model, binarizer=0.5)


def test_a_stream_finds_its_built_in_model(tiny_codec: Codec, picture: Picture) -> None:
    image = picture(64, 64)
    for name, path in library.built_in_models().items():
        if not read_manifest(path)["stream_id"]:
            continue  # its streams are an image format's
        codec = library.load_codec(name)
        stream = codec.encode(image)
        found = readers.codec_of_stream(stream, look=library.load_model(name).look)
        assert found.name == codec.name
        assert found.decode(stream).shape == image.shape
    with pytest.raises(WrongModelError, match="no built-in model has the stream id"):
        readers.codec_of_stream(tiny_codec.encode(image))


def test_a_stream_of_one_look_is_decoded_without_naming_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readers, "open_file", lambda path, *rest: path)
    path = library.model_path("extreme-s")
    manifest = read_manifest(path)
    assert manifest["look"] == "natural"
    assert readers.codec_of_id(manifest["stream_id"]) == path  # type: ignore[comparison-overlap]
    with pytest.raises(UnknownNameError, match="look of this stream 'faithful'"):
        readers.codec_of_id(manifest["stream_id"], look="faithful")


def test_a_model_that_ran_before_is_found_without_opening_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = np.zeros((16, 16, 3), np.uint8)
    stream = library.load_codec("hific-s").encode(image)

    def opened(path: Path) -> dict[str, object]:
        raise AssertionError(f"{path} was opened")

    monkeypatch.setattr(readers, "read_manifest", opened)
    assert readers.codec_of_stream(stream).name == "hific-s"


def test_a_recipe_without_passes_changes_nothing(tiny_model: Model, tmp_path: Path) -> None:
    """Not the integers of a quantized model either, which thawing would make floats of."""
    quantize = {"pass": "quantize", "weights": 8, "rounding": "nearest", "bias_correction": False}
    int8 = library.shrink_model(tiny_model, Recipe.from_dict({"pass": [quantize]}))
    assert int8.quantized
    for model in (tiny_model, int8):
        same = library.shrink_model(model, Recipe([]))
        assert (same.digest, same.stream_id, same.history) == (
            model.digest, model.stream_id, model.history
        )  # fmt: skip
        assert set(same.quantization.weights) == set(model.quantization.weights)
    with pytest.raises(UsageError, match="is quantized already"):
        nothing = {"pass": "prune", "generator": 0.0}
        library.shrink_model(int8, Recipe.from_dict({"pass": [nothing]}))
