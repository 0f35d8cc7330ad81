"""Small files as CompressAI writes them, and the ports of the recurrent codec and of HiFiC."""

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


def compressai_state(
    architecture: str = "mbt2018-mean", n: int = 4, m: int = 6, seed: int = 0
) -> dict[str, torch.Tensor]:
    """Random tensors by CompressAI's names, without its tables: what a training saves."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, torch.Tensor] = {}

    def conv(name: str, inputs: int, outputs: int, kernel: int, transposed: bool = False) -> None:
        shape = (inputs, outputs) if transposed else (outputs, inputs)
        spread = (inputs * kernel**2) ** -0.5 * (2 if transposed else 1)
        weight = torch.randn((*shape, kernel, kernel), generator=generator) * spread
        state[f"{name}.weight"] = weight
        state[f"{name}.bias"] = 0.1 * torch.randn(outputs, generator=generator)

    for net, first, last in (("g_a", 3, m), ("g_s", m, 3)):
        for number in range(4):
            inputs, outputs = first if number == 0 else n, last if number == 3 else n
            conv(f"{net}.{2 * number}", inputs, outputs, 5, net == "g_s")
            if number < 3:
                pedestal = 2.0**-36
                state[f"{net}.{2 * number + 1}.beta"] = torch.ones(n).add(pedestal).sqrt()
                gamma = torch.eye(n).mul(0.1).add(pedestal).sqrt()
                state[f"{net}.{2 * number + 1}.gamma"] = gamma
    state["g_a.6.weight"] *= 20
    hyper = m if architecture == "bmshj2018-factorized" else n
    if hyper == n:
        inner = (m, m * 3 // 2, 2 * m) if architecture == "mbt2018-mean" else (n, n, m)
        for number, (inputs, kernel) in enumerate(((m, 3), (n, 5), (n, 5))):
            conv(f"h_a.{2 * number}", inputs, n, kernel)
        for number, (inputs, outputs) in enumerate(zip((n, *inner), inner, strict=False)):
            conv(f"h_s.{2 * number}", inputs, outputs, 3 if number == 2 else 5, number < 2)
    filters = (1, 3, 3, 3, 3, 1)
    for number in range(5):
        shape = (hyper, filters[number + 1], filters[number])
        density = "entropy_bottleneck."
        state[f"{density}matrices.{number}"] = torch.randn(shape, generator=generator) * 0.1 + 0.3
        state[f"{density}biases.{number}"] = torch.rand((hyper, shape[1], 1), generator=generator)
        if number < 4:
            state[f"{density}factors.{number}"] = torch.zeros(hyper, shape[1], 1)
    quantiles = torch.tensor([[[-10.0, 0.0, 10.0]]]).repeat(hyper, 1, 1)
    state["entropy_bottleneck.quantiles"] = quantiles
    return state
