"""Registries: strict, lazy, and every name in them stands for something."""

from __future__ import annotations

import importlib.metadata
import sys

import pytest

from slimcodec import registry
from slimcodec.errors import UnknownNameError
from slimcodec.registry import Registry

EVERY = ["codecs", "families", "metrics", "objectives", "passes", "runtimes"]


@pytest.mark.parametrize("which", EVERY)
def test_every_name_stands_for_something(which: str) -> None:
    entries: Registry = getattr(registry, which)
    assert len(entries) == len(list(entries)) > 0
    assert list(entries) == sorted(entries)
    for name in entries:
        assert name in entries
        thing = entries.get(name)
        assert thing.name == name


def test_what_is_public() -> None:
    assert set(registry.__all__) == {"Registry", *EVERY}


def test_listing_imports_nothing() -> None:
    lazy = Registry("thing", {"a": "module_that_is_not_there:x", "b": "json:dumps"})
    assert list(lazy) == ["a", "b"]
    assert "a" in lazy
    assert lazy.target("a") == "module_that_is_not_there:x"
    assert "module_that_is_not_there" not in sys.modules
    with pytest.raises(ModuleNotFoundError):
        lazy.get("a")
    assert lazy.get("b")([1]) == "[1]"


def test_a_second_entry_of_a_name_is_an_error() -> None:
    entries = Registry("thing", {"a": "json:dumps"})
    with pytest.raises(ValueError, match="thing 'a' is registered twice: json:dumps, json:loads"):
        entries.register("a", "json:loads")
    assert entries.target("a") == "json:dumps"
    entries.register("b", "json:loads")
    assert list(entries) == ["a", "b"]


def test_unknown_names_list_the_near_ones() -> None:
    entries = Registry("thing", {"generator": "json:dumps", "encoder": "json:loads"})
    with pytest.raises(UnknownNameError, match="unknown thing 'genrator'; did you mean generator"):
        entries.get("genrator")
    with pytest.raises(UnknownNameError, match="known: encoder, generator"):
        entries.target("x")
    assert "x" not in entries


def test_third_parties_add_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def entry_points(*, group: str) -> list[importlib.metadata.EntryPoint]:
        asked.append(group)
        return [importlib.metadata.EntryPoint("theirs", "json:dumps", group)]

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    for kind, group in (("codec", "codecs"), ("family", "families"), ("pass", "passes")):
        entries = Registry(kind, {"ours": "json:loads"})
        assert list(entries) == ["ours", "theirs"]
        assert entries.get("theirs")([1]) == "[1]"
        assert list(entries) == ["ours", "theirs"]  # looked for once
        assert asked.pop() == f"slimcodec.{group}"
        assert not asked
