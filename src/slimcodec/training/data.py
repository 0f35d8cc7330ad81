"""Samples to train on, such as crops: sample i is a pure function of the seed and i.

Nothing is kept between samples, so a run that is killed and resumed at step n sees exactly what it
would have seen, in mid-epoch as well, and every process of a distributed run takes its own slice.
Photographs are decoded once and kept while they fit the memory budget; after that a crop costs a
resize. Batches are made ahead of their time (``batches``): by a thread beside a CPU's training, by
processes beside a GPU's, which would otherwise wait for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_all_start_methods
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from slimcodec.errors import TrainingError, UsageError
from slimcodec.images import read_image
from slimcodec.training.validation import Validation
from slimcodec.types import Image

__all__ = [
    "LARGEST_CROP",
    "LARGEST_SCALE",
    "Crops",
    "Photographs",
    "Samples",
    "batches",
    "sample_blocks",
    "sample_crops",
]


LARGEST_CROP = 4096
"""Pixels a side."""
LARGEST_SCALE = 64.0


@runtime_checkable
class Samples(Protocol):
    """An endless sequence that a run learns from."""

    @property
    def seed(self) -> int:
        """Which sequence it is."""

    def batch(self, start: int, count: int) -> Mapping[str, Tensor]:
        """Samples start to start + count: ``image``, uint8 [count, 3, h, w], and what a source
        knows of each besides, [count, ...], which a step finds in ``Draw.data``. Bytes are pixels
        everywhere, and the loop makes values in [0, 1] of them."""

    def read_all(self) -> None:
        """Have at hand whatever can be, before processes part that draw from it."""


class Crops:
    """Random crops, down-scaled and flipped at random.

    Args:
        paths: photographs; those with a side under ``crop`` are an error, named.
        crop: side in pixels.
        seed: decides order, place, scale and flip of every sample.
        largest_scale: a crop is taken from up to this many times its side and scaled down, which
            shows the network finer texture than the photograph has at full size; 1 or above.
        cache_bytes: decoded pixels kept in memory.

    Raises:
        TrainingError: when there is nothing to take crops from.
        UsageError: on numbers that make no crops.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        crop: int,
        seed: int,
        largest_scale: float = 2.0,
        cache_bytes: int = 4 << 30,
    ) -> None:
        if not paths:
            raise TrainingError("there are no photographs to train on")
        if not (0 < crop <= LARGEST_CROP and seed >= 0 and 1 <= largest_scale <= LARGEST_SCALE):
            raise UsageError(
                f"crops take a side from 1 to {LARGEST_CROP}, a seed from 0 on and a scale from 1 "
                f"to {LARGEST_SCALE:g}, got {crop}, {seed} and {largest_scale}"
            )
        self.paths, self.crop, self.seed = list(paths), crop, seed
        self.largest_scale = largest_scale
        self._budget = cache_bytes
        self._cache: dict[int, Image] = {}

    def __getitem__(self, index: int) -> Image:
        """The index-th sample of an endless sequence, uint8 [crop, crop, 3]."""
        epoch, position = divmod(index, len(self.paths))
        order = np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.paths))
        rng = np.random.default_rng([self.seed, 1, index])
        return self._crop(self._photo(int(order[position])), rng)

    def batch(self, start: int, count: int) -> Mapping[str, Tensor]:
        """See ``Samples``: images of crop x crop alone."""
        pixels = np.stack([self[start + i].transpose(2, 0, 1) for i in range(count)])
        return {"image": torch.from_numpy(pixels)}

    def read_all(self) -> None:
        """Decode every photograph now, as far as the memory budget goes."""
        with ThreadPoolExecutor() as pool:
            for _ in pool.map(self._photo, range(len(self.paths))):
                pass

    def _photo(self, number: int) -> Image:
        if number in self._cache:
            return self._cache[number]
        pixels = read_image(self.paths[number]).pixels
        if min(pixels.shape[:2]) < self.crop:
            raise TrainingError(
                f"{self.paths[number]} is {pixels.shape[1]}x{pixels.shape[0]}, smaller than "
                f"the crop of {self.crop}; remove it or train with a smaller crop"
            )
        if self._budget >= pixels.nbytes:
            self._budget -= pixels.nbytes
            self._cache[number] = pixels
        return pixels

    def _crop(self, pixels: Image, rng: np.random.Generator) -> Image:
        height, width = pixels.shape[:2]
        largest = min(self.largest_scale, min(height, width) / self.crop)
        # A third stay at full size: that is what most users will encode.
        scale = 1.0 if rng.random() < 1 / 3 else rng.uniform(1.0, largest)
        side = min(round(self.crop * scale), height, width)
        top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
        piece = pixels[top : top + side, left : left + side]
        if side != self.crop:
            picture = PillowImage.fromarray(piece)
            size = (self.crop, self.crop)
            piece = np.asarray(picture.resize(size, PillowImage.Resampling.LANCZOS))
        if rng.random() < 0.5:
            piece = piece[:, ::-1]
        return np.ascontiguousarray(piece)


@dataclass(frozen=True)
class Photographs:
    """What a run is given: crops of most photographs to train on, and the others to look at.

    Attributes:
        samples: without end; crops, where nobody says otherwise.
        validation: the centres of some that are held out, or of none.
    """

    samples: Samples
    validation: Validation

    @classmethod
    def of(
        cls,
        paths: Sequence[Path],
        *,
        crop: int,
        seed: int,
        largest_scale: float = 2.0,
        holdout: Sequence[str] = (),
    ) -> Photographs:
        """From files.

        Args:
            paths: every photograph at hand.
            crop: pixels a side.
            seed: of every sample.
            largest_scale: see ``Crops``.
            holdout: file names that are not trained on; the first few are the validation set.

        Raises:
            TrainingError: when none is left to train on, or a held-out one is too small.
        """
        held_out = [path for path in paths if path.name in holdout]
        kept = [path for path in paths if path.name not in holdout]
        return cls(Crops(kept, crop, seed, largest_scale), Validation(held_out))


class _Batches(Dataset[Mapping[str, Tensor]]):
    """Batch i of a sequence that begins at a sample, with strides between batches."""

    def __init__(self, samples: Samples, starts: range, count: int) -> None:
        self.samples, self.starts, self.count = samples, starts, count

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> Mapping[str, Tensor]:
        return self.samples.batch(self.starts[index], self.count)


def batches(
    samples: Samples, starts: range, count: int, workers: int = 0
) -> Iterator[Mapping[str, Tensor]]:
    """Batches in order, each made while the ones before it are used.

    Args:
        samples: what they are of.
        starts: the first sample of each batch.
        count: samples in a batch.
        workers: processes that make them; 0 is a thread of this one.

    Yields:
        ``Samples.batch``, in pinned memory where there are workers.
    """
    made = _Batches(samples, starts, count)
    if workers:
        samples.read_all()  # once, before the processes part, so that they share it
        start = "fork" if "fork" in get_all_start_methods() else None
        yield from DataLoader(
            made, batch_size=None, num_workers=workers, pin_memory=True, prefetch_factor=4,
            multiprocessing_context=start,
        )  # fmt: skip
        return
    with ThreadPoolExecutor(max_workers=1) as ahead:
        upcoming = ahead.submit(made.__getitem__, 0)
        for index in range(len(made)):
            batch = upcoming.result()
            if index + 1 < len(made):
                upcoming = ahead.submit(made.__getitem__, index + 1)
            yield batch


def sample_blocks(samples: Samples, count: int, size: int) -> NDArray[np.float32]:
    """Pixel blocks for a principal component analysis, [count, 3, size, size] in [0, 1]."""
    rng = np.random.default_rng([samples.seed, 2])
    per_image = 100
    blocks = np.empty((count, 3, size, size), np.float32)
    starts = range(0, count, per_image)

    def image(number: int) -> NDArray[np.uint8]:
        pixels: NDArray[np.uint8] = samples.batch(number, 1)["image"][0].numpy()
        return pixels

    # Photographs are decoded here for the first time.
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        for start, pixels in zip(starts, pool.map(image, range(len(starts))), strict=True):
            for i in range(start, min(start + per_image, count)):
                top, left = rng.integers(pixels.shape[1] - size + 1, size=2)
                blocks[i] = pixels[:, top : top + size, left : left + size]
    blocks /= np.float32(255)
    return blocks


def sample_crops(samples: Samples, count: int) -> NDArray[np.float32]:
    """The first samples, whole, [count, 3, h, w] in [0, 1], for what is fitted on photographs."""
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        batches = pool.map(lambda number: samples.batch(number, 1)["image"].numpy(), range(count))
        return np.concatenate([pixels.astype(np.float32) / 255 for pixels in batches])
