"""Distillation: a decoder that lost something learns from the one that it came from (Hinton et al.
2015; for codecs, on frozen latents, Microdosing 2022).

    teacher    the network before the recipe
    pupil      the network as the recipe has made it: narrower, pruned, rounding

The pupil's picture shall be like the photograph and like the teacher's of the same latents. What
the encoder sends is not looked at, so streams stay, and a pupil's generator may have any shape.

What the teacher makes of a crop never changes, so it is made once and kept while the pupil learns
(``training.lessons``).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from slimcodec.codecs.layers import groups
from slimcodec.errors import UsageError
from slimcodec.settings import is_of
from slimcodec.shrink.learning import Learning, about, objective_settings

if TYPE_CHECKING:
    from torch import Tensor, nn

    from slimcodec.codecs.family import Family
    from slimcodec.training import Samples
    from slimcodec.training.objectives import Objective

__all__ = ["Distil"]

_MOST_CACHED, _HEAVIEST = 10**6, 1000
_VIEWS = 2
"""How often a lesson may be seen; more often, it is learned by heart."""

_OBJECTIVE = "distillation"


@dataclass(frozen=True)
class Distil(Learning):
    """Teach the generator.

    Attributes:
        teacher_weight: of the squared error to the teacher's picture, that to the photograph being
            1.
        ms_ssim_weight: of 1 - MS-SSIM to the photograph.
        feature_weight: of what the pupil's features lack of the teacher's, where the generator goes
            from one stage to the next (``training.objectives.features``). Above 0, a step runs the
            teacher's generator too: 0.42 s of one core instead of 0.24, ``hific-s`` at half of
            its generator, so that 345 steps with a weight of 0.003 take as long as 600 without;
            they came to +11.0 % of bits at equal PSNR and +16.5 at equal MS-SSIM, the 600 to +10.1
            and +12.4.
        cached: the most crops of which the teacher's latents and pictures are made once and kept.
            A lesson is seen twice at the most: three of six blocks, learned for 12,000 steps from
            windows of 600 crops, were at +3.7 % of bits at equal PSNR, and after 1,000 steps at
            +2.3. A run that would need more crops than this keeps none; every step has crops of its
            own then, and waits for the teacher.
    """

    name: ClassVar[str] = "distil"

    parts: tuple[str, ...] = ("generator",)
    learning_rate: float = 1e-3
    teacher_weight: float = 1.0
    ms_ssim_weight: float = 0.01
    feature_weight: float = 0.0
    cached: int = 3000

    def __post_init__(self) -> None:
        super().__post_init__()
        if type(self.cached) is not int or not 0 <= self.cached <= _MOST_CACHED:
            raise UsageError(
                f"cached must be a whole number from 0 to {_MOST_CACHED}, got {self.cached!r}"
            )
        if not is_of(self.feature_weight, float) or not 0 <= self.feature_weight <= _HEAVIEST:
            raise UsageError(
                f"feature_weight must be 0 to {_HEAVIEST}, got {self.feature_weight!r}"
            )
        smallest = objective_settings(self._objective()).smallest_crop
        if self.crop < smallest:
            raise UsageError(f"ms_ssim_weight needs a crop of {smallest} or more, got {self.crop}")

    def _objective(self) -> dict[str, Any]:
        weights = {"teacher_weight": self.teacher_weight, "ms_ssim_weight": self.ms_ssim_weight}
        return {"name": _OBJECTIVE, **weights}

    def check(self, family: Family, config: Any) -> Any:
        """The family must have the objective, and the part."""
        if _OBJECTIVE not in family.objectives:
            raise UsageError(
                f"{family.name} cannot be distilled; the pass finetune trains it by its own loss"
            )
        if self.learns(family) != ("generator",):
            raise UsageError(
                'a distillation looks at no bits; it goes with parts = ["generator"], got '
                f"{list(self.parts)}"
            )
        return super().check(family, config)

    def objective(self, network: Any, family: Family, reference: nn.Module) -> Objective:
        """See ``Learning``."""
        import copy

        settings = objective_settings(self._objective())
        made: Any = settings.build(network.config, copy.deepcopy(reference))
        if self.feature_weight:
            from slimcodec.training.objectives.features import Features

            layers = _compared(family, reference, network)
            made.features = Features(float(self.feature_weight), layers)
        return made  # type: ignore[no-any-return]

    def plan(self, network: nn.Module, family: Family) -> list[str]:
        """What is kept, how long the teacher takes to make it and how much disk it takes, too."""
        lines = super().plan(network, family)
        objective: Any = self.objective(network, family, network)
        count, side = self._count(len(objective.lambdas)), self.crop
        if not count:
            return lines
        import torch

        from slimcodec.training.lessons import PER_CROP, record_of

        each = min(PER_CROP, len(objective.lambdas))
        started = time.perf_counter()
        made = objective.lesson(torch.rand(1, 3, side, side), torch.zeros(1))
        minutes = (time.perf_counter() - started) * count * each / 60
        channels, latents = made.features.shape[1:3]
        size = record_of(side, channels, latents, each).itemsize * count
        return [
            *lines,
            f"{self.name}: latents and pictures of the teacher from {count:,} crops of {side} at "
            f"{each} qualities each are made first, {about(minutes)} here, and take "
            f"{size / 1e6:,.0f} MB of disk while it learns",
        ]

    def samples(
        self,
        paths: Sequence[Path],
        objective: Any,
        folder: Path,
        on_progress: Callable[[int, int], None],
    ) -> Samples:
        """See ``Learning``: kept crops, or new ones."""
        qualities = len(objective.lambdas)
        if not (count := self._count(qualities)):
            return super().samples(paths, objective, folder, on_progress)
        from slimcodec.training.data import Crops
        from slimcodec.training.lessons import Lessons, keep_lessons

        crops = Crops(paths, self.crop, self.seed)
        path = keep_lessons(folder, crops, count, objective, on_progress)
        return Lessons(path, self.seed, qualities)

    def noise(self, objective: Any) -> Mapping[str, Tensor]:
        """See ``Learning``."""
        noise = dict(super().noise(objective))
        if not self._count(len(objective.lambdas)):
            return noise
        import torch

        quality = torch.zeros(self.batch)
        features, picture, bpp = objective.lesson(noise["image"], quality)
        return {
            "image": noise["image"],
            "features": features,
            "picture": picture,
            "quality": quality,
            "bpp": bpp,
        }

    def _count(self, qualities: int) -> int:
        """Crops that are kept: as few as show no lesson too often, and one for each quality; none
        where that is more than may be."""
        from slimcodec.training.lessons import PER_CROP, fewest_crops

        each = min(PER_CROP, qualities)
        drawn = math.ceil(self.steps * self.batch / (each * _VIEWS))
        count = max(fewest_crops(qualities), drawn)
        return count if count <= self.cached else 0


def _compared(family: Family, teacher: Any, pupil: Any) -> list[tuple[str, str]]:
    """Modules of both that are given the same channels, or what is left of them, where the
    generator goes on from its residual stream and from each of its stages."""
    own, other = _readers(family, teacher), _readers(family, pupil)
    return [(own[group], other[group]) for group in own if group in other]


def _readers(family: Family, network: Any) -> dict[str, str]:
    """The generator's groups of channels, less those inside of residual blocks, each with the
    module that reads it last."""
    blocks = tuple(f"{name}." for name in family.residual_blocks(network.config))
    last = {
        name: group.read_by[-1].module
        for name, group in groups(family.layers(network.config)).items()
        if group.part == "generator"
    }
    return {name: module for name, module in last.items() if not module.startswith(blocks)}
