"""State dicts as people have them, and some that are of something else."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slimcodec import registry
from slimcodec.codecs.compressai.config import CompressaiConfig, compressai
from slimcodec.codecs.gdn import Gdn
from slimcodec.errors import CheckpointError, UsageError
from tests.compressai_oracle import ARCHITECTURES, load_models

FAMILY = registry.families.get("compressai")

State = dict[str, torch.Tensor]


def new(architecture: str, n: int = 8, m: int = 12) -> Any:
    torch.manual_seed(0)
    return getattr(load_models(), ARCHITECTURES[architecture])(n, m).eval()


@pytest.fixture(scope="module")
def state() -> State:
    return dict(new("mbt2018-mean").state_dict())


def read(state: Any, folder: Path) -> Any:
    torch.save(state, folder / "model.pth")
    return FAMILY.read_checkpoint([folder / "model.pth"]).network


def same(one: Any, other: Any) -> bool:
    states = one.state_dict(), other.state_dict()
    return states[0].keys() == states[1].keys() and all(
        torch.equal(tensor, states[1][name]) for name, tensor in states[0].items()
    )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("size", [(8, 12), (10, 7)])
def test_widths_and_architecture_are_read_off(
    architecture: Any, size: tuple[int, int], tmp_path: Path
) -> None:
    state = new(architecture, *size).state_dict()
    assert "entropy_bottleneck._quantized_cdf" in state
    network = read(state, tmp_path)
    expected = compressai(architecture, *size)
    assert network.config == expected
    assert CompressaiConfig.from_dict(network.config.to_dict()) == expected
    assert not network.training


def test_however_it_is_wrapped_and_spelled(tmp_path: Path) -> None:
    state = new("mbt2018-mean").state_dict()
    plain = read(state, tmp_path)
    old = {
        re.sub(r"matrices\.(\d)", r"_matrix\1", re.sub(r"biases\.(\d)", r"_bias\1", name)): tensor
        for name, tensor in state.items()
    }
    old = {re.sub(r"factors\.(\d)", r"_factor\1", name): tensor for name, tensor in old.items()}
    assert "entropy_bottleneck._matrix0" in old
    bare = {n: t for n, t in state.items() if "reparam" not in n and "._" not in n}
    for other in (
        {"state_dict": state},
        {"network": state, "epoch": 3},
        {"epoch": 3, "state_dict": state, "optimizer": {"state": {0: {"step": torch.ones(1)}}}},
        {**state, "entropy_bottleneck._quantized_cdf": torch.zeros(8, 99, dtype=torch.int32)},
        {f"module.{name}": tensor for name, tensor in state.items()},
        old,
        bare,
    ):
        assert same(read(other, tmp_path), plain)


def test_normalizations_are_folded_before_anything_is_rounded(tmp_path: Path) -> None:
    """Gammas far below what half precision has, at the bound and above."""
    theirs = new("bmshj2018-factorized")
    with torch.no_grad():
        layer = theirs.g_a[1]
        layer.gamma[:] = layer.gamma_reparam.init(torch.logspace(-12, 0, 64).reshape(8, 8))
        layer.gamma[0, 0] = -1.0
        layer.beta[0] = 0.0
    ours = read(theirs.state_dict(), tmp_path).encoder.stages[0].gdn
    x = 3 * torch.randn(1, 8, 5, 4)
    with torch.no_grad():
        expected = layer(x)
        torch.testing.assert_close(ours(x), expected, rtol=1e-5, atol=0)
        halved = ours.half().float()(x)
    torch.testing.assert_close(halved[:, 1:], expected[:, 1:], rtol=2e-3, atol=0)
    # Half precision has a millionth to within 3 %.
    torch.testing.assert_close(halved[:, :1], expected[:, :1], rtol=2e-2, atol=0)


@pytest.mark.parametrize("inverse", [False, True])
def test_a_normalization_stays_one_whatever_is_learned_or_cut(inverse: bool) -> None:
    """Gammas and betas may be anything: none is negative in training, and no root is."""
    layer = Gdn(4, inverse)
    with torch.no_grad():
        layer.norm.weight.normal_()
        layer.norm.bias = torch.nn.Parameter(torch.tensor([-1.0, 0.0, 1e-9, 2.0]))
    x = torch.zeros(1, 4, 1, 2)
    x[0, 3, 0, 0] = 1e-3
    out = layer(x)
    assert out.isfinite().all() and out[0, :3].abs().max() == 0
    out.sum().backward()
    assert all(own.grad.isfinite().all() for own in layer.parameters() if own.grad is not None)


def _with(**tensors: torch.Tensor | None) -> Callable[[State], State]:
    def change(state: State) -> State:
        changed = {**state, **{n.replace("__", "."): t for n, t in tensors.items()}}
        return {name: tensor for name, tensor in changed.items() if tensor is not None}

    return change


BROKEN: dict[str, tuple[Callable[[State], Any], str]] = {
    "mbt2018": (
        _with(context_prediction__weight=torch.zeros(1)),
        "after another; bring mbt2018-mean",
    ),
    "cheng2020-anchor": (
        _with(g_a__0__conv1__weight=torch.zeros(1), context_prediction__bias=torch.zeros(1)),
        "mbt2018 and cheng2020 decode one latent after another; bring mbt2018-mean",
    ),
    "STF": (
        _with(cc_mean_transforms__0__0__weight=torch.zeros(1)),
        "cc_mean_transforms.0.0.weight is among its tensors: networks after Minnen and Singh 2020",
    ),
    "variable rate": (_with(Gain=torch.zeros(8)), r"one gain for each quality \(-vbr\)"),
    "parameters by a net": (
        _with(entropy_parameters__0__weight=torch.zeros(1)),
        "only bmshj2018-factorized",
    ),
    "rectifiers": (_with(g_a__1__gamma=None), "bmshj2018-factorized-relu, are not read"),
    "NeuralCompression": (
        _with(hyper_bottleneck__quantiles=torch.zeros(1)),
        r"NeuralCompression's names \(HiFiC, MS-ILLM\)",
    ),
    "no last convolution": (_with(g_a__6__weight=None), "no g_a.6.weight, the last convolution"),
    "one missing": (_with(h_a__2__bias=None), r"1 missing \(h_a.2.bias\)"),
    "one unknown": (_with(more__weight=torch.zeros(1)), r"1 unknown \(more.weight\)"),
    "scales for other latents": (
        _with(h_s__4__weight=torch.zeros(13, 18, 3, 3)),
        "h_s.4 gives 13 values for 12 latents",
    ),
    "a width of its own": (
        _with(g_a__2__weight=torch.zeros(8, 9, 5, 5)),
        "do not fit each other: encoder.stages.1.conv",
    ),
    "gammas of others": (
        _with(g_s__1__gamma=torch.zeros(8, 7)),
        "do not fit each other: generator.stages.0.gdn",
    ),
    "quantiles": (
        _with(entropy_bottleneck__quantiles=torch.zeros(8, 3)),
        "it must have 3 axes",
    ),
    "another least scale": (
        _with(gaussian_conditional__scale_bound=torch.tensor([0.5])),
        "only scales from 0.11 on",
    ),
    "a number": (
        _with(g_a__0__weight=torch.tensor(1.0)),
        r"g_a.0.weight is \[\]; it must have 4 axes",
    ),
    "no bias": (_with(g_a__0__bias=torch.zeros(0)), "must be 1 to"),
    "a density of others": (
        _with(entropy_bottleneck__biases__4=torch.zeros(8, 2, 1)),
        "do not fit each other",
    ),
    "a training that diverged": (
        _with(h_a__0__bias=torch.full((8,), torch.nan)),
        "8 of 8 values of probability.analysis.layers.0.bias are infinite or no numbers",
    ),
    "empty": (lambda state: {}, "is empty: a dictionary without tensors"),
}


PUBLISHED: dict[str, tuple[tuple[str, ...], str]] = {
    "ELIC, the usual re-implementation": (
        (
            "g_a.0.weight", "g_a.1.conv1.weight", "g_a.13.weight", "g_a.14.conv_a.0.conv.0.weight",
            "h_a.4.weight", "h_s.4.weight", "cc_transforms.0.0.weight",
            "context_prediction.0.weight", "context_prediction.0.mask",
            "ParamAggregation.0.0.weight", "entropy_bottleneck._matrix0",
            "gaussian_conditional._offset",
        ),
        "cc_transforms.0.0.weight is among its tensors: ELIC codes groups of channels by networks "
        "that are not read; train a context in ELIC's layout beside mbt2018-mean: preset "
        "mbt2018-mean-elic",
    ),
    "TCM": (
        (
            "g_a.0.conv1.weight", "g_a.1.trans_block.msa.relative_position_params",
            "g_a.9.weight", "h_mean_s.0.conv.weight", "h_scale_s.0.conv.weight",
            "atten_mean.0.0.in_conv.weight", "atten_scale.0.0.in_conv.weight",
            "cc_mean_transforms.0.0.weight", "cc_scale_transforms.0.0.weight",
            "lrp_transforms.0.0.weight", "entropy_bottleneck._matrix0",
        ),
        "atten_mean.0.0.in_conv.weight is among its tensors: TCM codes slices",
    ),
    "FTIC": (
        (
            "g_a.0.conv1.weight", "g_a.1.trans_block.norm1.weight", "g_a.9.weight",
            "h_mean_s.0.conv.weight", "h_scale_s.0.conv.weight", "tca.blocks.0.norm1.weight",
            "entropy_bottleneck._matrix0",
        ),
        "tca.blocks.0.norm1.weight is among its tensors: FTIC codes slices",
    ),
    "HPCM": (
        (
            "means_hyper", "scales_hyper", "g_a.branch.0.weight", "h_s.branch.0.weight",
            "y_spatial_prior_adaptor_list_s1.0.weight",
            "y_spatial_prior_s1_s2.branch_1.0.conv1.weight", "attn_s1.conv_q.weight",
            "context_net.0.weight", "quantized_cdf_z",
        ),
        "among its tensors: HPCM codes latents from coarse to fine",
    ),
    "LALIC": (
        (
            "g_a.0.weight", "g_a.1.gamma1", "g_a.1.att.omni_shift.alpha", "g_a.1.att.key.weight",
            "h_s.1.att.decay", "latent_codec.y.channel_context.y1.1.att.decay",
            "latent_codec.y.latent_codec.y0.context_prediction.weight",
            "latent_codec.hyper.entropy_bottleneck.quantiles",
        ),
        "g_a.1.att.omni_shift.alpha is among its tensors: LALIC has linear attention",
    ),
}  # fmt: skip
"""Names that published state dictionaries have, and what they are told by."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_networks_of_others_are_called_by_their_names(name: str, tmp_path: Path) -> None:
    names, words = PUBLISHED[name]
    for prefix in ("", "module."):
        with pytest.raises(CheckpointError) as error:
            read({f"{prefix}{own}": torch.zeros(1) for own in names}, tmp_path)
        assert words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("model", "sizes", "words"),
    [
        ("Elic2022Official", (8, 32, [8, 8, 16]), "ELIC of CompressAI codes groups of channels"),
        ("Elic2022Chandelier", (8, 32, [8, 8, 16]), "ELIC of CompressAI codes groups of channels"),
        ("Cheng2020AnchorCheckerboard", (8,), "the checkerboards of CompressAI are not read"),
        ("JointAutoregressiveHierarchicalPriors", (8, 12), "mbt2018 and cheng2020 decode one"),
    ],
)
def test_other_networks_of_compressai_are_too(
    model: str, sizes: tuple[Any, ...], words: str, tmp_path: Path
) -> None:
    network = getattr(load_models(), model)(*sizes)
    with pytest.raises(CheckpointError, match=words):
        read(network.state_dict(), tmp_path)


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_none_of_these(name: str, state: State, tmp_path: Path) -> None:
    change, words = BROKEN[name]
    with pytest.raises(CheckpointError, match=words) as error:
        read(change(dict(state)), tmp_path)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_tensors_of_any_shape_are_an_error_in_words(tmp_path: Path, state: State) -> None:
    others = (torch.tensor(1.0), torch.zeros(0), torch.zeros(0, 3), torch.zeros(3, 3, 3, 3))
    for number, name in enumerate(name for name in state if "._" not in name):
        changed = {**state, name: others[number % len(others)]}
        with suppress(CheckpointError):  # what coding does not need may be anything
            read(changed, tmp_path)


def test_shapes_that_cannot_be() -> None:
    for wrong, words in (
        ({"encoder_widths": (8, 8)}, "encoder_widths must be 3"),
        ({"generator_widths": (8, 0, 8)}, "each of generator_widths must be 1 to"),
        ({"architecture": "mbt2018"}, "architecture must be"),
        ({"hyper_log_input": True}, "know their latents' units"),
        ({"architecture": "bmshj2018-factorized", "lambdas": [0.1, 0.2]}, "has one quality"),
    ):
        with pytest.raises(UsageError, match=words):
            CompressaiConfig.from_dict(wrong)
    assert np.isclose(compressai("mbt2018-mean", 192, 320).lambdas[0], 0.0932)
