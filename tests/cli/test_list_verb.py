"""Every name that can be used is listed with what it is for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from slimcodec import catalogue, library, registry
from slimcodec.cli.list_ import _lines

KINDS = {
    "model": [*library.built_in_models()],
    "family": [*registry.families],
    "pass": [*registry.passes],
    "metric": [*registry.metrics],
    "runtime": [*registry.runtimes],
    "codec": [
        *registry.codecs,
        *(n for n in library.codec_names() if n not in library.built_in_models() and ":" not in n),
        "compact:CODEC",
    ],
}


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_has_a_name_has_a_line_and_nothing_else(kind: str) -> None:
    lines = catalogue.about(kind)
    assert set(lines) == set(KINDS[kind])
    # Beside the longest name, in 80 columns.
    assert all(10 <= len(line) <= 60 and line[-1] != "." for line in lines.values())


@pytest.mark.usefixtures("planes")
def test_names_and_what_they_are_for(outcome_of: Any) -> None:
    named = json.loads(outcome_of("list", "--json").out)
    printed = outcome_of("list").out
    assert "planes" in named["codecs"]  # a third party's, of which nobody says anything
    assert "compact:jpeg" in named["codecs"] and "compact:CODEC" in printed
    for kind, names in named.items():
        assert f"{kind}\n" in printed
        for name, line in names.items():
            assert line or name == "planes"
            shown = "compact:CODEC" if name.startswith("compact:") else name
            assert any(shown in own and line in own for own in printed.splitlines())
    assert "onnx (default)" in printed


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_lines_are_folded_to_the_terminal(columns: int) -> None:
    named = {"things": {"a-name-of-fifteen": "word " * 30, "short": "", "none": "one"}, "no": {}}
    lines = list(_lines(named, columns))
    assert all(len(line) <= columns and line == line.rstrip() for line in lines)
    assert " ".join(" ".join(lines).split()).count("word") == 30
    assert lines[-2:] == ["no", "  (none)"]
