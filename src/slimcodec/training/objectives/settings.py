"""What an objective is told: one frozen dataclass for each, checked when it is made.

In TOML an objective is a table: its name in ``registry.objectives``, with its own settings beside
it:

    [objective]
    name = "distillation"
    teacher_weight = 1.0
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from slimcodec import registry
from slimcodec.errors import ConfigError, SlimcodecError, UnknownNameError
from slimcodec.settings import check_settings, fitting, within
from slimcodec.types import FAITHFUL

if TYPE_CHECKING:
    from torch import nn

    from slimcodec.training.objectives.contract import Objective

__all__ = ["SMALLEST_MS_SSIM_CROP", "ObjectiveSettings", "objective_of", "weight"]

_HEAVIEST = 1e9


def weight(default: float) -> Any:
    """A field that says how much a term of a loss weighs."""
    return within(default, 0, _HEAVIEST)


SMALLEST_MS_SSIM_CROP = 192
"""Of multiples of 64 the first whose fifth scale still holds the window of 11."""


@dataclass(frozen=True)
class ObjectiveSettings:
    """What is common to all; every setting is a number in a range of its own (``weight``).

    Attributes:
        name: in ``registry.objectives``.
        look: what pictures of a network trained for it aim at.
        for_decoders: whether networks that are trained for it are decoders and nothing else.
        learns_from_a_teacher: whether ``build`` must be given one.

    Raises:
        UsageError: on a setting of another type, or beyond its range.
    """

    name: ClassVar[str]
    look: ClassVar[str] = FAITHFUL
    for_decoders: ClassVar[bool] = False
    learns_from_a_teacher: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def has_rate(self) -> bool:
        """Whether bits count. Where they do not, only a decoder can be trained for it."""
        return True

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> ObjectiveSettings:
        """From a table, less its name.

        Raises:
            UnknownNameError: on a setting that the objective does not have, with near ones.
            UsageError: see the class.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for key in settings:
            if key not in known:
                raise UnknownNameError(f"setting of the objective {cls.name}", key, known)
        return cls(**fitting(cls, settings))

    def settings(self) -> dict[str, Any]:
        """The inverse of ``from_settings``."""
        return dataclasses.asdict(self)

    @property
    def smallest_crop(self) -> int:
        """Pixels a side that a crop must have for its terms."""
        with_ms_ssim = getattr(self, "ms_ssim_weight", 0.0)
        return SMALLEST_MS_SSIM_CROP if with_ms_ssim else 0

    def in_brief(self) -> ObjectiveSettings:
        """The same where steps only show that they run: as little of it as has every term."""
        return self

    def build(self, shape: Any, teacher: nn.Module | None = None) -> Objective:
        """What is minimised.

        Args:
            shape: config of the network that it is for.
            teacher: whom the network learns from, under an objective that has one.

        Raises:
            TrainingError: when a teacher is needed and there is none.
            MissingWeightsError: when LPIPS is a term and its weights are not on this machine.
        """
        raise NotImplementedError


def objective_of(table: Any, where: str) -> ObjectiveSettings:
    """The settings in a TOML table.

    Args:
        table: ``name`` and settings.
        where: names the source in errors.

    Raises:
        ConfigError: naming what is wrong there.
    """
    if not isinstance(table, Mapping):
        raise ConfigError(where, f"objective is written as an [objective] table, got {table!r}")
    settings = dict(table)
    name = settings.pop("name", None)
    if not isinstance(name, str):
        raise ConfigError(where, 'the [objective] table says no name = "NAME"')
    try:
        made: ObjectiveSettings = registry.objectives.get(name).from_settings(settings)
    except SlimcodecError as error:
        raise ConfigError(where, str(error)) from error
    return made
