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

from slimcodec.codecs.hific.blocks import ChannelNorm, GatedBlock, ResidualBlock
from slimcodec.codecs.hific.config import TransformsConfig
from slimcodec.codecs.hific.network import Encoder, Generator, HificNetwork

__all__ = [
    "STEP",
    "calm",
    "initialise",
    "principal_components",
    "reset",
    "set_analysis",
    "set_synthesis",
]

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
    reset(network, config.negative_slope)
    calm(network.encoder, network.generator)
    last = network.probability.scale.layers[-1]
    assert isinstance(last, nn.ConvTranspose2d) and last.bias is not None
    nn.init.ones_(last.bias)
    if network.probability.context is not None:
        network.probability.context.reset()
    if config.linear_path:
        basis, variances, colour = principal_components(blocks, config.latent_channels)
        set_analysis(network.encoder, config, basis / STEP, colour)
        set_synthesis(network.generator, config, basis * STEP, colour)
        spread = torch.from_numpy(np.sqrt(variances) / STEP).float()[None, :, None, None]
        network.generator.latent_scale.copy_(spread)
        assert network.probability.latent_scale is not None
        network.probability.latent_scale.copy_(spread)


@torch.no_grad()
def reset(network: nn.Module, negative_slope: float) -> None:
    """Weights of convolutions that let gradients through."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, a=negative_slope)
        elif isinstance(module, nn.ConvTranspose2d):
            # Each output of a strided transposed convolution sums k²/stride² taps.
            taps = module.weight[0, 0].numel() / (module.stride[0] * module.stride[1])
            nn.init.normal_(module.weight, std=math.sqrt(2 / (module.in_channels * taps)))
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)


@torch.no_grad()
def calm(encoder: Encoder, generator: Generator) -> None:
    """Let the learned networks make next to nothing at first."""
    for block in generator.modules():
        if isinstance(block, ResidualBlock) and isinstance(block.norm2, ChannelNorm):
            nn.init.zeros_(block.norm2.gamma)
        elif isinstance(block, GatedBlock):
            # Products of products: with a tenth of He et al.'s weights in mix, seven make 5e18
            # of latents ten times their spread, which photographs have.
            block.add.weight *= 0.1
            nn.init.zeros_(block.mix.weight)
    encoder.head.weight *= 0.1
    out = generator.out
    assert isinstance(out, nn.Conv2d | nn.ConvTranspose2d)
    out.weight *= 0.01


@torch.no_grad()
def set_analysis(
    encoder: Encoder,
    config: TransformsConfig,
    analysis: NDArray[np.float64],
    colour: NDArray[np.float64],
) -> None:
    """The linear path from pixels to components around the mean colour.

    Args:
        encoder: with such a path.
        config: its shape.
        analysis: for each latent, what pixels are multiplied by, [m, 3, k, k].
        colour: the mean, [3].
    """
    linear = encoder.linear
    assert linear is not None and linear.bias is not None
    mean = (colour - config.input_offset) * config.input_scale
    weight = torch.from_numpy(analysis / config.input_scale)
    linear.weight.copy_(weight)
    linear.bias.copy_(-(weight.sum(dim=(2, 3)) @ torch.from_numpy(mean)))


@torch.no_grad()
def set_synthesis(
    generator: Generator,
    config: TransformsConfig,
    synthesis: NDArray[np.float64],
    colour: NDArray[np.float64],
) -> None:
    """The linear path back; arguments as of ``set_analysis``, and what a step of each latent is in
    pixels."""
    linear = generator.linear
    assert linear is not None and linear.bias is not None
    linear.weight.copy_(torch.from_numpy(synthesis * config.input_scale))
    linear.bias.copy_(torch.from_numpy((colour - config.input_offset) * config.input_scale))
