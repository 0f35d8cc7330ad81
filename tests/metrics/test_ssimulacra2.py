"""SSIMULACRA 2.1 against the authors' own program, and its laws."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable

import numpy as np
import PIL.Image
import pytest

from slimcodec.metrics import Ssimulacra2
from slimcodec.types import Image

Change = Callable[[Image], Image]


def waves(height: int, width: int) -> Image:
    """Waves, a bright rectangle and a fine pattern: a formula that anyone can compute again."""
    rows, columns = np.mgrid[:height, :width]
    planes = [
        110 + 70 * np.sin(rows * 0.07 + channel) * np.cos(columns * (0.05 + 0.03 * channel))
        for channel in range(3)
    ]
    picture = np.stack(planes, axis=2)
    picture[height // 4 : height // 2, width // 3 : width // 2] += (50, 30, -40)
    picture += ((rows * 7 + columns * 13) % 17 - 8)[..., None]
    return np.asarray(np.clip(np.rint(picture), 0, 255), np.uint8)


def posterized(image: Image) -> Image:
    return image // 24 * 24 + 12


def shifted(image: Image) -> Image:
    return np.roll(image, 1, axis=1)


def blocky(image: Image) -> Image:
    """Every fourth sample, four times each way."""
    rows, columns = (np.arange(side) // 4 * 4 for side in image.shape[:2])
    return image[rows][:, columns]


def warmer(image: Image) -> Image:
    return np.asarray(np.clip(image + np.array([6, 0, -6]), 0, 255), np.uint8)


# Printed by `ssimulacra2` of github.com/cloudinary/ssimulacra2 for PNG files of these pictures.
PRINTED = [
    ((320, 256), posterized, 70.949),
    ((320, 256), shifted, 47.987),
    ((320, 256), blocky, -9.258),
    ((320, 256), warmer, 88.764),
    ((161, 250), posterized, 70.596),
    ((161, 250), shifted, 50.731),
    ((161, 250), blocky, -3.047),
    ((161, 250), warmer, 89.352),
    ((96, 80), posterized, 47.682),
    ((96, 80), shifted, 37.821),
    ((96, 80), blocky, 27.416),
    ((96, 80), warmer, 94.953),
    ((9, 300), posterized, 90.336),
    ((9, 300), shifted, 87.442),
    ((9, 300), blocky, 81.688),
    ((9, 300), warmer, 98.075),
    ((8, 8), posterized, 93.294),
    ((8, 8), shifted, 86.925),
    ((8, 8), blocky, 87.723),
    ((8, 8), warmer, 98.494),
]


@pytest.mark.parametrize(("size", "change", "printed"), PRINTED)
def test_it_agrees_with_the_authors_program(
    size: tuple[int, int], change: Change, printed: float
) -> None:
    """That computes in single precision and takes sRGB from tables of a colour library."""
    image = waves(*size)
    assert Ssimulacra2()(image, change(image)) == pytest.approx(printed, abs=0.15)


def test_it_falls_with_the_quality_of_a_jpeg(draw: Callable[..., Image]) -> None:
    image = draw(160, 200)

    def coded(quality: int) -> Image:
        file = io.BytesIO()
        PIL.Image.fromarray(image).save(file, format="JPEG", quality=quality)
        return np.asarray(PIL.Image.open(file))

    values = [Ssimulacra2()(image, coded(quality)) for quality in (95, 80, 60, 40, 20, 5)]
    assert all(more > less for more, less in itertools.pairwise(values))
    assert 80 < values[0] < 100 and values[-1] < 30


def test_it_is_not_symmetric(draw: Callable[..., Image]) -> None:
    """Edges that were not there weigh otherwise than edges that are gone."""
    image = draw(96, 96)
    assert Ssimulacra2()(image, blocky(image)) != Ssimulacra2()(blocky(image), image)


def test_small_images_are_extended() -> None:
    image = waves(3, 20)
    other = posterized(image)
    tall = [np.concatenate([i, np.repeat(i[-1:], 5, axis=0)]) for i in (image, other)]
    assert Ssimulacra2()(image, other) == Ssimulacra2()(*tall)
