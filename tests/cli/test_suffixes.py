"""A file's name says what is in it: no verb writes one format under the name of another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slimcodec import library, registry
from slimcodec.cli.suffixes import MODEL, STREAM, check_suffix_fits, suffixes_like
from slimcodec.errors import MissingExtraError, UsageError
from slimcodec.images.folder import image_suffixes
from tests.cli.command_lines import command_lines, make_inputs
from tests.planes import BitPlanes

OWN = {"encode": STREAM, "cut": STREAM, "shrink": MODEL, "import": MODEL}
"""Verbs that write one file of their own, and what its name ends in."""


@pytest.fixture()
def place(tmp_path: Path, planes: BitPlanes) -> Path:
    make_inputs(tmp_path, planes)
    return tmp_path


def suffix_of(name: str) -> str:
    try:
        return library.stream_suffix(name)
    except MissingExtraError as error:
        pytest.skip(str(error))


def test_every_format_that_is_read_is_known() -> None:
    for suffix in image_suffixes():
        with pytest.raises(UsageError, match="is the name of"):
            check_suffix_fits(Path(f"out{suffix.upper()}"), STREAM, "it")


@pytest.mark.parametrize("name", [*registry.codecs, *library.built_in_models(), "compact:jpeg"])
def test_every_codec_has_names_of_its_own(
    outcome_of: Any, place: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    own = suffix_of(name)
    assert own in suffixes_like(own)
    for suffix in suffixes_like(own):
        check_suffix_fits(place / f"out{suffix}", own, name)
    for suffix in ("", ".bin", ".v2"):
        check_suffix_fits(place / f"out{suffix}", own, name)
    check_suffix_fits(None, own, name)

    def opened(*_: object, **__: object) -> None:
        raise AssertionError("a codec was opened to code")

    monkeypatch.setattr("slimcodec.cli.coding.code_all", opened)
    before = sorted(place.iterdir())
    wrong = place / f"out{'.png' if own != '.png' else '.bmp'}"
    found = outcome_of("encode", place / "photos" / "0.png", "--codec", name, "-o", wrong)
    assert found.status == 2 and found.err.count("\n") == 1
    assert f"is the name of a PNG, and {name} writes a" in found.err
    assert found.err.endswith(f"name it out{own}\n")
    assert sorted(place.iterdir()) == before


@pytest.mark.parametrize("verb", sorted(OWN))
def test_what_a_verb_writes_is_named_so(outcome_of: Any, place: Path, verb: str) -> None:
    line = command_lines(place)[verb]
    for wrong in {".jpg", STREAM, MODEL} - {OWN[verb]}:
        target = place / f"out{wrong}"
        found = outcome_of(verb, *line.words, "-o", target)
        assert found.status == 2 and found.out == "" and found.err.count("\n") == 1
        assert f"name it out{OWN[verb]}" in found.err
        assert not target.exists()


@pytest.mark.parametrize("verb", ["decode", "restore"])
def test_pictures_are_named_as_pictures(outcome_of: Any, place: Path, verb: str) -> None:
    line = command_lines(place)[verb]
    for wrong in (STREAM, MODEL):
        found = outcome_of(verb, *line.words, "-o", place / f"out{wrong}")
        assert found.status == 2 and f"unknown image suffix {wrong!r}; use one of" in found.err


def test_a_folder_and_no_name_take_the_formats_own(outcome_of: Any, place: Path) -> None:
    photo, folder = place / "photos" / "0.png", place / "out"
    folder.mkdir()
    for more in ((), ("-o", folder)):
        assert outcome_of("encode", photo, "--codec", "webp", *more).status == 0
    assert photo.with_suffix(".webp").exists() and (folder / "0.webp").exists()


def test_files_of_a_folder_go_by_any_name_of_their_format(outcome_of: Any, place: Path) -> None:
    """A camera's .jpg is a stream of jpeg's as much as the .jpeg that `encode` writes."""
    streams = place / "streams"
    streams.mkdir()
    for suffix in (".jpg", ".jpeg"):
        (streams / f"a{suffix[1:]}{suffix}").write_bytes((place / "photo.jpg").read_bytes())
    found = outcome_of("decode", streams, "--codec", "jpeg", "-o", place / "out")
    assert found.status == 0, found.err
    assert len(list((place / "out").iterdir())) == 2
