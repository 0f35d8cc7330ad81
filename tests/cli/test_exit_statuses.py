"""0 done, 1 failed, 2 wrong usage, 130 interrupted: of every verb."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slimcodec import library, readers
from slimcodec.cli.app import VERBS
from tests.cli.command_lines import LINES, ONE_OUTPUT, RESULTS, command_lines, make_inputs
from tests.planes import BitPlanes


@pytest.fixture()
def place(tmp_path: Path, planes: BitPlanes) -> Path:
    make_inputs(tmp_path, planes)
    return tmp_path


def assert_one_line(found: Any, status: int, *words: str) -> None:
    assert found.status == status, found
    assert found.err.startswith("slimcodec: ") and found.err.count("\n") == 1, found.err
    for word in words:
        assert word in found.err


def unreadable(place: Path) -> dict[str, list[tuple[object, ...]]]:
    """Command lines with an input that is not there or is not what it should be."""
    text = place / "text"
    text.write_text("nothing that anyone reads")
    images, recipe = ("--images", place / "photos"), ("--recipe", place / "recipe.toml")
    out, none = ("--out", place / "out"), place / "none"
    slim, toml = place / "none.slim", place / "none.toml"
    return {
        "encode": [(none,), (text,), (place / "photos", "--codec", slim)],
        "decode": [(none,), (text,), (place / "photo.slc", "--codec", slim)],
        "restore": [(none,), (text,), (place / "photo.jpg", "--codec", slim)],
        "cut": [(none, "--iterations", 1), (text, "--iterations", 1)],
        "shrink": [
            ("hific-s", "--recipe", toml, "-o", place / "o"),
            (slim, *recipe, "-o", place / "o"),
            (text, *recipe, "-o", place / "o"),
            ("hific-s", *recipe, "--calibration", none, "-o", place / "o"),
        ],
        "sensitivity": [
            (slim, "--calibration", place / "photos", *out),
            ("hific-s", "--calibration", none, *out),
        ],
        "search": [
            (slim, "--calibration", place / "photos", *out),
            ("hific-s", "--calibration", none, *out),
        ],
        "export": [(slim, "-o", place / "o"), (text, "-o", place / "o")],
        "bench": [(slim, *images, *out), (text, *images, *out), ("jpeg", "--images", none, *out)],
        "time": [(slim, *images), (text, *images), ("jpeg", "--images", none)],
        "study": [(toml, *images, *out), (place / "study.toml", "--images", none, *out)],
        "report": [(none,), (place / "photos",), (text,)],
        "train": [
            (toml, *images, *out),
            (place / "run.toml", "--images", none, *out),
            (place / "run.toml", *images, "--init", slim, *out),
        ],
        "import": [("hific", none, "-o", place / "o"), ("hific", text, "-o", place / "o")],
        "transcode": [
            (none, "--checkpoint", place / "published.pt"),
            (text, "--checkpoint", place / "published.pt"),
        ],
        "inspect": [(none.with_suffix(".slc"),), (text,), (slim,), (place / "photos",)],
    }


READS = sorted(VERBS.keys() - {"demo", "list", "doctor"})


def test_every_verb_that_reads_is_here(place: Path) -> None:
    assert sorted(unreadable(place)) == READS


@pytest.mark.parametrize("verb", READS)
def test_what_cannot_be_read_is_a_failure(outcome_of: Any, place: Path, verb: str) -> None:
    for words in unreadable(place)[verb]:
        found = outcome_of(verb, *words)
        assert_one_line(found, 1)
        assert not (place / "out").exists() and not (place / "o").exists()


@pytest.mark.parametrize("verb", sorted(LINES))
def test_what_cannot_be_written_is_a_failure(
    outcome_of: Any, place: Path, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that is found out before a model is opened."""

    def opened(*_: object, **__: object) -> None:
        raise AssertionError("a model was opened")

    monkeypatch.setattr(library, "load_model", opened)
    for module in (library, readers):
        monkeypatch.setattr(module, "open_file", opened)
    line, file = command_lines(place)[verb], place / "recipe.toml"
    before = file.read_bytes()
    for output in (file / "x", place / "none" / "x") if verb in ONE_OUTPUT else (file, file / "x"):
        found = outcome_of(verb, *line.words, line.option, output)
        assert_one_line(found, 1, str(output))
    assert file.read_bytes() == before


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_an_option_that_there_is_not_is_wrong_usage(outcome_of: Any, verb: str) -> None:
    assert outcome_of(verb, "--no-such-option").status == 2


@pytest.mark.parametrize("verb", sorted(VERBS.keys() - {"demo", "list", "doctor"}))
def test_too_little_is_wrong_usage(outcome_of: Any, verb: str) -> None:
    assert outcome_of(verb).status == 2


def test_settings_that_make_no_sense_are_wrong_usage(outcome_of: Any, place: Path) -> None:
    (place / "recipe.toml").write_text("passes = 3")
    line = command_lines(place)["shrink"]
    assert_one_line(outcome_of("shrink", *line.words, "-o", place / "o"), 2, "recipe.toml")


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_stream_is_a_failure(outcome_of: Any, place: Path, damage: str) -> None:
    stream = place / "photo.slc"
    data = stream.read_bytes()
    flipped = data[:-9] + bytes([data[-9] ^ 16]) + data[-8:]
    stream.write_bytes(data[:-3] if damage == "cut" else flipped)
    for more in ((), ("--json",)):
        found = outcome_of("inspect", stream, *more)
        assert found.status == 1 and "damage" in found.out
    assert outcome_of("decode", stream, "--codec", "planes").status == 1


@pytest.mark.parametrize("verb", ["list", "doctor"])
def test_done(outcome_of: Any, verb: str) -> None:
    assert outcome_of(verb, "--json").status == 0


def test_the_help_says_them(outcome_of: Any) -> None:
    printed = " ".join(outcome_of("--help").out.split())
    assert "0 done, 1 failed, 2 wrong usage, 130 interrupted" in printed


# Ctrl-C


def stopped(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


HALTS: dict[str, tuple[str, str]] = {
    "encode": ("tests.planes:BitPlanes.encode", "nothing was written"),
    "decode": ("tests.planes:BitPlanes.decode", "nothing was written"),
    "restore": ("slimcodec.pictures:restored", "nothing was written"),
    "cut": ("slimcodec.stream:cut", "nothing was written"),
    "shrink": ("slimcodec.library:shrink_model", "nothing was written"),
    "export": ("slimcodec.library:load_model", "nothing was written"),
    "import": ("slimcodec.workflows.importing:import_checkpoint", "nothing was written"),
    "transcode": ("slimcodec.workflows.transcoding:open_foreign", "nothing was written"),
    "bench": ("slimcodec.workflows.bench:run_grid", "the same command goes on"),
    "study": ("slimcodec.workflows.study:candidates_of", "the same command goes on"),
    "search": ("slimcodec.explore.search:search", "the same command goes on"),
    "sensitivity": ("slimcodec.explore.sensitivity:measure", "the same command goes on"),
    "train": ("slimcodec.workflows.training:train_model", "--resume goes on"),
    "demo": ("slimcodec.library:load_codec", "begins again"),
}
"""What a verb is doing when it is interrupted, and what it says then."""


@pytest.mark.parametrize("verb", sorted(HALTS))
def test_an_interruption_says_what_is_kept(
    outcome_of: Any, place: Path, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert HALTS.keys() == LINES.keys()
    where, words = HALTS[verb]
    monkeypatch.setattr(where.replace(":", "."), stopped)
    line, out = command_lines(place)[verb], place / "out"
    found = outcome_of(verb, *line.words, line.option, out)
    assert found.status == 130, found
    last = found.err.splitlines()[-1]
    assert last.startswith("slimcodec: interrupted; ") and words in last, found.err
    assert (str(out) in last) == (verb in RESULTS)
    assert out.exists() <= (verb in RESULTS)


def test_an_interruption_of_several_counts_them(
    outcome_of: Callable[..., Any], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from slimcodec.cli import coding

    def progress(done: int, total: int, what: str) -> None:
        if done == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(coding, "_no_progress", progress)
    words = ("encode", place / "photos", "--codec", "planes", "-o", place / "out")
    found = outcome_of(*words, "-q")
    written = len(list((place / "out").iterdir()))
    assert found.status == 130 and written
    assert f"{written} of 2 are written" in found.err and "--skip-existing" in found.err
