"""Channels that fade: at 0 they are as good as cut, whatever lies between; on the way everything
learns; what comes out is narrow."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from slimcodec import registry
from slimcodec.codecs.layers import groups
from slimcodec.codecs.narrowing import narrow
from slimcodec.errors import ConfigError, UsageError
from slimcodec.images import write_image
from slimcodec.library import shrink_model
from slimcodec.model_file import Model
from slimcodec.quantization.simulation import plain_state
from slimcodec.shrink import Context, Distil, Finetune, Prune, PruneChannels, Recipe
from slimcodec.shrink.fading import Fading
from slimcodec.training import Trainer
from slimcodec.types import Image

HALF: dict[str, Any] = {"generator": 0.5, "multiple": 1}
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "hific-s": ("hific", {"residual_blocks": 2, "context_slices": (4, 8)}),
    "hific, as published": (
        "hific",
        {
            "norm": "everywhere", "stem_kernel": 7, "stem_width": 6, "stage_kernel": 3,
            "generator_widths": (8, 8, 8, 6), "bounded_output": True, "linear_path": False,
            "hyper_log_input": False, "context_slices": (), "residual_blocks": 2,
        },
    ),
    "hific, gated blocks": (
        "hific",
        {
            "generator_widths": (8, 10, 3), "picture_stride": 4, "up_kernel": 2, "head_kernel": 1,
            "block": "gated", "generator_blocks": (1, 2), "block_widths": (9, 20, 6, 20),
        },
    ),
    "toderici-s": ("toderici", {}),
    "mbt2018-mean": ("compressai", {}),
}  # fmt: skip


@pytest.fixture(scope="module", params=SHAPES)
def made(request: pytest.FixtureRequest, make_network_of: Callable[..., Any]) -> tuple[Any, Any]:
    """A family, and a network of it in which nothing is zero by itself."""
    name, changes = SHAPES[request.param]
    network = make_network_of(name, 0, **changes)
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            if tensor.is_floating_point() and "log_" not in key and "scale" not in key:
                tensor.normal_(0, 0.2, generator=rng)
            if key.endswith("spread") or ".gdn." in key:
                tensor.abs_().add_(0.5)
    return registry.families.get(name), network.eval()


@pytest.fixture
def photographs(tmp_path: Path, picture: Callable[..., Image]) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number in range(3):
        write_image(folder / f"{number}.png", picture(200 + number, 210))
    return folder


@torch.no_grad()
def outcome(network: Any) -> list[torch.Tensor]:
    """Everything that a network says of a picture."""
    torch.manual_seed(1)
    out = network(torch.rand(1, 3, 128, 128))
    return [out.image, *out.likelihoods] if hasattr(out, "image") else list(out)


def distance(one: list[torch.Tensor], other: list[torch.Tensor]) -> float:
    """The largest difference, as a share of what there is."""
    pairs = list(zip(one, other, strict=True))
    assert all(a.isfinite().all() for pair in pairs for a in pair)
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)


@pytest.mark.parametrize("norms", ["own", "full"])
def test_every_group_fades_to_the_narrowed_network(made: tuple[Any, Any], norms: Any) -> None:
    """Those of the probability model together, which are many."""
    family, network = made
    known = groups(family.layers(network.config))
    if norms == "full" and not any(layer.norm for layer in family.layers(network.config)):
        pytest.skip("no norms")
    before = outcome(network)
    apart = [name for name, group in known.items() if group.part != "probability"]
    for name in apart if len(apart) == len(known) else [*apart, "probability"]:
        asked = PruneChannels({name: 0.5}, multiple=1, norms=norms)
        plan = asked.decide(network, family, Context())
        assert set(plan.keep) == {group for group in known if f"{group}.".startswith(f"{name}.")}
        narrowed = outcome(narrow(network, family, plan.keep, plan.blocks, norms == "full"))
        fading = Fading(faded := copy.deepcopy(network), family, plan, norms == "full")
        fading.at(0.5)
        half = outcome(faded)
        assert distance(half, before) > 1e-4, f"{name} says nothing, so this proves nothing"
        assert distance(half, narrowed) > 1e-4, name
        fading.at(0)
        assert distance(outcome(faded), narrowed) < 1e-5, name


def test_all_at_once_with_blocks(made: tuple[Any, Any]) -> None:
    family, network = made
    parts = [part for part in family.parts if part not in ("binarizer", "probability")]
    blocks = {"generator": 1} if family.residual_blocks(network.config) else {}
    asked = PruneChannels(dict.fromkeys(parts, 0.4), blocks=blocks, multiple=1)
    narrowed, _ = asked.apply(network, family)
    plan = asked.decide(network, family, Context())
    fading = Fading(faded := copy.deepcopy(network), family, plan, full_norms=False)
    fading.at(1)
    assert distance(outcome(faded), outcome(network)) < 1e-5
    fading.at(0)
    assert distance(outcome(faded), outcome(narrowed)) < 1e-5
    cut = fading.cut()
    assert cut.config == narrowed.config
    state = cut.state_dict()
    assert all(torch.equal(state[name], own) for name, own in narrowed.state_dict().items())


def test_what_goes_learns_while_it_fades_and_zeros_stay(
    tiny_network: Any, photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every step has its factor; the last of the fading is at 0."""
    factors: list[float] = []
    at = Fading.at

    def watched(self: Fading, factor: float) -> None:
        factors.append(factor)
        at(self, factor)

    monkeypatch.setattr(Fading, "at", watched)
    family = registry.families.get("hific")
    before = copy.deepcopy(tiny_network)
    recipe = Recipe(
        [Prune({"generator": 0.3}), Distil(steps=8, batch=1, fade=HALF, fade_share=0.5)]
    )
    made, records = recipe.apply(tiny_network, family, Context(photographs))
    assert factors == [0.75, 0.5, 0.25, 0.0]
    state = tiny_network.state_dict()
    assert all(torch.equal(state[name], own) for name, own in before.state_dict().items())
    narrowed, cut = Recipe([Prune({"generator": 0.3}), PruneChannels.from_settings(HALF)]).apply(
        tiny_network, family
    )
    assert made.config == narrowed.config
    assert records[1].layers[0]["steps"] == 8
    assert list(records[1].layers[1:]) == list(cut[1].layers)
    one, other = plain_state(narrowed), plain_state(made)
    assert set(one) == set(made.state_dict())
    for name in ("generator.trunk.0.conv1.weight", "generator.stages.0.conv.weight"):
        zeros = one[name] == 0
        assert zeros.any() and not other[name][zeros].any()
    moved = {name.split(".")[0] for name in one if not torch.equal(one[name], other[name])}
    assert moved == {"generator"}
    assert all(parameter.requires_grad for parameter in made.parameters())


def test_every_family_fades_under_its_own_loss(
    make_network_of: Callable[..., Any], photographs: Path
) -> None:
    family, network = registry.families.get("toderici"), make_network_of("toderici", 0)
    fade = {"decoder.cells.1": 0.5, "multiple": 1}
    made, _ = Finetune(steps=3, batch=1, fade=fade).apply(network, family, Context(photographs))
    assert made.config.decoder_widths == (12, 4, 8, 8)


class Killed(BaseException):
    """Nobody catches it."""


@pytest.mark.slow
def test_a_killed_fading_ends_with_the_same_model(
    tiny_model: Model, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe([Distil(steps=6, batch=1, cached=4, fade=HALF, fade_share=0.5)], "x")
    alone = shrink_model(tiny_model, recipe, Context(photographs))
    monkeypatch.setattr("slimcodec.shrink.learning.CHECKPOINT_MINUTES", 1e-9)
    one_step, count = Trainer._one_step, [0]

    def dying(self: Any, batch: Any) -> Any:
        count[0] += 1
        if count[0] % 3 == 0:
            raise Killed
        return one_step(self, batch)

    monkeypatch.setattr(Trainer, "_one_step", dying)
    kills = 0
    while True:
        try:
            made = shrink_model(tiny_model, recipe, Context(photographs, state=tmp_path / "state"))
        except Killed:
            kills += 1
            assert kills < 9
        else:
            break
    assert kills >= 2
    assert made.digest == alone.digest


# What a user may write


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"fade": 0.5}, "fade takes a table of what prune-channels takes, got 0.5"),
        ({"fade": {"generator": 1}}, "the ratio of generator must be at least 0 and below 1"),
        ({"fade_share": 1.0}, "fade_share must be at least 0 and below 1, got 1.0"),
        ({"fade": HALF, "steps": 1}, "fade_share leaves 0 of 1 steps to fade in"),
        ({"fade": HALF, "steps": 9, "fade_share": 0.99}, "leaves 9 of 9 steps to fade in"),
    ],
)
def test_settings_that_are_wrong(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        Recipe.from_dict({"pass": [{"pass": "distil", **settings}]})
    assert words in str(error.value)


def test_only_what_learns_fades(tiny_network: Any) -> None:
    family = registry.families.get("hific")
    with pytest.raises(UsageError, match="encoder cannot fade, for distil does not let it learn"):
        Distil(fade={"encoder": 0.5}).check(family, tiny_network.config)
    lines = Distil(steps=6, batch=1, fade=HALF, cached=0).plan(tiny_network, family)
    assert lines[1] == "distil: what goes fades over the first 2:"
    assert lines[2] == "prune-channels generator.trunk: 12 → 6 channels"


def test_settings_go_through_plain_values() -> None:
    step = Distil(fade={"macs": {"generator": 0.5}}, fade_share=0.25)
    assert Distil.from_settings(step.settings()) == step
    assert "fade" not in Distil().settings()
