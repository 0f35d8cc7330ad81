"""Small files as the published ports of the recurrent codec and of HiFiC write them."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from slimcodec.codecs.hific.checkpoint import published_names as hific_names
from slimcodec.codecs.hific.config import HificConfig
from slimcodec.codecs.hific.network import HificNetwork

Files = dict[str, dict[str, np.ndarray]]


def published_files(
    *,
    bits: int = 8,
    stem: int = 4,
    encoder: tuple[int, int, int] = (4, 8, 12),
    head: int = 8,
    decoder: tuple[int, int, int, int] = (8, 12, 4, 8),
    kernels: tuple[int, int, int, int] = (1, 1, 3, 3),
    seed: int = 0,
) -> Files:
    """Random tensors by role and published name."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape).astype(np.float32)

    files: Files = {
        "encoder": {"conv.weight": normal(stem, 3, 3, 3)},
        "binarizer": {"conv.weight": normal(bits, encoder[-1], 1, 1)},
        "decoder": {
            "conv1.weight": normal(head, bits, 1, 1),
            "conv2.weight": normal(3, decoder[-1] // 4, 1, 1),
        },
    }
    for role, width, widths, hidden in (
        ("encoder", stem, encoder, (1, 1, 1)),
        ("decoder", head, decoder, kernels),
    ):
        for number, (own, kernel) in enumerate(zip(widths, hidden, strict=True), 1):
            files[role][f"rnn{number}.conv_ih.weight"] = normal(4 * own, width, 3, 3)
            files[role][f"rnn{number}.conv_hh.weight"] = normal(4 * own, own, kernel, kernel)
            width = own if role == "encoder" else own // 4
    return files


def write_published(files: Files, folder: Path) -> list[Path]:
    """``encoder_epoch_1.pth`` and so on, in the order of the roles."""
    paths = []
    for role, arrays in files.items():
        paths.append(folder / f"{role}_epoch_1.pth")
        state = OrderedDict((name, torch.from_numpy(array)) for name, array in arrays.items())
        torch.save(state, paths[-1])
    return paths


HIFIC = HificConfig(
    latent_channels=8,
    hyper_channels=8,
    encoder_widths=(4, 6, 6, 8),
    trunk_width=8,
    residual_blocks=2,
    generator_widths=(8, 6, 6, 4),
    stem_width=4,
)
"""The published network, at widths that take no time."""


def hific_state(config: HificConfig = HIFIC, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random tensors by published name."""
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        shapes = {name: own.shape for name, own in HificNetwork(config).state_dict().items()}
    state = {}
    for theirs, ours in hific_names(config).items():
        shape = shapes[ours]
        spread = max(1, int(np.prod(shape[1:]))) ** -0.5
        state[theirs] = torch.randn(shape, generator=generator) * spread
        if theirs.endswith(".gamma"):
            state[theirs] = state[theirs] * 0.1 + 1
    return state


def hific_args(config: HificConfig = HIFIC, **other: Any) -> dict[str, Any]:
    """Settings as the port saves them, without a class of its own."""
    return {
        "likelihood_type": config.likelihood,
        "latent_channels": config.latent_channels,
        "n_residual_blocks": config.residual_blocks,
        "use_channel_norm": True,
        "use_latent_mixture_model": False,
        "sample_noise": False,
        "normalize_input_image": False,
        **other,
    }
