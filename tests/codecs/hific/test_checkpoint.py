"""Published names and ours: every tensor of the published file has its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from slimcodec.codecs.hific.checkpoint import config_from_args, from_published, published_names
from slimcodec.codecs.hific.config import HificConfig, hific
from slimcodec.codecs.hific.network import HificNetwork
from slimcodec.errors import CheckpointError

OURS_ONLY = {"generator.latent_scale", "probability.latent_scale", "log_gain", "log_degain"}

Shape = tuple[int, ...]


@pytest.fixture(scope="module")
def published(shared: Path) -> dict[str, Shape]:
    lines = (
        (shared / "references/golden/hific_state_dict.tsv")
        .read_text(encoding="utf-8")
        .splitlines()[1:]
    )
    return {
        name: tuple(int(side) for side in shape.split("x"))
        for name, shape in (line.split("\t") for line in lines)
    }


def shapes_of(config: HificConfig) -> dict[str, Shape]:
    with torch.device("meta"):
        network = HificNetwork(config)
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def empty_state(published: dict[str, Shape]) -> dict[str, np.ndarray]:
    """Right names and shapes, no memory: every element of a tensor is the same one."""
    zero = np.zeros((), np.float32)
    return {name: np.broadcast_to(zero, shape) for name, shape in published.items()}


@pytest.mark.parametrize("likelihood", ["gaussian", "logistic"])
def test_every_published_tensor_has_its_place(published: dict[str, Shape], likelihood: str) -> None:
    config = config_from_args({"likelihood_type": likelihood})
    names, ours = published_names(config), shapes_of(config)
    assert set(names) == set(published)
    assert len(set(names.values())) == len(names)
    assert set(names.values()) == set(ours) - OURS_ONLY
    assert {name: ours[names[name]] for name in names} == published


def test_the_published_size(published: dict[str, Shape]) -> None:
    ours = shapes_of(hific())
    count = sum(int(np.prod(shape)) for name, shape in ours.items() if name not in OURS_ONLY)
    assert count == sum(int(np.prod(shape)) for shape in published.values())
    assert round(count / 1e6) == 181


def test_a_whole_state_under_our_names(published: dict[str, Shape]) -> None:
    state = empty_state(published)
    extra = {"Discriminator.conv1.weight", "perceptual_loss.net.0.bias", "squashing.x"}
    state |= {name: np.zeros(1, np.float32) for name in extra}
    ours = from_published(state, hific())
    assert {name: array.shape for name, array in ours.items()} == shapes_of(hific())
    for name in ("generator.latent_scale", "probability.latent_scale"):
        assert (ours[name] == 1).all()
    for name in ("log_gain", "log_degain"):
        assert (ours[name] == 0).all()


def test_missing_and_unknown_names_are_listed(published: dict[str, Shape]) -> None:
    state = empty_state(published)
    del state["Encoder.conv_block1.1.bias"]
    with pytest.raises(CheckpointError, match=r"1 missing \(Encoder\.conv_block1\.1\.bias\)$"):
        from_published(state, hific())
    state["Encoder.surprise"] = np.zeros(1, np.float32)
    with pytest.raises(CheckpointError, match=r"1 missing .*; 1 unknown \(Encoder\.surprise\)$"):
        from_published(state, hific())
    without_generator = {k: v for k, v in state.items() if not k.startswith("Generator.")}
    with pytest.raises(CheckpointError, match=r"\d+ missing \(.* and \d+ more\)") as error:
        from_published(without_generator, hific())
    assert "\n" not in str(error.value)
    with pytest.raises(CheckpointError, match="missing"):
        from_published({}, hific())


def test_what_the_arguments_say() -> None:
    assert config_from_args({}) == hific()
    config = config_from_args({"latent_channels": 100, "n_residual_blocks": 7})
    assert (config.latent_channels, config.residual_blocks) == (100, 7)
    assert config_from_args({"likelihood_type": "logistic"}).likelihood == "logistic"
    normalised = config_from_args({"normalize_input_image": True})
    assert (normalised.input_offset, normalised.input_scale) == (0.5, 2.0)
    assert normalised.bounded_output
    assert not hific().bounded_output


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"likelihood_type": "laplace"}, "gaussian or logistic, the checkpoint says 'laplace'"),
        ({"use_channel_norm": False}, "channel norm"),
        ({"use_latent_mixture_model": True}, "mixture"),
    ],
)
def test_what_we_do_not_have(args: dict[str, object], words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        config_from_args(args)
