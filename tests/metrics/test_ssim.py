"""SSIM and MS-SSIM against two other implementations and against the definition itself."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from slimcodec.errors import UsageError
from slimcodec.metrics import MsSsim, Ssim, to_db
from slimcodec.types import Image

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def by_the_book(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """SSIM and its structure term for one channel, window by window, as the formula reads."""
    taps = [min(11, side if side % 2 else side - 1) for side in x.shape]
    axes = [np.arange(n) - n // 2 for n in taps]
    window = np.exp(-(axes[0][:, None] ** 2 + axes[1][None, :] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    wholes, structures = [], []
    for top in range(x.shape[0] - taps[0] + 1):
        for left in range(x.shape[1] - taps[1] + 1):
            a, b = (p[top : top + taps[0], left : left + taps[1]] for p in (x, y))
            mean_a, mean_b = (window * a).sum(), (window * b).sum()
            variances = (window * ((a - mean_a) ** 2 + (b - mean_b) ** 2)).sum()
            covariance = (window * (a - mean_a) * (b - mean_b)).sum()
            structure = (2 * covariance + 7.65**2) / (variances + 7.65**2)
            light = (2 * mean_a * mean_b + 2.55**2) / (mean_a**2 + mean_b**2 + 2.55**2)
            structures.append(structure)
            wholes.append(light * structure)
    return float(np.mean(wholes)), float(np.mean(structures))


def channels(*images: Image) -> list[tuple[np.ndarray, ...]]:
    return [tuple(image[..., c].astype(np.float64) for image in images) for c in range(3)]


@pytest.mark.parametrize("size", [(64, 96), (75, 43), (11, 200)])
@pytest.mark.parametrize("sigma", [2, 25])
def test_ssim_agrees_with_scikit_image(
    size: tuple[int, int],
    sigma: float,
    draw: Callable[..., Image],
    noisy: Callable[..., Image],
) -> None:
    image = draw(*size)
    other = noisy(image, sigma)
    theirs = structural_similarity(
        image,
        other,
        channel_axis=2,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
    )
    assert Ssim()(image, other) == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("size", [(176, 192), (161, 161), (163, 205), (187, 170), (300, 222)])
@pytest.mark.parametrize("sigma", [3, 40])
def test_both_agree_with_pytorch_msssim(
    size: tuple[int, int],
    sigma: float,
    draw: Callable[..., Image],
    noisy: Callable[..., Image],
) -> None:
    torch = pytest.importorskip("torch")
    theirs = pytest.importorskip("pytorch_msssim")
    image = draw(*size)
    other = noisy(image, sigma)
    x, y = (torch.from_numpy(i.transpose(2, 0, 1)[None].astype(np.float64)) for i in (image, other))
    # Its own window is rounded to float32, which costs the sixth digit; with an exact one it is an
    # oracle to the last.
    taps = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    window = torch.from_numpy(taps / taps.sum()).expand(3, 1, 1, 11)
    for ours, oracle in ((Ssim(), theirs.ssim), (MsSsim(), theirs.ms_ssim)):
        assert ours(image, other) == pytest.approx(oracle(x, y, win=window).item(), abs=1e-9)
        assert ours(image, other) == pytest.approx(oracle(x, y).item(), abs=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 9), (6, 5), (10, 24), (13, 12)])
def test_small_images_follow_the_definition_with_a_smaller_window(
    size: tuple[int, int], draw: Callable[..., Image], noisy: Callable[..., Image]
) -> None:
    image = draw(*size)
    other = noisy(image, 20)
    expected = np.mean([by_the_book(x, y)[0] for x, y in channels(image, other)])
    assert Ssim()(image, other) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("size", "scales"), [((20, 30), 1), ((21, 40), 2), ((42, 52), 3)])
def test_ms_ssim_below_161_uses_the_scales_that_fit(
    size: tuple[int, int],
    scales: int,
    draw: Callable[..., Image],
    noisy: Callable[..., Image],
) -> None:
    image = draw(*size)
    other = noisy(image, 15)
    values = []
    for x, y in channels(image, other):
        value = 1.0
        for scale, weight in enumerate(WEIGHTS[:scales]):
            whole, structure = by_the_book(x, y)
            factor = whole if scale == scales - 1 else structure
            value *= max(factor, 0) ** (weight / sum(WEIGHTS[:scales]))
            x, y = (halved(plane) for plane in (x, y))
        values.append(value)
    assert MsSsim()(image, other) == pytest.approx(np.mean(values), abs=1e-9)


def halved(plane: np.ndarray) -> np.ndarray:
    height, width = plane.shape
    framed = np.zeros((height + height % 2, width + width % 2))
    framed[height % 2 :, width % 2 :] = plane
    return framed.reshape(framed.shape[0] // 2, 2, framed.shape[1] // 2, 2).mean(axis=(1, 3))


def test_opposite_structure_is_negative_for_ssim_and_zero_for_ms_ssim() -> None:
    texture = np.random.default_rng(3).integers(64, 192, (180, 180, 1), dtype=np.uint8)
    image = np.repeat(texture, 3, axis=2)
    inverted = np.uint8(255) - image
    assert Ssim()(image, inverted) < -0.5
    assert MsSsim()(image, inverted) == 0


def test_decibels() -> None:
    assert to_db(0.9) == pytest.approx(10)
    assert to_db(0.99) == pytest.approx(20)
    assert to_db(0) == 0
    assert to_db(1) == math.inf
    for wrong in (1.5, 17.3, math.nan):
        with pytest.raises(UsageError, match="at most 1"):
            to_db(wrong)
