"""Published HiFiC checkpoints: their names and ours.

The widely used port saves a torch file with ``model_state_dict`` and ``args``. This module maps its
tensors to ours by name; what a file may contain at all is ``codecs.torch_file``'s business. Keys
and shapes decide what network it is, and ``args`` must agree with them. Two things are in no
tensor: which likelihood the latents were trained with, and whether the networks see pixels from 0
to 1 or from -1 to 1. Where ``args`` do not say, whoever imports must: a logistic model taken for a
Gaussian one writes 47 % more bytes, and nothing else tells.

Discriminator and perceptual-loss weights are training aids and are left behind; any other unknown
or missing name is an error that lists it.

The port pads latents whose sides are no multiples of four (pictures whose sides are none of 64) and
crops what comes out; the paper's own code, and ours, pads the picture and crops the picture. Such a
picture's edges, and a few of its bytes, are therefore not to the bit what the port makes of them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.hific.config import HificConfig, hific
from slimcodec.codecs.published import Imported, Question
from slimcodec.codecs.torch_file import (
    check_finite,
    check_setting,
    check_shapes,
    filled,
    listed,
    plain,
    read_checkpoint_file,
    told,
    truth_setting,
)
from slimcodec.errors import CheckpointError, UsageError

__all__ = [
    "HELP",
    "QUESTIONS",
    "config_of",
    "from_published",
    "published_names",
    "read_published",
]

_ZERO_TO_ONE, _MINUS_ONE_TO_ONE = "0..1", "-1..1"

QUESTIONS = (
    Question(
        "likelihood",
        ("gaussian", "logistic"),
        "What the latents were trained with (`likelihood_type`); needed where a file does not say: "
        "no tensor does, and the wrong one costs half as many bytes again.",
    ),
    Question(
        "input-range",
        (_ZERO_TO_ONE, _MINUS_ONE_TO_ONE),
        "What the networks see of pixels; -1..1 where `normalize_input_image` was set. Needed "
        "where a file has no settings.",
    ),
)

HELP = """\
hific: one file, as the PyTorch port of HiFiC (high-fidelity-generative-compression) publishes them
and as its training saves them (hific_low.pt, hific_med.pt, hific_hi.pt). Bare state dictionaries
and safetensors are taken too, with the options that their settings would answer. Out comes one
model of one quality with streams of its own. Pictures whose sides are no multiples of 64 are padded
as in the paper's code, where the port pads latents: their edges are not to the bit the port's.

Example: slimcodec import hific hific_med.pt -o hific-med.slim

Example: slimcodec import hific weights.safetensors --likelihood gaussian --input-range 0..1
-o med.slim"""

_FOREIGN = {
    "hyper_bottleneck.": "NeuralCompression's HiFiC and MS-ILLM pad with zeros, alike on all "
    "sides, where the published HiFiC mirrors, and end the nets for means and scales in an "
    "ordinary convolution, where it has a transposed one; ours does not compute that",
    "g_a.": "these are CompressAI's names: slimcodec import compressai",
    "rnn1.": "these are of the recurrent codec: slimcodec import toderici",
}
"""What other networks have, by how a name begins."""
_IGNORED = ("Discriminator.", "perceptual_loss.", "squashing.")


def published_names(config: HificConfig) -> dict[str, str]:
    """Published tensor name to ours, for every tensor of a configuration."""
    names: dict[str, str] = {}

    def conv(theirs: str, ours: str) -> None:
        names[f"{theirs}.weight"] = f"{ours}.weight"
        names[f"{theirs}.bias"] = f"{ours}.bias"

    def norm(theirs: str, ours: str) -> None:
        if config.norm == "everywhere":
            names[f"{theirs}.gamma"] = f"{ours}.gamma"
            names[f"{theirs}.beta"] = f"{ours}.beta"

    stages = len(config.encoder_widths)
    conv("Encoder.conv_block1.1", "encoder.stem")
    norm("Encoder.conv_block1.2", "encoder.stem_norm")
    for i in range(stages):
        conv(f"Encoder.conv_block{i + 2}.1", f"encoder.stages.{i}.conv")
        norm(f"Encoder.conv_block{i + 2}.2", f"encoder.stages.{i}.norm")
    conv("Encoder.conv_block_out.1", "encoder.head")

    norm("Generator.conv_block_init.0", "generator.norm_in")
    conv("Generator.conv_block_init.2", "generator.head")
    norm("Generator.conv_block_init.3", "generator.norm_head")
    for i in range(config.residual_blocks):
        for layer in ("1", "2"):
            conv(f"Generator.resblock_{i}.conv{layer}", f"generator.trunk.{i}.conv{layer}")
            norm(f"Generator.resblock_{i}.norm{layer}", f"generator.trunk.{i}.norm{layer}")
    for i in range(stages):
        conv(f"Generator.upconv_block{i + 1}.0", f"generator.stages.{i}.conv")
        norm(f"Generator.upconv_block{i + 1}.1", f"generator.stages.{i}.norm")
    conv("Generator.conv_block_out.1", "generator.out")

    for i in range(3):
        conv(f"Hyperprior.analysis_net.conv{i + 1}", f"probability.analysis.layers.{i}")
        conv(f"Hyperprior.synthesis_mu.conv{i + 1}", f"probability.mean.layers.{i}")
        conv(f"Hyperprior.synthesis_std.conv{i + 1}", f"probability.scale.layers.{i}")
    for i in range(4):
        density = "Hyperprior.hyperlatent_likelihood"
        names[f"{density}.H_{i}"] = f"probability.density.matrices.{i}"
        names[f"{density}.a_{i}"] = f"probability.density.gates.{i}"
        names[f"{density}.b_{i}"] = f"probability.density.biases.{i}"
    return names


def config_of(
    state: Mapping[str, Any], settings: Mapping[str, Any], answers: Mapping[str, str]
) -> tuple[HificConfig, tuple[str, ...]]:
    """The configuration that keys, shapes, settings and answers describe, and what was assumed.

    Args:
        state: published name to whatever has a shape.
        settings: of the file (``args``).
        answers: to ``QUESTIONS``.

    Raises:
        CheckpointError: for what our network does not have, and for a setting that contradicts the
            tensors.
        UsageError: when a question is open, or an answer is another than the file's.
    """
    for beginning, why in _FOREIGN.items():
        found = next((name for name in state if name.startswith(beginning)), None)
        if found is not None:
            raise CheckpointError(f"{found:.80} is among its tensors: {why}")
    _check_supported(state, settings)
    try:
        config = replace(hific(), **_widths(state))
    except UsageError as error:
        raise CheckpointError(f"its tensors make no HiFiC network: {error}") from error
    _check_names(state, config)
    likelihood = _likelihood(settings, answers)
    normalised, notes = _normalised(settings, answers)
    open_questions = [
        question
        for question, answer in zip(QUESTIONS, (likelihood, normalised), strict=True)
        if answer is None
    ]
    if open_questions or likelihood is None:
        asked = " and ".join(
            f"--{question.name} {' or '.join(question.choices)}" for question in open_questions
        )
        raise UsageError(
            "the file does not say what no tensor tells; whoever trained it knows, and the port's "
            f"settings have it in likelihood_type and normalize_input_image: give {asked}"
        )
    config = replace(config, likelihood=likelihood)
    check_setting(settings, "latent_channels", config.latent_channels)
    check_setting(settings, "n_residual_blocks", config.residual_blocks)
    if normalised:
        config = replace(config, input_offset=0.5, input_scale=2.0, bounded_output=True)
    return config, notes


def from_published(
    state: Mapping[str, Any], config: HificConfig
) -> dict[str, NDArray[np.float32] | Any]:
    """Published weights under our names, in our shapes.

    Raises:
        CheckpointError: listing missing and unknown names.
    """
    _check_names(state, config)
    names = published_names(config)
    ours = {names[name]: state[name] for name in sorted(names)}
    ones = np.ones((1, config.latent_channels, 1, 1), np.float32)
    gains = np.zeros((1, config.latent_channels), np.float32)
    ours |= {"generator.latent_scale": ones, "probability.latent_scale": ones}
    ours |= {"log_gain": gains, "log_degain": gains}
    return ours


def read_published(path: Path, answers: Mapping[str, str]) -> Imported:
    """The network of a file.

    Raises:
        CheckpointError, UsageError: as ``config_of`` and ``from_published``, or when the file
        cannot
            be read safely; with the file's name.
    """
    from slimcodec.codecs.hific.network import HificNetwork

    found = read_checkpoint_file(path)
    try:
        config, notes = config_of(found.weights, found.settings, answers)
        ours = from_published(found.weights, config)
        shapes = {name: tuple(array.shape) for name, array in ours.items()}
        check_shapes(lambda: HificNetwork(config), shapes)
        check_finite(ours)
    except (CheckpointError, UsageError) as error:
        raise type(error)(f"{path}: {error}") from error
    about = (
        f"{config.latent_channels} latent channels and {config.residual_blocks} residual blocks, "
        "by the tensors",
        f"{config.likelihood} likelihood, "
        f"{'as the file says' if 'likelihood_type' in found.settings else 'as --likelihood says'}",
    )
    return Imported(filled(lambda: HificNetwork(config), ours), (*about, *notes))


def _check_names(state: Collection[str], config: HificConfig) -> None:
    """Refuse missing and unknown tensors, in a list of both."""
    kept = {name for name in state if not name.startswith(_IGNORED)}
    wanted = set(published_names(config))
    if kept != wanted:
        lists = listed("missing", wanted - kept), listed("unknown", kept - wanted)
        raise CheckpointError(
            f"not a HiFiC checkpoint as published: {'; '.join(filter(None, lists))}"
        )


def _check_supported(state: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Variants of the port that our network is not, told by keys and shapes first."""
    if (
        "Encoder.conv_block1.2.weight" in state
        or truth_setting(settings, "use_channel_norm") is False
    ):
        raise CheckpointError(
            "it was trained with instance norm (use_channel_norm off); ours has channel norm"
        )
    mixture = any(name.startswith("Hyperprior.synthesis_DLMM") for name in state)
    if mixture or truth_setting(settings, "use_latent_mixture_model"):
        raise CheckpointError(
            "it has a latent mixture model (use_latent_mixture_model), which ours has not"
        )
    head = _shape(state, "Generator.conv_block_init.2.weight")
    block = _shape(state, "Generator.resblock_0.conv1.weight")
    noise = len(head) == len(block) == 4 and block[1] > head[0]
    if noise or truth_setting(settings, "sample_noise"):
        raise CheckpointError(
            "its generator is given noise beside the latents (sample_noise), which ours is not"
        )


def _widths(state: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of the configuration, by keys and shapes; what none says is as published."""
    usual = hific()
    stages = len(usual.encoder_widths)

    def side(name: str, axis: int, otherwise: int) -> int:
        shape = _shape(state, name)
        return shape[axis] if len(shape) == 4 else otherwise

    numbers = {
        int(found[1])
        for name in state
        if (found := re.fullmatch(r"Generator\.resblock_(\d{1,6})\.conv1\.weight", name))
    }
    encoder = (
        side(f"Encoder.conv_block{i + 2}.1.weight", 0, usual.encoder_widths[i])
        for i in range(stages)
    )
    generator = (
        side(f"Generator.upconv_block{i + 1}.0.weight", 1, usual.generator_widths[i])
        for i in range(stages)
    )
    return {
        "latent_channels": side("Encoder.conv_block_out.1.weight", 0, usual.latent_channels),
        "hyper_channels": side("Hyperprior.analysis_net.conv1.weight", 0, usual.hyper_channels),
        "stem_width": side("Encoder.conv_block1.1.weight", 0, usual.stem_width),
        "trunk_width": side("Generator.conv_block_init.2.weight", 0, usual.trunk_width),
        "encoder_widths": tuple(encoder),
        "generator_widths": tuple(generator),
        "residual_blocks": len(numbers) if state else usual.residual_blocks,
    }


def _shape(state: Mapping[str, Any], name: str) -> tuple[int, ...]:
    return tuple(state[name].shape) if name in state else ()


def _likelihood(
    settings: Mapping[str, Any], answers: Mapping[str, str]
) -> Literal["gaussian", "logistic"] | None:
    said, answer = plain(settings.get("likelihood_type")), answers.get("likelihood")
    if said is not None and said not in ("gaussian", "logistic"):
        raise CheckpointError(
            f"its setting likelihood_type must be gaussian or logistic, it is {told(said)}"
        )
    if said is not None and answer is not None and said != answer:
        raise UsageError(
            f"--likelihood says {answer}, the file itself {said}; leave the option out"
        )
    found = said or answer
    if found == "logistic":
        return "logistic"
    return "gaussian" if found else None


def _normalised(
    settings: Mapping[str, Any], answers: Mapping[str, str]
) -> tuple[bool | None, tuple[str, ...]]:
    """Whether pixels go from -1 to 1, and what was assumed."""
    said, answer = truth_setting(settings, "normalize_input_image"), answers.get("input-range")
    if answer is not None:
        if said is not None and said != (answer == _MINUS_ONE_TO_ONE):
            own = _MINUS_ONE_TO_ONE if said else _ZERO_TO_ONE
            raise UsageError(f"--input-range says {answer}, the file itself {own}; leave it out")
        return answer == _MINUS_ONE_TO_ONE, ()
    if said is None and settings:
        # The port had no such setting at first, and then pixels were from 0 to 1.
        return False, (
            f"pixels from 0 to 1: its settings have no normalize_input_image ({_ANSWERED})",
        )
    return said, ()


_ANSWERED = f"--input-range {_MINUS_ONE_TO_ONE} says otherwise"
