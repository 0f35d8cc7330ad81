"""A published checkpoint becomes a model in half or single precision, and what rounding changed is
told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slimcodec import library
from slimcodec.codecs.published import Question, published_families
from slimcodec.errors import UnknownNameError, UsageError
from slimcodec.images import write_image
from slimcodec.model_file import freeze_network, load, read_manifest, save, storage_of, thaw_network
from slimcodec.runtime import open_codec
from slimcodec.shrink import Prune, Recipe
from slimcodec.workflows.importing import ImportedModel, import_checkpoint
from tests.published_files import hific_args, hific_state


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("published") / "hific.pt"
    torch.save({"model_state_dict": hific_state(), "args": hific_args()}, path)
    return path


@pytest.fixture(scope="module")
def single(checkpoint: Path) -> ImportedModel:
    return import_checkpoint("hific", [checkpoint], name="single", precision="single")


def test_single_precision_keeps_weights(single: ImportedModel, tmp_path: Path) -> None:
    state, model = hific_state(), single.model
    exact = model.weights["encoder.head.weight"]
    np.testing.assert_array_equal(exact, state["Encoder.conv_block_out.1.weight"].numpy())
    assert (single.rounding.change, single.rounding.zeroed) == (0, 0)
    path = tmp_path / "single.slim"
    save(model, path)
    again = load(path)
    assert (again.digest, again.precision) == (model.digest, "single")
    np.testing.assert_array_equal(again.weights["encoder.head.weight"], exact)
    manifest = read_manifest(path)
    assert (manifest["format"], manifest["precision"]) == (4, "single")
    kinds = {row.kind for row in storage_of(path) if row.part == "encoder"}
    assert kinds == {"single"}
    thawed = freeze_network(
        thaw_network(again),
        name="single",
        family="hific",
        history=again.history,
        precision="single",
    )
    assert thawed.digest == model.digest


@pytest.mark.parametrize("runtime", ["onnx", "openvino", "torch"])
def test_single_precision_codes_everywhere(
    single: ImportedModel, runtime: str, tmp_path: Path, picture: Any
) -> None:
    image, path = picture(70, 90), tmp_path / "single.slim"
    stream = open_codec(single.model, "torch").encode(image)
    save(single.model, path)
    codec = library.load_codec(path, runtime)
    assert codec.encode(image) == stream
    if runtime != "torch":
        library.export_model(load(path), tmp_path / "bundle", runtime)
        codec = library.load_codec(tmp_path / "bundle")
    expected = open_codec(single.model, "torch").decode(stream)
    assert np.abs(codec.decode(stream).astype(int) - expected).max() <= 1


def test_a_shrunk_model_keeps_its_precision(single: ImportedModel) -> None:
    pruned = library.shrink_model(single.model, Recipe([Prune({"generator": 0.3})]))
    assert pruned.precision == "single"
    kept = pruned.weights["encoder.head.weight"]
    np.testing.assert_array_equal(kept, single.model.weights["encoder.head.weight"])


def test_half_precision_says_what_it_changed(
    checkpoint: Path, tmp_path: Path, picture: Any
) -> None:
    write_image(tmp_path / "photo.png", picture(128, 192))
    steps: list[str] = []
    made = import_checkpoint(
        "hific", [checkpoint], name="half", check=tmp_path / "photo.png", on_step=steps.append
    )
    assert made.model.precision == "half" and "precision" not in made.model.manifest()
    assert 0 < made.rounding.change < 2**-11
    assert made.rounding.tensor in made.model.weights and made.rounding.zeroed == 0
    symbols, changed = made.rounding.symbols, made.rounding.changed
    assert symbols == 8 * (8 * 12 + 2 * 3)
    assert changed is not None and 0 <= changed < symbols / 20
    assert len(steps) == 3


def test_what_becomes_zero_is_counted(tmp_path: Path) -> None:
    state = hific_state()
    state["Encoder.conv_block1.1.bias"] = torch.tensor([1.0, 1e-9, -1e-9, 0.0])
    torch.save({"model_state_dict": state, "args": hific_args()}, tmp_path / "x.pt")
    rounding = import_checkpoint("hific", [tmp_path / "x.pt"], name="x").rounding
    assert rounding.zeroed == 2
    state["Encoder.conv_block1.1.bias"] = torch.full((4,), 1e-9)
    torch.save({"model_state_dict": state, "args": hific_args()}, tmp_path / "x.pt")
    rounding = import_checkpoint("hific", [tmp_path / "x.pt"], name="x").rounding
    assert (rounding.tensor, rounding.change) == ("encoder.stem.bias", 1.0)


def test_what_cannot_be_asked(checkpoint: Path) -> None:
    with pytest.raises(UsageError, match="nobody published a restore checkpoint"):
        import_checkpoint("restore", [checkpoint], name="x")
    with pytest.raises(UnknownNameError, match="hific"):
        import_checkpoint("hifik", [checkpoint], name="x")
    with pytest.raises(UnknownNameError, match="precision"):
        import_checkpoint("hific", [checkpoint], name="x", precision="double")
    with pytest.raises(UsageError, match="what half precision changes"):
        import_checkpoint("hific", [checkpoint], name="x", precision="single", check=checkpoint)


@pytest.mark.parametrize("name", published_families())
def test_what_a_family_says_of_its_checkpoints(name: str) -> None:
    family = published_families()[name]
    assert family.checkpoint_help.startswith(f"{name}: ")
    assert f"Example: slimcodec import {name} " in " ".join(family.checkpoint_help.split())
    for question in family.checkpoint_questions:
        assert isinstance(question, Question) and question.choices and question.help
