"""Lessons made once: where only a generator learns, the teacher's latents and pictures of a crop
are constants, and a step need not ask for them again.

    make    crops go through the teacher at a few qualities each; latents in halves, the teacher's
            picture and the photograph in bytes, all into one file
    draw    a sample is a crop at one of its qualities

Crops are turned round as any crop is, before they are made; latents are never: a network does not
give the mirror image of latents for the mirror image of a picture. Nor is a sample a part of a
crop, though it would have many: where it ends the teacher saw what lies beyond, and the pupil, who
sees a mirror image there, learns to guess at it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from slimcodec.atomic import atomic_path
from slimcodec.errors import TrainingError
from slimcodec.training.data import Crops
from slimcodec.training.objectives.distillation import Distillation

__all__ = ["PER_CROP", "Lessons", "fewest_crops", "keep_lessons", "record_of"]

PER_CROP = 2
"""Qualities at which a crop is kept."""
_AT_ONCE = 4
"""Crops that the teacher sees together."""


@dataclass(frozen=True)
class Lessons:
    """Samples with their lessons (``Samples``), drawn from a file of them.

    Lesson n of the file is at quality ``n % qualities``, ``per_crop`` one after another are of one
    crop. Samples take turns at the qualities, in a new order each time, and at the lessons of each.

    Attributes:
        path: what ``keep_lessons`` made.
        seed: decides the order of samples.
        qualities: how many there are.
    """

    path: Path
    seed: int
    qualities: int

    def batch(self, start: int, count: int) -> Mapping[str, Tensor]:
        """See ``Samples``: ``image`` and ``picture``, uint8 [count, 3, s, s]; ``features``,
        float16 [count, m, w, w]; ``quality`` and ``bpp``, float32 [count]."""
        # Opened anew each time, it follows into processes that do not share memory.
        records = np.load(self.path, mmap_mode="r")
        samples = [self._sample(records, start + i) for i in range(count)]
        return {
            name: torch.from_numpy(np.stack([sample[name] for sample in samples]))
            for name in samples[0]
        }

    def read_all(self) -> None:
        """Nothing: the system keeps what is read of the file."""

    def _sample(self, records: NDArray[np.void], index: int) -> dict[str, Any]:
        per_crop = records.dtype["bpp"].shape[0]
        number = self._number(len(records) * per_crop, index)
        record, which = records[number // per_crop], number % per_crop
        return {
            "image": record["image"],
            "features": record["features"][which],
            "picture": record["picture"][which],
            "quality": np.float32(number % self.qualities),
            "bpp": record["bpp"][which],
        }

    def _number(self, lessons: int, index: int) -> int:
        """Of the lesson that a sample is."""
        turn, position = divmod(index, self.qualities)
        order = np.random.default_rng([self.seed, 4, turn]).permutation(self.qualities)
        quality = int(order[position])
        there = len(range(quality, lessons, self.qualities))
        epoch, place = divmod(turn, there)
        order = np.random.default_rng([self.seed, 5, quality, epoch]).permutation(there)
        return quality + self.qualities * int(order[place])


def fewest_crops(qualities: int) -> int:
    """That have a lesson at each quality."""
    return math.ceil(qualities / min(PER_CROP, qualities))


def keep_lessons(
    folder: Path,
    crops: Crops,
    count: int,
    objective: Distillation,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """A file of the lessons of the first crops; one that is there and was made of the same teacher,
    photographs and crops is taken as it is.

    Args:
        folder: where it lies; a file of other lessons there is taken away.
        crops: to be kept.
        count: of crops, enough for every quality.
        objective: whose teacher is asked, in full precision, on the GPU where there is one.
        on_progress: called with crops done and in all.

    Raises:
        TrainingError: when latents do not fit into halves.
        SlimcodecError: when the file cannot be written.
    """
    path = (
        folder / f"lessons-{_digest(crops, count, objective.teacher, len(objective.lambdas))}.npy"
    )
    if path.exists():
        return path
    # Others, and what a process that was killed had begun, would take as much disk once more.
    for other in (*folder.glob("lessons-*.npy"), *folder.glob(".slimcodec-*.npy")):
        other.unlink()
    objective.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    with atomic_path(path) as aside, aside.open("wb") as file, torch.random.fork_rng():
        torch.manual_seed(crops.seed)  # of the noise in the rate that is shown
        for start in range(0, count, _AT_ONCE):
            on_progress(start, count)
            records = _records(crops, start, min(_AT_ONCE, count - start), objective)
            if not start:
                header = {"fortran_order": False, "shape": (count,)}
                header["descr"] = np.lib.format.dtype_to_descr(records.dtype)
                np.lib.format.write_array_header_2_0(file, header)
            # Not through a map of the file: a full disk would end the process.
            file.write(records.tobytes())
    on_progress(count, count)
    return path


def record_of(side: int, channels: int, latents: int, per_crop: int) -> np.dtype[np.void]:
    """What is kept of a crop.

    Args:
        side: pixels.
        channels: of latents.
        latents: a side.
        per_crop: qualities.
    """
    return np.dtype(
        [
            ("image", np.uint8, (3, side, side)),
            ("features", np.float16, (per_crop, channels, latents, latents)),
            ("picture", np.uint8, (per_crop, 3, side, side)),
            ("bpp", np.float32, (per_crop,)),
        ]
    )


def _records(crops: Crops, start: int, count: int, objective: Distillation) -> NDArray[np.void]:
    qualities = len(objective.lambdas)
    per_crop = min(PER_CROP, qualities)
    device = objective.lambdas.device
    pixels = crops.batch(start, count)["image"]
    image = (pixels.to(device).float() / 255).to(memory_format=torch.channels_last)
    numbers = torch.arange(start * per_crop, (start + count) * per_crop).reshape(count, per_crop)
    lessons = [
        objective.lesson(image, (numbers[:, which] % qualities).float().to(device))
        for which in range(per_crop)
    ]
    channels, latents = lessons[0].features.shape[1:3]
    records = np.empty(count, record_of(crops.crop, channels, latents, per_crop))
    records["image"] = pixels.numpy()
    for which, lesson in enumerate(lessons):
        features = lesson.features.half()
        if not features.isfinite().all():
            raise TrainingError(
                "the teacher's latents do not fit into halves; keep no crops: kept_crops = 0, or "
                "cached = 0 of the pass distil"
            )
        records["features"][:, which] = features.cpu().numpy()
        picture = (lesson.picture.clamp(0, 1) * 255).round().to(torch.uint8)
        records["picture"][:, which] = picture.cpu().numpy()
        records["bpp"][:, which] = lesson.bpp.cpu().numpy()
    return records


def _digest(crops: Crops, count: int, teacher: nn.Module, qualities: int) -> str:
    """Of all that lessons are made from."""
    facts = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in crops.paths]
    shape = crops.crop, crops.seed, crops.largest_scale, count, PER_CROP, qualities
    found = hashlib.sha256(repr((shape, facts, str(teacher))).encode())
    for name, tensor in teacher.state_dict().items():
        found.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]
