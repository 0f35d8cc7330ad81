"""The table of layers says where every channel is: a network without some computes what the network
with zeros in their place computes, for every group of both families."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch

from slimcodec import registry
from slimcodec.codecs.layers import Carrier, carriers, groups, multiplications
from slimcodec.codecs.narrowing import narrow
from slimcodec.codecs.restore.config import CONDITION
from slimcodec.codecs.settled import coded_layers
from slimcodec.errors import UnknownNameError, UsageError
from slimcodec.quantization.simulation import convolutions
from tests.gated_shapes import GATED_SHAPES

PUBLISHED = {
    "structure": "published", "block_widths": (), "published_widths": tuple(range(4, 25)),
}  # fmt: skip
CAS_WIDTHS = (4, 6, 8, 5, 7, 9, 4, 6, 5, 7, 8)

SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "hific-s": ("hific", {"residual_blocks": 2}),
    "hific, as published": (
        "hific",
        {
            "norm": "everywhere", "stem_kernel": 7, "stem_width": 6, "stage_kernel": 3,
            "generator_widths": (8, 8, 8, 6), "bounded_output": True, "linear_path": False,
            "hyper_log_input": False, "context_slices": (), "residual_blocks": 2,
        },
    ),
    "hific, from quarter resolution": (
        "hific", {"generator_widths": (8, 8, 3), "picture_stride": 4},
    ),
    **GATED_SHAPES,
    "toderici-s": ("toderici", {}),
    "toderici, as published": (
        "toderici",
        {
            "filter_width": 0, "gate_bias": False, "bounded_output": True, "linear_components": 0,
            "linear_rounds": 0, "linear_window": 16, "significance": False,
            "decoder_hidden_kernels": (1, 1, 3, 3),
        },
    ),
    "compact-s": ("compact", {}),
    "com-rec-cnn": ("compact", PUBLISHED),
    "mbt2018-mean": ("compressai", {}),
    "mbt2018-mean-elic": (
        "compressai", {"context_slices": (1, 1, 2, 4, 4), "context_channels": 8}
    ),
    "bmshj2018-hyperprior": ("compressai", {"architecture": "bmshj2018-hyperprior"}),
    "bmshj2018-factorized": ("compressai", {"architecture": "bmshj2018-factorized"}),
    "restore-s": ("restore", {}),
    "extreme-s": ("extreme", {}),
    "extreme, gated blocks": (
        "extreme",
        {
            "generator_widths": (8, 3), "picture_stride": 8, "up_kernel": 2, "residual_blocks": 0,
            "block": "gated", "generator_blocks": (2,),
        },
    ),
    "cas-cnn": ("restore", {"structure": "cas", "block_widths": (), "cas_widths": CAS_WIDTHS}),
}  # fmt: skip


@pytest.fixture(params=SHAPES)
def shape(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def made(shape: str, make_config: Callable[..., Any]) -> tuple[Any, Any]:
    """A family, and a network of it with random weights, so that nothing is zero by itself."""
    name, changes = SHAPES[shape]
    family = registry.families.get(name)
    torch.manual_seed(0)
    network = family.build(make_config(name, **changes)).eval()
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            if key.endswith(("latent_scale", "spread")) or ".gdn." in key:
                tensor.uniform_(0.5, 1.5)
            elif tensor.is_floating_point() and "log_" not in key:
                tensor.normal_(0, 0.2)
    return family, network


@torch.no_grad()
def outcome(network: Any) -> list[torch.Tensor]:
    """Everything that a network says of a picture."""
    torch.manual_seed(1)
    image = torch.rand(1, 3, 128, 192)
    facts = (torch.rand(1, CONDITION),) if hasattr(network, "restorer") else ()
    out = network(image, *facts)
    pieces = [out.image, *out.likelihoods] if hasattr(out, "image") else list(out)
    return [piece.double() for piece in pieces]


def silenced(network: Any, found: list[Carrier], group: str, units: list[int]) -> Any:
    """A copy with zeros wherever the table says that these units are."""
    quiet = copy.deepcopy(network)
    state = quiet.state_dict()
    with torch.no_grad():
        for carrier in found:
            for own, where in zip(
                [c for c in carrier.channels if c.group == group], carrier.where(group), strict=True
            ):
                channels = [where.start + u * own.size + i for u in units for i in range(own.size)]
                state[carrier.tensor].index_fill_(carrier.axis, torch.tensor(channels), 0.0)
    return quiet


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> None:
    for a, b in zip(one, other, strict=True):
        assert a.isfinite().all()
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5 * float(b.abs().max()))


def test_every_tensor_is_in_the_table(made: tuple[Any, Any]) -> None:
    family, network = made
    table, state = family.layers(network.config), network.state_dict()
    lengths = {(c.tensor, c.axis): c.length for c in carriers(table)}
    assert {tensor for tensor, _ in lengths} == set(state)
    for (tensor, axis), length in lengths.items():
        assert state[tensor].shape[axis] == length, tensor
    assert set(convolutions(network)) <= {layer.module for layer in table}
    coded = {layer.module for layer in table if layer.coded}
    assert coded == coded_layers(family, network.config)
    assert all(layer.streams for layer in table if layer.coded)
    for name, group in groups(table).items():
        assert group.part == group.made_by[0].part
        assert group.made_by and group.read_by, name


@torch.no_grad()
def test_multiplications_are_those_that_run(made: tuple[Any, Any]) -> None:
    """Counted while a network runs: what every convolution of its graphs is given and gives."""
    family, network = made
    counts: dict[str, float] = {}

    def count(name: str, layer: Any, inputs: Any, output: torch.Tensor) -> None:
        over = inputs[0] if isinstance(layer, torch.nn.ConvTranspose2d) else output
        places = over.shape[2] * over.shape[3]
        counts.setdefault(name, layer.weight.numel() * places / (128 * 192))

    hooks = [
        layer.register_forward_hook(lambda *found, name=name: count(name, *found))
        for name, layer in convolutions(network).items()
        if name.startswith(
            ("encoder", "generator", "decoder", "binarizer", "restorer", "compactor", "reconstruct")
        )
    ]
    outcome(network)
    for hook in hooks:
        hook.remove()
    table = {layer.module: layer.multiplications for layer in family.layers(network.config)}
    # On overlapping windows there is one window more on every side.
    around = {name for name in counts if "decoder.linear" in name}
    assert counts
    for name in counts.keys() - around:
        assert counts[name] == pytest.approx(table[name]), name


def test_rescalings_follow(make_config: Callable[..., Any]) -> None:
    """The lists that were written by hand before there was a table."""

    def of(shape: str) -> list[tuple[tuple[str, ...], str]]:
        name, changes = SHAPES[shape]
        found = registry.families.get(name).rescalings(make_config(name, **changes))
        return [
            (tuple(f"{n}@{axis}" for n, axis, power in own.tensors if power < 0), own.layer)
            for own in found
        ]

    def plain(made: str, axis: int, layer: str) -> tuple[tuple[str, ...], str]:
        return (f"{made}.weight@{axis}", f"{made}.bias@0"), layer

    def normed(norm: str, layer: str) -> tuple[tuple[str, ...], str]:
        return (f"{norm}.gamma@1", f"{norm}.beta@1"), layer

    inner = [normed(f"generator.trunk.{i}.norm1", f"generator.trunk.{i}.conv2") for i in range(2)]
    hyper = [
        plain(f"probability.{net}.layers.{i}", axis, f"probability.{net}.layers.{i + 1}")
        for net, axis in (("analysis", 0), ("mean", 1))
        for i in range(2)
    ]
    downs = [*(f"encoder.stages.{i}.conv" for i in range(4)), "encoder.head"]
    ups = [*(f"generator.stages.{i}.conv" for i in range(3)), "generator.out"]
    assert of("hific-s") == [
        *(plain(made, 0, read) for made, read in pairwise(downs)),
        *inner,
        *(plain(made, 1, read) for made, read in pairwise(ups)),
        *hyper,
    ]
    # A gate's units would have to go to what it multiplies or to what multiplies it.
    assert of("hific, gated blocks") == [
        *(plain(made, 0, read) for made, read in pairwise(downs)),
        *hyper,
    ]
    norms = ["encoder.stem_norm", *(f"encoder.stages.{i}.norm" for i in range(4))]
    assert of("hific, as published") == [
        *(normed(norm, read) for norm, read in zip(norms, downs, strict=True)),
        *inner,
        *(
            normed(f"generator.stages.{i}.norm", read)
            for i, read in enumerate([*(f"generator.stages.{i}.conv" for i in (1, 2, 3)), ups[-1]])
        ),
        *hyper,
    ]
    assert of("toderici-s") == [
        plain("encoder.stem", 0, "encoder.cells.0.conv_ih"),
        plain("decoder.head", 0, "decoder.cells.0.conv_ih"),
        plain("decoder.filter.layers.0", 0, "decoder.filter.layers.1"),
        plain("decoder.filter.layers.1", 0, "decoder.filter.layers.2"),
    ]
    assert of("toderici, as published") == [
        (("encoder.stem.weight@0",), "encoder.cells.0.conv_ih"),
        (("decoder.head.weight@0",), "decoder.cells.0.conv_ih"),
    ]


def test_rescaled_networks_compute_the_same(made: tuple[Any, Any]) -> None:
    """But what the one layer is given, which comes in other units; of powers of two, so that no
    rounding of a latent falls otherwise."""
    family, network = made
    expected = outcome(network)
    for rescaling in family.rescalings(network.config):
        tensors = dict(network.named_parameters())
        given: list[torch.Tensor] = []
        hook = network.get_submodule(rescaling.layer).register_forward_pre_hook(
            lambda layer, inputs, given=given: given.append(inputs[0].detach())
        )
        outcome(network)
        units = 2.0 ** torch.randint(-2, 3, given[0].shape[1:2])
        with torch.no_grad():
            for name, axis, power in rescaling.tensors:
                sides = [-1 if a == axis else 1 for a in range(tensors[name].dim())]
                tensors[name].mul_((units**power).reshape(sides))
        for found, wanted in zip(outcome(network), expected, strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-8)
        hook.remove()
        again = given[len(given) // 2] * units[:, None, None] ** rescaling.power
        torch.testing.assert_close(again, given[0])


def test_every_group_by_brute_force(made: tuple[Any, Any]) -> None:
    family, network = made
    table = family.layers(network.config)
    found, before = carriers(table), outcome(network)
    for name, group in groups(table).items():
        gone = [0, group.units - 1] if group.units > 2 else [group.units - 1]
        kept = [unit for unit in range(group.units) if unit not in gone]
        small = narrow(network, family, {name: kept})
        after = outcome(small)
        same(after, outcome(silenced(network, found, name, gone)))
        moved = [
            float((a - b).abs().max() / b.abs().max()) for a, b in zip(after, before, strict=True)
        ]
        assert max(moved) > 2e-4, f"{name} says nothing, so this proves nothing"
        assert small.config != network.config
        left = family.layers(small.config)
        assert groups(left)[name].units == len(kept)
        for part in family.parts:
            assert multiplications(left, part) <= multiplications(table, part)


def test_all_groups_at_once_and_again(made: tuple[Any, Any]) -> None:
    """What is narrow already may be narrowed further."""
    family, network = made
    table = family.layers(network.config)
    found, quiet, small = carriers(table), network, network
    for name, group in groups(table).items():
        quiet = silenced(quiet, found, name, [0])
        small = narrow(small, family, {name: range(1, group.units)})
    same(outcome(small), outcome(quiet))
    keep = {name: range(1, group.units) for name, group in groups(table).items()}
    same(outcome(narrow(network, family, keep)), outcome(quiet))


def test_its_config_comes_back_from_a_manifest(made: tuple[Any, Any]) -> None:
    family, network = made
    keep = {n: range(g.units - 1) for n, g in groups(family.layers(network.config)).items()}
    config = narrow(network, family, keep).config
    assert family.config(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("kept", [[], [0], [1], [0, 2]])
def test_blocks_go_whole(make_network_of: Callable[..., Any], kept: list[int]) -> None:
    family = registry.families.get("hific")
    network = make_network_of("hific", 0, residual_blocks=3, block_widths=(4, 6, 8))
    with torch.no_grad():
        for block in network.generator.trunk:
            block.norm2.gamma.normal_(0, 0.2)
    small = narrow(network, family, {"generator.blocks.1": [0, 3, 5]}, kept)
    quiet = copy.deepcopy(network)
    with torch.no_grad():
        for number, block in enumerate(quiet.generator.trunk):
            if number not in kept:
                block.norm2.gamma.zero_()
                block.norm2.beta.zero_()
    found = carriers(family.layers(network.config))
    quiet = silenced(quiet, found, "generator.blocks.1", [1, 2, 4])
    same(outcome(small), outcome(quiet))
    assert small.config.residual_blocks == len(kept)
    assert small.config.inner_widths == tuple({0: 4, 1: 3, 2: 8}[number] for number in kept)
    again = narrow(small, family, {})
    assert again.config == small.config
    same(outcome(again), outcome(small))


def test_norms_of_what_is_left(make_network_of: Callable[..., Any]) -> None:
    family = registry.families.get("hific")
    network = make_network_of("hific", 0)
    keep = {"generator.trunk": range(6), "generator.blocks.0": range(6)}
    full, own = (narrow(network, family, keep, full_norms=choice) for choice in (True, False))
    counts = (("generator.trunk", 12), ("generator.blocks.0", 12))
    assert (full.config.norm_counts, own.config.norm_counts) == (counts, ())
    assert own.config.block_widths == full.config.block_widths == ()
    assert (
        narrow(full, family, {"generator.trunk": range(3)}).config.counted("generator.trunk") == 12
    )
    x = torch.randn(2, 6, 3, 3)
    norm = own.generator.trunk[0].norm1
    expected = (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True) + 1e-3).sqrt()
    torch.testing.assert_close(norm(x), expected * norm.gamma + norm.beta)


def test_what_cannot_be(tiny_network: Any) -> None:
    family = registry.families.get("hific")
    with pytest.raises(UnknownNameError, match=r"'generator.trunc'; did you mean generator.trunk"):
        narrow(tiny_network, family, {"generator.trunc": [0]})
    with pytest.raises(UsageError, match=r"generator\.trunk would have no channel left"):
        narrow(tiny_network, family, {"generator.trunk": []})
    for wrong in ([1, 0], [0, 0], [12], [-1]):
        with pytest.raises(
            UsageError, match=r"generator\.trunk must be numbers from 0 to 11 in order"
        ):
            narrow(tiny_network, family, {"generator.trunk": wrong})
    with pytest.raises(UsageError, match="residual blocks must be numbers from 0 to 0"):
        narrow(tiny_network, family, {}, [1])


def test_counts_that_no_norm_has(make_config: Callable[..., Any]) -> None:
    for wrong in (("generator.trunc", 20), ("generator.trunk", 11), ("encoder.stages.0", 20)):
        with pytest.raises(UsageError, match="norm_counts takes a group with a norm"):
            make_config("hific", norm_counts=(wrong,))
    for name in ("block_widths", "analysis_widths", "mean_widths", "scale_widths"):
        with pytest.raises(UsageError, match=f"{name} must be"):
            make_config("hific", **{name: (4, 4, 0)})
