"""encode --mask: one for one picture, a folder for several, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slimcodec.codecs.regions import JpegRegions
from slimcodec.images import read_image, write_image
from slimcodec.types import Mask

REGIONS = ("--codec", "jpeg-regions")


@pytest.fixture()
def place(tmp_path: Path, picture: Any) -> Path:
    """Two pictures in a folder, and their masks in another."""
    for folder in ("photos", "masks"):
        (tmp_path / folder).mkdir()
    for number, name in enumerate("ab"):
        write_image(tmp_path / "photos" / f"{name}.jpg", picture(48, 64, number))
        write_image(tmp_path / "masks" / f"{name}.png", np.stack([mask(number)] * 3, axis=2))
    return tmp_path


def mask(number: int) -> Mask:
    white = np.zeros((48, 64), np.uint8)
    white[8:32, 16 * number : 16 * number + 24] = 255
    return white


def expected(photo: Path, number: int, quality: float = 75) -> bytes:
    return JpegRegions().masked(mask(number)).encode(read_image(photo).pixels, quality)


def test_one_picture(outcome_of: Any, place: Path) -> None:
    photo = place / "photos" / "a.jpg"
    found = outcome_of("encode", photo, *REGIONS, "--mask", place / "masks" / "a.png")
    assert found.status == 0 and found.out.startswith(str(photo.with_suffix(".jpeg")))
    assert photo.with_suffix(".jpeg").read_bytes() == expected(photo, 0)
    small = place / "small.jpg"
    outcome_of(
        "encode", photo, *REGIONS, "--mask", place / "masks", "--target-bytes", 800, "-o", small
    )
    assert 700 < len(small.read_bytes()) <= 800


def test_a_folder_of_them(outcome_of: Any, place: Path) -> None:
    words = ("encode", place / "photos", *REGIONS, "-o", place / "out", "--quality", 40)
    assert outcome_of(*words, "--mask", place / "masks").status == 0
    for number, name in enumerate("ab"):
        photo = place / "photos" / f"{name}.jpg"
        assert (place / "out" / f"{name}.jpeg").read_bytes() == expected(photo, number, 40)


def refused(found: Any, words: str) -> None:
    assert found.status == 2 and found.err.count("\n") == 1 and words in found.err


def test_masks_that_do_not_fit_their_pictures(outcome_of: Any, place: Path) -> None:
    photos, masks = place / "photos", place / "masks"
    words = ("encode", photos, *REGIONS, "--mask")
    refused(outcome_of(*words, masks / "a.png"), "is for one picture; of several, name a folder")
    (masks / "b.tiff").write_bytes((masks / "b.png").read_bytes())
    refused(outcome_of(*words, masks), "could both be the mask of")
    (masks / "b.tiff").unlink()
    (masks / "b.png").unlink()
    refused(outcome_of(*words, masks), f"there is no mask for {photos / 'b.jpg'}: ")
    assert not list(photos.glob("*.jpeg"))


def test_masks_that_are_none(outcome_of: Any, place: Path) -> None:
    photo, own = place / "photos" / "a.jpg", place / "own.png"
    words = ("encode", photo, *REGIONS, "--mask", own)
    assert "own.png: there is no such file" in outcome_of(*words).err
    own.write_text("no picture")
    assert "own.png: not an image of a known format" in outcome_of(*words).err
    write_image(own, np.zeros((48, 64, 3), np.uint8))
    refused(outcome_of(*words), "the mask tells no places apart: its values are 0 to 0")
    write_image(own, np.stack([mask(0)[:, :60]] * 3, axis=2))
    refused(outcome_of(*words), "the mask is 60x48 pixels and the picture 64x48; scale the mask")
    assert not photo.with_suffix(".jpeg").exists()


@pytest.mark.parametrize("codec", ["hific-s", "jpeg", "other.slim"])
def test_codecs_that_take_none(outcome_of: Any, place: Path, codec: str) -> None:
    words = ("encode", place / "photos" / "a.jpg", "--mask", place / "none.png", "--codec", codec)
    found = outcome_of(*words)
    assert found.status != 0 and found.err.count("\n") == 1
    assert codec == "other.slim" or "takes no mask; a codec that does is jpeg-regions" in found.err
