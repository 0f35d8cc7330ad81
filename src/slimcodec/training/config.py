"""A training run as a TOML file: every key has a default, an unknown one is an error with its
name."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slimcodec import registry
from slimcodec.errors import ConfigError, TrainingError, UsageError
from slimcodec.settings import read_toml, refuse_unknown, within
from slimcodec.training.data import LARGEST_CROP, LARGEST_SCALE
from slimcodec.training.objectives.settings import ObjectiveSettings, objective_of
from slimcodec.training.schedule import Schedule
from slimcodec.training.validation import SMALLEST_SIDE

__all__ = ["TrainingConfig"]

_MOST_KEPT = 10**6
"""Crops of 256 take 0.8 MB each."""
_FILE_NAME = re.compile(r"\w[\w+.-]{0,99}")


@dataclass(frozen=True)
class TrainingConfig(Schedule):
    """What a run does: a schedule, and what network, objective and crops it is for.

    Attributes:
        name: of the model, and of the model file written at the end.
        family: whose network.
        preset: which network of the family.
        shape: fields of its config that are other than the preset's.
        parts: parts that learn, all when empty; the others stay as they are.
        reshaped: parts that learn and may have another shape than in the weights that the run
            starts from. What fits of those is taken, such as a linear path; the rest begins as it
            would from nothing.
        objective: what is minimised, in TOML the table ``[objective]``; the family's usual one,
            with its defaults, when there is none.
        kept_crops: under an objective with a teacher, so many crops whose lessons, two each, are
            made once and kept in the run's folder (``lessons.keep_lessons``); 0 asks the teacher in
            every step. A lesson that is seen often is learned by heart (``shrink.distil``).
        crop: pixels a side.
        largest_scale: see ``data.Crops``.
        holdout: file names never trained on; the first eight are the validation set.

    Raises:
        UsageError: on values that make no run.
    """

    name: str = "hific-s"
    family: str = "hific"
    preset: str = "hific-s"
    shape: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple[str, ...] = field(default_factory=tuple)
    reshaped: tuple[str, ...] = field(default_factory=tuple)
    objective: ObjectiveSettings | None = None
    kept_crops: int = within(0, 0, _MOST_KEPT)
    crop: int = within(192, SMALLEST_SIDE, LARGEST_CROP)
    largest_scale: float = within(2.0, 1, LARGEST_SCALE)
    holdout: tuple[str, ...] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.crop % 64:
            raise UsageError(
                f"crop must be a multiple of 64 from {SMALLEST_SIDE} on, got {self.crop}"
            )
        if not _FILE_NAME.fullmatch(self.name):
            raise UsageError(
                "name must be letters, digits and any of + - _ . behind the first, as it becomes "
                f"the name of a file, got {self.name!r:.80}"
            )
        for part in self.reshaped:
            if self.parts and part not in self.parts:
                raise UsageError(
                    f"reshaped names {part!r}, which must learn and is none of parts = "
                    f"{list(self.parts)}"
                )
        if self.kept_crops and not (self.objective and self.objective.learns_from_a_teacher):
            raise UsageError("kept_crops go with an objective that learns from a teacher")
        if self.objective is None:
            return
        needs_rate = not self.objective.has_rate and not self.objective.for_decoders
        if needs_rate and self.parts != ("generator",):
            raise UsageError(
                f"the objective {self.objective.name} has no rate in it; it goes with "
                f'parts = ["generator"], got {list(self.parts)}'
            )
        if self.crop < self.objective.smallest_crop:
            raise UsageError(
                f"ms_ssim_weight needs a crop of {self.objective.smallest_crop} or more, got "
                f"{self.crop}"
            )

    @classmethod
    def read(cls, path: Path) -> TrainingConfig:
        """Parse a TOML file.

        Raises:
            ConfigError: naming the file and the line or key.
        """
        return cls.from_dict(read_toml(path), str(path))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str) -> TrainingConfig:
        """From TOML's values; ``where`` names the source in errors."""
        refuse_unknown(values, [field.name for field in dataclasses.fields(cls)], where)
        settings: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
        }
        if "objective" in settings:
            settings["objective"] = objective_of(settings["objective"], where)
        try:
            return cls(**settings)
        except UsageError as error:
            raise ConfigError(where, str(error)) from error

    def network_config(self, family: Any) -> Any:
        """The preset with the fields of ``shape``.

        Raises:
            UnknownNameError: when the family has no such preset.
            UsageError: on a field that its config does not have, or values that make no network.
        """
        preset = family.preset(self.preset)
        return family.config({**preset.to_dict(), **self.shape}) if self.shape else preset

    def chosen_objective(self, family: Any) -> ObjectiveSettings:
        """The objective, or the family's usual one.

        Raises:
            TrainingError: when the family cannot be trained for it.
        """
        if self.objective is None:
            usual: ObjectiveSettings = registry.objectives.get(family.objectives[0])()
            return usual
        if self.objective.name not in family.objectives:
            raise TrainingError(
                f"{family.name} has no objective {self.objective.name!r}; it has "
                f"{' and '.join(family.objectives)}"
            )
        return self.objective
