"""Where training starts: the first principal components of 16x16 blocks, in levels."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from slimcodec.codecs.extreme.network import ExtremeNetwork
from slimcodec.codecs.hific.initial import (
    STEP,
    calm,
    principal_components,
    reset,
    set_analysis,
    set_synthesis,
)

__all__ = ["initialise"]

_SPREAD = 1.15
"""Of a channel, in levels: all five are in use."""


@torch.no_grad()
def initialise(network: ExtremeNetwork, blocks: NDArray[np.float32]) -> None:
    """Give a new network its starting weights.

    Args:
        network: new.
        blocks: pixel blocks of training photographs, [n, 3, stride, stride], in [0, 1].
    """
    config = network.config
    encoder, generator = network.encoder, network.generator
    reset(network, config.negative_slope)
    calm(encoder, generator)
    network.probability.reset()
    if not config.linear_path:
        return
    basis, variances, colour = principal_components(blocks, config.inner_channels)
    set_analysis(encoder, config, basis / STEP, colour)
    count = min(config.latent_channels, config.inner_channels)
    spread = np.sqrt(variances[:count])
    nn.init.zeros_(encoder.to_code.weight)
    for own, unit in enumerate(_SPREAD * STEP / spread):
        encoder.to_code.weight[own, own, 1, 1] = float(unit)
    synthesis = np.zeros((config.latent_channels, *basis.shape[1:]))
    synthesis[:count] = basis[:count] * (spread / _SPREAD)[:, None, None, None]
    set_synthesis(generator, config, synthesis, colour)
