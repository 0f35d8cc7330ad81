"""Wrong usage is one line, which says what would be right; a mistyped name has its near ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slimcodec.cli.app import VERBS, command
from tests.cli.command_lines import command_lines, make_inputs
from tests.planes import BitPlanes


@pytest.fixture()
def place(tmp_path: Path, planes: BitPlanes) -> Path:
    make_inputs(tmp_path, planes)
    return tmp_path


def assert_one_line(found: Any, *words: str) -> None:
    assert found.status == 2 and found.out == "", found
    assert found.err.startswith("slimcodec: ") and found.err.count("\n") == 1, found.err
    assert "Error:" not in found.err and "Usage:" not in found.err
    for word in words:
        assert word in found.err


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_an_option_that_is_not_there_or_lacks_its_value(outcome_of: Any, verb: str) -> None:
    assert_one_line(outcome_of(verb, "--no-such-thing"), "no such option: --no-such-thing")
    for parameter in command(verb).params:
        long = next((name for name in parameter.opts if name.startswith("--")), None)
        if long is None or getattr(parameter, "is_flag", False):
            continue
        assert_one_line(outcome_of(verb, long), long, "requires an argument")
        if parameter.type.name.split()[0] in ("float", "int", "integer"):
            assert_one_line(outcome_of(verb, long, "abc"), long, "'abc' is no", "number")
        typo = f"{long}x"
        assert_one_line(outcome_of(verb, typo), f"{typo}; did you mean {long}")


def test_a_verb_that_there_is_not(outcome_of: Any) -> None:
    assert_one_line(outcome_of("encod", "photo.png"), "unknown verb 'encod'; did you mean encode")
    assert_one_line(outcome_of("zzz"), "unknown verb 'zzz'; known: bench, cut,")
    assert_one_line(outcome_of("encode"), "missing argument 'IMAGE...'", "encode --help")


def test_nothing_at_all_is_answered_with_the_help(outcome_of: Any) -> None:
    found = outcome_of()
    assert "Start with `slimcodec demo`" in found.out + found.err


NAMES = {
    ("encode", "--codec"): ("jpge", "jpeg"),
    ("decode", "--codec"): ("jpge", "jpeg"),
    ("restore", "--codec"): ("jpg+restore", "jpeg+restore"),
    ("shrink", "--recipe"): ("int9", "int8"),
    ("bench", "--metrics"): ("psnrr", "psnr"),
    ("decode", "--look"): ("naturl", "natural"),
    ("import", "--precision"): ("haf", "half"),
}
"""What options are given, and what was meant; --runtime is tried of all verbs."""


def told(place: Path, verb: str) -> tuple[object, ...]:
    """A whole command line of a verb."""
    line = command_lines(place)[verb]
    out = ("--out",) if line.option == "--out" else ("-o",)
    return (*line.words, *out, place / "result")


@pytest.mark.parametrize(("verb", "option"), sorted(NAMES))
def test_a_mistyped_name(outcome_of: Any, place: Path, verb: str, option: str) -> None:
    words = list(told(place, verb))
    wrong, meant = NAMES[verb, option]
    # A look is for built-in models, and --codec names one.
    for name in {option, "--codec"} & set(words):
        at = words.index(name)
        del words[at : at + 2]
    found = outcome_of(verb, *words, option, wrong)
    assert_one_line(found, f"'{wrong}'; did you mean ", meant)
    assert not (place / "result").exists()


def takes(verb: str, option: str) -> bool:
    return any(option in parameter.opts for parameter in command(verb).params)


@pytest.mark.parametrize("verb", [verb for verb in sorted(VERBS) if takes(verb, "--runtime")])
def test_a_mistyped_runtime(outcome_of: Any, place: Path, verb: str) -> None:
    lines = command_lines(place)
    words = told(place, verb) if verb in lines else ("jpeg", "webp", "--images", place / "photos")
    kept = list(words)
    if "--runtime" in kept:
        at = kept.index("--runtime")
        del kept[at : at + 2]
    assert_one_line(outcome_of(verb, *kept, "--runtime", "onx"), "runtime 'onx'; did you mean onnx")
