"""Recipes and studies that ship, by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from slimcodec import registry
from slimcodec.catalogue import headline, recipes, studies
from slimcodec.errors import ConfigError, UnknownNameError
from slimcodec.library import model_path
from slimcodec.model_file import read_manifest
from slimcodec.shrink import Recipe

FILES = {**recipes.files(), **studies.files()}


def test_names_of_all_kinds_are_apart() -> None:
    assert len(FILES) == len(recipes.files()) + len(studies.files())
    assert {"int8", "prune-generator"} <= set(recipes.files())
    assert "paper_table2" in studies.files()


@pytest.mark.parametrize("path", FILES.values(), ids=list(FILES))
def test_each_says_in_its_first_line_what_it_is_for(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# ") and first[-1] in ".:"
    assert 20 <= len(headline(path)) <= 90


@pytest.mark.parametrize("name", recipes.files())
def test_recipes_that_ship_fit_the_model_in_their_example(name: str) -> None:
    path = recipes.find(name)
    recipe = Recipe.read(path)
    assert recipe.passes
    _, example = path.read_text(encoding="utf-8").split("slimcodec shrink ", 1)
    model, option, named, *_ = example.split()
    assert (option, named) == ("--recipe", name)
    manifest = read_manifest(model_path(model))
    family = registry.families.get(manifest["family"])
    recipe.check(family, family.config(manifest["config"]))


def test_a_path_is_a_path_and_a_name_has_near_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert recipes.find("mine.toml") == Path("mine.toml")
    assert recipes.find(tmp_path / "mine") == tmp_path / "mine"
    Path("mine").write_text("")
    assert recipes.find("mine") == Path("mine")
    with pytest.raises(UnknownNameError, match="unknown recipe 'int9'; did you mean int8"):
        recipes.find("int9")
    with pytest.raises(UnknownNameError, match="unknown study 'paper_table3'; did you mean paper"):
        studies.find("paper_table3")


def test_a_file_without_a_comment_has_no_headline(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\n')
    assert headline(path) == ""
    with pytest.raises(ConfigError, match="cannot be read"):
        headline(tmp_path / "absent.toml")
