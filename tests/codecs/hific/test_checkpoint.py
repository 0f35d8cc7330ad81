"""Published names and ours: every tensor of the published file has its place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch

from slimcodec.codecs.hific import family
from slimcodec.codecs.hific.checkpoint import (
    config_of,
    from_published,
    published_names,
    read_published,
)
from slimcodec.codecs.hific.config import HificConfig, hific
from slimcodec.codecs.hific.network import HificNetwork
from slimcodec.errors import CheckpointError, SlimcodecError, UsageError
from tests.published_files import HIFIC, hific_args, hific_state

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
    args = {"likelihood_type": likelihood}
    config, _ = config_of(empty_state(published), args, {})
    assert config == hific("gaussian" if likelihood == "gaussian" else "logistic")
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


# What keys, shapes, settings and answers say

NO_ANSWER: dict[str, str] = {}
ANSWERS = {"likelihood": "gaussian", "input-range": "0..1"}


def written(place: Path, args: Any = None, state: Any = None, **more: Any) -> Path:
    content = {"model_state_dict": hific_state() if state is None else state, "epoch": 3, **more}
    if args is not None:
        content["args"] = args
    path = place / "hific.pt"
    torch.save(content, path)
    return path


def refusal(path: Path, kind: type[SlimcodecError], answers: Any = MappingProxyType({})) -> str:
    with pytest.raises(kind) as error:
        read_published(path, answers)
    text = str(error.value)
    assert "\n" not in text and len(text) < 500 and str(path) in text, text
    return text


def test_shapes_decide(tmp_path: Path) -> None:
    found = read_published(written(tmp_path, hific_args()), NO_ANSWER)
    assert found.network.config == HIFIC
    assert not found.network.training
    state, names = found.network.state_dict(), published_names(HIFIC)
    for name, tensor in hific_state().items():
        assert torch.equal(state[names[name]], tensor), name
    assert any("gaussian likelihood, as the file says" in note for note in found.notes)


@pytest.mark.parametrize(
    "other", [{"latent_channels": 12}, {"residual_blocks": 0}, {"trunk_width": 6}]
)
def test_other_widths(other: dict[str, int], tmp_path: Path) -> None:
    config = replace(HIFIC, **other)  # type: ignore[arg-type]
    path = written(tmp_path, {"likelihood_type": "logistic"}, hific_state(config))
    assert read_published(path, NO_ANSWER).network.config == replace(config, likelihood="logistic")


def test_a_file_that_does_not_say_is_asked_about(tmp_path: Path) -> None:
    silent: list[Any] = [None, {}, [1, 2], "gaussian", 3]
    for args in silent:
        text = refusal(written(tmp_path, args), UsageError)
        assert "--likelihood gaussian or logistic" in text and "--input-range 0..1 or -1..1" in text
    half_answered = refusal(written(tmp_path), UsageError, {"likelihood": "logistic"})
    assert "--likelihood" not in half_answered and "--input-range" in half_answered
    assert "--likelihood" in refusal(written(tmp_path, {"latent_channels": 8}), UsageError)
    bare = tmp_path / "bare.pt"
    torch.save({f"module.{name}": own for name, own in hific_state().items()}, bare)
    for answer in ("gaussian", "logistic"):
        found = read_published(bare, {**ANSWERS, "likelihood": answer})
        assert found.network.config == replace(HIFIC, likelihood=answer)
        assert any(f"{answer} likelihood, as --likelihood says" in note for note in found.notes)
    found = read_published(bare, {**ANSWERS, "input-range": "-1..1"})
    assert found.network.config.bounded_output and found.network.config.input_scale == 2


def test_answers_that_the_file_contradicts(tmp_path: Path) -> None:
    path = written(tmp_path, hific_args())
    assert read_published(path, ANSWERS).network.config == HIFIC
    words = "--likelihood says logistic, the file itself gaussian"
    assert words in refusal(path, UsageError, {"likelihood": "logistic"})
    words = "--input-range says -1..1, the file itself 0..1"
    assert words in refusal(path, UsageError, {"input-range": "-1..1"})
    with pytest.raises(UsageError, match="take --likelihood, --input-range, not --arch"):
        family.read_checkpoint([path], {"arch": "x"})
    with pytest.raises(
        UsageError, match="--likelihood must be gaussian or logistic, got 'laplace'"
    ):
        family.read_checkpoint([path], {"likelihood": "laplace"})


def test_normalised_pixels(tmp_path: Path) -> None:
    found = read_published(written(tmp_path, hific_args(normalize_input_image=True)), NO_ANSWER)
    config = found.network.config
    assert (config.input_offset, config.input_scale, config.bounded_output) == (0.5, 2.0, True)
    old = {"likelihood_type": "gaussian"}
    found = read_published(written(tmp_path, old), NO_ANSWER)
    assert found.network.config == HIFIC
    assert any("pixels from 0 to 1: its settings have no normalize" in note for note in found.notes)


class Settings:
    """A class that whoever reads a file need not have."""


def test_settings_of_a_class_that_nobody_has(tmp_path: Path) -> None:
    settings = Settings()
    settings.__dict__ |= hific_args(likelihood_type="logistic", save_path=tmp_path, n=np.int64(3))
    found = read_published(written(tmp_path, settings), NO_ANSWER)
    assert found.network.config.likelihood == "logistic"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (
            {"likelihood_type": "laplace"},
            "likelihood_type must be gaussian or logistic, it is 'laplace'",
        ),
        ({"likelihood_type": 3}, "likelihood_type must be gaussian or logistic, it is 3"),
        ({"likelihood_type": Settings()}, "test_checkpoint.Settings"),
        ({"use_channel_norm": False}, "instance norm"),
        ({"use_latent_mixture_model": True}, "latent mixture model"),
        ({"sample_noise": True}, "sample_noise"),
        ({"use_channel_norm": "no"}, "use_channel_norm must be true or false, it is 'no'"),
        ({"latent_channels": None}, "latent_channels must be a whole number, it is None"),
        ({"latent_channels": "220"}, "latent_channels must be a whole number, it is '220'"),
        ({"latent_channels": 220}, "latent_channels is 220, its tensors say 8"),
        ({"latent_channels": 2.5}, "latent_channels must be a whole number, it is 2.5"),
        ({"n_residual_blocks": 10**9}, "n_residual_blocks is 1000000000, its tensors say 2"),
        ({"n_residual_blocks": [[]]}, "n_residual_blocks must be a whole number, it is a list"),
        ({"normalize_input_image": "yes"}, "normalize_input_image must be true or false"),
    ],
)
def test_settings_that_cannot_be(args: dict[str, Any], words: str, tmp_path: Path) -> None:
    assert words in refusal(written(tmp_path, hific_args(**args)), CheckpointError)


def variant(**changes: Any) -> dict[str, torch.Tensor]:
    state = hific_state()
    for name, tensor in changes.items():
        state[name.replace("__", ".")] = tensor
    return state


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (variant(Generator__resblock_0__conv1__weight=torch.zeros(40, 40, 3, 3)), "sample_noise"),
        (variant(Encoder__conv_block1__2__weight=torch.zeros(4)), "instance norm"),
        (variant(Hyperprior__synthesis_DLMM_params__x=torch.zeros(4)), "mixture"),
        (variant(Encoder__surprise=torch.zeros(4)), "1 unknown (Encoder.surprise)"),
        (variant(Encoder__conv_block1__1__bias=torch.zeros(9)), "encoder.stem.bias is [9]"),
        (variant(Encoder__conv_block_out__1__weight=torch.zeros(0, 8, 3, 3)), "latent_channels"),
        (variant(Encoder__conv_block2__1__weight=torch.zeros(4, 4, 5, 5)), "must be [4, 4, 3, 3]"),
        (variant(Generator__resblock_99999__conv1__weight=torch.zeros(8, 8, 3, 3)), "1 unknown"),
        ({"layer.weight": torch.zeros(2)}, "unknown (layer.weight)"),
    ],
)
def test_tensors_that_make_no_such_network(
    state: dict[str, torch.Tensor], words: str, tmp_path: Path
) -> None:
    path = written(tmp_path, {"likelihood_type": "gaussian"}, state)
    assert words in refusal(path, CheckpointError)


def test_weights_of_training_aids_are_not_read(tmp_path: Path) -> None:
    state = {**hific_state(), "Discriminator.x": torch.zeros(3, dtype=torch.int64)}
    assert read_published(written(tmp_path, hific_args(), state), NO_ANSWER)
