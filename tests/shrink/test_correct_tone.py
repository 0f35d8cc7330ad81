"""The tone comes back: means of layers, colours of pictures; and nothing that streams depend on."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slimcodec import library, registry
from slimcodec.errors import UnknownNameError, UsageError
from slimcodec.images import find_images
from slimcodec.model_file import Model, thaw_network
from slimcodec.quantization.simulation import convolutions, plain_state
from slimcodec.runtime import open_codec
from slimcodec.shrink import Context, CorrectTone, Pass, Prune, Quantize, Recipe
from slimcodec.shrink.calibration import CodedPath, affine_maps, correct_biases
from slimcodec.shrink.correct_tone import fit_colours, fold_colours
from slimcodec.types import Image

Picture = Callable[..., Image]

FAMILY = registry.families.get("hific")
COLOURS = np.array([[0.9, 0.15, -0.1, 0.03], [0.05, 0.8, 0.1, -0.02], [-0.07, 0.2, 1.1, 0.05]])


@pytest.fixture
def network(tiny_models: dict[str, Model]) -> Any:
    """A tiny hific-s, settled; of each test alone."""
    return thaw_network(tiny_models["hific"])


def tinted(network: Any) -> Any:
    """The same network with colours that are off."""
    other = copy.deepcopy(network)
    fold_colours(other, FAMILY.picture_layers(network.config), COLOURS)
    return other


def state_of(network: Any) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in plain_state(network).items()}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"linear_path": False},
        {"stem_kernel": 7},
        {"input_offset": 0.2, "input_scale": 3.0},
        {"input_offset": 0.0, "input_scale": 1.0},
    ],
)
def test_a_folded_matrix_is_the_matrix_on_the_picture(
    make_network_of: Callable[..., Any], changes: dict[str, Any]
) -> None:
    network = make_network_of("hific", 0, **changes)
    latents = torch.randn(2, network.config.latent_channels, 3, 4)
    colours = torch.from_numpy(COLOURS).float()
    with torch.no_grad():
        before = network.generator(latents)
        fold_colours(network, FAMILY.picture_layers(network.config), COLOURS)
        after = network.generator(latents)
    expected = torch.einsum("ij,bjhw->bihw", colours[:, :3], before) + colours[:, 3, None, None]
    torch.testing.assert_close(after, expected, rtol=0, atol=1e-5)


def test_layers_of_pictures_are_layers_and_linear(make_config: Callable[..., Any]) -> None:
    for name in registry.families:
        family = registry.families.get(name)
        found = family.picture_layers(make_config(name))
        assert bool(found.layers) != bool(found.hindrance)
        assert set(found.layers) <= set(convolutions(family.build(make_config(name))))
    assert FAMILY.picture_layers(make_config("hific", bounded_output=True)).layers == ()


def test_a_known_matrix_is_found(picture: Picture) -> None:
    decoded = [[picture(40, 50, seed) // 2 + 50] for seed in range(2)]
    exact = [pictures[0] / 255 @ COLOURS[:, :3].T + COLOURS[:, 3] for pictures in decoded]
    originals = [np.rint(values * 255).astype(np.uint8) for values in exact]
    sought = [[picture] for picture in originals]
    np.testing.assert_allclose(fit_colours(sought, decoded), COLOURS, atol=0.01)


def test_colours_that_no_photograph_shows_stay() -> None:
    ramp = np.arange(64 * 64, dtype=np.uint32).reshape(64, 64) // 32
    grey = np.repeat(ramp.astype(np.uint8)[:, :, None], 3, axis=2)
    found = fit_colours([[grey + 5]], [[grey]])
    np.testing.assert_allclose(found @ np.array([0.3, 0.3, 0.3, 1]), 0.3 + 5 / 255, atol=1e-6)
    # Where red, green and blue differ, their differences are kept.
    np.testing.assert_allclose((found @ np.array([0.1, -0.1, 0, 0])), [0.1, -0.1, 0], atol=1e-6)


def test_a_tint_is_taken_back(network: Any, photographs: Path, tmp_path: Path) -> None:
    # Of a network that was never trained, no two photographs tell the same; one, twice, does.
    one = find_images(photographs)[0]
    for name in ("a", "b"):
        shutil.copy(one, tmp_path / f"{name}{one.suffix}")
    step = CorrectTone(biases=False)
    context = Context(tmp_path, reference=network)
    after, records = step.apply(tinted(network), FAMILY, context)
    about = records[0]
    assert about["layer"] == "picture" and len(records) == 1
    assert "fitted" in about["measured_on"]
    assert about["delta_e_after"] < 0.7 * about["delta_e_before"]
    assert np.shape(about["matrix"]) == (3, 4)
    json.dumps(records)
    changed = {
        n for n, t in state_of(tinted(network)).items() if not torch.equal(t, state_of(after)[n])
    }
    assert changed <= {
        f"generator.{layer}.{kind}" for layer in ("out", "linear") for kind in ("weight", "bias")
    }


def test_colours_that_are_right_stay(network: Any, photographs: Path) -> None:
    context = Context(photographs, reference=network)
    after, records = CorrectTone().apply(network, FAMILY, context)
    assert records[0]["matrix"].startswith("left out: crops that it was not fitted to")
    assert records[0]["delta_e_after"] == records[0]["delta_e_before"] and len(records) == 1
    assert all(torch.equal(t, state_of(after)[n]) for n, t in state_of(network).items())


def test_biases_that_were_shifted_come_back(network: Any, photographs: Path) -> None:
    dark = copy.deepcopy(network)
    with torch.no_grad():
        dark.generator.out.bias -= 0.4
    step = CorrectTone(matrix=False)
    after: Any
    after, records = step.apply(dark, FAMILY, Context(photographs, reference=network))
    assert torch.equal(after.generator.out.bias, network.generator.out.bias)
    assert records[0]["delta_e_after"] < records[0]["delta_e_before"]
    assert records[1] == {"layer": "generator.out", "bias_moved_by": pytest.approx(0.4)}


@pytest.mark.parametrize("name", ["hific", "toderici"])
def test_means_return(tiny_models: dict[str, Model], name: str, picture: Picture) -> None:
    """Each layer's output, on what it is given while photographs are coded."""
    family = registry.families.get(name)
    reference = thaw_network(tiny_models[name])
    part = "generator" if name == "hific" else "decoder"
    pruned, _ = Prune({part: 0.4}).apply(reference, family)
    path = CodedPath.of(pruned, family, [picture(64, 96)])
    wanted = {n: own for n, own in affine_maps(reference).items() if n.startswith(part)}
    given: dict[str, list[torch.Tensor]] = {n: [] for n in wanted}
    handles = [
        layer.register_forward_pre_hook(lambda _, x, n=n: given[n].append(x[0].clone()))
        for n, layer in convolutions(pruned).items()
        if n in wanted
    ]
    moves = correct_biases(pruned, path, wanted).moves
    for handle in handles:
        handle.remove()
    before, after = convolutions(reference), convolutions(pruned)
    lacking = {n for n in wanted if not torch.equal(before[n].weight, after[n].weight)}
    assert set(moves) == {n for n in lacking if given[n]}
    with torch.no_grad():
        for n in moves:
            means = [
                torch.stack([layer(x).mean(dim=(0, 2, 3)) for x in given[n]]).mean(dim=0)
                for layer in (before[n], after[n])
            ]
            torch.testing.assert_close(means[1], means[0], rtol=1e-4, atol=1e-5)


def test_twice_is_once(network: Any, photographs: Path) -> None:
    """Biases are set to what the network before the recipe asks for, not moved by it again."""
    prune, tone = Prune({"generator": 0.4}), CorrectTone(matrix=False)
    once, _ = Recipe([prune, tone]).apply(network, FAMILY, Context(photographs))
    twice, _ = Recipe([prune, tone, tone]).apply(network, FAMILY, Context(photographs))
    # What later layers are given has changed in between.
    for name in ("generator.head.bias", "generator.linear.bias"):
        assert torch.equal(state_of(twice)[name], state_of(once)[name])
        assert not torch.equal(state_of(once)[name], state_of(network)[name])


def test_layers_of_another_shape_are_left_alone(network: Any, picture: Picture) -> None:
    path = CodedPath.of(network, FAMILY, [picture(64, 64)])
    wanted = affine_maps(network)["generator.head"]
    narrow = wanted._replace(weight=wanted.weight[:, :-1] + 1)
    assert correct_biases(network, path, {"generator.head": narrow}).moves == {}


@pytest.mark.parametrize("name", ["hific", pytest.param("toderici", marks=pytest.mark.slow)])
def test_a_recipe_knows_the_network_before_it(
    tiny_models: dict[str, Model], name: str, photographs: Path, picture: Picture
) -> None:
    before = tiny_models[name]
    family = registry.families.get(name)
    part = "generator" if name == "hific" else "decoder"
    recipe = Recipe([Prune({"encoder": 0.3, part: 0.3}), CorrectTone()], "paper")
    after = library.shrink_model(before, recipe, Context(photographs))
    assert after.stream_id == before.stream_id
    for key, array in before.weights.items():
        if key.startswith(("probability.", "log_")):
            np.testing.assert_array_equal(after.weights[key], array)
    about, *layers = after.history[-1]["layers"]
    assert {entry["layer"].split(".")[0] for entry in layers} == {"encoder", part}
    if name == "toderici":
        assert about["matrix"].startswith("left out: a picture is a sum over iterations")
        assert "each model's pictures are best" in library.stream_change(before, after, recipe)
    else:
        kept = not str(about["matrix"]).startswith("left out: crops that")
        other = about["delta_e_other_half"]
        assert kept == (other["with_matrix"] < 0.99 * other["without_matrix"])
    lines = recipe.plan(thaw_network(before), family)
    assert any("left out" in line for line in lines) == (name == "toderici")
    old, new, image = open_codec(before), open_codec(after), picture(48, 64)
    for one, other in ((old, new), (new, old)):
        assert other.decode(one.encode(image)).shape == image.shape


def test_the_given_networks_stay_as_they_were(network: Any, photographs: Path) -> None:
    pruned, _ = Prune({"generator": 0.3}).apply(network, FAMILY)
    before = state_of(network), state_of(pruned)
    CorrectTone().apply(pruned, FAMILY, Context(photographs, reference=network))
    for kept, now in zip(before, (network, pruned), strict=True):
        assert all(torch.equal(kept[n], t) for n, t in plain_state(now).items())


def test_quantization_may_follow_but_not_come_first(network: Any, photographs: Path) -> None:
    tone, rounded = CorrectTone(images=1), Quantize(8, rounding="nearest", bias_correction=False)
    Recipe([tone, rounded]).apply(network, FAMILY, Context(photographs))
    with pytest.raises(UsageError, match="put correct-tone before quantize"):
        Recipe([rounded, tone]).apply(network, FAMILY, Context(photographs))


# What is asked for


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"bias": True}, "setting of correct-tone 'bias'; did you mean biases"),
        ({"biases": 1}, "biases is true or false, got 1"),
        ({"matrix": "yes"}, "matrix is true or false, got 'yes'"),
        ({"images": 0}, "images must be a whole number from 1, got 0"),
        ({"images": 2.5}, "images must be a whole number from 1"),
        ({"biases": False, "matrix": False}, "neither biases nor matrix does nothing"),
    ],
)
def test_settings_that_are_none(settings: dict[str, Any], words: str) -> None:
    with pytest.raises((UsageError, UnknownNameError), match=words) as error:
        CorrectTone.from_settings(settings)
    assert "\n" not in str(error.value)


def test_what_it_needs(network: Any, photographs: Path) -> None:
    with pytest.raises(UsageError, match="--calibration"):
        Recipe([CorrectTone()]).apply(network, FAMILY)
    with pytest.raises(UsageError, match="was told of none"):
        CorrectTone().apply(network, FAMILY, Context(photographs))


@pytest.mark.parametrize(
    "tone", [CorrectTone(), CorrectTone(False, True, 3), CorrectTone(True, False)]
)
def test_settings_are_the_inverse_of_from_settings(tone: CorrectTone) -> None:
    assert CorrectTone.from_settings(tone.settings()) == tone
    assert isinstance(tone, Pass)
    assert registry.passes.get("correct-tone") is CorrectTone
    assert tone.touches(FAMILY) == {"encoder", "generator"}
