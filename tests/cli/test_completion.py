"""Completion: what may stand at the cursor, and real bash that asks for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import slimcodec
from slimcodec import library, registry
from slimcodec.catalogue import recipes, studies
from slimcodec.cli import completion
from slimcodec.cli.app import VERBS, command
from slimcodec.cli.completion import candidates, script

SOURCE = Path(slimcodec.__file__).parents[1]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("", list(VERBS)),
        ("de", ["demo", "decode"]),
        ("--ver", ["--version"]),
        ("--install-completion f", ["fish"]),
        ("encode --qual", ["--quality"]),
        ("encode photo.png --codec to", ["toderici-s"]),
        ("encode photo.png --codec=to", ["--codec=toderici-s"]),
        ("encode photo.png --codec = to", ["toderici-s"]),
        ("encode photo.png --json --runtime t", ["torch"]),
        ("encode photo.png --quality ", []),
        ("encode ", []),
        ("decode x.slc --look na", ["natural"]),
        (
            "bench hific-s --images photos j",
            ["jpeg+restore", "jpeg", "jpeg-regions", "jpeg2000", "jxl"],
        ),
        ("bench hific-s --metrics psnr,", [f"psnr,{n}" for n in registry.metrics if n != "psnr"]),
        ("sensitivity hific-s --parts generator,enc", ["generator,encoder"]),
        ("shrink hific-s --recipe int", ["int8"]),
        ("shrink hific-s too-many", []),
        ("study paper", ["paper_table1", "paper_table2"]),
        ("import ", list(registry.families)),
        ("train run.toml --init hific-s-n", ["hific-s-natural"]),
        ("no-such-verb ", []),
    ],
)
def test_what_may_stand_at_the_cursor(line: str, names: list[str]) -> None:
    assert candidates(line.split(" ")) == names


def test_every_name_there_is_can_be_completed() -> None:
    assert candidates(["export", ""])[: len(library.built_in_models())] == list(
        library.built_in_models()
    )
    assert set(candidates(["encode", "x", "--codec", ""])) >= set(registry.codecs)
    assert candidates(["export", "hific-s", "--runtime", ""]) == list(registry.runtimes)
    assert candidates(["shrink", "hific-s", "--recipe", ""]) == list(recipes.files())
    assert set(candidates(["inspect", ""])) >= {*recipes.files(), *studies.files()}
    assert set(candidates(["decode", "x", "--look", ""])) == {"faithful", "natural", "fast"}


def test_no_entry_is_for_a_parameter_that_is_gone() -> None:
    there = {parameter.name for verb in VERBS for parameter in command(verb).params}
    assert {*completion._NAMES, *completion._LISTS} <= there


def test_the_script_is_printed_or_installed(
    outcome_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert outcome_of("--show-completion", "bash").out == script("bash")
    outcome = outcome_of("--show-completion", "fishh")
    assert outcome.status == 2 and "unknown shell 'fishh'; did you mean fish" in outcome.err
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for shell, place in {
        "bash": "data/bash-completion/completions/slimcodec",
        "zsh": "data/zsh/site-functions/_slimcodec",
        "fish": "config/fish/completions/slimcodec.fish",
    }.items():
        outcome = outcome_of("--install-completion", shell)
        assert str(tmp_path / place) in outcome.out
        assert (tmp_path / place).read_text(encoding="utf-8") == script(shell)


BASH = shutil.which("bash")


@pytest.fixture()
def pressed(tmp_path: Path) -> Any:
    """``pressed("slimcodec enc")``: what real bash offers when Tab is pressed behind a line."""
    program = tmp_path / "slimcodec"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m slimcodec "$@"\n')
    program.chmod(0o755)
    (tmp_path / "completion.bash").write_text(script("bash"))
    ask = (
        f"source '{tmp_path}/completion.bash'\n"
        # As readline does: the words, which of them, and the function that is registered.
        'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))\n'
        "registered=$(complete -p slimcodec); [[ $registered == *'-o default'* ]] || exit 3\n"
        "function=${registered##*-F }; ${function% *} slimcodec\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )

    def press(*words: str) -> list[str]:
        environment = {
            **os.environ,
            "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(SOURCE),
        }
        done = subprocess.run(
            [str(BASH), "--norc", "-c", ask, "bash", *words],
            capture_output=True, text=True, check=True, env=environment,
        )  # fmt: skip
        return done.stdout.splitlines()

    return press


@pytest.mark.skipif(BASH is None, reason="needs bash")
def test_bash_completes(pressed: Any) -> None:
    assert pressed("slimcodec", "enc") == ["encode"]
    assert pressed("slimcodec", "encode", "my photo.png", "--codec", "=", "hific-s-f") == [
        "hific-s-fast"
    ]
    # Nothing of ours: bash goes on with files.
    assert pressed("slimcodec", "encode", "ph") == [""]
