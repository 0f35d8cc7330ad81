"""Where training of a small HiFiC starts: a linear transform codec that already works.

Principal components of 16x16 blocks, ``x - mean = B c`` with variances ``e``, become the linear
path: analysis ``Bᵀ/(a Δ)`` and synthesis ``a Δ B`` (a = input scale), so a latent is a component in
steps of Δ and ``latent_scale = sqrt(e)/Δ`` is its usual spread. The learned networks start close to
zero output: generator and encoder can only improve on the linear codec.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from slimcodec.codecs.hific.network import ChannelNorm, HificNetwork, ResidualBlock

__all__ = ["initialise", "principal_components"]

STEP = 41 / 255
"""Δ: the rounding step of a latent in pixel units at gain 1, close to the optimum of λ = 0.005."""


def principal_components(
    blocks: NDArray[np.float32], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Leading components of blocks.

    Args:
        blocks: [n, 3, k, k], values in [0, 1].
        count: how many components.

    Returns:
        basis [count, 3, k, k] (orthonormal), variances [count], mean [3] per colour.
    """
    flat = blocks.reshape(len(blocks), -1).astype(np.float64)
    colour = blocks.mean(axis=(0, 2, 3), dtype=np.float64)
    centred = flat - np.repeat(colour, blocks.shape[2] * blocks.shape[3])
    variances, vectors = np.linalg.eigh(centred.T @ centred / len(flat))
    order = np.argsort(variances)[::-1][:count]
    basis = vectors[:, order].T.reshape(count, *blocks.shape[1:])
    return basis, np.maximum(variances[order], 1e-8), colour


@torch.no_grad()
def initialise(network: HificNetwork, blocks: NDArray[np.float32]) -> None:
    """Give a new network its starting weights.

    Args:
        network: a network with a linear path.
        blocks: pixel blocks of training photographs, [n, 3, stride, stride], in [0, 1].
    """
    config = network.config
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, a=config.negative_slope)
        elif isinstance(module, nn.ConvTranspose2d):
            # Each output of a strided transposed convolution sums k²/stride² taps.
            taps = module.weight[0, 0].numel() / (module.stride[0] * module.stride[1])
            nn.init.normal_(module.weight, std=math.sqrt(2 / (module.in_channels * taps)))
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    for block in network.generator.modules():
        if isinstance(block, ResidualBlock) and isinstance(block.norm2, ChannelNorm):
            nn.init.zeros_(block.norm2.gamma)
    network.encoder.head.weight *= 0.1
    out = network.generator.out
    assert isinstance(out, nn.Conv2d | nn.ConvTranspose2d)
    out.weight *= 0.01
    last = network.probability.scale.layers[-1]
    assert isinstance(last, nn.ConvTranspose2d) and last.bias is not None
    nn.init.ones_(last.bias)
    if network.probability.context is not None:
        network.probability.context.reset()
    if config.linear_path:
        _set_linear_path(network, blocks)


def _set_linear_path(network: HificNetwork, blocks: NDArray[np.float32]) -> None:
    config = network.config
    basis, variances, colour = principal_components(blocks, config.latent_channels)
    analysis, synthesis = network.encoder.linear, network.generator.linear
    assert analysis is not None and synthesis is not None
    assert analysis.bias is not None and synthesis.bias is not None
    amplitude = config.input_scale * STEP
    mean = (colour - config.input_offset) * config.input_scale
    weight = torch.from_numpy(basis / amplitude)
    analysis.weight.copy_(weight)
    analysis.bias.copy_(-(weight.sum(dim=(2, 3)) @ torch.from_numpy(mean)))
    synthesis.weight.copy_(torch.from_numpy(basis * amplitude))
    synthesis.bias.copy_(torch.from_numpy(mean))
    spread = torch.from_numpy(np.sqrt(variances) / STEP).float()[None, :, None, None]
    network.generator.latent_scale.copy_(spread)
    assert network.probability.latent_scale is not None
    network.probability.latent_scale.copy_(spread)
