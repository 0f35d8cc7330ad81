"""Crops are a pure function of the seed and their number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from slimcodec.errors import TrainingError
from slimcodec.images import read_image, write_image
from slimcodec.training.data import Crops, sample_blocks
from slimcodec.types import Image


def test_a_crop_depends_on_seed_and_number_only(photos: list[Path]) -> None:
    forwards, backwards = Crops(photos, 128, seed=1), Crops(photos, 128, seed=1)
    first = [forwards[i] for i in range(12)]
    second = [backwards[i] for i in reversed(range(12))][::-1]
    uncached = Crops(photos, 128, seed=1, cache_bytes=0)
    for i, (a, b) in enumerate(zip(first, second, strict=True)):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, uncached[i])
        assert a.shape == (128, 128, 3)
        assert a.dtype == np.uint8
    assert len({a.tobytes() for a in first}) == 12


def test_another_seed_is_another_sequence(photos: list[Path]) -> None:
    one, two = Crops(photos, 128, seed=1), Crops(photos, 128, seed=2)
    assert not any(np.array_equal(one[i], two[i]) for i in range(6))


def test_batches_are_slices_of_the_sequence(photos: list[Path]) -> None:
    crops = Crops(photos, 128, seed=3)
    (name, batch), *more = crops.batch(7, 3).items()
    assert name == "image" and not more
    assert batch.shape == (3, 3, 128, 128)
    for i in range(3):
        np.testing.assert_array_equal(batch[i].numpy(), crops[7 + i].transpose(2, 0, 1))


def test_an_epoch_shows_every_photograph_once(tmp_path: Path) -> None:
    """Flat photographs tell by their colour which one a crop came from."""
    colours = [10, 60, 110, 160, 210]
    for colour in colours:
        write_image(tmp_path / f"{colour}.png", np.full((130, 150, 3), colour, np.uint8))
    crops = Crops(sorted(tmp_path.iterdir()), 128, seed=1)
    seen = [int(crops[i][0, 0, 0]) for i in range(15)]
    epochs = [tuple(seen[i : i + 5]) for i in (0, 5, 10)]
    assert all(sorted(epoch) == colours for epoch in epochs)
    assert len(set(epochs)) > 1


def test_crops_at_full_size_are_pieces_of_the_photograph(photos: list[Path]) -> None:
    photo = read_image(photos[0]).pixels
    crops = Crops(photos[:1], 128, seed=4, largest_scale=1.0)
    windows = {
        photo[top : top + 128, left : left + 128][:, ::step].tobytes()
        for top in range(photo.shape[0] - 127)
        for left in range(photo.shape[1] - 127)
        for step in (1, -1)
    }
    assert all(crops[i].tobytes() in windows for i in range(5))


def test_blocks(photos: list[Path]) -> None:
    blocks = sample_blocks(Crops(photos, 128, seed=1), 150, 16)
    assert blocks.shape == (150, 3, 16, 16)
    assert blocks.dtype == np.float32
    assert blocks.min() >= 0
    assert 0.05 < blocks.max() <= 1
    np.testing.assert_array_equal(blocks, sample_blocks(Crops(photos, 128, seed=1), 150, 16))


def test_photographs_that_do_not_do(
    photos: list[Path], tmp_path: Path, picture: Callable[..., Image]
) -> None:
    with pytest.raises(TrainingError, match="no photographs"):
        Crops([], 128, seed=1)
    write_image(tmp_path / "small.png", picture(200, 127))
    with pytest.raises(TrainingError, match=r"small\.png is 127x200, smaller than the crop of 128"):
        Crops([tmp_path / "small.png"], 128, seed=1)[0]
