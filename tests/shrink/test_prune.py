"""Pruning zeroes exactly what it says, in a copy, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from slimcodec import registry
from slimcodec.errors import UnknownNameError, UsageError
from slimcodec.model_file import Model, freeze_network, thaw_network
from slimcodec.quantization.simulation import weight_grids
from slimcodec.shrink import Pass, Prune

FAMILY = registry.families.get("hific")


@pytest.fixture(scope="module")
def tiny_network(make_network: Callable[[int], Any]) -> Any:
    """As if trained: a context starts with zeros, and what is zero already cannot be pruned."""
    network = make_network(0)
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for group in network.probability.context.groups:
            group.out.weight.normal_(0, 0.01, generator=rng)
    return network


def convolutions(network: Any, part: str) -> dict[str, torch.Tensor]:
    """Weights of every convolution of a part, by full name."""
    return {
        f"{part}.{name}": layer.weight.detach()
        for name, layer in network.get_submodule(part).named_modules()
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    }


def zeros(tensor: torch.Tensor) -> int:
    return int((tensor == 0).sum())


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.5, 0.999])
@pytest.mark.parametrize("part", FAMILY.parts)
def test_layerwise_ratios_are_exact_to_a_weight(tiny_network: Any, part: str, ratio: float) -> None:
    pruned, records = Prune({part: ratio}).apply(tiny_network, FAMILY)
    layers = convolutions(pruned, part)
    assert [record["layer"] for record in records] == list(layers)
    for record, (name, weight) in zip(records, layers.items(), strict=True):
        before = convolutions(tiny_network, part)[name]
        assert record["weights"] == weight.numel()
        assert record["sparsity"] == pytest.approx(zeros(weight) / weight.numel())
        assert zeros(before) == 0
        assert zeros(weight) == round(ratio * weight.numel())


def test_the_smallest_go_and_the_rest_stays(tiny_network: Any) -> None:
    pruned, _ = Prune({"generator": 0.4}).apply(tiny_network, FAMILY)
    before = convolutions(tiny_network, "generator")
    for name, weight in convolutions(pruned, "generator").items():
        kept = weight != 0
        torch.testing.assert_close(weight[kept], before[name][kept], rtol=0, atol=0)
        assert before[name][kept].abs().min() >= before[name][~kept].abs().max()


def test_only_convolutions_of_the_part_change(tiny_network: Any) -> None:
    pruned, _ = Prune({"encoder": 0.5, "probability": 0.3}).apply(tiny_network, FAMILY)
    touched = {
        f"{name}.weight"
        for part in ("encoder", "probability")
        for name in convolutions(tiny_network, part)
    }
    after = pruned.state_dict()
    for name, tensor in tiny_network.state_dict().items():
        assert torch.equal(tensor, after[name]) == (name not in touched), name
    assert any(name.endswith("bias") for name in after)
    assert any("gamma" in name for name in after)


def test_the_given_network_stays_as_it_was(tiny_network: Any) -> None:
    before = {name: tensor.clone() for name, tensor in tiny_network.state_dict().items()}
    everything = dict.fromkeys(FAMILY.parts, 0.9)
    pruned, _ = Prune(everything, "global").apply(tiny_network, FAMILY)
    assert pruned is not tiny_network
    assert all(torch.equal(before[n], t) for n, t in tiny_network.state_dict().items())


def test_global_takes_one_threshold_over_the_part(tiny_network: Any) -> None:
    pruned, records = Prune({"encoder": 0.5}, "global").apply(tiny_network, FAMILY)
    before, after = convolutions(tiny_network, "encoder"), convolutions(pruned, "encoder")
    total = sum(weight.numel() for weight in after.values())
    assert sum(zeros(weight) for weight in after.values()) == round(0.5 * total)
    gone = torch.cat([before[name][weight == 0].abs() for name, weight in after.items()])
    kept = torch.cat([before[name][weight != 0].abs() for name, weight in after.items()])
    assert gone.max() <= kept.min()
    assert len({round(record["sparsity"], 3) for record in records}) > 1


def test_random_is_a_seeded_control(tiny_network: Any) -> None:
    def pruned(seed: int) -> dict[str, torch.Tensor]:
        network, _ = Prune({"generator": 0.5}, "random", seed).apply(tiny_network, FAMILY)
        return convolutions(network, "generator")

    first, again, other = pruned(1), pruned(1), pruned(2)
    before = convolutions(tiny_network, "generator")
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in first)
    for name, weight in first.items():
        assert zeros(weight) == round(0.5 * weight.numel())
        kept, gone = before[name][weight != 0].abs(), before[name][weight == 0].abs()
        assert gone.max() > kept.min()  # magnitude plays no part


def test_ties_are_broken_by_position(tiny_network: Any) -> None:
    """Equal weights give exactly the ratio too, not all or none."""
    import copy

    flat = copy.deepcopy(tiny_network)
    with torch.no_grad():
        flat.encoder.head.weight.fill_(0.5)
    pruned, _ = Prune({"encoder": 0.25}).apply(flat, FAMILY)
    weight = pruned.encoder.head.weight.flatten()
    quarter = round(0.25 * weight.numel())
    assert zeros(weight[:quarter]) == quarter
    assert zeros(weight[quarter:]) == 0


@pytest.mark.parametrize("method", ["layer", "random"])
def test_zeros_of_a_settled_network_stay(tiny_network: Any, method: Any) -> None:
    """Rounding makes none of them anything else, and streams are others."""
    before = freeze_network(tiny_network, name="x", family="hific")
    pruned, _ = Prune({"probability": 0.3}, method).apply(thaw_network(before), FAMILY)
    gone = {name: (grid.integers == 0).mean() for name, grid in weight_grids(pruned).items()}
    after = freeze_network(pruned, name="x", family="hific")
    assert after.stream_id != before.stream_id
    assert set(after.quantization.weights) == set(before.quantization.weights)
    for name, grid in after.quantization.weights.items():
        old = before.quantization.weights[name]
        np.testing.assert_array_equal(grid.steps, old.steps)
        kept = grid.integers != 0
        np.testing.assert_array_equal(grid.integers[kept], old.integers[kept])
        assert (~kept).mean() == gone[name] >= 0.29
    assert freeze_network(thaw_network(after), name="x", family="hific").digest == after.digest


def test_a_pruned_generator_reads_the_same_streams(tiny_models: dict[str, Model]) -> None:
    tiny_model = tiny_models["hific"]
    pruned, _ = Prune({"generator": 0.5, "encoder": 0.2}).apply(thaw_network(tiny_model), FAMILY)
    after = freeze_network(pruned, name="x", family="hific")
    assert after.stream_id == tiny_model.stream_id
    assert after.digest != tiny_model.digest


# What is asked for


@pytest.mark.parametrize("ratio", [-0.1, 1, 1.0, 2, float("nan"), float("inf")])
def test_ratios_outside_of_zero_to_one(ratio: float) -> None:
    with pytest.raises(UsageError, match="ratio of encoder must be at least 0 and below 1"):
        Prune({"encoder": ratio})


@pytest.mark.parametrize("ratio", ["half", None, True, [0.5]])
def test_ratios_that_are_no_numbers(ratio: Any) -> None:
    with pytest.raises(UsageError, match="ratio of encoder must be a number"):
        Prune({"encoder": ratio})


def test_unknown_names(tiny_network: Any) -> None:
    with pytest.raises(UnknownNameError, match="part of hific 'genrator'; did you mean generator"):
        Prune({"genrator": 0.5}).apply(tiny_network, FAMILY)
    with pytest.raises(UnknownNameError, match="pruning method 'globl'; did you mean global"):
        Prune({"encoder": 0.5}, "globl")  # type: ignore[arg-type]


def test_it_is_a_pass() -> None:
    assert isinstance(Prune(), Pass)
    assert registry.passes.get("prune") is Prune


@pytest.mark.parametrize(
    "prune",
    [
        Prune(),
        Prune({"encoder": 0.25, "generator": 0}),
        Prune({"generator": 0.5}, "global"),
        Prune({"probability": 0.1}, "random", 7),
    ],
)
def test_settings_are_the_inverse_of_from_settings(prune: Prune) -> None:
    assert Prune.from_settings(prune.settings()) == prune


def test_what_a_plan_says(tiny_network: Any) -> None:
    prune = Prune({"encoder": 0.25, "generator": 0})
    lines = prune.plan(tiny_network, FAMILY)
    count = sum(weight.numel() for weight in convolutions(tiny_network, "encoder").values())
    assert len(lines) == 2
    assert lines[0].startswith(f"prune encoder: 25% of {count:,} weights in ")
    assert prune.touches(FAMILY) == {"encoder"}
    with pytest.raises(UnknownNameError):
        Prune({"binarizer": 0.5}).plan(tiny_network, FAMILY)
