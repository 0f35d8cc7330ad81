"""What is written is baseline JPEG, and every decoder makes the same of it."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from slimcodec.codecs.regions import JpegRegions
from slimcodec.codecs.regions.coefficients import ZIGZAG, coefficients_of
from slimcodec.codecs.regions.jpeg_file import sizes_of, write_jpeg
from slimcodec.codecs.regions.thresholds import quantized
from slimcodec.registry import codecs
from slimcodec.types import Image

Picture = Callable[..., Image]
SHAPES = [(1, 1), (7, 5), (16, 16), (17, 33), (64, 80)]


def program(name: str) -> str:
    """One of libjpeg's programs."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"needs {name} (libjpeg-turbo-progs)")
    return path


def markers(file: bytes) -> list[int]:
    """Of the segments up to the scan."""
    found: list[int] = []
    place = 2
    while not found or found[-1] != 0xDA:
        assert file[place] == 0xFF
        found.append(file[place + 1])
        place += 2 + int.from_bytes(file[place + 2 : place + 4], "big")
    return found


@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_a_baseline_file_that_pillow_and_djpeg_read_alike(
    picture: Picture, shape: tuple[int, int], tmp_path: Path
) -> None:
    image = picture(*shape)
    for quality in (5, 50, 95):
        file = JpegRegions().encode(image, quality)
        assert set(markers(file)) == {0xE0, 0xDB, 0xC0, 0xC4, 0xDA}  # SOF0 and no other frame
        shown: Any = PIL.Image.open(io.BytesIO(file))
        assert (shown.format, shown.mode, shown.size) == ("JPEG", "RGB", shape[::-1])
        assert not shown.info.get("progressive") and shown.info["jfif"] == 0x101
        pixels = np.asarray(shown)
        np.testing.assert_array_equal(pixels, codecs.get("jpeg")().decode(file))
        (tmp_path / "a.jpg").write_bytes(file)
        made = subprocess.run(
            [program("djpeg"), str(tmp_path / "a.jpg")], capture_output=True, check=True
        )
        assert not made.stderr
        np.testing.assert_array_equal(np.asarray(PIL.Image.open(io.BytesIO(made.stdout))), pixels)


@pytest.mark.parametrize("quality", [10, 75, 95])
@pytest.mark.parametrize("shape", [(128, 160), (72, 100), (90, 75)])
def test_libjpeg_writes_the_same_bytes(
    photo: Image, quality: int, shape: tuple[int, int], tmp_path: Path
) -> None:
    """It reads the coefficients, and codes them anew with the best codes it knows."""
    file = JpegRegions().encode(photo[: shape[0], : shape[1]], quality)
    (tmp_path / "a.jpg").write_bytes(file)
    words = [program("jpegtran"), "-optimize", "-copy", "none", str(tmp_path / "a.jpg")]
    made = subprocess.run(words, capture_output=True, check=True)
    assert made.stdout == file


def test_whole_numbers_of_steps_are_those_of_libjpeg(photo: Image) -> None:
    """Rounded to the nearest, the file is about Pillow's own: as long, and as like the picture."""
    plain = codecs.get("jpeg")()
    theirs = plain.encode(photo, 60)
    own: Any = PIL.Image.open(io.BytesIO(theirs))
    steps = [np.array(own.quantization[i], np.uint8)[ZIGZAG] for i in (0, 1)]
    blocks = [
        quantized(each.reshape(-1, 64), steps[min(number, 1)]).reshape(each.shape)
        for number, each in enumerate(coefficients_of(photo))
    ]
    ours = write_jpeg(blocks, steps, *photo.shape[:2])
    assert abs(len(ours) / len(theirs) - 1) < 0.01
    errors = [np.square(plain.decode(file) - photo.astype(float)).mean() for file in (ours, theirs)]
    assert errors[0] == pytest.approx(errors[1], rel=0.02)


def inverse(blocks: NDArray[np.int16], step: int) -> NDArray[np.float64]:
    """Samples of quantized blocks, by the standard's formula."""
    rows, columns, _ = blocks.shape
    squares = np.zeros(blocks.shape)
    squares[:, :, ZIGZAG] = blocks * float(step)
    frequency, sample = np.mgrid[:8, :8]
    waves = np.cos((2 * sample + 1) * frequency * np.pi / 16) / 2
    waves[0] /= np.sqrt(2)
    found = waves.T @ squares.reshape(rows, columns, 8, 8) @ waves
    return found.transpose(0, 2, 1, 3).reshape(8 * rows, 8 * columns)


@pytest.mark.parametrize("share", [0, 0.01, 0.05, 0.5, 1])
def test_any_coefficients_come_back(share: float) -> None:
    """Long runs of zeros, a last place that is not zero, all sizes: luma by the formula, where the
    sum stays within what samples can be."""
    rng = np.random.default_rng(int(100 * share))
    luma = np.where(rng.random((6, 8, 64)) < share, rng.integers(-9, 10, (6, 8, 64)), 0)
    luma[0, 0, 0], luma[0, 1, 0], luma[1, 1, 63] = 100, -100, 1
    blocks = [luma.astype(np.int16), *(np.zeros((3, 4, 64), np.int16) for _ in range(2))]
    steps = [np.full(64, 2, np.uint8), np.full(64, 255, np.uint8)]
    shown: Any = PIL.Image.open(io.BytesIO(write_jpeg(blocks, steps, 48, 64)))
    shown.draft("YCbCr", None)
    expected = np.clip(inverse(blocks[0], 2) + 128, 0, 255)
    pixels = np.asarray(shown)
    assert np.abs(pixels[:, :, 0] - expected).max() <= 1
    assert (pixels[:, :, 1:] == 128).all()


def test_sizes() -> None:
    values = np.array([0, 1, -1, 2, 3, -4, 7, 8, 255, 256, -1023, 1024, 2047], np.int32)
    assert sizes_of(values).tolist() == [int(abs(value)).bit_length() for value in values.tolist()]
