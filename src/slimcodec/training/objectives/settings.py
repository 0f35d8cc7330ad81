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
from slimcodec.errors import ConfigError, SlimcodecError, UnknownNameError, UsageError
from slimcodec.types import FAITHFUL

if TYPE_CHECKING:
    from torch import nn

    from slimcodec.training.objectives.contract import Objective

__all__ = ["SMALLEST_MS_SSIM_CROP", "ObjectiveSettings", "objective_of"]

SMALLEST_MS_SSIM_CROP = 192
"""Of multiples of 64 the first whose fifth scale still holds the window of 11."""


@dataclass(frozen=True)
class ObjectiveSettings:
    """What is common to all; every setting is a number of 0 or above.

    Attributes:
        name: in ``registry.objectives``.
        look: what pictures of a network trained for it aim at.
        has_rate: whether bits count. Where they do not, only a decoder can be trained for it.
        learns_from_a_teacher: whether ``build`` must be given one.

    Raises:
        UsageError: on a setting of another type, or below 0.
    """

    name: ClassVar[str]
    look: ClassVar[str] = FAITHFUL
    has_rate: ClassVar[bool] = True
    learns_from_a_teacher: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = _fitting(field.name, type(field.default), getattr(self, field.name))
            object.__setattr__(self, field.name, value)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> ObjectiveSettings:
        """From a table, less its name.

        Raises:
            UnknownNameError: on a setting that the objective does not have, with near ones.
            UsageError: see the class.
        """
        kinds = {field.name: type(field.default) for field in dataclasses.fields(cls)}
        for key in settings:
            if key not in kinds:
                raise UnknownNameError(f"setting of the objective {cls.name}", key, kinds)
        return cls(**{key: _fitting(key, kinds[key], value) for key, value in settings.items()})

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


def _fitting(key: str, kind: type[Any], value: Any) -> Any:
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise UsageError(f"{key} must be {kind.__name__}, got {type(value).__name__} {value!r}")
    if value < 0:
        raise UsageError(f"{key} must be 0 or above, got {value}")
    return value


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
