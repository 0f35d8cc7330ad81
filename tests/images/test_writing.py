"""The file holds exactly the pixels, or there is no file."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from slimcodec.errors import ImageError
from slimcodec.images import read_image, write_image
from slimcodec.types import Image


def noise(height: int, width: int) -> Image:
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".webp", ".tif", ".tiff", ".bmp", ".ppm", ""])
@pytest.mark.parametrize("shape", [(1, 1), (17, 5)])
def test_without_loss(tmp_path: Path, suffix: str, shape: tuple[int, int]) -> None:
    path = tmp_path / f"image{suffix}"
    image = noise(*shape)
    write_image(path, image[::-1])  # not contiguous
    read = read_image(path)
    np.testing.assert_array_equal(read.pixels, image[::-1])
    assert read.notes == ()
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_no_suffix_means_png(tmp_path: Path) -> None:
    write_image(tmp_path / "image", noise(3, 3))
    with PillowImage.open(tmp_path / "image") as picture:
        assert picture.format == "PNG"


def test_jpeg_is_near(tmp_path: Path) -> None:
    image = np.full((16, 16, 3), (200, 30, 90), np.uint8)
    write_image(str(tmp_path / "a.jpg"), image)
    assert np.abs(read_image(tmp_path / "a.jpg").pixels.astype(int) - image).max() <= 2


def test_unknown_suffix_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"a\.xyz: unknown image suffix '\.xyz'; use one of \.png"):
        write_image(tmp_path / "a.xyz", noise(2, 2))


def test_a_format_that_cannot_hold_it(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"WEBP cannot hold 16384 x 1 pixels.*write a PNG"):
        write_image(tmp_path / "a.webp", np.zeros((1, 16384, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="there is no folder"):
        write_image(tmp_path / "missing" / "a.png", noise(2, 2))


def test_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ImageError, match="disk full"):
        write_image(tmp_path / "a.png", noise(2, 2))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "image", [np.zeros((2, 2), np.uint8), np.zeros((2, 2, 3)), np.zeros((0, 2, 3), np.uint8)]
)
def test_what_is_no_image(tmp_path: Path, image: Image) -> None:
    with pytest.raises(ValueError, match=r"uint8 \[h, w, 3\]"):
        write_image(tmp_path / "a.png", image)
