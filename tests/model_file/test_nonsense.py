"""Model files with a right digest and nonsense inside: one clear error, and no network larger than
the file that claims it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slimcodec import registry
from slimcodec.errors import ModelFileError, SlimcodecError, UsageError
from slimcodec.model_file import Model, load, read_manifest, save
from slimcodec.quantization import ActivationGrid, Quantization
from tests.model_file.rewriting import rewritten

FAMILIES = list(registry.families)
JUNK: list[Any] = [
    None,
    [],
    {},
    "x",
    -1,
    10**9,
    1e308,
    float("nan"),
    True,
    [[]],
    [10**9],
    [0],
    ["x"],
]


def written(model: Model, path: Path) -> Path:
    """A file whose digest is that of what it holds, whatever that is."""
    save(model, path)
    return path


@pytest.mark.parametrize("family", FAMILIES)
def test_every_kind_of_nonsense_in_a_configuration(
    tiny_models: dict[str, Model], family: str, tmp_path: Path
) -> None:
    model = tiny_models[family]
    for number, key in enumerate(model.config):
        for junk in (JUNK[number % len(JUNK)], JUNK[(number + 5) % len(JUNK)]):
            config = {**model.config, key: junk}
            if config == model.config:
                continue
            path = written(replace(model, config=config), tmp_path / "bad.slim")
            try:
                # What does not say how large a network is may be something else.
                load(path)
            except SlimcodecError as error:
                assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("family", "change"),
    [
        ("hific", {"residual_blocks": 10**9}),
        ("hific", {"residual_blocks": 200}),
        ("hific", {"trunk_width": 60000}),
        ("hific", {"encoder_widths": [1] * 40}),
        ("hific", {"lambdas": [0.01] * 60}),
        ("toderici", {"iterations": 200}),
        ("toderici", {"linear_rounds": 10**9}),
        ("toderici", {"head_width": 60000}),
    ],
)
def test_a_network_is_no_larger_than_its_file(
    tiny_models: dict[str, Model], family: str, change: dict[str, Any], tmp_path: Path
) -> None:
    model = tiny_models[family]
    bad = replace(model, config={**model.config, **change})
    with pytest.raises(ModelFileError):
        load(written(bad, tmp_path / "bad.slim"))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_configuration_says_which_field_is_wrong(
    make_config: Callable[..., Any], family: str
) -> None:
    kind = type(make_config(family))
    plain = make_config(family).to_dict()
    for key, value in plain.items():
        junks: tuple[object, ...] = (None, "x", [[]], {})
        for junk in junks:
            if junk is None and key == "stem_kernel":
                continue
            if junk == "x" and key == "inner":
                continue  # a codec's name, of whoever registers one
            with pytest.raises(UsageError, match=key):
                kind.from_dict({**plain, key: junk})
        assert kind.from_dict({**plain, key: value}).to_dict() == plain


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("junk", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(
    tiny_models: dict[str, Model], family: str, junk: float, tmp_path: Path
) -> None:
    model = tiny_models[family]
    for name in list(model.weights)[:3]:
        array = model.weights[name].copy()
        if name in model.quantization.weights:
            continue
        array.flat[0] = junk
        bad = replace(model, weights={**model.weights, name: array})
        with pytest.raises(ModelFileError, match="no numbers"):
            load(written(bad, tmp_path / "bad.slim"))


def test_a_grid_of_no_layer(tiny_models: dict[str, Model], tmp_path: Path) -> None:
    model = tiny_models["hific"]
    grids = {**model.quantization.activations, "generator.nowhere": ActivationGrid(1.0, 8, 0)}
    bad = replace(model, quantization=Quantization(model.quantization.weights, grids))
    with pytest.raises(ModelFileError, match="nowhere"):
        load(written(bad, tmp_path / "bad.slim"))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tensor_that_is_missing_or_of_another_shape(
    tiny_models: dict[str, Model], family: str, tmp_path: Path
) -> None:
    model = tiny_models[family]
    name = next(n for n in model.weights if n not in model.quantization.weights)
    rest = {n: a for n, a in model.weights.items() if n != name}
    longer = np.concatenate([model.weights[name]] * 2, axis=-1)
    for weights in (rest, {**rest, name: longer}):
        with pytest.raises(ModelFileError, match=name):
            load(written(replace(model, weights=weights), tmp_path / "bad.slim"))


@pytest.mark.parametrize("end", ["bias", "gamma", "beta"])
def test_a_tensor_with_one_axis_more(
    tiny_models: dict[str, Model], end: str, tmp_path: Path
) -> None:
    model = tiny_models["hific"]
    name = next(n for n in model.weights if n.endswith(f".{end}") and n.startswith("generator."))
    weights = {**model.weights, name: model.weights[name][..., None]}
    with pytest.raises(ModelFileError, match=f"{name} has the shape .* one number for each"):
        load(written(replace(model, weights=weights), tmp_path / "bad.slim"))


@pytest.mark.parametrize(
    "key", ["name", "family", "config", "history", "stream_id", "digest", "quantization"]
)
def test_values_of_a_manifest_are_of_their_types(
    tiny_models: dict[str, Model], key: str, tmp_path: Path
) -> None:
    path = written(tiny_models["hific"], tmp_path / "good.slim")
    junks: tuple[object, ...] = (None, [[]], 3, [3])
    for junk in junks:

        def change(manifest: dict[str, Any], tensors: dict[str, Any], junk: Any = junk) -> None:
            manifest[key] = junk

        bad = rewritten(path, tmp_path / "bad.slim", change)
        for read in (load, read_manifest):
            with pytest.raises(ModelFileError, match=key):
                read(bad)
