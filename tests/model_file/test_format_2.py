"""Packed model files: quantized models, both formats side by side, what tensors cost, forgery."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from slimcodec.errors import ModelFileError
from slimcodec.model_file import (
    Model,
    file_bytes,
    load,
    save,
    storage_of,
)
from slimcodec.quantization import ActivationGrid, Quantization, WeightGrid
from tests.model_file.rewriting import rewritten


@pytest.fixture(scope="module")
def path(tiny_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.slim"
    save(tiny_model, path)
    return path


def in_format_1(model: Model, path: Path) -> Path:
    """As format 1 was written: halves and integers as they are."""
    tensors: dict[str, np.ndarray] = {
        f"weight/{name}": a.astype(np.float16) for name, a in model.weights.items()
    }
    for name, grid in model.quantization.weights.items():
        tensors |= {f"weight/{name}": grid.integers, f"step/{name}": grid.steps}
    tensors |= {f"frozen/{name}": np.ascontiguousarray(a) for name, a in model.frozen.items()}
    manifest = {**model.manifest(), "format": 1, "digest": model.digest}
    save_file(tensors, path, {"slimcodec": json.dumps(manifest)})
    return path


def quantized(model: Model, bits: int = 8, part: str = "generator") -> Model:
    """With every convolution of a part rounded to a grid, one step per output channel."""
    grids = {}
    for name, weights in model.weights.items():
        if name.startswith(part + ".") and weights.ndim == 4:
            highest = 2 ** (bits - 1) - 1
            steps = np.abs(weights).max(axis=(1, 2, 3)) / highest + np.float32(1e-4)
            steps = steps.astype(np.float16).astype(np.float32)
            integers = np.clip(np.rint(weights / steps[:, None, None, None]), -highest, highest)
            integers = integers.astype(np.int8 if bits <= 8 else np.int16)
            grids[name] = WeightGrid(integers, steps, 0, bits)
    assert grids
    activations = {next(iter(grids)).removesuffix(".weight"): ActivationGrid(0.1, 8, 0)}
    return replace(
        model,
        weights={**model.weights, **{name: grid.weights() for name, grid in grids.items()}},
        quantization=Quantization(
            {**model.quantization.weights, **grids},
            {**model.quantization.activations, **activations},
        ),
    )


def assert_same(one: Model, other: Model) -> None:
    assert one.manifest() == other.manifest()
    assert one.digest == other.digest
    for name, grid in one.quantization.weights.items():
        again = other.quantization.weights[name]
        assert again.integers.dtype == grid.integers.dtype
        assert again.steps.dtype == np.float32
        np.testing.assert_array_equal(again.integers, grid.integers)
        np.testing.assert_array_equal(again.steps, grid.steps)
        np.testing.assert_array_equal(other.weights[name], grid.weights())


def test_format_1_is_read(tiny_model: Model, path: Path, tmp_path: Path) -> None:
    old = in_format_1(tiny_model, tmp_path / "old.slim")
    assert_same(load(old), tiny_model)
    assert path.stat().st_size < 0.93 * old.stat().st_size
    save(load(old), tmp_path / "new.slim")
    assert (tmp_path / "new.slim").read_bytes() == path.read_bytes()


def test_a_model_that_is_not_settled(tiny_model: Model, tmp_path: Path) -> None:
    """As every one before there were integers in eight bits: an error that says what is missing."""
    bare = replace(
        tiny_model,
        quantization=Quantization(),
        weights={n: a.astype(np.float16).astype(np.float32) for n, a in tiny_model.weights.items()},
    )
    save_file(
        {f"weight/{name}": a.astype(np.float16) for name, a in bare.weights.items()}
        | {f"frozen/{name}": np.ascontiguousarray(a) for name, a in bare.frozen.items()},
        tmp_path / "bare.slim",
        {"slimcodec": json.dumps({**bare.manifest(), "format": 1, "digest": bare.digest})},
    )
    with pytest.raises(ModelFileError, match=r"bare\.slim: slimcodec 0\.1\.0 made it") as error:
        load(tmp_path / "bare.slim")
    assert "\n" not in str(error.value)


def test_what_is_called_quantized(tiny_model: Model) -> None:
    assert not tiny_model.quantized
    assert quantized(tiny_model).quantized
    only = replace(
        tiny_model.quantization,
        activations={
            **tiny_model.quantization.activations,
            "encoder.head": ActivationGrid(1, 8, 0),
        },
    )
    assert replace(tiny_model, quantization=only).quantized


@pytest.mark.parametrize("bits", [2, 4, 8, 9, 12, 16])
def test_quantized_models(tiny_model: Model, path: Path, tmp_path: Path, bits: int) -> None:
    model = quantized(tiny_model, bits)
    save(model, tmp_path / "small.slim")
    again = load(tmp_path / "small.slim")
    assert_same(again, model)
    assert again.quantization.activations == model.quantization.activations
    save(again, tmp_path / "again.slim")
    assert (tmp_path / "again.slim").read_bytes() == (tmp_path / "small.slim").read_bytes()
    if bits <= 8:
        assert (tmp_path / "small.slim").stat().st_size < path.stat().st_size


def test_what_would_not_load_is_not_saved(tiny_model: Model, tmp_path: Path) -> None:
    model = quantized(tiny_model)
    for name in ("generator.head.weight", "log_gain"):
        for value in (1e-3 / 3, 1e6):
            weights = model.weights[name].copy()
            weights.flat[1] = value
            odd = replace(model, weights={**model.weights, name: weights})
            with pytest.raises(ModelFileError, match=f"cannot be saved: {name} is not exactly"):
                save(odd, tmp_path / "odd.slim")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("old_base", [True, False])
@pytest.mark.parametrize("what", ["natural", "quantized", "whole"])
def test_bases_of_both_formats(
    tmp_path: Path, tiny_model: Model, natural: Model, old_base: bool, what: str
) -> None:
    base, beside = tmp_path / "base.slim", tmp_path / "beside.slim"
    if old_base:
        in_format_1(tiny_model, base)
    else:
        save(tiny_model, base)
    model = {
        "natural": natural,
        "quantized": quantized(natural),
        "whole": replace(tiny_model, name="other"),
    }[what]
    save(model, beside, base)
    assert_same(load(beside), model)
    with safe_open(beside, "numpy") as file:
        own = list(file.keys())
    assert {name.split("/")[-1].split(".")[0] for name in own} <= {"generator"}
    assert (what == "whole") == (not own)
    shared = [row for row in storage_of(beside) if row.in_base]
    assert file_bytes(beside) == beside.stat().st_size + sum(row.stored_bytes for row in shared)


def test_a_quantized_base(tmp_path: Path, tiny_model: Model) -> None:
    """Of which a model takes integers, or steps, or neither and is in halves again."""
    base, beside = tmp_path / "base.slim", tmp_path / "beside.slim"
    whole = quantized(tiny_model)
    save(whole, base)
    name = "generator.head.weight"
    grid = whole.quantization.weights[name]
    other_steps = replace(grid, steps=grid.steps * 2)
    other_integers = replace(grid, integers=-grid.integers)
    kept = {"weight/" + name: other_steps, "step/" + name: other_integers}
    for lacking, changed in kept.items():
        model = replace(
            whole,
            weights={**whole.weights, name: changed.weights()},
            quantization=replace(
                whole.quantization, weights={**whole.quantization.weights, name: changed}
            ),
        )
        save(model, beside, base)
        assert_same(load(beside), model)
        with safe_open(beside, "numpy") as file:
            assert {"weight/" + name, "step/" + name} - set(file.keys()) == {lacking}
        assert sum(row.kind == "int8" for row in storage_of(beside)) == sum(
            grid.bits == 8 for grid in whole.quantization.weights.values()
        )
    save(tiny_model, beside, base)
    assert_same(load(beside), tiny_model)
    rows = storage_of(beside)
    assert {row.kind for row in rows if row.part == "generator"} == {"half"}
    assert file_bytes(beside) == beside.stat().st_size + sum(
        row.stored_bytes for row in rows if row.in_base
    )


@pytest.mark.parametrize("old", [True, False])
def test_storage(tmp_path: Path, tiny_model: Model, old: bool) -> None:
    path = tmp_path / "model.slim"
    model = tiny_model if old else quantized(tiny_model, 4)
    if old:
        in_format_1(model, path)
    else:
        save(model, path)
    rows = {row.name: row for row in storage_of(path)}
    assert set(rows) == {*model.weights, *("frozen/" + name for name in model.frozen)}
    for name, weights in model.weights.items():
        row = rows[name]
        assert (row.elements, row.nonzero) == (weights.size, int(np.count_nonzero(weights)))
        assert row.part == name.split(".")[0]
        grid = model.quantization.weights.get(name)
        assert row.kind == ("half" if grid is None else f"int{grid.bits}")
        assert row.bits_per_weight == 8 * row.stored_bytes / weights.size
        assert 0 <= row.bound_bytes <= row.stored_bytes
        assert not row.in_base
    frozen = rows["frozen/latent_tables.frequencies"]
    assert (frozen.part, frozen.kind) == ("frozen", "uint32")
    assert frozen.nonzero == frozen.elements  # every symbol can occur
    header = 8 + int.from_bytes(path.read_bytes()[:8], "little")
    assert sum(row.stored_bytes for row in rows.values()) == path.stat().st_size - header


def test_flipped_bits_of_a_quantized_model(tiny_model: Model, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.slim", tmp_path / "bad.slim"
    save(quantized(tiny_model, 5), good)
    data = good.read_bytes()
    rng = np.random.default_rng(1)
    start = data.index(b"quantization")
    places = [*rng.integers(start, start + 300, 60), *rng.integers(8, len(data), 100)]
    for place in places:
        flipped = bytearray(data)
        flipped[place] ^= 1 << int(rng.integers(8))
        bad.write_bytes(flipped)
        with pytest.raises(ModelFileError) as error:
            load(bad)
        assert str(bad) in str(error.value)
        assert "\n" not in str(error.value)


NAME = "weight/generator.head.weight"


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("shape", [1 << 31, 1 << 31], "claims to hold"),
        ("shape", [1 << 29], "claims to hold"),
        ("shape", [1 << 60], "no packed array"),
        ("shape", [-1, -1], "no packed array"),
        ("shape", [True], "no packed array"),
        ("shape", [1] * 40, "no packed array"),
        ("shape", "12", "no packed array"),
        ("shape", [3, 3], "does not add up"),
        ("shape", [], "damaged"),
        ("shape", [0], "damaged"),
        ("dtype", "object", "stands for no object"),
        ("dtype", "float64", "stands for no float64"),
        ("dtype", 3, "no packed array"),
        ("dtype", "int8", "damaged|altered"),
        ("dtype", "uint64", "damaged"),
    ],
)
def test_forged_claims(path: Path, tmp_path: Path, key: str, value: Any, match: str) -> None:
    def change(manifest: dict[str, Any], tensors: dict[str, Any]) -> None:
        manifest["packed"][NAME][key] = value

    with pytest.raises(ModelFileError, match=match) as error:
        load(rewritten(path, tmp_path / "forged.slim", change))
    assert "forged.slim" in str(error.value)
    assert "\n" not in str(error.value)


def test_values_that_no_memory_holds(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slimcodec.model_file.file.memory_bytes", lambda: 1000)
    with pytest.raises(ModelFileError, match=r"needs .* GB of memory"):
        load(path)
    monkeypatch.setattr("slimcodec.model_file.file.memory_bytes", lambda: None)
    load(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.update(packed=None),
        lambda manifest: manifest.update(packed=[]),
        lambda manifest: manifest["packed"].update({NAME: 3}),
        lambda manifest: manifest["packed"].pop(NAME),
        lambda manifest: manifest.update(quantization=3),
        lambda manifest: manifest.update(quantization={"weights": 3}),
        lambda manifest: manifest.update(quantization={"weights": {"a": {"bits": 8}}}),
        lambda manifest: manifest.update(quantization={"weights": {"a": {"bits": 8, "axis": 0}}}),
        lambda manifest: manifest.update(quantization={"activations": 3}),
        lambda manifest: manifest.update(quantization={"activations": {"a": 3}}),
        lambda manifest: manifest.update(history=3),
        lambda manifest: manifest.update(config=3),
    ],
)
def test_forged_manifests(path: Path, tmp_path: Path, change: Callable[[Any], Any]) -> None:
    forged = rewritten(path, tmp_path / "forged.slim", lambda manifest, _: change(manifest))
    with pytest.raises(ModelFileError) as error:
        load(forged)
    assert "forged.slim" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("key", "value"), [("bits", 40), ("bits", 12), ("axis", 7), ("axis", [])])
def test_forged_grids(tiny_model: Model, tmp_path: Path, key: str, value: Any) -> None:
    def change(manifest: dict[str, Any], tensors: dict[str, Any]) -> None:
        manifest["quantization"]["weights"][NAME.removeprefix("weight/")][key] = value

    save(quantized(tiny_model), tmp_path / "good.slim")
    with pytest.raises(ModelFileError, match=r"forged\.slim: .*do not fit together"):
        load(rewritten(tmp_path / "good.slim", tmp_path / "forged.slim", change))
