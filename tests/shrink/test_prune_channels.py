"""Pruning channels: what is asked for is what goes, the weakest of it, and streams stay."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slimcodec import registry
from slimcodec.codecs.family import Fitted
from slimcodec.codecs.layers import groups, multiplications
from slimcodec.errors import UnknownNameError, UsageError
from slimcodec.images import write_image
from slimcodec.library import load_model, shrink_model, stream_change
from slimcodec.model_file import Model, freeze_network, load, save, thaw_network
from slimcodec.runtime import open_codec
from slimcodec.shrink import Context, Pass, PruneChannels, Quantize, Recipe
from slimcodec.shrink.importance import Energy
from slimcodec.shrink.taylor import Taylor
from slimcodec.types import Image

FAMILY = registry.families.get("hific")
Picture = Callable[..., Image]


def widths_of(network: Any, family: Any = FAMILY) -> dict[str, int]:
    return {name: group.width for name, group in groups(family.layers(network.config)).items()}


def cost_of(network: Any, part: str, family: Any = FAMILY) -> float:
    return multiplications(family.layers(network.config), part)


@pytest.fixture(scope="module")
def wide(make_network_of: Callable[..., Any]) -> Any:
    """Wide enough that widths can be rounded, with blocks that say something."""
    network = make_network_of(
        "hific", 0, trunk_width=32, residual_blocks=3, generator_widths=(24, 16, 16, 3),
        encoder_widths=(16, 16, 24, 32),
    )  # fmt: skip
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for block in network.generator.trunk:
            block.norm2.gamma.normal_(0, 0.2, generator=rng)
    return network


def test_a_ratio_of_a_part(wide: Any) -> None:
    made, records = PruneChannels({"generator": 0.5}).apply(wide, FAMILY)
    before, after = widths_of(wide), widths_of(made)
    for name, width in before.items():
        part = name.startswith("generator")
        assert after[name] == (max(8, round(width / 16) * 8) if part else width), name
    by_group = {r["group"]: (r["before"], r["after"]) for r in records if "group" in r}
    assert by_group == {n: (before[n], after[n]) for n in before if n.startswith("generator")}
    (cost,) = [record for record in records if record.get("part") == "generator"]
    assert cost["kmac_after"] == round(cost_of(made, "generator") / 1000, 2)


def test_the_longest_name_says_most(wide: Any) -> None:
    ratios = {
        "generator": 0.5, "generator.blocks": 0.25, "generator.blocks.1": 0.75,
        "generator.stages": 0.0,
    }  # fmt: skip
    made, _ = PruneChannels(ratios).apply(wide, FAMILY)
    config = made.config
    assert (config.trunk_width, config.inner_widths) == (16, (24, 8, 24))
    assert config.generator_widths == wide.config.generator_widths


@pytest.mark.parametrize("multiple", [1, 8, 16])
def test_widths_are_multiples(wide: Any, multiple: int) -> None:
    made, _ = PruneChannels({"generator": 0.3}, multiple=multiple).apply(wide, FAMILY)
    before, after = widths_of(wide), widths_of(made)
    for name in before:
        if name.startswith("generator"):
            assert after[name] % multiple == 0 or after[name] == before[name]
            assert multiple <= after[name] <= before[name]
    if multiple == 1:
        assert after["generator.trunk"] == round(0.7 * 32)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7])
def test_a_share_of_the_multiplications(wide: Any, share: float) -> None:
    macs = {"generator": share, "encoder": share}
    made, _ = PruneChannels(macs=macs, multiple=1).apply(wide, FAMILY)
    for part in macs:
        left = cost_of(made, part) / cost_of(wide, part)
        assert 0.9 * (1 - share) <= left <= 1 - share, part


def test_a_share_beside_ratios_and_blocks(wide: Any) -> None:
    asked = PruneChannels(
        {"generator.trunk": 0.0}, {"generator": 0.5}, {"generator": 2}, multiple=4
    )
    made, records = asked.apply(wide, FAMILY)
    assert made.config.trunk_width == 32
    assert made.config.residual_blocks == 2
    assert cost_of(made, "generator") <= 0.5 * cost_of(wide, "generator")
    assert {"blocks": [0, 2], "of": 3} in records
    assert {"group": "generator.blocks.1", "before": 32, "after": 0} in records
    blocks, _ = PruneChannels(blocks={"generator": 2}).apply(wide, FAMILY)
    assert torch.equal(blocks.generator.trunk[1].conv1.weight, wide.generator.trunk[2].conv1.weight)


def test_the_strongest_stay(wide: Any) -> None:
    network = copy.deepcopy(wide)
    weak = [1, 2, 3, 5, 8, 10, 11, 15]
    with torch.no_grad():
        network.generator.stages[1].conv.weight[:, weak] *= 0.1
    kept = [unit for unit in range(16) if unit not in weak]
    made: Any
    made, _ = PruneChannels({"generator.stages.1": 0.5}).apply(network, FAMILY)
    before, after = (n.generator.stages for n in (network, made))
    assert torch.equal(after[1].conv.weight, before[1].conv.weight[:, kept])
    assert torch.equal(made.generator.out.weight, network.generator.out.weight)
    group = groups(FAMILY.layers(wide.config))["generator.stages.1"]
    scores = Energy(network.state_dict(), 3).channels(group)
    made_by, read_by = before[1].conv.weight.double(), before[2].conv.weight.double()
    by_hand = made_by.square().sum((0, 2, 3)) * read_by.square().sum((1, 2, 3))
    np.testing.assert_allclose(scores, by_hand.detach().numpy())


def test_behind_a_norm_its_gains_count(wide: Any) -> None:
    group = groups(FAMILY.layers(wide.config))["generator.blocks.0"]
    block = wide.generator.trunk[0]
    by_hand = block.norm1.gamma.double().square().flatten() * (
        block.conv2.weight.double().square().sum((0, 2, 3))
    )
    scores = Energy(wide.state_dict(), 3).channels(group)
    np.testing.assert_allclose(scores, by_hand.detach().numpy())


def test_norms_of_one_kind_or_the_other(wide: Any) -> None:
    full, _ = PruneChannels({"generator": 0.5}, norms="full").apply(wide, FAMILY)
    own, _ = PruneChannels({"generator": 0.5}).apply(wide, FAMILY)
    assert full.config.counted("generator.trunk") == 32
    assert own.config.norm_counts == ()


def test_the_given_network_stays_as_it_was(wide: Any) -> None:
    before = {name: tensor.clone() for name, tensor in wide.state_dict().items()}
    made, _ = PruneChannels({"generator": 0.0}).apply(wide, FAMILY)
    assert made is not wide and made.config == wide.config
    with torch.no_grad():
        for tensor in made.parameters():
            tensor.add_(1)
    PruneChannels({"generator": 0.9, "encoder": 0.5}).apply(wide, FAMILY)
    assert all(torch.equal(before[n], t) for n, t in wide.state_dict().items())


def test_the_recurrent_codec(tiny_models: dict[str, Model]) -> None:
    family = registry.families.get("toderici")
    network = thaw_network(tiny_models["toderici"])
    asked = PruneChannels({"encoder": 0.5, "decoder": 0.5}, multiple=4)
    made, records = asked.apply(network, family)
    assert made.config.decoder_widths == (8, 4, 4, 4)
    assert made.config.encoder_widths == (4, 4, 8)
    assert {"group": "decoder.cells.0", "before": 12, "after": 8} in records
    models = [freeze_network(n, name="x", family="toderici") for n in (network, made)]
    assert models[0].stream_id == models[1].stream_id
    with pytest.raises(UsageError, match="2 residual blocks of decoder cannot stay: it has 0"):
        PruneChannels(blocks={"decoder": 2}).apply(network, family)


# What photographs say


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory, picture: Picture) -> Context:
    folder = tmp_path_factory.mktemp("photographs")
    for seed in range(2):
        write_image(folder / f"{seed}.png", picture(128, 160, seed))
    return Context(folder)


def test_by_gradients(wide: Any, photographs: Context) -> None:
    """Channels and a block that say nothing are found; the same photographs give the same."""
    network = copy.deepcopy(wide)
    silent = [0, 3, 4, 9, 12, 13, 14, 15]
    with torch.no_grad():
        network.generator.stages[2].conv.weight[silent] = 0
        network.encoder.stages[1].conv.weight[:, silent] = 0
        network.generator.trunk[1].norm2.gamma.zero_()
        network.generator.trunk[1].norm2.beta.zero_()
    ratios = {"generator.stages.1": 0.5, "encoder.stages.0": 0.5}
    asked = PruneChannels(ratios, blocks={"generator": 2}, importance="taylor", images=2)
    assert asked.needs_photographs()
    assert "prune-channels: 3 → 2 residual blocks" in asked.plan(network, FAMILY)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    made, records = asked.apply(network, FAMILY, photographs)
    assert {"blocks": [0, 2], "of": 3} in records
    kept = [unit for unit in range(16) if unit not in silent]
    for one, other in (
        (made.generator.stages[1].conv, network.generator.stages[1].conv),
        (made.encoder.stages[0].conv, network.encoder.stages[0].conv),
    ):
        assert torch.equal(one.bias, other.bias[kept])
    assert all(torch.equal(before[n], t) for n, t in network.state_dict().items())
    assert not network.training and not made.training
    again, _ = asked.apply(network, FAMILY, photographs)
    for name, tensor in made.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])


@pytest.mark.parametrize("name", registry.families)
def test_gradients_reach_every_group(
    make_network_of: Callable[..., Any], picture: Picture, name: str
) -> None:
    family, network = registry.families.get(name), make_network_of(name, 0)
    with torch.no_grad():
        for own in network.parameters():
            if not own.any():  # what starts with zeros learns to say something
                own.normal_(0, 0.1)
    known = groups(family.layers(network.config))
    seen = Taylor(network, family, known, [picture(128, 160)])
    for group in known.values():
        scores = seen.channels(group)
        assert scores.any() and np.isfinite(scores).all() and (scores >= 0).all(), group.name


def test_gradients_need_photographs(wide: Any) -> None:
    with pytest.raises(UsageError, match="prune-channels measures on photographs"):
        PruneChannels({"generator": 0.5}, importance="taylor").apply(wide, FAMILY)


# Models


@pytest.mark.parametrize("name", registry.families)
def test_narrow_models_code_alike_on_every_runtime(
    tiny_models: dict[str, Model], name: str, picture: Picture, tmp_path: Path
) -> None:
    model, family = tiny_models[name], registry.families.get(name)
    parts = [part for part in family.parts if part not in ("binarizer", "probability")]
    recipe = Recipe([PruneChannels(dict.fromkeys(parts, 0.4), multiple=4)], "narrow")
    if isinstance(family, Fitted):  # codes of blocks are no channels
        with pytest.raises(UsageError, match="unknown group of channels of vq"):
            shrink_model(model, recipe)
        return
    made = shrink_model(model, recipe)
    assert made.stream_id == model.stream_id and made.digest != model.digest
    words = "stream id stays" if model.stream_id else "streams are jpeg files as before"
    assert words in stream_change(model, made, recipe)
    save(made, tmp_path / "narrow.slim")
    again = load(tmp_path / "narrow.slim")
    assert again.digest == made.digest
    assert freeze_network(
        thaw_network(again), name=made.name, family=name, history=made.history
    ).digest == made.digest  # fmt: skip
    image = picture(64, 96)
    codecs = [open_codec(again, runtime) for runtime in ("torch", "onnx")]
    streams = [codec.encode(image) for codec in codecs]
    pictures = [codec.decode(streams[0]).astype(int) for codec in codecs]
    assert np.abs(pictures[0] - pictures[1]).max() <= 2
    if name == "hific":
        # Whoever has the model from before reads these streams, and the other way round.
        whole = open_codec(model)
        assert whole.decode(streams[0]).shape == image.shape
        assert codecs[1].decode(whole.encode(image)).shape == image.shape


@pytest.mark.slow
def test_the_built_in_model(picture: Picture, tmp_path: Path) -> None:
    model = load_model("hific-s")
    recipe = Recipe([PruneChannels({"encoder": 0.25, "generator": 0.5})], "half")
    made = shrink_model(model, recipe)
    assert made.stream_id == model.stream_id
    save(made, tmp_path / "half.slim")
    assert (tmp_path / "half.slim").stat().st_size < 9e6
    made = load(tmp_path / "half.slim")
    assert made.config["trunk_width"] == 96
    assert made.config["encoder_widths"] == [24, 48, 96, 144]
    image = picture(128, 192)
    streams = {runtime: open_codec(made, runtime).encode(image) for runtime in ("torch", "onnx")}
    assert abs(len(streams["torch"]) - len(streams["onnx"])) < 0.02 * len(streams["onnx"])
    decoded = [open_codec(m).decode(streams["onnx"]).astype(float) for m in (model, made)]
    errors = [np.square(d - image).mean() for d in decoded]
    assert errors[0] < errors[1] < 1000


def test_unnarrowed_models_keep_their_manifests() -> None:
    """A field of a config that came after they were shipped is in no manifest that needs none."""
    for name in ("hific-s", "hific-s-natural", "toderici-s"):
        model = load_model(name)
        family = registry.families.get(model.family)
        written = family.config(model.config).to_dict()
        assert {k: list(v) if isinstance(v, tuple) else v for k, v in written.items()} == dict(
            model.config
        )


def test_narrowing_the_probability_model_changes_streams(tiny_models: dict[str, Model]) -> None:
    model = tiny_models["hific"]
    network = thaw_network(model)
    analysis, _ = PruneChannels({"probability.analysis": 0.5}, multiple=4).apply(network, FAMILY)
    assert freeze_network(analysis, name="x", family="hific").stream_id == model.stream_id
    for name in ("mean", "scale", "context"):
        asked = PruneChannels({f"probability.{name}": 0.5}, multiple=4)
        assert "will be others" in asked.plan(network, FAMILY)[-1]
        made, _ = asked.apply(network, FAMILY)
        after = freeze_network(made, name="x", family="hific")
        assert after.stream_id != model.stream_id
        # Grids of the integers that are left are those that there were.
        for key, grid in after.quantization.activations.items():
            assert grid == model.quantization.activations[key]


def test_then_quantized(tiny_models: dict[str, Model]) -> None:
    model = tiny_models["hific"]
    passes: list[Pass] = [
        PruneChannels({"generator": 0.3}, multiple=4),
        Quantize(8, only=("generator",), rounding="nearest", bias_correction=False),
    ]
    made = shrink_model(model, Recipe(passes, "small"))
    assert made.quantized and made.stream_id == model.stream_id
    with pytest.raises(UsageError, match="quantized already; prune first"):
        Recipe(passes[::-1]).apply(thaw_network(model), FAMILY)


# What is asked for


def test_names_that_are_not_there(tiny_network: Any) -> None:
    for ratios, words in (
        ({"genrator": 0.5}, "part of hific 'genrator'; did you mean generator"),
        (
            {"generator.trunc": 0.5},
            r"group of channels of hific 'generator\.trunc'; did you mean generator\.trunk",
        ),
        ({"generator.blocks.1": 0.5}, r"'generator\.blocks\.1'; did you mean generator\.blocks\.0"),
    ):
        with pytest.raises(UnknownNameError, match=words):
            PruneChannels(ratios).apply(tiny_network, FAMILY)
    with pytest.raises(UnknownNameError, match="part of hific 'generatr'"):
        PruneChannels(macs={"generatr": 0.5}).check(FAMILY, tiny_network.config)
    with pytest.raises(UnknownNameError, match="norms of prune-channels 'ful'; did you mean full"):
        PruneChannels(norms="ful")  # type: ignore[arg-type]


def test_ratios_that_leave_nothing(tiny_network: Any) -> None:
    with pytest.raises(UsageError, match=r"0\.97 leaves no channel of the 12 of generator\.trunk"):
        PruneChannels({"generator": 0.97}).plan(tiny_network, FAMILY)
    with pytest.raises(UsageError, match="cannot have 99% less; at most"):
        PruneChannels(macs={"generator": 0.99}).apply(tiny_network, FAMILY)
    with pytest.raises(UsageError, match="2 residual blocks of generator cannot stay: it has 1"):
        PruneChannels(blocks={"generator": 2}).apply(tiny_network, FAMILY)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"generator": 1.0}, "ratio of generator must be at least 0 and below 1"),
        ({"generator": -0.1}, "ratio of generator must be at least 0 and below 1"),
        ({"generator": float("nan")}, "ratio of generator must be at least 0 and below 1"),
        ({"generator": "half"}, "ratio of generator must be a number"),
        ({"generator": {"trunk": 0.5}}, "ratio of generator must be a number"),
        ({"macs": 0.5}, "macs takes a table of parts"),
        ({"macs": {"generator": 1}}, r"macs\.generator must be at least 0 and below 1"),
        ({"generator": 0.5, "macs": {"generator": 0.5}}, "say one of them"),
        ({"blocks": 3}, "blocks takes a table of parts"),
        ({"blocks": {"generator": -1}}, r"blocks\.generator must be a whole number from 0"),
        ({"multiple": 0}, "multiple must be a whole number from 1"),
        ({"images": 0}, "images must be a whole number from 1"),
        ({"importance": "tailor"}, "importance 'tailor'; did you mean taylor"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        PruneChannels.from_settings(settings)


@pytest.mark.parametrize(
    "asked",
    [
        PruneChannels(),
        PruneChannels({"generator": 0.5, "generator.trunk": 0.25}, multiple=16),
        PruneChannels(macs={"generator": 0.5}, blocks={"generator": 3}, norms="full"),
        PruneChannels({"generator": 0.5}, importance="taylor", images=4),
    ],
)
def test_settings_are_the_inverse_of_from_settings(asked: PruneChannels) -> None:
    assert PruneChannels.from_settings(asked.settings()) == asked
    assert isinstance(asked, Pass)
    assert registry.passes.get("prune-channels") is PruneChannels


def test_what_a_plan_says(wide: Any) -> None:
    asked = PruneChannels({"generator": 0.5}, blocks={"generator": 2})
    lines = asked.plan(wide, FAMILY)
    assert lines[0] == "prune-channels generator.trunk: 32 → 16 channels"
    assert "prune-channels: 3 → 2 residual blocks; 0, 2 stay" in lines
    assert lines[-1].startswith("prune-channels generator: ")
    assert lines[-1].endswith(" kMAC per pixel")
    assert asked.touches(FAMILY) == {"generator"}
    assert not asked.needs_photographs()
