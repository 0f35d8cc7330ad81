"""A training run as a TOML file: every key has a default, an unknown one is an error with its
name."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from slimcodec.errors import ConfigError
from slimcodec.settings import read_toml, refuse_unknown

__all__ = ["TrainingConfig"]

SMALLEST_CROP = 128
"""Reflection padding inside a hyperprior needs eight latents on a side."""
SMALLEST_MS_SSIM_CROP = 192
"""Of multiples of 64 the first whose fifth scale still holds the window of 11."""


@dataclass(frozen=True)
class TrainingConfig:
    """What a run does. Steps count optimizer updates; a stretch ends with its learning rate
    annealed.

    Attributes:
        name: of the model, and of the model file written at the end.
        preset: which network of the family.
        shape: fields of its config that are other than the preset's.
        steps: length of the stretch that starts at ``first_step``.
        first_step: where this stretch began; a later stretch goes on from an annealed one.
        linear_steps: so many first steps train only the linear path and the probability model;
            none where a run starts from a model's weights.
        parts: parts that learn, all when empty; the others stay as they are.
        iterations: of a progressive codec, the last one trained; all when 0.
        window: of a progressive codec, iterations with a gradient in one step.
        objective: what is minimised; the family's usual one when empty. hific also has
            ``perception`` and ``distillation``, for its generator alone.
        teacher_weight: of the squared error to the teacher's picture, under ``distillation``.
        ms_ssim_weight: of 1 - MS-SSIM beside the mean squared error; they are equals at about 0.02.
        absolute_weight: of a progressive codec, of the mean absolute error beside these.
        rate_weight: of a progressive codec, how much of the rate's gradient reaches the codec.
        distortion_weight: of the mean squared error, values in [0, 1], under ``perception``.
        lpips_weight: of LPIPS, under ``perception`` and of a progressive codec.
        adversarial_weight: of a discriminator's verdict under ``perception``; 0 trains none.
        anneal_minutes: length of the stretch by the clock, where the speed of a machine is not
            known: the rate has come down, and the run ends, when it was trained for so long. 0 goes
            by ``steps`` alone.
        tf32: on a GPU, convolutions that mixed precision leaves in full round their inputs to ten
            bits.
        record_steps: on one GPU, launch a whole step at once (``step.Recorded``).
    """

    name: str = "hific-s"
    family: str = "hific"
    preset: str = "hific-s"
    shape: Mapping[str, Any] = field(default_factory=dict)
    steps: int = 20_000
    first_step: int = 0
    linear_steps: int = 0
    parts: tuple[str, ...] = field(default_factory=tuple)
    iterations: int = 0
    window: int = 3
    objective: str = ""
    ms_ssim_weight: float = 0.0
    teacher_weight: float = 1.0
    absolute_weight: float = 0.0
    rate_weight: float = 0.0
    distortion_weight: float = 150.0
    lpips_weight: float = 0.0
    adversarial_weight: float = 0.15
    anneal_minutes: float = 0.0
    batch: int = 4
    crop: int = 192
    learning_rate: float = 5e-4
    warmup_steps: int = 100
    anneal_from: float = 0.65
    final_rate: float = 0.02
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    largest_scale: float = 2.0
    seed: int = 1
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    tf32: bool = False
    record_steps: bool = True
    checkpoint_minutes: float = 3.0
    validate_minutes: float = 15.0
    holdout: tuple[str, ...] = field(default_factory=tuple)
    """File names never trained on; the first eight are the validation set."""

    @classmethod
    def read(cls, path: Path) -> TrainingConfig:
        """Parse a TOML file.

        Raises:
            ConfigError: naming the file and the line or key.
        """
        return cls.from_dict(read_toml(path), str(path))

    @classmethod
    def from_dict(cls, values: dict[str, Any], where: str) -> TrainingConfig:
        """Check names and types against the fields; ``where`` names the source in errors."""
        known = {f.name: f for f in dataclasses.fields(cls)}
        settings: dict[str, Any] = {}
        refuse_unknown(values, known, where)
        for key, value in values.items():
            default = getattr(cls(), key)
            if isinstance(default, float) and type(value) is int:
                value = float(value)
            if isinstance(default, tuple) and isinstance(value, list):
                value = tuple(value)
            if type(value) is not type(default):
                wanted, got = type(default).__name__, type(value).__name__
                raise ConfigError(where, f"{key} must be {wanted}, got {got} {value!r}")
            settings[key] = value
        config = cls(**settings)
        config._check(where)
        return config

    def _check(self, where: str) -> None:
        positive = ("steps", "batch", "crop", "window", "learning_rate", "checkpoint_minutes")
        for key in positive:
            if getattr(self, key) <= 0:
                raise ConfigError(where, f"{key} must be above 0, got {getattr(self, key)}")
        if self.crop % 64 or self.crop < SMALLEST_CROP:
            raise ConfigError(
                where, f"crop must be a multiple of 64 from {SMALLEST_CROP} on, got {self.crop}"
            )
        for key in (
            "iterations", "ms_ssim_weight", "teacher_weight", "absolute_weight", "rate_weight",
            "distortion_weight", "lpips_weight", "adversarial_weight", "anneal_minutes",
        ):  # fmt: skip
            if getattr(self, key) < 0:
                raise ConfigError(where, f"{key} must be 0 or above, got {getattr(self, key)}")
        if self.objective in ("perception", "distillation") and self.parts != ("generator",):
            raise ConfigError(
                where,
                f'objective = "{self.objective}" has no rate in it; it goes with '
                f'parts = ["generator"], got {list(self.parts)}',
            )
        if self.ms_ssim_weight and self.crop < SMALLEST_MS_SSIM_CROP:
            raise ConfigError(
                where,
                f"ms_ssim_weight needs a crop of {SMALLEST_MS_SSIM_CROP} or more, got {self.crop}",
            )
        if self.precision not in ("auto", "32-true", "bf16-mixed"):
            raise ConfigError(
                where, f"precision must be auto, 32-true or bf16-mixed, got {self.precision!r}"
            )

    def network_config(self, family: Any) -> Any:
        """The preset with the fields of ``shape``.

        Raises:
            UnknownNameError: when the family has no such preset.
            UsageError: on a field that its config does not have, or values that make no network.
        """
        preset = family.preset(self.preset)
        return family.config({**preset.to_dict(), **self.shape}) if self.shape else preset

    def done(self, step: int, seconds: float) -> float:
        """How much of the stretch lies behind a run; it ends at 1.

        Args:
            step: that comes next.
            seconds: trained so far.
        """
        by_clock = seconds / 60 / self.anneal_minutes if self.anneal_minutes else 0.0
        return max((step - self.first_step) / self.steps, by_clock)

    def learning_rate_factor(self, step: int, seconds: float = 0.0) -> float:
        """Warm-up, a constant stretch, then a cosine down to ``final_rate``."""
        done = self.done(step, seconds)
        warm = min(1.0, (step - self.first_step + 1) / max(1, self.warmup_steps))
        if done <= self.anneal_from:
            return warm
        phase = min(1.0, (done - self.anneal_from) / (1 - self.anneal_from))
        return self.final_rate + (1 - self.final_rate) * 0.5 * (1 + math.cos(math.pi * phase))
