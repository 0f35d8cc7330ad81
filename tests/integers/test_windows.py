"""Windows of 3x3 as one product, against torch's convolutions on integers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from slimcodec.integers import bordered, corners, interleaved, taps, window, window_of_phases

SIZES = [(1, 1), (1, 6), (7, 1), (2, 2), (3, 5), (6, 4)]


def drawn(shape: tuple[int, ...], seed: int) -> tuple[np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, shape, np.uint8), rng


def product(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return x.astype(np.int64) @ weights.astype(np.int64)


def planes(x: np.ndarray) -> torch.Tensor:
    """[h, w, c] as torch's convolutions want it, exact in double precision."""
    return torch.from_numpy(x.astype(np.float64)).permute(2, 0, 1)[None]


def rows(x: torch.Tensor) -> np.ndarray:
    return x[0].permute(1, 2, 0).numpy().astype(np.int64)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("zero", [0, 1, 128, 255])
def test_a_window_is_a_convolution(size: tuple[int, int], zero: int) -> None:
    x, rng = drawn((*size, 5), zero)
    weight = rng.integers(-63, 64, (4, 5, 3, 3)).astype(np.int8)
    seen = taps(bordered(x, zero), corners(*size), 5)
    assert seen.shape == (size[0] * size[1], 45)
    ours = product(seen, window(weight)) - zero * window(weight).astype(np.int64).sum(axis=0)
    moved = x.astype(np.int64) - zero  # around a picture stands what stands for zero
    theirs = F.conv2d(planes(moved), torch.from_numpy(weight.astype(np.float64)), padding=1)
    np.testing.assert_array_equal(ours.reshape(*size, 4), rows(theirs))


def test_a_window_of_one() -> None:
    x, rng = drawn((3, 4, 5), 0)
    weight = rng.integers(-63, 64, (6, 5, 1, 1)).astype(np.int8)
    ours = product(x.reshape(12, 5), window(weight)).reshape(3, 4, 6)
    theirs = F.conv2d(planes(x), torch.from_numpy(weight.astype(np.float64)))
    np.testing.assert_array_equal(ours, rows(theirs))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("kernel", "stride"), [(5, 2), (3, 1), (3, 2)])
@pytest.mark.parametrize("zero", [0, 128])
def test_phases_are_a_transposed_convolution(
    size: tuple[int, int], kernel: int, stride: int, zero: int
) -> None:
    x, rng = drawn((*size, 3), kernel)
    weight = rng.integers(-63, 64, (3, 4, kernel, kernel)).astype(np.int8)
    own = window_of_phases(weight, stride)
    assert own.shape == (27, stride * stride * 4)
    sums = product(taps(bordered(x, zero), corners(*size), 3), own)
    sums -= zero * own.astype(np.int64).sum(axis=0)
    theirs = F.conv_transpose2d(
        planes(x.astype(np.int64) - zero),
        torch.from_numpy(weight.astype(np.float64)),
        stride=stride,
        padding=kernel // 2,
        output_padding=stride - 1,
    )
    np.testing.assert_array_equal(interleaved(sums, *size, stride), rows(theirs))


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 7), st.integers(1, 7), st.integers(1, 5), st.integers(1, 5), st.data())
def test_taps_of_some_windows_and_some_channels(
    height: int, width: int, channels: int, looked_at: int, data: st.DataObject
) -> None:
    looked_at = min(looked_at, channels)
    canvas, _ = drawn((height + 2, width + 2, channels), height)
    places = data.draw(st.lists(st.integers(0, height * width - 1), min_size=1, max_size=9))
    seen = taps(canvas, corners(height, width)[places], looked_at)
    for found, place in zip(seen, places, strict=True):
        row, column = divmod(place, width)
        around = canvas[row : row + 3, column : column + 3, :looked_at]
        np.testing.assert_array_equal(found, around.ravel())
