"""Distillation: a decoder that lost something learns from the one that it came from (Hinton et al.
2015; for codecs, on frozen latents, Microdosing 2022).

    teacher    the network before the recipe
    pupil      the network as the recipe has made it: narrower, pruned, rounding

The pupil's picture shall be like the photograph and like the teacher's of the same latents. What
the encoder sends is not looked at, so streams stay, and a pupil's generator may have any shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from slimcodec.errors import UsageError
from slimcodec.shrink.learning import Learning, objective_settings

if TYPE_CHECKING:
    from torch import nn

    from slimcodec.codecs.family import Family
    from slimcodec.training.objectives import Objective

__all__ = ["Distil"]

_OBJECTIVE = "distillation"


@dataclass(frozen=True)
class Distil(Learning):
    """Teach the generator.

    Attributes:
        teacher_weight: of the squared error to the teacher's picture, that to the photograph being
            1.
        ms_ssim_weight: of 1 - MS-SSIM to the photograph.
    """

    name: ClassVar[str] = "distil"

    parts: tuple[str, ...] = ("generator",)
    learning_rate: float = 1e-3
    teacher_weight: float = 1.0
    ms_ssim_weight: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        objective_settings(self._objective())

    def _objective(self) -> dict[str, Any]:
        weights = {"teacher_weight": self.teacher_weight, "ms_ssim_weight": self.ms_ssim_weight}
        return {"name": _OBJECTIVE, **weights}

    def check(self, family: Family) -> None:
        """The family must have the objective, and the part."""
        if _OBJECTIVE not in family.objectives:
            raise UsageError(
                f"{family.name} cannot be distilled; the pass finetune trains it by its own loss"
            )
        super().check(family)
        if self.parts != ("generator",):
            raise UsageError(
                'a distillation looks at no bits; it goes with parts = ["generator"], got '
                f"{list(self.parts)}"
            )

    def objective(self, network: Any, family: Family, reference: nn.Module) -> Objective:
        """See ``Learning``."""
        import copy

        settings = objective_settings(self._objective())
        return settings.build(network.config, copy.deepcopy(reference))
