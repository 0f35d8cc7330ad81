"""A tiny recurrent model whose bit model and corrections have something to say: fresh from its
initial weights every bit would be a toss, and one table would code them all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from slimcodec.codecs.toderici.coding import TodericiCodec
from slimcodec.codecs.toderici.network import TodericiNetwork
from slimcodec.model_file import Model, freeze_network, thaw_network
from slimcodec.runtime import open_codec


@torch.no_grad()
def give_opinions(network: TodericiNetwork, seed: int) -> None:
    """Random logits of a few units, random biases on the way to them, and small corrections; of a
    network that is not settled yet."""
    rng = torch.Generator().manual_seed(seed)
    for name, parameter in network.probability.named_parameters():
        if name.endswith("out.weight"):
            parameter.normal_(0, 0.5, generator=rng)
        elif name.endswith("bias"):
            parameter.normal_(0, 0.3, generator=rng)
    network.decoder.correction.weight.normal_(0, 0.1, generator=rng)


@pytest.fixture(scope="session")
def rnn_model(make_network_of: Callable[..., Any]) -> Model:
    """A working linear progressive codec with a random bit model."""
    network = make_network_of("toderici", 0)
    give_opinions(network, 0)
    return freeze_network(network, name="tiny-rnn", family="toderici")


@pytest.fixture(scope="session")
def rnn_network(rnn_model: Model) -> TodericiNetwork:
    """The model's network. It is everyone's: copy it before changing it."""
    network = thaw_network(rnn_model)
    assert isinstance(network, TodericiNetwork)
    return network


@pytest.fixture(scope="session")
def rnn_codec(rnn_model: Model) -> TodericiCodec:
    """The model as a codec on the torch runtime."""
    codec = open_codec(rnn_model)
    assert isinstance(codec, TodericiCodec)
    return codec


@pytest.fixture(scope="session")
def other_rnn_codec(make_network_of: Callable[..., Any]) -> TodericiCodec:
    """Another model of the same shape, with another bit model."""
    network = make_network_of("toderici", 0)
    give_opinions(network, 1)
    codec = open_codec(freeze_network(network, name="other", family="toderici"))
    assert isinstance(codec, TodericiCodec)
    return codec


@pytest.fixture(scope="session")
def plain_network(make_network_of: Callable[..., Any]) -> TodericiNetwork:
    """As before there were significance bits, windows that overlap and a filter."""
    network = make_network_of(
        "toderici", 0, significance=False, linear_window=16, linear_rounds=6, filter_width=0
    )
    assert isinstance(network, TodericiNetwork)
    give_opinions(network, 0)
    return thaw_network(freeze_network(network, name="plain", family="toderici"))


@pytest.fixture(params=["rnn_network", "plain_network"])
def each_network(request: pytest.FixtureRequest) -> TodericiNetwork:
    """With everything, and as published but for a linear path of blocks and signs."""
    network = request.getfixturevalue(request.param)
    assert isinstance(network, TodericiNetwork)
    return network
