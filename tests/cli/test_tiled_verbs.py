"""Large pictures on the command line: parts of them, bounds on memory, and damaged tiles."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from PIL import ImageFile

import slimcodec.pillow
from slimcodec import library, readers
from slimcodec.codecs import tiles
from slimcodec.images import read_image, write_image
from slimcodec.stream import unpack
from slimcodec.types import Region


@pytest.fixture(scope="module", params=["hific-s", "toderici-s"])
def stream(request: Any, picture: Any, tmp_path_factory: Any) -> Path:
    """Of a picture in six tiles, by a built-in model."""
    place = tmp_path_factory.mktemp("tiles") / "large.slc"
    codec: Any = library.load_codec(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "TILE", 8)
        patch.setattr(tiles, "WHOLE", 20_000)
        place.write_bytes(codec.encode(picture(200, 300), codec.qualities[0]))
    assert unpack(place.read_bytes()).tiles == 6
    return place


def test_a_region(outcome_of: Any, stream: Path, tmp_path: Path) -> None:
    whole, part = tmp_path / "whole.png", tmp_path / "part.png"
    assert outcome_of("decode", stream, "-o", whole).status == 0
    found = outcome_of("decode", stream, "-o", part, "--region", "150,90,100,70")
    assert found.status == 0 and "100x70, decoded by" in found.out
    pixels = read_image(part).pixels.astype(int)
    assert np.abs(pixels - read_image(whole).pixels[90:160, 150:250]).max() <= 1
    with PIL.Image.open(stream) as opened:
        cropped = np.asarray(opened.crop((150, 90, 250, 160))).astype(int)
        assert opened.fp is not None  # nothing else was decoded
        assert np.array_equal(cropped, pixels)
        # What lies outside is black, as of any picture.
        beyond = np.asarray(opened.crop((290, 190, 310, 210)))
    assert beyond.shape == (20, 20, 3) and not beyond[10:, 10:].any()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("250,90,100,70", "is not inside the picture of 300x200 pixels"),
        ("0,0,0,70", "is not inside"),
        ("1,2,3", "x,y,width,height in pixels, got '1,2,3'"),
        ("1,2,3,x", "x,y,width,height in pixels, got 'x'"),
    ],
)
def test_no_region(outcome_of: Any, stream: Path, tmp_path: Path, given: str, words: str) -> None:
    found = outcome_of("decode", stream, "-o", tmp_path / "part.png", "--region", given)
    assert found.status in (1, 2) and words in found.err and found.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_formats_decode_whole_pictures(outcome_of: Any, picture: Any, tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", picture(20, 30))
    assert outcome_of("encode", tmp_path / "a.png", "--codec", "jpeg").status == 0
    words = ("--codec", "jpeg", "--region", "0,0,5,5")
    found = outcome_of("decode", tmp_path / "a.jpeg", *words)
    assert found.status == 2 and "leave out --region" in found.err


def test_a_bound_on_memory(outcome_of: Any, stream: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    found = outcome_of("decode", stream, "-o", out, "--memory", "10MB")
    assert found.status == 2 and "--memory 10.0 MB is less than the" in found.err
    assert outcome_of("decode", stream, "-o", out, "--memory", "8GB").status == 0


def test_a_damaged_tile(outcome_of: Any, stream: Path, tmp_path: Path) -> None:
    data = bytearray(stream.read_bytes())
    parts = unpack(bytes(data))
    section = parts.sections[4]
    data[data.index(section) + len(section) // 2] ^= 1
    bad, out = tmp_path / "bad.slc", tmp_path / "out.png"
    bad.write_bytes(data)
    found = outcome_of("decode", bad, "-o", out)
    assert found.status == 1
    assert "tile 5 of 6 is damaged or missing" in found.err and "--partial" in found.err
    assert read_image(out).pixels.shape == (200, 300, 3)
    assert outcome_of("decode", bad, "-o", out, "--partial", "--force").status == 0
    # A part that the damage does not touch is whole, but nobody says so without reading on.
    part = tmp_path / "part.png"
    assert outcome_of("decode", bad, "-o", part, "--region", "0,0,8,8", "--partial").status == 0
    with PIL.Image.open(bad) as opened, pytest.raises(OSError, match="tile 5 of 6"):
        opened.load()
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
        with PIL.Image.open(bad) as opened:
            assert np.array_equal(np.asarray(opened), read_image(out).pixels)


def test_a_part_of_what_is_damaged(stream: Path) -> None:
    """Only whoever is content with holes gets any of it."""
    codec: Any = readers.codec_of_stream(stream.read_bytes())
    with pytest.raises(slimcodec.errors.StreamError):
        codec.decode(stream.read_bytes()[:-1], region=Region(0, 0, 8, 8))


def test_iterations_of_what_is_damaged(outcome_of: Any, picture: Any, tmp_path: Path) -> None:
    """The first is whole; of two, one tile has the first alone."""
    codec: Any = library.load_codec("toderici-s")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "TILE", 8)
        patch.setattr(tiles, "WHOLE", 20_000)
        data = codec.encode(picture(200, 300), 2)
    section = unpack(data).sections[8]
    at = data.index(section) + len(section) // 2
    bad, out, cut = tmp_path / "bad.slc", tmp_path / "out.png", tmp_path / "cut.slc"
    bad.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    for words, status in (((), 1), (("--partial",), 0)):
        found = outcome_of("decode", bad, "-o", out, "--force", "--iterations", 2, *words)
        assert found.status == status and "tile 3 of 6 is damaged" in found.err
        assert found.out.endswith("decoded by toderici-s, 2 iterations\n")
    found = outcome_of("decode", bad, "-o", out, "--force", "--iterations", 1)
    assert (found.status, found.err) == (0, "")
    assert np.array_equal(read_image(out).pixels, codec.decode(codec.cut(data, 1)))
    assert outcome_of("cut", bad, "--iterations", 1, "-o", cut).status == 0
    assert cut.read_bytes() == codec.cut(data, 1)
    found = outcome_of("cut", bad, "--iterations", 2, "-o", cut, "--force")
    assert found.status == 0 and "tile 3 of 6 is damaged" in found.err
    assert unpack(cut.read_bytes(), partial=True).missing == {8}
