"""Model files with levels that lie in tables: format 3, beside those of before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slimcodec.errors import ModelFileError
from slimcodec.model_file import Model, load, read_manifest, save, storage_of
from slimcodec.quantization import Quantization, WeightGrid
from tests.model_file.rewriting import rewritten

LEVELS = (-3.5, -2.25, -1.5, -0.75, 0.0, 0.625, 1.25, 2.75)


def tabled(model: Model, prefix: str = "generator.", levels: tuple[float, ...] = LEVELS) -> Model:
    """With every convolution of some on levels of a table of three bits."""
    grids, rng = {}, np.random.default_rng(0)
    for name, weights in model.weights.items():
        if name.startswith(prefix) and weights.ndim == 4:
            integers = rng.integers(-4, 4, weights.shape).astype(np.int8)
            steps = np.full(weights.shape[0], 2.0**-5, np.float32)
            grids[name] = WeightGrid(integers, steps, 0, 3, levels)
    return replace(
        model,
        weights={**model.weights, **{name: grid.weights() for name, grid in grids.items()}},
        quantization=replace(model.quantization, weights={**model.quantization.weights, **grids}),
    )


def test_they_come_back_as_they_were(tiny_model: Model, tmp_path: Path) -> None:
    model, path = tabled(tiny_model), tmp_path / "tables.slim"
    save(model, path)
    again = load(path)
    assert again.digest == model.digest
    assert again.manifest() == model.manifest()
    for name, grid in model.quantization.weights.items():
        assert again.quantization.weights[name].table == grid.table
        np.testing.assert_array_equal(again.weights[name], model.weights[name])
    save(again, tmp_path / "again.slim")
    assert (tmp_path / "again.slim").read_bytes() == path.read_bytes()
    assert read_manifest(path)["format"] == 3
    kinds = {row.kind for row in storage_of(path) if row.name.endswith("trunk.0.conv1.weight")}
    assert kinds == {"table3"}


def test_models_without_any_are_written_as_before(tiny_model: Model, tmp_path: Path) -> None:
    save(tiny_model, tmp_path / "tiny.slim")
    manifest = read_manifest(tmp_path / "tiny.slim")
    assert manifest["format"] == 2
    grids = manifest["quantization"]["weights"]
    assert all(set(grid) == {"bits", "axis"} for grid in grids.values())


def test_other_positions_are_another_model(tiny_model: Model, tmp_path: Path) -> None:
    """Of the same numbers, on a base that has all of these."""
    one, other = tabled(tiny_model), tabled(tiny_model, levels=(*LEVELS[:-1], 3.0))
    assert one.digest != other.digest
    save(one, tmp_path / "base.slim")
    save(other, tmp_path / "beside.slim", tmp_path / "base.slim")
    assert (tmp_path / "beside.slim").stat().st_size < (tmp_path / "base.slim").stat().st_size / 2
    assert load(tmp_path / "beside.slim").digest == other.digest


def test_a_table_that_was_altered(tiny_model: Model, tmp_path: Path) -> None:
    path = tmp_path / "tables.slim"
    save(tabled(tiny_model), path)

    def move(manifest: dict[str, Any], tensors: dict[str, Any]) -> None:
        grids = manifest["quantization"]["weights"]
        grids["generator.trunk.0.conv1.weight"]["table"][0] = -3.0

    def shorten(manifest: dict[str, Any], tensors: dict[str, Any]) -> None:
        grids = manifest["quantization"]["weights"]
        grids["generator.trunk.0.conv1.weight"]["table"].pop()

    for change, words in ((move, "digest does not match"), (shorten, "no table of levels")):
        with pytest.raises(ModelFileError, match=words):
            load(rewritten(path, tmp_path / "altered.slim", change))


def test_coding_multiplies_by_no_table(tiny_model: Model, tmp_path: Path) -> None:
    name = next(name for name in tiny_model.quantization.weights if name.startswith("probability."))
    grid = tiny_model.quantization.weights[name]
    bad = WeightGrid(grid.integers.clip(-4, 3), grid.steps, grid.axis, 3, LEVELS)
    model = replace(
        tiny_model,
        weights={**tiny_model.weights, name: bad.weights()},
        quantization=Quantization(
            {**tiny_model.quantization.weights, name: bad}, tiny_model.quantization.activations
        ),
    )
    save(model, tmp_path / "bad.slim")
    with pytest.raises(ModelFileError, match="in integers, which a table's are not"):
        load(tmp_path / "bad.slim")
