"""Passes that learn: what they may change, what stays in place, whom they refuse, and a recipe that
is killed and goes on."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slimcodec import library, registry
from slimcodec.errors import ConfigError, ImageError, UnknownNameError, UsageError
from slimcodec.images import read_image, write_image
from slimcodec.model_file import Model, load, save
from slimcodec.quantization.simulation import is_quantized, plain_state, underneath
from slimcodec.shrink import Context, Distil, Finetune, Prune, PruneChannels, Quantize, Recipe
from slimcodec.shrink.judges import digest_of, refuse_judges
from slimcodec.training import Trainer
from slimcodec.types import Image

DEMO = Path(library.__file__).parent / "demo"
FEW: dict[str, Any] = {"steps": 3, "batch": 1}
FAST: dict[str, Any] = {"learning_rate": 0.02}
"""Grids have eleven bits, and few steps move them little."""
NEAREST: dict[str, Any] = {"bias_correction": False, "rounding": "nearest"}


@pytest.fixture
def photographs(tmp_path: Path, picture: Callable[..., Image]) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number in range(3):
        write_image(folder / f"{number}.png", picture(200 + number, 210))
    return folder


def family_of(name: str = "hific") -> Any:
    return registry.families.get(name)


def moved(before: Any, after: Any) -> set[str]:
    """Parts whose weights differ."""
    old, new = plain_state(before), plain_state(after)
    return {n.split(".")[0] for n in new if n not in old or not torch.equal(old[n], new[n])}


def test_a_distilled_generator_leaves_the_rest_alone(
    tiny_network: Any, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside = tmp_path / "temporary"
    aside.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(aside))
    before = copy.deepcopy(tiny_network)
    narrow = PruneChannels({"generator": 0.3}, multiple=1)
    recipe = Recipe([narrow, Distil(**FEW)])
    made, records = recipe.apply(tiny_network, family_of(), Context(photographs))
    assert moved(before, tiny_network) == set()
    assert moved(before, made) == {"generator"}
    assert made.config.trunk_width < before.config.trunk_width
    assert [record.name for record in records] == ["prune-channels", "distil"]
    assert records[1].layers[0]["steps"] == 3
    assert "teacher's picture" in records[1].layers[0]["objective"]
    assert all(parameter.requires_grad for parameter in made.parameters())
    assert not list(aside.glob("slimcodec-*"))


def test_it_learns_from_the_network_before_the_recipe(
    tiny_network: Any, photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught = []

    def objective(self: Any, network: Any, family: Any, reference: Any) -> Any:
        taught.append(reference)
        return built(self, network, family, reference)

    built = Distil.objective
    monkeypatch.setattr(Distil, "objective", objective)
    Recipe([Prune({"generator": 0.5}), Distil(**FEW)]).apply(
        tiny_network, family_of(), Context(photographs)
    )
    assert taught == [tiny_network]


def test_features_of_a_narrower_pupil_are_compared(tiny_network: Any, photographs: Path) -> None:
    step = Distil(feature_weight=0.01, **FEW)
    recipe = Recipe([PruneChannels({"generator": 0.3}, multiple=1), step])
    narrow, _ = recipe.passes[0].apply(tiny_network, family_of())
    compared: Any = step.objective(narrow, family_of(), tiny_network)
    stages = ["generator.stages.0.conv", "generator.stages.1.conv", "generator.stages.2.conv"]
    assert compared.features.layers == [(name, name) for name in (*stages, "generator.out")]
    made, records = recipe.apply(tiny_network, family_of(), Context(photographs))
    assert "0.01 of what its features lack" in records[1].layers[0]["objective"]
    assert moved(narrow, made) == {"generator"}


@pytest.mark.slow
def test_streams_stay_unless_their_part_is_named(
    tiny_network: Any, tiny_model: Model, photographs: Path
) -> None:
    context = Context(photographs)
    usual, _ = Finetune(**FEW).apply(tiny_network, family_of(), context)
    assert moved(tiny_network, usual) == {"encoder", "generator"}
    made = library.shrink_model(tiny_model, Recipe([Finetune(**FEW)], "x"), context)
    assert made.stream_id == tiny_model.stream_id
    assert made.history[-1]["pass"] == "finetune"
    named = Finetune(parts=("probability",), **FEW)
    assert moved(tiny_network, named.apply(tiny_network, family_of(), context)[0]) == {
        "probability"
    }


def test_pruned_weights_stay_pruned_and_a_later_pass_can_round_them(
    tiny_network: Any, photographs: Path
) -> None:
    recipe = Recipe(
        [
            Prune({"generator": 0.3}),
            Finetune(parts=("generator",), **FEW),
            Quantize(8, 8, only=("generator",), images=1, rounding="nearest"),
        ]
    )
    made, _ = recipe.apply(tiny_network, family_of(), Context(photographs))
    layer = made.generator.trunk[0].conv1
    assert float((layer.weight == 0).float().mean()) >= 0.3 - 1e-6
    assert is_quantized(made)


@pytest.mark.slow
def test_a_rounding_network_learns_behind_its_grids(tiny_network: Any, photographs: Path) -> None:
    recipe = Recipe(
        [
            Quantize(4, None, only=("generator",), bias_correction=False, rounding="nearest"),
            Finetune(parts=("generator",), **FEW),
        ]
    )
    made, _ = recipe.apply(tiny_network, family_of(), Context(photographs))
    assert is_quantized(made)
    levels = made.generator.trunk[0].conv1.weight[0].detach().unique()
    assert len(levels) <= 16
    quantized, _ = recipe.passes[0].apply(tiny_network, family_of(), Context(photographs))
    assert moved(quantized, made) == {"generator"}


@pytest.mark.parametrize("levels", ["even", "placed"])
def test_grids_of_few_bits_learn_too(
    levels: Any, tiny_model: Model, photographs: Path, tmp_path: Path
) -> None:
    quantize = Quantize(3, only=("generator",), levels=levels, **NEAREST)
    made = {
        bits: library.shrink_model(
            tiny_model,
            Recipe([quantize, Distil(grid_bits=bits, **FAST, **FEW)]),
            Context(photographs),
        )
        for bits in (0, 4)
    }
    assert made[4].history[-1]["layers"][0]["grids"] > 3
    assert "grids" not in made[0].history[-1]["layers"][0]
    rounded = library.shrink_model(tiny_model, Recipe([quantize]), Context(photographs))
    name = "generator.trunk.0.conv1.weight"
    start, stayed, moved = (m.quantization.weights[name] for m in (rounded, made[0], made[4]))
    np.testing.assert_array_equal(stayed.steps, start.steps)
    assert stayed.table == start.table
    assert (moved.steps != start.steps).any()
    assert (moved.table != start.table) == (levels == "placed")
    # Those of the layers before latents have seven bits.
    wide = "generator.linear.weight"
    np.testing.assert_array_equal(
        made[4].quantization.weights[wide].steps, rounded.quantization.weights[wide].steps
    )
    save(made[4], tmp_path / "learned.slim")
    assert load(tmp_path / "learned.slim").digest == made[4].digest


@pytest.mark.slow
def test_what_was_rounded_to_zero_may_learn_and_what_was_pruned_not(
    tiny_network: Any, photographs: Path
) -> None:
    layer = "generator.trunk.0.conv1"
    context = Context(photographs)
    pruned, _ = Prune({"generator": 0.3}).apply(tiny_network, family_of(), context)
    gone = pruned.get_submodule(layer).weight == 0
    quantize = Quantize(2, only=("generator",), images=1, bias_correction=False)
    rounded, _ = quantize.apply(pruned, family_of(), context)
    zero = rounded.get_submodule(layer).weight == 0
    assert zero[gone].all() and zero[~gone].any()
    learned, _ = Distil(**FEW).apply(rounded, family_of(), context)
    networks: list[Any] = [rounded, learned]
    under = [underneath(n.get_submodule(layer)).detach() for n in networks]
    assert not under[1][gone].any()
    assert (under[0] != under[1])[zero & ~gone].any()


@pytest.mark.slow
def test_every_family_is_fine_tuned(make_network_of: Callable[..., Any], photographs: Path) -> None:
    network = make_network_of("toderici", 0)
    family = family_of("toderici")
    made, records = Finetune(**FEW).apply(network, family, Context(photographs))
    assert "probability" not in moved(network, made)
    assert records[0]["parts"] == [p for p in family.parts if p != "probability"]
    with pytest.raises(UsageError, match="toderici cannot be distilled; the pass finetune"):
        Recipe([Distil()]).check(family, network.config)


def test_the_plan_says_steps_and_about_how_long(tiny_network: Any) -> None:
    line, kept = Distil(**FEW).plan(tiny_network, family_of())
    assert line.startswith("distil generator: 3 steps of 1 crops of 192, about a minute here")
    assert "from 3 crops of 192 at 2 qualities each are made first, about a minute here" in kept
    assert kept.endswith("and take 1 MB of disk while it learns")
    # Two qualities of a crop, each seen twice: as many crops as that takes, or none.
    for cached, said in ((25, 1), (24, 0)):
        plan = Distil(cached=cached, **FEW | {"steps": 99}).plan(tiny_network, family_of())
        assert len(plan) == 1 + said and sum("from 25 crops" in line for line in plan) == said
    assert len(Distil(cached=0, **FEW).plan(tiny_network, family_of())) == 1
    (line,) = Finetune(**FEW).plan(tiny_network, family_of())
    assert line.startswith("finetune encoder and generator: 3 steps of 1 crops of 192")


# Whoever judges


def test_pictures_that_judge_are_refused(photographs: Path, tiny_network: Any) -> None:
    write_image(photographs / "a-cat.png", read_image(DEMO / "kitten.png").pixels)
    with pytest.raises(UsageError, match=r"a-cat\.png is one of the pictures that codecs are"):
        Finetune(**FEW).apply(tiny_network, family_of(), Context(photographs))
    # Before the passes in front of it take their time.
    with pytest.raises(UsageError, match="codecs are judged by"):
        Recipe([Prune({"generator": 0.3}), Finetune(**FEW)]).check_photographs(photographs)
    left_out = Finetune(holdout=("a-cat.png",), **FEW)
    left_out.apply(tiny_network, family_of(), Context(photographs))


def test_kodak_judges_and_so_do_the_recipes_held_out_photographs(shared: Path) -> None:
    for path in (shared / "data/kodak/kodim05.png", shared / "data/photos/p0102.jpg"):
        with pytest.raises(UsageError, match="codecs are judged by"):
            refuse_judges([path])
    refuse_judges([shared / "data/photos/c1001683.jpg"][:0])


def test_a_digest_is_of_pixels_and_their_shape() -> None:
    flat = np.zeros((2, 8, 3), np.uint8)
    assert digest_of(flat) == digest_of(flat.copy())
    assert digest_of(flat) != digest_of(flat.reshape(4, 4, 3))


# What a user may write


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        ("finetune", {"step": 3}, "unknown setting of finetune 'step'; did you mean steps"),
        ("finetune", {"steps": 0}, "steps must be a whole number from 1 on, got 0"),
        ("finetune", {"batch": 1.5}, "batch must be a whole number from 1 on, got 1.5"),
        ("finetune", {"crop": 100}, "crop must be a multiple of 64 from 128 to 4096, got 100"),
        ("finetune", {"learning_rate": 0}, "learning_rate must be above 0, got 0"),
        ("finetune", {"learning_rate": "x"}, "learning_rate must be a number, got 'x'"),
        ("finetune", {"parts": "encoder"}, "parts takes a list of names, got 'encoder'"),
        ("distil", {"grid_bits": 17}, "grid_bits must be a whole number from 0 to 16, got 17"),
        ("finetune", {"loss": "x"}, "loss is a table with a name"),
        ("distil", {"teacher_weight": -1}, "teacher_weight must be 0 or above, got -1"),
        ("distil", {"feature_weight": -1}, "feature_weight must be 0 to 1000, got -1"),
        ("distil", {"feature_weight": True}, "feature_weight must be 0 to 1000, got True"),
        ("distil", {"cached": -1}, "cached must be a whole number from 0 to 1000000, got -1"),
        ("distil", {"cached": True}, "cached must be a whole number from 0 to 1000000, got True"),
        ("distil", {"crop": 128}, "ms_ssim_weight needs a crop of 192 or more, got 128"),
        ("distil", {"loss": {}}, "unknown setting of distil 'loss'"),
    ],
)
def test_settings_that_are_wrong(kind: str, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        Recipe.from_dict({"pass": [{"pass": kind, **settings}]})
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_settings_that_fit_no_family(tiny_config: Any) -> None:
    hific = family_of(), tiny_config
    with pytest.raises(UnknownNameError, match="part of hific 'binarizer'"):
        Finetune(parts=("binarizer",)).check(*hific)
    with pytest.raises(UnknownNameError, match="objective of hific 'progressive'"):
        Finetune(loss={"name": "progressive"}).check(*hific)
    with pytest.raises(UsageError, match="distillation learns from a teacher; that is the pass"):
        Finetune(loss={"name": "distillation"}).check(*hific)
    with pytest.raises(UsageError, match="a distillation looks at no bits"):
        Distil(parts=("encoder",)).check(*hific)


@pytest.mark.parametrize(
    "step",
    [Finetune(), Finetune(parts=("encoder",), steps=5, loss={"name": "rate-distortion"}),
     Distil(holdout=("a.png",), teacher_weight=2.0)],
)  # fmt: skip
def test_settings_go_through_plain_values(step: Any) -> None:
    assert type(step).from_settings(step.settings()) == step


def test_without_photographs(tiny_model: Model, tmp_path: Path) -> None:
    recipe = Recipe([Finetune(**FEW)], "x")
    with pytest.raises(UsageError, match="finetune measures on photographs"):
        library.shrink_model(tiny_model, recipe)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError):
        library.shrink_model(tiny_model, recipe, Context(tmp_path / "empty"))


# Killed and gone on


class Killed(BaseException):
    """Nobody catches it."""


@pytest.mark.parametrize("name", ["hific", "toderici"])
def test_the_loss_that_a_family_is_fine_tuned_for_is_one_of_its_own(
    name: str, make_config: Callable[..., Any]
) -> None:
    family, config = registry.families.get(name), make_config(name)
    assert family.finetuning["name"] in family.objectives
    Finetune().check(family, config)
    with pytest.raises(UsageError, match="ms_ssim_weight needs a crop of 192 or more, got 128"):
        Finetune(crop=128).check(family, config)
    Finetune(crop=128, loss={"name": family.finetuning["name"]}).check(family, config)


@pytest.mark.slow
@pytest.mark.parametrize("cached", [0, 4])
@pytest.mark.parametrize(
    "before",
    [
        PruneChannels({"generator": 0.3}, multiple=1),
        Quantize(3, only=("generator",), images=1, bias_correction=False),
        Quantize(4, only=("generator",), levels="placed", **NEAREST),
    ],
    ids=["narrow", "even", "placed"],
)
def test_a_killed_recipe_ends_with_the_same_model(
    before: Any,
    cached: int,
    tiny_model: Model,
    photographs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learns = Distil(steps=6, batch=1, grid_bits=4, cached=cached, **FAST)
    recipe = Recipe([before, learns], "x")
    alone = library.shrink_model(tiny_model, recipe, Context(photographs))
    state = tmp_path / "state"
    monkeypatch.setattr("slimcodec.shrink.learning.CHECKPOINT_MINUTES", 1e-9)
    one_step, count = Trainer._one_step, [0]

    def dying(self: Any, pixels: Any) -> Any:
        count[0] += 1
        if count[0] % 3 == 0:
            raise Killed
        return one_step(self, pixels)

    monkeypatch.setattr(Trainer, "_one_step", dying)
    kills = 0
    while True:
        try:
            made = library.shrink_model(tiny_model, recipe, Context(photographs, state=state))
        except Killed:
            kills += 1
            assert kills < 9
        else:
            break
    assert kills >= 2
    assert len(list(state.glob("2-distil/lessons-*.npy"))) == (cached > 0)
    assert made.digest == alone.digest
    assert (
        library.shrink_model(tiny_model, recipe, Context(photographs, state=state)).digest
        == alone.digest
    )


def test_a_state_is_of_one_recipe(tiny_model: Model, photographs: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    library.shrink_model(tiny_model, Recipe([Finetune(**FEW)]), Context(photographs, state=state))
    other = Recipe([Finetune(seed=2, **FEW)])
    with pytest.raises(UsageError, match="a run of another recipe, model or folder"):
        library.shrink_model(tiny_model, other, Context(photographs, state=state))
