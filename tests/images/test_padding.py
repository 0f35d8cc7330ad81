"""The law of the pair: cropping undoes padding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slimcodec.images import crop, pad_to_multiple

sides = st.integers(1, 40)


@given(sides, sides, st.integers(1, 4), st.integers(1, 64), st.integers(1, 100), st.booleans())
def test_law(
    height: int, width: int, channels: int, multiple: int, minimum: int, as_float: bool
) -> None:
    array: np.ndarray = np.random.default_rng(0).integers(
        0, 256, (height, width, channels), dtype=np.uint8
    )
    if as_float:
        array = array.astype(np.float32) / 255
    padded = pad_to_multiple(array, multiple, minimum)
    assert padded.dtype == array.dtype
    np.testing.assert_array_equal(crop(padded, height, width), array)
    for before, after in zip((height, width), padded.shape, strict=False):
        assert after % multiple == 0
        assert after >= max(before, minimum)
        assert after - multiple < max(before, minimum)
    assert padded.shape[2] == channels


def test_it_reflects_without_repeating_the_border() -> None:
    row = np.arange(4, dtype=np.uint8).reshape(1, 4, 1)
    assert pad_to_multiple(row, 7)[0, :, 0].tolist() == [0, 1, 2, 3, 2, 1, 0]
    assert pad_to_multiple(row, 10)[0, :, 0].tolist() == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3]
    assert (pad_to_multiple(row, 7) == pad_to_multiple(row, 7)[:1]).all()


def test_nothing_to_pad_gives_the_array_itself() -> None:
    array = np.zeros((8, 16, 3), np.uint8)
    assert pad_to_multiple(array, 8) is array
    assert pad_to_multiple(array, 8, 8) is array
    assert pad_to_multiple(array, 8, 9).shape == (16, 16, 3)


@pytest.mark.parametrize("shape", [(0, 4, 3), (4, 0, 3), (4, 4), (1, 4, 4, 3)])
def test_what_cannot_be_padded(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\[h, w, c\]"):
        pad_to_multiple(np.zeros(shape), 4)


def test_numbers_that_make_no_sense() -> None:
    array = np.zeros((4, 4, 3))
    with pytest.raises(ValueError, match="at least 1"):
        pad_to_multiple(array, 0)
    with pytest.raises(ValueError, match="at least 1"):
        pad_to_multiple(array, 4, 0)
    for height, width in ((5, 4), (4, 5), (0, 4), (4, -1)):
        with pytest.raises(ValueError, match="cannot crop"):
            crop(array, height, width)
