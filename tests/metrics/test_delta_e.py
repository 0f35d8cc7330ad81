"""CIEDE2000 against the published test pairs and against scikit-image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from slimcodec.errors import UsageError
from slimcodec.metrics import DeltaE, delta_e_2000, srgb_to_lab
from slimcodec.types import Image

# Sharma, Wu and Dalal 2005, table 1: L a b, L a b, difference.
SHARMA = np.array(
    [
        [50.0000, 2.6772, -79.7751, 50.0000, 0.0000, -82.7485, 2.0425],
        [50.0000, 3.1571, -77.2803, 50.0000, 0.0000, -82.7485, 2.8615],
        [50.0000, 2.8361, -74.0200, 50.0000, 0.0000, -82.7485, 3.4412],
        [50.0000, -1.3802, -84.2814, 50.0000, 0.0000, -82.7485, 1.0000],
        [50.0000, -1.1848, -84.8006, 50.0000, 0.0000, -82.7485, 1.0000],
        [50.0000, -0.9009, -85.5211, 50.0000, 0.0000, -82.7485, 1.0000],
        [50.0000, 0.0000, 0.0000, 50.0000, -1.0000, 2.0000, 2.3669],
        [50.0000, -1.0000, 2.0000, 50.0000, 0.0000, 0.0000, 2.3669],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0009, 7.1792],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0010, 7.1792],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0011, 7.2195],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0012, 7.2195],
        [50.0000, -0.0010, 2.4900, 50.0000, 0.0009, -2.4900, 4.8045],
        [50.0000, -0.0010, 2.4900, 50.0000, 0.0010, -2.4900, 4.8045],
        [50.0000, -0.0010, 2.4900, 50.0000, 0.0011, -2.4900, 4.7461],
        [50.0000, 2.5000, 0.0000, 50.0000, 0.0000, -2.5000, 4.3065],
        [50.0000, 2.5000, 0.0000, 73.0000, 25.0000, -18.0000, 27.1492],
        [50.0000, 2.5000, 0.0000, 61.0000, -5.0000, 29.0000, 22.8977],
        [50.0000, 2.5000, 0.0000, 56.0000, -27.0000, -3.0000, 31.9030],
        [50.0000, 2.5000, 0.0000, 58.0000, 24.0000, 15.0000, 19.4535],
        [50.0000, 2.5000, 0.0000, 50.0000, 3.1736, 0.5854, 1.0000],
        [50.0000, 2.5000, 0.0000, 50.0000, 3.2972, 0.0000, 1.0000],
        [50.0000, 2.5000, 0.0000, 50.0000, 1.8634, 0.5757, 1.0000],
        [50.0000, 2.5000, 0.0000, 50.0000, 3.2592, 0.3350, 1.0000],
        [60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644],
        [63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.2630],
        [61.2901, 3.7196, -5.3901, 61.4292, 2.2480, -4.9620, 1.8731],
        [35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645],
        [22.7233, 20.0904, -46.6940, 23.0331, 14.9730, -42.5619, 2.0373],
        [36.4612, 47.8580, 18.3852, 36.2715, 50.5065, 21.2231, 1.4146],
        [90.8027, -2.0831, 1.4410, 91.1528, -1.6435, 0.0447, 1.4441],
        [90.9257, -0.5406, -0.9208, 88.6381, -0.8985, -0.7239, 1.5381],
        [6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377],
        [2.0776, 0.0795, -1.1350, 0.9033, -0.0636, -0.5514, 0.9082],
    ]
)


def test_the_published_pairs() -> None:
    first, second, published = SHARMA[:, :3], SHARMA[:, 3:6], SHARMA[:, 6]
    np.testing.assert_allclose(delta_e_2000(first, second), published, atol=5.1e-5)
    np.testing.assert_allclose(delta_e_2000(second, first), published, atol=5.1e-5)


def test_it_agrees_with_scikit_image_on_random_colours() -> None:
    rng = np.random.default_rng(0)
    low, high = [0, -110, -110], [100, 110, 110]
    first, second = rng.uniform(low, high, (2, 4000, 3))
    near = first + rng.normal(0, 2, first.shape)
    for other in (second, near):
        theirs = deltaE_ciede2000(first, other)
        np.testing.assert_allclose(delta_e_2000(first, other), theirs, atol=1e-9)


def test_lab_agrees_with_scikit_image_up_to_its_white_point() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    np.testing.assert_allclose(srgb_to_lab(pixels), rgb2lab(pixels), atol=0.03)


def test_greys_have_no_chroma() -> None:
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    lab = srgb_to_lab(greys)
    np.testing.assert_allclose(lab[:, 1:], 0, atol=1e-12)
    assert lab[0, 0] == pytest.approx(0, abs=1e-12)
    assert lab[-1, 0] == pytest.approx(100)
    assert (np.diff(lab[:, 0]) > 0).all()


@pytest.mark.parametrize("size", [(32, 40), (150, 131)])
def test_the_mean_over_an_image(
    size: tuple[int, int], draw: Callable[..., Image], noisy: Callable[..., Image]
) -> None:
    image = draw(*size)
    other = noisy(image, 6)
    theirs = deltaE_ciede2000(rgb2lab(image), rgb2lab(other)).mean()
    assert DeltaE()(image, other) == pytest.approx(theirs, abs=5e-3)
    assert DeltaE()(image, other) == pytest.approx(DeltaE()(other, image), abs=1e-9)


def test_it_sees_a_shift_of_tone(draw: Callable[..., Image]) -> None:
    image = draw(48, 48)
    warmer = np.clip(image + np.array([6, 0, -6]), 0, 255).astype(np.uint8)
    assert DeltaE()(image, warmer) > 2


def test_other_arrays_are_refused() -> None:
    with pytest.raises(UsageError, match="pixels must be uint8"):
        srgb_to_lab(np.zeros((4, 3)))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="one shape"):
        delta_e_2000(np.zeros((4, 3)), np.zeros((5, 3)))
