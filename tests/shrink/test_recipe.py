"""Recipes: read, checked and planned before a weight is touched; applied in order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from slimcodec import registry
from slimcodec.errors import ConfigError, SlimcodecError, UsageError
from slimcodec.shrink import Prune, PruneChannels, Quantize, Recipe

FAMILY = registry.families.get("hific")

TEXT = """
name = "two-steps"

[[pass]]
pass = "prune"
encoder = 0.25
generator = 0.5

[[pass]]
pass = "prune"
probability = 0.1
method = "random"
seed = 3
"""

RECIPE = Recipe(
    [Prune({"encoder": 0.25, "generator": 0.5}), Prune({"probability": 0.1}, "random", 3)],
    name="two-steps",
)


def written(folder: Path, text: str, name: str = "recipe.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_file_is_the_list_it_says(tmp_path: Path) -> None:
    recipe = Recipe.read(written(tmp_path, TEXT))
    assert recipe.name == "two-steps"
    assert recipe.passes == RECIPE.passes


def test_a_recipe_without_a_name_is_called_like_its_file(tmp_path: Path) -> None:
    assert Recipe.read(written(tmp_path, "", "my-recipe.toml")).name == "my-recipe"


@pytest.mark.parametrize("recipe", [Recipe([]), RECIPE])
def test_to_dict_is_the_inverse_of_from_dict(recipe: Recipe) -> None:
    plain = json.loads(json.dumps(recipe.to_dict()))
    again = Recipe.from_dict(plain)
    assert again.passes == recipe.passes
    assert again.name == recipe.name
    assert again.to_dict() == recipe.to_dict()


def test_errors_of_toml_name_the_file_and_the_line(tmp_path: Path) -> None:
    path = written(tmp_path, 'name = "x"\n\n[[pass]]\npass = \n')
    with pytest.raises(ConfigError, match=r"recipe\.toml: is not valid TOML: .*line 4") as error:
        Recipe.read(path)
    assert str(error.value).startswith(str(path))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('pas = "prune"', "unknown key 'pas'; known: name, pass"),
        ('pass = "prune"', r"passes are written as \[\[pass\]\] tables"),
        ("pass = [1]", r"passes are written as \[\[pass\]\] tables"),
        ("[[pass]]\nencoder = 0.5", 'pass 1: says no pass = "NAME"'),
        ("[[pass]]\npass = 3", 'pass 1: says no pass = "NAME"'),
        ('[[pass]]\npass = "prun"', "pass 1: unknown pass 'prun'; did you mean prune"),
        (
            '[[pass]]\npass = "prune"\n[[pass]]\npass = "prune"\nencoder = 1.5',
            "pass 2: the ratio of encoder must be at least 0 and below 1, got 1.5",
        ),
        ('[[pass]]\npass = "prune"\nencoder = "x"', "pass 1: the ratio of encoder must be a num"),
        ('[[pass]]\npass = "prune"\nmethod = "l3"', "pass 1: unknown pruning method 'l3'"),
        ('[[pass]]\npass = "prune"\nmethod = "random"\nseed = "x"', "pass 1: the seed must be"),
    ],
)
def test_errors_name_the_file_and_the_key(tmp_path: Path, text: str, words: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError, match=words) as error:
        Recipe.read(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SlimcodecError, match=r"absent\.toml cannot be read"):
        Recipe.read(tmp_path / "absent.toml")
    (tmp_path / "latin.toml").write_bytes(b'name = "caf\xe9"')
    with pytest.raises(ConfigError, match=r"latin\.toml: cannot be read: it is no text in UTF-8"):
        Recipe.read(tmp_path / "latin.toml")


def test_passes_are_applied_in_order_to_a_copy(tiny_network: Any) -> None:
    before = {name: tensor.clone() for name, tensor in tiny_network.state_dict().items()}
    network, records = RECIPE.apply(tiny_network, FAMILY)
    first, _ = RECIPE.passes[0].apply(tiny_network, FAMILY)
    second, _ = RECIPE.passes[1].apply(first, FAMILY)
    expected = second.state_dict()
    assert all(torch.equal(expected[n], t) for n, t in network.state_dict().items())
    assert all(torch.equal(before[n], t) for n, t in tiny_network.state_dict().items())
    assert [record.name for record in records] == ["prune", "prune"]
    plain = [json.loads(json.dumps(record.to_dict())) for record in records]
    assert plain[1]["settings"] == {"probability": 0.1, "method": "random", "seed": 3}
    layers = [layer["layer"] for record in plain for layer in record["layers"]]
    assert "encoder.head" in layers
    assert layers[-1].startswith("probability.")


def test_an_empty_recipe_changes_nothing(tiny_network: Any) -> None:
    network, records = Recipe([]).apply(tiny_network, FAMILY)
    assert records == []
    assert network is tiny_network
    assert Recipe([]).touches(FAMILY) == frozenset()
    assert Recipe([]).plan(tiny_network, FAMILY) == []


def test_everything_is_checked_before_anything_is_done(tiny_network: Any) -> None:
    class Untouchable:
        """Stands for a network of which nothing but the shape may be looked at."""

        config = tiny_network.config

    recipe = Recipe([Prune({"encoder": 0.5}), Prune({"binarizer": 0.5})])
    with pytest.raises(UsageError, match="pass 2, prune: unknown part of hific 'binarizer'"):
        recipe.check(FAMILY, tiny_network.config)
    with pytest.raises(UsageError, match="pass 2, prune: unknown part of hific 'binarizer'"):
        recipe.apply(Untouchable(), FAMILY)  # type: ignore[arg-type]


def test_a_pass_is_checked_against_what_those_before_it_leave(make_config: Any) -> None:
    config = make_config("hific", residual_blocks=3)
    last = Quantize(8, layers={"generator.trunk.2": {"weights": 4}})
    Recipe([last]).check(FAMILY, config)
    cut = PruneChannels({"encoder": 0.5}, blocks={"decoder": 2}, multiple=2)
    left = Recipe([cut]).check(FAMILY, config)
    assert left.residual_blocks == 2 and left.encoder_widths == (4, 4, 4, 6)
    with pytest.raises(UsageError, match=r"pass 2, quantize: unknown layer .*trunk\.2"):
        Recipe([cut, last]).check(FAMILY, config)
    with pytest.raises(UsageError, match="pass 2, prune-channels: 3 residual blocks"):
        Recipe([cut, PruneChannels(blocks={"generator": 3})]).check(FAMILY, config)


def test_plans_and_touches(tiny_network: Any) -> None:
    lines = RECIPE.plan(tiny_network, FAMILY)
    assert [line.split(":")[0] for line in lines] == [
        "prune encoder",
        "prune generator",
        "prune probability",
    ]
    assert RECIPE.touches(FAMILY) == {"encoder", "generator", "probability"}
