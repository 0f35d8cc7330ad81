"""Published HiFiC checkpoints: their names and ours.

The widely used port saves a torch file with ``model_state_dict`` and ``args``. This module maps its
tensors to ours by name and reads the configuration off ``args``; what a file may contain at all is
``codecs.torch_file``'s business. Discriminator and perceptual-loss weights are training aids and
are left behind; any other unknown or missing name is an error that lists it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.hific.config import HificConfig, hific
from slimcodec.errors import CheckpointError

__all__ = ["config_from_args", "from_published", "published_names"]

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


def config_from_args(args: Mapping[str, Any]) -> HificConfig:
    """The configuration that a checkpoint's ``args`` describe; absent keys are as published.

    Raises:
        CheckpointError: for an option that our network does not have.
    """
    likelihood = args.get("likelihood_type", "gaussian")
    if likelihood not in ("gaussian", "logistic"):
        raise CheckpointError(
            f"likelihood_type must be gaussian or logistic, the checkpoint says {likelihood!r}"
        )
    if not args.get("use_channel_norm", True):
        raise CheckpointError("checkpoints trained without channel norm are not supported")
    if args.get("use_latent_mixture_model", False):
        raise CheckpointError("checkpoints with a latent mixture model are not supported")
    config = replace(
        hific(likelihood),
        latent_channels=int(args.get("latent_channels", 220)),
        residual_blocks=int(args.get("n_residual_blocks", 9)),
    )
    if args.get("normalize_input_image", False):
        config = replace(config, input_offset=0.5, input_scale=2.0, bounded_output=True)
    return config


def from_published(
    state: Mapping[str, NDArray[np.float32]], config: HificConfig
) -> dict[str, NDArray[np.float32]]:
    """Published weights under our names, in our shapes.

    Raises:
        CheckpointError: listing missing and unknown names.
    """
    names = published_names(config)
    kept = {name for name in state if not name.startswith(_IGNORED)}
    missing, unknown = sorted(set(names) - kept), sorted(kept - set(names))
    if missing or unknown:
        raise CheckpointError(
            f"not a HiFiC checkpoint as configured: {_listed('missing', missing)}"
            f"{'; ' if missing and unknown else ''}{_listed('unknown', unknown)}"
        )
    ours = {names[name]: state[name] for name in sorted(names)}
    ones = np.ones((1, config.latent_channels, 1, 1), np.float32)
    gains = np.zeros((1, config.latent_channels), np.float32)
    ours |= {"generator.latent_scale": ones, "probability.latent_scale": ones}
    ours |= {"log_gain": gains, "log_degain": gains}
    return ours


def _listed(word: str, names: list[str]) -> str:
    if not names:
        return ""
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return f"{len(names)} {word} ({shown})"
