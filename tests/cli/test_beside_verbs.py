"""What travels with a picture, from encode through cut and inspect to decode."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from slimcodec.cli import beside
from slimcodec.images import has_position, plane_bytes, read_image
from slimcodec.stream import Stream, attach, pack, unpack
from tests.planes import BitPlanes

PLANES = ("--codec", "planes", "--json")
XMP = b'<x:xmpmeta tiff:Orientation="1"/>'


def save(path: Path, *, position: bool = False) -> Path:
    """A picture 30 wide and 20 high that is meant to be seen upright, with EXIF and XMP."""
    exif = PIL.Image.Exif()
    exif[271], exif[274] = "Maker", 6
    if position:
        exif[0x8825] = {1: "N", 2: (47.0, 22.0, 3.0)}
    PIL.Image.effect_noise((30, 20), 50).convert("RGB").save(path, exif=exif.tobytes(), xmp=XMP)
    return path


@pytest.fixture()
def photo(tmp_path: Path) -> Path:
    return save(tmp_path / "photo.jpg")


@pytest.fixture()
def cutout(tmp_path: Path) -> Path:
    """A picture with transparency, and colours below it."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    pixels[:9, :, 3] = 0
    PIL.Image.fromarray(pixels).save(tmp_path / "cutout.png")
    return tmp_path / "cutout.png"


# Metadata


def test_metadata_there_and_back(outcome_of: Any, planes: BitPlanes, photo: Path) -> None:
    found = outcome_of("encode", photo, *PLANES, "--metadata")
    stream, facts = photo.with_suffix(".slc"), json.loads(found.out)
    assert found.status == 0 and facts["notes"] == ["the EXIF orientation was applied"]
    read = read_image(photo)
    content = unpack(stream.read_bytes())
    assert content.beside == read.metadata and read.metadata.keys() == {"exif", "xmp"}
    assert facts["beside_bytes"] == {k: len(v) for k, v in read.metadata.items()}
    assert stream.stat().st_size == facts["bytes"]
    for suffix in ("png", "jpg", "webp", "tif"):
        picture = photo.with_name(f"back.{suffix}")
        found = outcome_of("decode", stream, *PLANES, "-o", picture)
        assert found.status == 0 and json.loads(found.out)["beside"] == ["exif", "xmp"]
        with PIL.Image.open(picture) as back:
            assert back.getexif()[271] == "Maker" and back.info["xmp"] == XMP
        assert read_image(picture).pixels.shape == (30, 20, 3)
    expected = planes.decode(planes.encode(read.pixels))
    assert np.array_equal(read_image(photo.with_name("back.png")).pixels, expected)


@pytest.mark.usefixtures("planes")
def test_metadata_that_does_not_come_back(outcome_of: Any, photo: Path) -> None:
    assert outcome_of("encode", photo, *PLANES, "--metadata").status == 0
    stream, picture = photo.with_suffix(".slc"), photo.with_name("back.ppm")
    found = outcome_of("decode", stream, *PLANES, "-o", picture)
    assert found.status == 0 and json.loads(found.out)["beside"] == []
    assert found.err == f"{stream}: a .ppm file cannot hold its EXIF and XMP\n"
    picture = photo.with_name("back.png")
    found = outcome_of("decode", stream, *PLANES, "-o", picture, "--no-metadata")
    assert found.status == 0 and found.err == ""
    assert read_image(picture).metadata == {}


@pytest.mark.usefixtures("planes")
def test_what_is_left_out_is_said_once(outcome_of: Any, photo: Path, tmp_path: Path) -> None:
    sentence = "its EXIF and XMP were left out (--metadata keeps them)"
    found = outcome_of("encode", photo, *PLANES)
    assert f"{photo}: {sentence}" in found.err.splitlines()
    assert not unpack(photo.with_suffix(".slc").read_bytes()).beside
    folder = tmp_path / "several"
    folder.mkdir()
    for number in range(3):
        save(folder / f"{number}.jpg")
    found = outcome_of("encode", folder, "--codec", "planes", "-o", tmp_path / "out")
    assert found.err.count("left out") == 1 and f"3 of 3: {sentence}" in found.err
    PIL.Image.new("RGB", (9, 9)).save(tmp_path / "plain.png")
    found = outcome_of("encode", tmp_path / "plain.png", *PLANES)
    assert found.status == 0 and found.err == ""


@pytest.mark.usefixtures("planes")
def test_a_position_is_said(outcome_of: Any, tmp_path: Path) -> None:
    photo = save(tmp_path / "there.jpg", position=True)
    found = outcome_of("encode", photo, *PLANES, "--metadata")
    assert "position where it was taken travels" in found.err
    assert has_position(unpack(photo.with_suffix(".slc").read_bytes()).beside)
    found = outcome_of("encode", photo, *PLANES, "--force")
    assert "the position where" not in found.err


@pytest.mark.usefixtures("planes")
def test_too_much_metadata(outcome_of: Any, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "_MOST_BYTES", 50)
    found = outcome_of("encode", photo, *PLANES, "--metadata")
    assert found.status == 1 and found.out == "" and found.err.count("\n") == 1
    assert f"{photo}: its EXIF and XMP take" in found.err and "--metadata" in found.err
    assert not photo.with_suffix(".slc").exists()


@pytest.mark.parametrize("option", ["--metadata", "--alpha"])
def test_image_formats_are_no_streams(outcome_of: Any, photo: Path, option: str) -> None:
    found = outcome_of("encode", photo, "--codec", "webp", option)
    assert found.status == 2 and found.err.startswith(f"slimcodec: {option} is for slimcodec")


# Transparency


def test_transparency_there_and_back(outcome_of: Any, planes: BitPlanes, cutout: Path) -> None:
    found = outcome_of("encode", cutout, *PLANES, "--alpha", "--quality", 8)
    stream, facts = cutout.with_suffix(".slc"), json.loads(found.out)
    assert found.status == 0 and found.err == "" and facts["beside_bytes"].keys() == {"alpha"}
    before = np.asarray(PIL.Image.open(cutout))
    seen = before[:, :, 3] > 0
    for suffix in ("png", "webp", "tif"):
        picture = cutout.with_name(f"back.{suffix}")
        found = outcome_of("decode", stream, *PLANES, "-o", picture)
        assert found.status == 0 and found.err == ""
        assert json.loads(found.out)["beside"] == ["alpha"]
        after = np.asarray(PIL.Image.open(picture))
        assert np.array_equal(after[:, :, 3], before[:, :, 3])
        assert np.array_equal(after[seen], before[seen])
        assert not np.array_equal(after[~seen][:, :3], before[~seen][:, :3])


@pytest.mark.usefixtures("planes")
@pytest.mark.parametrize(("colour", "shown"), [("white", 255), ("black", 0)])
def test_a_format_without_transparency(
    outcome_of: Any, cutout: Path, colour: str, shown: int
) -> None:
    assert outcome_of("encode", cutout, *PLANES, "--alpha", "--quality", 8).status == 0
    stream, picture = cutout.with_suffix(".slc"), cutout.with_name("back.bmp")
    found = outcome_of("decode", stream, *PLANES, "-o", picture, "--background", colour)
    assert found.status == 0 and json.loads(found.out)["beside"] == []
    assert found.err == f"{stream}: transparency was composited on {colour}\n"
    assert (read_image(picture).pixels[:9] == shown).all()
    red, green, blue = (shown,) * 3
    expected = read_image(cutout, background=(red, green, blue)).pixels
    assert np.array_equal(read_image(picture).pixels, expected)


@pytest.mark.usefixtures("planes")
def test_kept_transparency_has_no_background(outcome_of: Any, cutout: Path) -> None:
    found = outcome_of("encode", cutout, *PLANES, "--alpha", "--background", "red")
    assert found.status == 2 and "leave --background to decode" in found.err


@pytest.mark.parametrize(
    ("plane", "words"),
    [
        (plane_bytes(np.zeros((40, 30), np.uint8)), "30x40"),
        (b"\x89PNG\r\n\x1a\n", "cannot be read"),
    ],
)
def test_a_plane_that_is_not_the_picture_s(
    outcome_of: Any, planes: BitPlanes, tmp_path: Path, plane: bytes, words: str
) -> None:
    stream = tmp_path / "a.slc"
    stream.write_bytes(attach(planes.encode(np.zeros((20, 30, 3), np.uint8)), {"alpha": plane}))
    found = outcome_of("decode", stream, "--codec", "planes")
    assert found.status == 1 and found.out == "" and found.err.count("\n") == 1
    assert found.err.startswith(f"slimcodec: {stream}: the transparency") and words in found.err
    assert not list(tmp_path.glob("*.png"))


# Between


def test_cut_keeps_what_travels(outcome_of: Any, planes: BitPlanes, photo: Path) -> None:
    assert outcome_of("encode", photo, *PLANES, "--metadata", "--iterations", 5).status == 0
    stream = photo.with_suffix(".slc")
    found = outcome_of("cut", stream, "--iterations", 2, "--json")
    facts = json.loads(found.out)
    assert (facts["iterations"], facts["iterations_before"]) == (2, 5)
    read = read_image(photo)
    coarser = Path(facts["stream"]).read_bytes()
    assert coarser == attach(planes.encode(read.pixels, 2), read.metadata)


@pytest.mark.usefixtures("planes")
def test_inspect_says_what_travels(outcome_of: Any, photo: Path) -> None:
    assert outcome_of("encode", photo, *PLANES, "--metadata").status == 0
    stream = photo.with_suffix(".slc")
    facts = json.loads(outcome_of("inspect", stream, "--json").out)
    metadata = read_image(photo).metadata
    assert facts["beside_bytes"] == {name: len(data) for name, data in metadata.items()}
    assert "tiles" not in facts and len(facts["sections"]) == 3
    assert facts["sections"][-1]["bytes_so_far"] == stream.stat().st_size
    assert "beside_bytes" in outcome_of("inspect", stream).out


@pytest.mark.parametrize("progressive", [False, True])
def test_inspect_lists_tiles(outcome_of: Any, tmp_path: Path, progressive: bool) -> None:
    path = tmp_path / "a.slc"
    sections: tuple[bytes, ...] = (b"a", b"bb", b"the third", b"dddd")
    if progressive:
        sections += (b"e", b"f", b"g", b"h")
    content = Stream(b"identity", 300, 300, 12, sections, progressive, tile=9, tiles=4)
    path.write_bytes(pack(content))
    found = outcome_of("inspect", path, "--json")
    facts = json.loads(found.out)
    more = int(progressive)
    assert found.status == 0 and (facts["tiles"], facts["tile_positions"]) == (4, 9)
    assert facts["tile_bytes"] == [1 + more, 2 + more, 9 + more, 4 + more]
    assert "damaged_tiles" not in facts and "section_bytes" not in facts
    if progressive:
        assert [step["section_bytes"] for step in facts["sections"]] == [16, 4]
        assert facts["sections"][-1]["bytes_so_far"] == path.stat().st_size
    path.write_bytes(path.read_bytes().replace(b"the third", b"the thirt"))
    found = outcome_of("inspect", path, "--json")
    facts = json.loads(found.out)
    assert found.status == 1 and facts["damaged_tiles"] == [3]
    assert facts["tile_bytes"] == [1 + more, 2 + more, more, 4 + more]
    assert "tile 3 of 4 is damaged" in facts["damage"]
