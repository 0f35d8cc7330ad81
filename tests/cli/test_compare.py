"""encode --compare: image formats at the size of one stream."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from slimcodec import registry
from slimcodec.cli.compare import Compared, Comparison, compare
from slimcodec.errors import MissingExtraError
from slimcodec.images import read_image, write_image
from slimcodec.metrics import MsSsim, Psnr
from slimcodec.types import Codec, quality_range
from tests.planes import BitPlanes

PLANES = ("--codec", "planes")


class Absent:
    """An image format that is not installed."""

    def __init__(self) -> None:
        raise MissingExtraError("this format", "codecs")


@pytest.fixture()
def formats(monkeypatch: pytest.MonkeyPatch) -> None:
    """JPEG and WebP are there, one is not, and no other is known."""
    entries = registry.codecs._entries
    known = {name: entries[name] for name in ("jpeg", "webp")}
    known |= {"planes": "tests.planes:BitPlanes", "absent": f"{__name__}:Absent"}
    monkeypatch.setattr(registry.codecs, "_entries", known)


@pytest.fixture()
def photo(tmp_path: Path, picture: Any) -> Path:
    write_image(tmp_path / "photo.png", picture(64, 80))
    return tmp_path / "photo.png"


def nothing(done: int, total: int, what: str) -> None:
    """Who is told of progress."""


@pytest.mark.usefixtures("planes", "formats")
def test_peers_have_the_size_or_it_is_said(outcome_of: Any, photo: Path) -> None:
    found = outcome_of("encode", photo, *PLANES, "--iterations", 2, "--compare", "--json")
    facts = json.loads(found.out)
    own, *others = facts["compare"]["candidates"]
    assert found.status == 0 and own["codec"] == "planes" and own["bytes"] == facts["bytes"]
    assert [other["codec"] for other in others] == ["jpeg", "webp"]
    assert list(facts["compare"]["missing"]) == ["absent"]
    pixels = read_image(photo).pixels
    for other in others:
        assert other["bytes"] <= own["bytes"]
        assert other["bytes_percent"] == pytest.approx(100 * (other["bytes"] / own["bytes"] - 1))
        peer: Codec = registry.codecs.get(other["codec"])()
        least, most = map(int, quality_range(peer))
        lengths = {len(peer.encode(pixels, own)): own for own in range(least, most + 1)}
        decoded = peer.decode(peer.encode(pixels, lengths[other["bytes"]]))
        assert other["psnr"] == pytest.approx(Psnr()(pixels, decoded))
        assert other["ms_ssim"] == pytest.approx(MsSsim()(pixels, decoded))


@pytest.mark.usefixtures("planes", "formats")
def test_a_small_table(outcome_of: Any, photo: Path) -> None:
    found = outcome_of("encode", photo, *PLANES, "--iterations", 1, "--compare")
    line, title, heading, *rows = found.out.splitlines()
    assert "smaller than the pixels" in line and title == "# At the same size"
    assert heading.split("\t")[0] == "Codec"
    assert [row.split("\t")[0] for row in rows[:3]] == ["planes", "jpeg", "webp"]
    assert rows[3].startswith("# ") and "absent is not here: this format needs" in rows[3]
    found = outcome_of("encode", photo, *PLANES, "--compare", "-q", "--force")
    assert found.out == ""


@pytest.mark.usefixtures("planes", "formats")
def test_what_travels_is_no_size_of_the_picture(outcome_of: Any, photo: Path) -> None:
    pixels = np.dstack([read_image(photo).pixels, np.full((64, 80), 99, np.uint8)])
    PIL.Image.fromarray(pixels).save(photo)
    found = outcome_of("encode", photo, *PLANES, "--alpha", "--compare", "--json")
    facts = json.loads(found.out)
    own = facts["compare"]["candidates"][0]
    assert own["bytes"] == len(BitPlanes().encode(pixels[:, :, :3]))
    assert own["bytes"] + facts["beside_bytes"]["alpha"] < facts["bytes"]


@pytest.mark.usefixtures("formats")
def test_a_size_that_is_too_small_is_said(picture: Any) -> None:
    image, codec = picture(8, 8), BitPlanes()
    stream = codec.encode(image, 1)
    found = compare(codec, image, stream, nothing)
    assert [one.codec for one in found.candidates] == ["planes", "jpeg", "webp"]
    for one in found.candidates[1:]:
        peer: Codec = registry.codecs.get(one.codec)()
        assert one.bytes == len(peer.encode(image, quality_range(peer)[0])) > len(stream)
        assert f"{one.codec} is {one.bytes_percent:.1f} % larger" in found.table().note


def test_only_sizes_that_are_apart_are_named() -> None:
    rows = [("ours", 0.0), ("near", 0.9), ("less", -1.1), ("more", 12.0)]
    candidates = tuple(Compared(name, 100, percent, math.inf, 0.9) for name, percent in rows)
    comparison = Comparison(candidates, {})
    note = comparison.table().note
    assert note == "Not at the same size: less is 1.1 % smaller, more is 12.0 % larger."
    json.dumps(comparison.facts(), allow_nan=False)


@pytest.mark.usefixtures("planes")
def test_of_several_and_to_standard_output(outcome_of: Any, photo: Path) -> None:
    for words in ((photo.parent,), (photo, "-o", "-")):
        found = outcome_of("encode", *words, *PLANES, "--compare")
        assert found.status == 2 and "--compare takes one picture" in found.err
        assert found.out == ""
