from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from slimcodec.metrics import Psnr
from slimcodec.types import Image


@pytest.mark.parametrize("sigma", [1, 10, 60])
def test_it_agrees_with_scikit_image(
    sigma: float, draw: Callable[..., Image], noisy: Callable[..., Image]
) -> None:
    image = draw(61, 83)
    other = noisy(image, sigma)
    assert Psnr()(image, other) == pytest.approx(peak_signal_noise_ratio(image, other), abs=1e-9)


def test_known_values() -> None:
    black = np.zeros((5, 4, 3), np.uint8)
    assert Psnr()(black, black + np.uint8(255)) == 0
    assert Psnr()(black, black + np.uint8(1)) == pytest.approx(20 * math.log10(255))
    assert Psnr()(black, black) == math.inf


def test_one_sample_of_one_channel_counts_a_third_of_a_pixel() -> None:
    black = np.zeros((1, 1, 3), np.uint8)
    red = np.array([[[255, 0, 0]]], np.uint8)
    assert Psnr()(black, red) == pytest.approx(10 * math.log10(3))
    assert Psnr()(red, black) == Psnr()(black, red)
