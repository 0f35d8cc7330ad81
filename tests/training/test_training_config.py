"""A training file: defaults, and errors that name file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from slimcodec import registry
from slimcodec.codecs.family import Fitted
from slimcodec.errors import ConfigError, SlimcodecError, TrainingError, UsageError
from slimcodec.training import Schedule, TrainingConfig
from slimcodec.training.objectives import PerceptionSettings, ProgressiveSettings

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("train-*.toml")))
def test_the_recipes_that_ship(path: Path) -> None:
    run = TrainingConfig.read(path)
    assert (run.steps > 0) != isinstance(registry.families.get(run.family), Fitted)


def test_everything_has_a_default() -> None:
    assert TrainingConfig.from_dict({}, "x") == TrainingConfig()


def test_values_are_taken_in_their_types(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('steps = 10\nlearning_rate = 1\nholdout = ["a.png"]\nprecision = "32-true"\n')
    config = TrainingConfig.read(path)
    assert config.steps == 10
    assert config.learning_rate == 1.0
    assert isinstance(config.learning_rate, float)
    assert config.holdout == ("a.png",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("step = 10", "unknown key 'step'; known: "),
        ("steps = 1.5", "steps must be a whole number, got 1.5"),
        ('steps = "10"', "steps must be a whole number, got '10'"),
        ("steps = true", "steps must be a whole number, got True"),
        ("learning_rate = true", "learning_rate must be a finite number, got True"),
        ("holdout = 3", "holdout must be a list, each text, got 3"),
        ("steps = -1", "steps must be 0 or above, got -1"),
        ("batch = -1", "batch must be above 0, got -1"),
        ("learning_rate = 0", "learning_rate must be above 0"),
        ("crop = 200", "crop must be a multiple of 64 from 128 on, got 200"),
        ("crop = 64", "crop must be 128 or above, got 64"),
        ("ms_ssim_weight = 0.1", "unknown key 'ms_ssim_weight'; known: "),
        ('objective = "perception"', r"written as an \[objective\] table, got 'perception'"),
        ('[objective]\nname = "perceptual"', "unknown objective 'perceptual'; did you mean perc"),
        (
            'crop = 128\n[objective]\nname = "rate-distortion"\nms_ssim_weight = 0.1',
            "ms_ssim_weight needs a crop of 192 or more, got 128",
        ),
        ('[objective]\nname = "perception"', r"has no rate in it; it goes with parts = .*got \[\]"),
        ('[objective]\nname = "distillation"', r"has no rate in it; it goes with .*got \[\]"),
        ("shape = 3", "shape must be a table, got 3"),
        (
            'parts = ["encoder"]\nreshaped = ["generator"]',
            r"reshaped names 'generator', which must learn and is none of parts = ",
        ),
        ("kept_crops = 100", "kept_crops go with an objective that learns from a teacher"),
        ("kept_crops = -1", "kept_crops must be 0 or above, got -1"),
        ("seed = -1", "seed must be 0 or above, got -1"),
        ("largest_scale = 0", "largest_scale must be 1 or above, got 0"),
        ("clip_norm = -1", "clip_norm must be above 0, got -1"),
        ("ema_decay = nan", "ema_decay must be a finite number, got nan"),
        ("steps = 1000000000000", "steps must be at most 1,000,000,000, got 1000000000000"),
        ('name = "a/b"', "becomes the name of a file, got 'a/b'"),
        ('name = ".."', "becomes the name of a file, got '..'"),
        ('name = ""', "becomes the name of a file, got ''"),
        ("anneal_minutes = -1", "anneal_minutes must be 0 or above, got -1"),
        ('precision = "fp8"', "precision must be auto, 32-true or bf16-mixed, got 'fp8'"),
        ("\nsteps = x", "is not valid TOML: .*line 2"),
    ],
)
def test_errors_name_the_file_and_the_key(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words) as error:
        TrainingConfig.read(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_the_objective_of_a_run() -> None:
    """The one it names, or its family's usual one; which a family may use, it says itself."""
    hific, toderici = (registry.families.get(name) for name in ("hific", "toderici"))
    assert TrainingConfig().chosen_objective(hific).name == "rate-distortion"
    assert TrainingConfig(family="toderici").chosen_objective(toderici) == ProgressiveSettings()
    table = {"name": "perception", "lpips_weight": 1}
    config = TrainingConfig.from_dict({"objective": table, "parts": ["generator"]}, "x")
    assert config.objective == PerceptionSettings(lpips_weight=1.0)
    assert config.chosen_objective(hific) is config.objective
    with pytest.raises(TrainingError, match="toderici has no objective 'perception'; it has progr"):
        config.chosen_objective(toderici)


def test_a_schedule_is_checked_when_it_is_made() -> None:
    assert Schedule(steps=10, first_step=5).last_step == 15
    with pytest.raises(UsageError, match="steps must be 0 or above, got -1"):
        Schedule(steps=-1)
    assert Schedule(steps=0).done(0, 0.0) == 1


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SlimcodecError, match=r"absent\.toml cannot be read"):
        TrainingConfig.read(tmp_path / "absent.toml")


def test_the_learning_rate_warms_up_holds_and_anneals() -> None:
    values = {"steps": 1000, "first_step": 500, "warmup_steps": 100, "anneal_from": 0.6}
    config = TrainingConfig.from_dict({**values, "final_rate": 0.02}, "x")
    rate = config.learning_rate_factor
    assert rate(500) == pytest.approx(0.01)
    assert rate(549) == pytest.approx(0.5)
    assert rate(600) == rate(1100) == 1
    assert rate(1300) == pytest.approx(0.51, abs=0.01)
    assert rate(1500) == pytest.approx(0.02)
    falling = [rate(step) for step in range(1100, 1501)]
    assert falling == sorted(falling, reverse=True)


def test_a_clock_may_be_further_than_the_steps() -> None:
    config = TrainingConfig.from_dict(
        {"steps": 1000, "anneal_minutes": 10, "anneal_from": 0.5, "final_rate": 0.02}, "x"
    )
    assert config.done(500, 60.0) == 0.5
    assert config.done(100, 540.0) == 0.9
    assert config.learning_rate_factor(200, 299.0) == 1
    assert config.learning_rate_factor(200, 600.0) == pytest.approx(0.02)


def test_a_shape_is_the_preset_with_other_fields() -> None:
    family = registry.families.get("hific")
    config = TrainingConfig(shape={"trunk_width": 96, "generator_widths": [64, 32, 16, 3]})
    found = config.network_config(family)
    assert (found.trunk_width, found.generator_widths) == (96, (64, 32, 16, 3))
    assert found.latent_channels == family.preset("hific-s").latent_channels
    assert TrainingConfig().network_config(family) == family.preset("hific-s")
    with pytest.raises(UsageError, match="unknown HiFiC configuration key trunk"):
        TrainingConfig(shape={"trunk": 96}).network_config(family)
