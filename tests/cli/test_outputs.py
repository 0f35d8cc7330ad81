"""No verb writes over what is there unless it is told to, and none begins to work before it knows
that it may write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slimcodec import library, readers
from slimcodec.atomic import check_writable
from slimcodec.cli.app import VERBS
from slimcodec.errors import SlimcodecError
from slimcodec.images import read_image
from slimcodec.model_file import Model, save
from tests.cli.command_lines import LINES, ONE_OUTPUT, RESULTS, command_lines, make_inputs
from tests.planes import BitPlanes

MINE = b"mine, and no result of anything"
WRITES_NOTHING = {"inspect", "list", "doctor", "time"}
ITS_OWN_PAGE = {"report"}
"""It writes a page again that lies in a folder of rows."""


@pytest.fixture()
def place(tmp_path: Path, planes: BitPlanes) -> Path:
    make_inputs(tmp_path, planes)
    return tmp_path


@pytest.fixture()
def told(outcome_of: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """``told("encode", output)``: a verb that may open no model."""

    def opened(*_: object, **__: object) -> None:
        raise AssertionError("a model was opened")

    monkeypatch.setattr(library, "load_model", opened)
    for module in (library, readers):
        monkeypatch.setattr(module, "open_file", opened)

    def call(verb: str, output: Path, *more: object) -> Any:
        line = command_lines(place)[verb]
        return outcome_of(verb, *line.words, line.option, output, *more)

    return call


def assert_refused(found: Any, status: int, *words: str) -> None:
    assert found.status == status, found
    assert found.out == ""
    assert found.err.startswith("slimcodec: ") and found.err.count("\n") == 1, found.err
    for word in words:
        assert word in found.err


def test_every_verb_is_here() -> None:
    assert {*LINES, *WRITES_NOTHING, *ITS_OWN_PAGE} == {*VERBS}


@pytest.mark.parametrize("verb", ONE_OUTPUT)
def test_a_file_that_exists(told: Any, place: Path, verb: str) -> None:
    output = place / "out.png"
    output.write_bytes(MINE)
    before = sorted(place.iterdir())
    assert_refused(told(verb, output), 2, str(output))
    assert output.read_bytes() == MINE
    assert sorted(place.iterdir()) == before


@pytest.mark.parametrize("verb", ["cut", "shrink", "import"])
def test_the_input_itself_is_never_written_over(told: Any, place: Path, verb: str) -> None:
    (path,) = [word for word in command_lines(place)[verb].words if isinstance(word, Path)]
    before = path.read_bytes()
    assert_refused(told(verb, path, "--force"), 2, "the input itself")
    assert path.read_bytes() == before


@pytest.mark.parametrize("verb", ["encode", "decode", "cut"])
def test_force(told: Any, place: Path, verb: str) -> None:
    suffix = ".png" if verb == "decode" else ".slc"
    output, fresh = place / f"out{suffix}", place / f"fresh{suffix}"
    output.write_bytes(MINE)
    assert told(verb, output, "--force").status == 0
    assert told(verb, fresh).status == 0
    assert output.read_bytes() == fresh.read_bytes()


def test_models_and_bundles_make_way_when_told(
    outcome_of: Any, tiny_model: Model, place: Path
) -> None:
    save(tiny_model, place / "tiny.slim")
    small, bundle = place / "small.slim", place / "bundle"
    small.write_bytes(MINE)
    for words in (
        ("shrink", place / "tiny.slim", "--recipe", place / "recipe.toml", "-o", small, "--force"),
        ("export", small, "-o", bundle, "--runtime", "onnx"),
        ("export", small, "-o", bundle, "--runtime", "onnx", "--force"),
    ):
        assert outcome_of(*words).status == 0
    before = sorted(path.read_bytes() for path in bundle.iterdir())
    assert_refused(outcome_of("export", small, "-o", bundle, "--runtime", "onnx"), 2, "--force")
    assert sorted(path.read_bytes() for path in bundle.iterdir()) == before
    # What is no bundle never goes: a folder may hold anything.
    words = ("export", small, "-o", place / "photos", "--runtime", "onnx", "--force")
    assert_refused(outcome_of(*words), 2, "no bundle")
    assert len(list((place / "photos").iterdir())) == 2


@pytest.mark.parametrize("verb", RESULTS)
def test_a_folder_of_something_else(told: Any, place: Path, verb: str) -> None:
    for name in LINES[verb].names:
        out = place / f"holds-{name}"
        out.mkdir()
        (out / name).write_bytes(MINE)
        assert_refused(told(verb, out), 2, str(out), "name another folder")
        assert [path.name for path in out.iterdir()] == [name]
        assert (out / name).read_bytes() == MINE


@pytest.mark.parametrize("verb", [verb for verb in RESULTS if verb != "demo"])
def test_a_mark_is_told_by_its_bytes(told: Any, place: Path, verb: str) -> None:
    out = place / "out"
    out.mkdir()
    (out / LINES[verb].mark).write_bytes(MINE)
    assert_refused(told(verb, out), 2, LINES[verb].mark, "name another folder")
    assert (out / LINES[verb].mark).read_bytes() == MINE


def test_results_are_gone_on_with(outcome_of: Any, place: Path) -> None:
    words: tuple[object, ...] = (
        "bench", "jpeg", "--images", place / "photos", "--out", place / "out",
    )  # fmt: skip
    words = (*words, "--metrics", "psnr", "--quality")
    for quality in (20, 40):
        assert outcome_of(*words, quality).status == 0
    assert (place / "out" / "rows.tsv").read_text(encoding="utf-8").count("jpeg") >= 4


def test_looks_do_not_write_over_each_other(outcome_of: Any, place: Path) -> None:
    """The names are known without decoding anything."""
    stream = place / "photo.slc"
    for look, name in ((None, "decoded"), ("faithful", "decoded"), ("natural", "natural")):
        there = place / f"photo.{name}.png"
        there.write_bytes(MINE)
        words = [] if look is None else ["--look", look]
        assert_refused(outcome_of("decode", stream, *words), 2, str(there))
        there.unlink()


def test_a_place_is_tried_and_left_as_it_was(place: Path) -> None:
    before = sorted(place.iterdir())
    check_writable(place / "new.bin")
    check_writable(place / "photo.slc")
    for path, words in ((place / "none" / "x", "there is no folder"), (place, "it is a folder")):
        with pytest.raises(SlimcodecError, match=words):
            check_writable(path)
    assert sorted(place.iterdir()) == before
    assert read_image(place / "photos" / "0.png").pixels.shape == (40, 50, 3)
