"""What may be chosen, and the recipe that a choice stands for."""

from __future__ import annotations

import pytest

from slimcodec import registry
from slimcodec.codecs.layers import multiplications
from slimcodec.errors import UnknownNameError, UsageError
from slimcodec.explore.space import Space, searchable_parts
from slimcodec.model_file import Model, thaw_network
from slimcodec.shrink import PruneChannels, Recipe

FAMILY = registry.families.get("hific")


@pytest.fixture(scope="module")
def space(wide_model: Model) -> Space:
    return Space.of(thaw_network(wide_model), FAMILY, ["generator"], 0)


def knobs_of(space: Space) -> dict[str, tuple[float | str, ...]]:
    return {knob.name: knob.values for knob in space.knobs}


def test_what_streams_do_not_depend_on_is_searched() -> None:
    assert searchable_parts(FAMILY) == ("generator",)
    assert searchable_parts(registry.families.get("toderici")) == ("decoder",)


def test_knobs(space: Space) -> None:
    knobs = knobs_of(space)
    assert knobs["generator.blocks"] == (1, 2, 3)
    assert knobs["generator.bits"] == ("float", "8+8", "8", "7", "6", "5", "4")
    shares = knobs["generator.share"]
    assert shares[0] == 0
    assert len(shares) > 3
    assert space.size() == 3 * 7 * len(shares)


def test_every_share_can_be_had_and_no_more(space: Space, wide_model: Model) -> None:
    network = thaw_network(wide_model)
    most = knobs_of(space)["generator.share"][-1]
    for share, possible in ((most, True), (round(float(most) + 0.05, 2), False)):
        recipe = space.recipe(
            {"generator.share": share, "generator.blocks": 1, "generator.bits": "float"}, "r"
        )
        if possible:
            recipe.plan(network, FAMILY)
        else:
            with pytest.raises(UsageError, match="cannot have"):
                recipe.plan(network, FAMILY)


def test_a_share_is_of_what_blocks_leave(space: Space, wide_model: Model) -> None:
    network = thaw_network(wide_model)
    choice: dict[str, float | str] = {
        "generator.share": 0.3,
        "generator.blocks": 2,
        "generator.bits": "float",
    }
    (step,) = space.recipe(choice, "r").passes
    assert isinstance(step, PruneChannels)
    table = FAMILY.layers(FAMILY.narrowed(network.config, {}, [0, 1], False))
    left = multiplications(table, "generator")
    whole = multiplications(FAMILY.layers(network.config), "generator")
    assert (1 - step.macs["generator"]) * whole == pytest.approx(0.7 * left, rel=1e-3)


@pytest.mark.parametrize(
    ("bits", "table"),
    [("8+8", {"weights": 8, "activations": 8}), ("5", {"weights": 5})],
)
def test_bits(space: Space, bits: str, table: dict[str, int]) -> None:
    recipe = space.recipe({**space.nothing(), "generator.bits": bits}, "r")
    (step,) = recipe.to_dict()["pass"]
    assert step["pass"] == "quantize"
    assert step["only"] == ["generator"]
    assert step["parts"] == {"generator": table}


def test_nothing_is_no_pass_and_anchors_are_choices(space: Space) -> None:
    assert not space.recipe(space.nothing(), "r").passes
    knobs = knobs_of(space)
    half, rounded = space.anchors()
    for anchor in (half, rounded):
        assert all(anchor[name] in values for name, values in knobs.items())
    assert rounded == {**space.nothing(), "generator.bits": "8+8"}
    assert half["generator.share"] not in (0, knobs["generator.share"][-1])


def test_a_recipe_can_be_written_and_read(space: Space) -> None:
    recipe = space.recipe(space.anchors()[0], "search-1")
    assert Recipe.from_dict(recipe.to_dict()).to_dict() == recipe.to_dict()


@pytest.mark.parametrize(
    ("family", "part", "learning"),
    [("hific", "generator", "distil"), ("hific", "encoder", "finetune"),
     ("toderici", "decoder", "finetune")],
)  # fmt: skip
def test_what_is_narrowed_learns(
    tiny_models: dict[str, Model], family: str, part: str, learning: str
) -> None:
    kind = registry.families.get(family)
    space = Space.of(thaw_network(tiny_models[family]), kind, [part], 7)
    recipe = space.recipe({**space.nothing(), f"{part}.share": 0.1}, "r")
    assert [step.name for step in recipe.passes] == ["prune-channels", learning]
    assert recipe.to_dict()["pass"][1]["steps"] == 7
    assert recipe.touches(kind) == {part}


def test_parts_are_checked(wide_model: Model) -> None:
    network = thaw_network(wide_model)
    with pytest.raises(UnknownNameError, match="unknown part of hific 'decoder'"):
        Space.of(network, FAMILY, ["decoder"], 0)
    with pytest.raises(UsageError, match="one or more different parts"):
        Space.of(network, FAMILY, ["generator", "generator"], 0)
    with pytest.raises(UsageError, match="steps must be a whole number from 0"):
        Space.of(network, FAMILY, ["generator"], -1)
