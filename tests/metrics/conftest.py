"""Images for the metrics' tests, made on the spot: smooth waves, edges and grain."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from slimcodec.types import Image


def draw(height: int, width: int, seed: int = 0) -> Image:
    """A picture with smooth areas, a bright rectangle and some grain, ``uint8 [h, w, 3]``."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    picture = np.empty((height, width, 3))
    for channel in range(3):
        down, across = rng.uniform(0.02, 0.2, 2)
        picture[..., channel] = 110 + 70 * np.sin(rows * down + channel) * np.cos(columns * across)
    picture[height // 4 : height // 2, width // 3 : width // 2] += rng.uniform(-80, 80, 3)
    return quantized(picture + rng.normal(0, 4, picture.shape))


def noisy(image: Image, sigma: float, seed: int = 1) -> Image:
    """The image with Gaussian noise of that many grey levels."""
    return quantized(image + np.random.default_rng(seed).normal(0, sigma, image.shape))


def quantized(samples: np.ndarray) -> Image:
    return np.clip(np.rint(samples), 0, 255).astype(np.uint8)


@pytest.fixture(name="draw")
def _draw() -> Callable[..., Image]:
    return draw


@pytest.fixture(name="noisy")
def _noisy() -> Callable[..., Image]:
    return noisy
