"""Crops as JPEGs of the kinds that people have, made while training runs.

Most files in the world were compressed by libjpeg's tables, with halved chroma, many of them twice,
the second time on another grid of blocks; some are grey, and some programs have tables of their
own. What of these a sample is, is a function of the seed and its number, like everything else of
it.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray
from torch import Tensor

from slimcodec.codecs.restore.jpeg_file import condition_of, read_jpeg
from slimcodec.training.data import Samples
from slimcodec.types import Image

__all__ = ["Jpegs"]

_TWICE, _GREY, _ODD_TABLES = 0.2, 0.1, 0.2
"""Shares of samples."""
_COMMON = 0.72
"""Of qualities, from 10 to 60; the others are from 5 to 95."""
_SAMPLINGS = ("4:2:0", "4:4:4", "4:2:2")
_UP_TO = (0.72, 0.9)
"""Where the shares of the first and the second sampling end."""
_BLOCK = 8


@dataclass(frozen=True)
class Jpegs:
    """See ``data.Samples``: ``image`` is what a crop was, ``planes`` what is left of it, uint8
    [n, 3, h, w], and ``facts`` the condition of its file, float32 [n, k].

    Attributes:
        crops: what is compressed.
    """

    crops: Samples

    @property
    def seed(self) -> int:
        """Which sequence it is."""
        return self.crops.seed

    def batch(self, start: int, count: int) -> Mapping[str, Tensor]:
        """See ``data.Samples``."""
        images = self.crops.batch(start, count)["image"].numpy().transpose(0, 2, 3, 1)
        made = [self._sample(image, start + i) for i, image in enumerate(images)]
        names = ("image", "planes", "facts")
        return {
            name: torch.from_numpy(np.stack(own))
            for name, own in zip(names, zip(*made, strict=True), strict=True)
        }

    def read_all(self) -> None:
        """See ``data.Samples``."""
        self.crops.read_all()

    def _sample(self, image: Image, index: int) -> tuple[NDArray[Any], ...]:
        rng = np.random.default_rng([self.seed, 6, index])
        grey = rng.random() < _GREY
        clean = PIL.Image.fromarray(image)
        clean = clean.convert("L") if grey else clean
        picture = _compressed_before(clean, rng) if rng.random() < _TWICE else clean
        file = read_jpeg(_encoded(picture, rng))
        original = np.asarray(clean.convert("RGB"))
        return (
            np.ascontiguousarray(original.transpose(2, 0, 1)),
            np.ascontiguousarray(file.planes.transpose(2, 0, 1)),
            condition_of(file),
        )


def _compressed_before(picture: PIL.Image.Image, rng: np.random.Generator) -> PIL.Image.Image:
    """A picture that was a JPEG once, on another grid of blocks."""
    top, left = (int(n) for n in rng.integers(_BLOCK, size=2))
    pixels = np.asarray(picture)
    around = ((top, 0), (left, 0), (0, 0))[: pixels.ndim]
    wider = PIL.Image.fromarray(np.pad(pixels, around, mode="reflect"))
    first = PIL.Image.open(io.BytesIO(_encoded(wider, rng)))
    return first.crop((left, top, *first.size))


def _encoded(picture: PIL.Image.Image, rng: np.random.Generator) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", **_settings(rng, grey=picture.mode == "L"))
    return file.getvalue()


def _settings(rng: np.random.Generator, *, grey: bool) -> dict[str, Any]:
    """Of an encoder: mostly libjpeg's tables, sometimes flatter or steeper ones, or chroma's of
    another quality."""
    quality = int(rng.integers(10, 61) if rng.random() < _COMMON else rng.integers(5, 96))
    chosen: dict[str, Any] = {}
    if rng.random() < _ODD_TABLES:
        other = int(np.clip(quality + rng.integers(-15, 16), 5, 95))
        kinds = enumerate((quality,) if grey else (quality, other))
        chosen["qtables"] = [_table(i, q, rng.uniform(-0.2, 0.6)) for i, q in kinds]
    else:
        chosen["quality"] = quality
    if not grey:
        chosen["subsampling"] = _SAMPLINGS[int(np.searchsorted(_UP_TO, rng.random()))]
    return chosen


def _table(which: int, quality: int, flatter: float) -> list[int]:
    """Steps of luma or chroma at a quality, nearer to their mean or, below 0, farther from it."""
    scale = 50 / quality if quality < 50 else 2 - quality / 50
    logs = np.log(_standard()[which] * max(scale, 0.02))
    logs = logs + flatter * (logs.mean() - logs)
    return [int(step) for step in np.clip(np.rint(np.exp(logs)), 1, 255)]


@functools.cache
def _standard() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """libjpeg's tables of luma and chroma at quality 50."""
    file = io.BytesIO()
    PIL.Image.new("RGB", (16, 16)).save(file, "JPEG", quality=50)
    luma, chroma = (table.ravel().astype(np.float64) for table in read_jpeg(file.getvalue()).tables)
    return luma, chroma
