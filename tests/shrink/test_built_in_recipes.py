"""Every built-in recipe on every family: it is done, or it is refused in one line that says which
recipe, what of it does not fit, and which do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slimcodec import registry
from slimcodec.catalogue import recipes
from slimcodec.codecs.compressai.config import compressai
from slimcodec.errors import UsageError
from slimcodec.fitting import check_recipe, fitting_recipes
from slimcodec.images import write_image
from slimcodec.library import model_path, shrink_model
from slimcodec.model_file import Model, freeze_network, read_manifest
from slimcodec.runtime import open_codec
from slimcodec.shrink import Context, Recipe
from slimcodec.types import Image

MODELS = ("compact-s", "extreme-s", "hific-s", "restore-s", "toderici-s", "vq-s")
EVERY = ("compact", "compressai", "extreme", "hific", "restore", "toderici", "vq")
TAUGHT = ("compressai", "extreme", "hific")
FITS: dict[str, tuple[str, ...]] = {
    "fast-decode": TAUGHT,
    "half-int8": EVERY[:-1],
    "int8": EVERY,
    "paper": TAUGHT,
    "paper-encoder": TAUGHT,
    "prune-all": EVERY,
    "prune-channels": EVERY[:-1],
    "prune-generator": EVERY,
    "recurrent-half": ("toderici",),
    "small-download": ("hific",),
    "three-blocks": ("extreme", "hific"),
    "tiny": ("hific",),
}
REASONS = {
    ("fast-decode", "compact"): "pass 2, distil: compact cannot be distilled; the pass finetune",
    ("fast-decode", "vq"): "pass 1, prune-channels: decoder has 2.15 kMAC per pixel and cannot",
    ("half-int8", "vq"): "pass 1, prune-channels: decoder has 2.15 kMAC per pixel and cannot",
    ("paper", "toderici"): "pass 2, distil: toderici cannot be distilled",
    ("paper-encoder", "restore"): "pass 1, prune: restore has no encoder",
    ("paper-encoder", "toderici"): "pass 2, finetune: unknown objective of toderici 'rate-dist",
    ("recurrent-half", "hific"): "pass 2, finetune: unknown part of hific 'binarizer'",
    ("small-download", "compressai"): "pass 1, quantize: unknown layer of compressai 'encoder.st",
    ("three-blocks", "compressai"): "pass 1, prune-channels: 3 residual blocks of generator cannot",
    ("tiny", "extreme"): "pass 4, quantize: unknown layer of extreme 'probability.mean'",
}
"""Of some that are refused, why."""
Picture = Callable[..., Image]


def shipped() -> dict[str, Model]:
    """A model of every family without its weights, by the family: what ships, and what an import
    of a published checkpoint has."""
    manifests = [read_manifest(model_path(name)) for name in MODELS]
    found = {
        own["family"]: Model(own["name"], own["family"], own["config"], {}, {}) for own in manifests
    }
    shape = compressai("mbt2018-mean").to_dict()
    return {**found, "compressai": Model("mbt-4", "compressai", shape, {}, {})}


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    return shipped()


def test_the_matrix_is_whole(models: dict[str, Model]) -> None:
    assert set(models) == set(EVERY) == set(registry.families)
    assert set(FITS) == set(recipes.files())


@pytest.mark.parametrize("family", EVERY)
def test_which_fit(family: str, models: dict[str, Model]) -> None:
    assert set(fitting_recipes(models[family])) == {n for n in FITS if family in FITS[n]}


@pytest.mark.parametrize("family", EVERY)
@pytest.mark.parametrize("name", FITS)
def test_it_fits_or_one_line_says_why_not(name: str, family: str, models: dict[str, Model]) -> None:
    recipe, model = Recipe.read(recipes.find(name)), models[family]
    fitting = [other for other in recipes.files() if family in FITS[other]]
    if family in FITS[name]:
        check_recipe(recipe, model, name)
        return
    with pytest.raises(UsageError) as error:
        check_recipe(recipe, model, name)
    line = str(error.value)
    assert line.startswith(f"the recipe {name} does not fit {model.name}: pass ")
    assert line.endswith(f"; built-in recipes that do: {', '.join(fitting)}")
    assert REASONS.get((name, family), "") in line
    assert "\n" not in line and len(line) < 450


SHAPES: dict[str, dict[str, Any]] = {
    "hific": {"residual_blocks": 6},
    "extreme": {"residual_blocks": 6},
}
"""Where recipes name blocks and layers that a tiny network has not."""


def quickened(name: str, family: str) -> Recipe:
    """A built-in recipe with as few steps, crops and channels as a tiny network needs."""
    plain = Recipe.read(recipes.find(name)).to_dict()
    for step in plain["pass"]:
        if step["pass"] in ("distil", "finetune"):
            step |= {"steps": 1, "batch": 1}
        if step["pass"] == "finetune" and family == "extreme":
            step.setdefault("loss", {"name": "rate-distortion"})  # the usual one needs LPIPS
        if step["pass"] == "prune-channels":
            step["multiple"] = 2
            if family == "toderici" and "macs" in step:
                step["macs"] = dict.fromkeys(step["macs"], 0.25)  # half leaves no channel
        if step.get("importance") == "taylor" or step["pass"] == "quantize":
            step["images"] = 2
    return Recipe.from_dict(plain, name)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory, picture: Picture) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(2):
        write_image(folder / f"{number}.png", picture(224, 224, 60 + number))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "family"), [(name, family) for name in FITS for family in FITS[name]]
)
def test_what_fits_is_done(
    name: str, family: str, make_network_of: Callable[..., Any], photographs: Path, picture: Picture
) -> None:
    network = make_network_of(family, 0, **SHAPES.get(family, {}))
    model = freeze_network(network, name="tiny", family=family)
    made = shrink_model(model, quickened(name, family), Context(photographs))
    assert made.digest != model.digest
    codec, image = open_codec(made), picture(72, 90, 1)
    assert codec.decode(codec.encode(image)).shape == image.shape


def test_a_recipe_of_ones_own_is_refused_alike(models: dict[str, Model]) -> None:
    mine = Recipe.from_dict({"name": "mine", "pass": [{"pass": "prune", "genrator": 0.5}]})
    with pytest.raises(UsageError, match="the recipe mine does not fit hific-s: pass 1, prune: un"):
        check_recipe(mine, models["hific"])


def test_what_is_quantized_already_fits_nothing(tiny_models: dict[str, Model]) -> None:
    rounded = shrink_model(
        tiny_models["hific"],
        Recipe.from_dict(
            {"pass": [{"pass": "quantize", "rounding": "nearest", "bias_correction": False}]}
        ),
    )
    model = replace(rounded, name="small")
    with pytest.raises(UsageError, match="small is quantized already; shrink the float model"):
        check_recipe(Recipe.read(recipes.find("int8")), model, "int8")
    check_recipe(Recipe([]), model)
