"""What the command line says of a model whose levels lie in tables, and the bundle made of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slimcodec.model_file import Model, save
from slimcodec.quantization import WeightGrid
from slimcodec.runtime import open_bundle

LAYER = "generator.trunk.0.conv1"


@pytest.fixture
def placed(tiny_model: Model, tmp_path: Path) -> Path:
    name = f"{LAYER}.weight"
    integers = np.random.default_rng(0).integers(-2, 2, tiny_model.weights[name].shape, np.int8)
    steps = np.full(len(integers), 0.125, np.float32)
    grid = WeightGrid(integers, steps, 0, 2, (-1.5, -0.75, 0.0, 1.25))
    grids = {**tiny_model.quantization.weights, name: grid}
    model = replace(
        tiny_model,
        weights={**tiny_model.weights, name: grid.weights()},
        quantization=replace(tiny_model.quantization, weights=grids),
    )
    save(model, tmp_path / "placed.slim")
    return tmp_path / "placed.slim"


def test_a_model_file_and_its_bundle(outcome_of: Any, placed: Path, tmp_path: Path) -> None:
    row = {"part": "generator", "layers": 1, "weight_bits": 2, "input_bits": "float"}
    facts = json.loads(outcome_of("inspect", placed, "--json").out)
    assert {**row, "levels": "placed"} in facts["grids"]
    assert all("levels" not in other for other in facts["grids"] if other["weight_bits"] == 7)
    assert "levels placed" in outcome_of("inspect", placed).out
    bundle = tmp_path / "bundle"
    assert outcome_of("export", placed, "--output", bundle).status == 0
    facts = json.loads(outcome_of("inspect", bundle, "--json").out)
    assert {**row, "levels": "placed"} in facts["grids"]
    # The layer is one of floats, and no node stands between it and them.
    graph = (bundle / open_bundle(bundle).graphs["generator"][0].file).read_bytes()
    assert f"{LAYER}.weight".encode() in graph
    assert f"{LAYER}.weight.integers".encode() not in graph
