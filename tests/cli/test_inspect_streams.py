"""inspect says of a stream what there is to say, and nothing that its codec has not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from slimcodec import library, registry
from slimcodec.codecs.around import Enveloping
from slimcodec.codecs.family import Identified
from slimcodec.images import read_image, write_image
from slimcodec.model_file import read_manifest
from slimcodec.stream import unpack
from slimcodec.types import Adjustable, Progressive


@pytest.fixture()
def photo(tmp_path: Path, picture: Any) -> Path:
    write_image(tmp_path / "photo.png", picture(48, 64))
    return tmp_path / "photo.png"


def facts_of(outcome_of: Any, photo: Path, codec: str, *words: object) -> dict[str, Any]:
    coded = outcome_of("encode", photo, "--codec", codec, "--json", "--force", *words)
    assert coded.status == 0, coded.err
    found = outcome_of("inspect", json.loads(coded.out)["stream"], "--json")
    assert found.status == 0, found.err
    facts: dict[str, Any] = json.loads(found.out)
    return facts


@pytest.mark.parametrize("name", [*library.built_in_models()])
def test_a_step_of_quality_is_said_where_there_are_some(
    outcome_of: Any, photo: Path, name: str
) -> None:
    family = registry.families.get(read_manifest(library.model_path(name))["family"])
    if not isinstance(family, Identified):
        pytest.skip(f"{name} has no streams of its own")
    codec = library.load_codec(name)
    facts = facts_of(outcome_of, photo, name)
    steps = len(codec.qualities) > 1 and isinstance(codec, Adjustable)
    assert ("quality_step" in facts) == steps
    assert ("sections" in facts) == isinstance(codec, Progressive)
    assert ("inside" in facts) == isinstance(family, Enveloping)
    if steps:
        stream = codec.encode(read_image(photo).pixels, codec.default_quality)
        assert facts["quality_step"] == unpack(stream).quality > 0


@pytest.mark.parametrize("inner", ["jpeg", "webp"])
def test_a_codec_inside_is_named(outcome_of: Any, photo: Path, inner: str) -> None:
    facts = facts_of(outcome_of, photo, f"compact:{inner}", "--quality", 15)
    assert (facts["inside"], facts["inside_quality"]) == (inner, 15)
    (section,) = facts["section_bytes"]
    assert section - 20 < facts["inside_bytes"] < section < facts["bytes"]
    printed = outcome_of("inspect", photo.with_suffix(".slc")).out
    assert f"inside          {inner}\n" in printed


def test_names_that_inspect_knows(outcome_of: Any) -> None:
    for wrong, near in (("itn8", "int8"), ("hific-z", "hific-s"), ("paper_tabl1", "paper_table1")):
        found = outcome_of("inspect", wrong)
        assert found.status == 2 and found.err.count("\n") == 1
        assert f"unknown model, recipe or study '{wrong}'; did you mean" in found.err
        assert near in found.err
