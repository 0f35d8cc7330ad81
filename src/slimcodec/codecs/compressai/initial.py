"""Where training starts: a transform of Haar bands, which is a working codec already.

Each convolution begins as the means and differences of 2x2 squares of what comes in, as many as it
has outputs, low bands first; each transposed one as their inverse. GDN at its start hardly bends
what is between 0 and 1. What there is beside it is torch's own start, a tenth as large.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from slimcodec.codecs.compressai.network import CompressaiNetwork
from slimcodec.codecs.latents.hyperprior import Hyperprior
from slimcodec.quantization.simulation import convolutions

__all__ = ["initialise"]

_LEVELS = 48.0
"""Steps of a latent for a picture's range."""
_OTHERS = 0.02
"""Share of torch's own start that stays."""
_BANDS = torch.tensor(
    [[[1, 1], [1, 1]], [[1, -1], [1, -1]], [[1, 1], [-1, -1]], [[1, -1], [-1, 1]]]
)
"""Of a 2x2 square: its mean, and what it differs by across, down and both."""
_TAPS = slice(2, 4)
"""Of a kernel of 5 with a padding of 2: those on the square that begins at a position."""


@torch.no_grad()
def initialise(network: CompressaiNetwork, blocks: NDArray[np.float32]) -> None:
    """Give a new network its starting weights; nothing of it depends on photographs."""
    layers = convolutions(network)
    stages = range(len(network.config.encoder_widths))
    downs = [*(f"encoder.stages.{i}.conv" for i in stages), "encoder.head"]
    ups = [*(f"generator.stages.{i}.conv" for i in stages), "generator.out"]
    for down, up in zip([layers[n] for n in downs], [layers[n] for n in ups[::-1]], strict=True):
        bands = _bands(down.in_channels)[: min(down.out_channels, up.in_channels)]
        for layer, square in ((down, bands / 4), (up, bands)):
            layer.weight *= _OTHERS
            assert layer.bias is not None
            layer.bias *= _OTHERS
            # A convolution's outputs and a transposed one's inputs are what lies between the two.
            layer.weight[: len(bands), : bands.shape[1], _TAPS, _TAPS] += square
    head, first = layers[downs[-1]], layers[ups[0]]
    assert head.bias is not None
    head.weight *= _LEVELS
    head.bias *= _LEVELS
    first.weight /= _LEVELS
    if isinstance(network.probability, Hyperprior):
        last = network.probability.scale.layers[-1]
        assert isinstance(last, nn.Conv2d) and last.bias is not None
        nn.init.ones_(last.bias)
        if network.probability.context is not None:
            network.probability.context.reset()


def _bands(channels: int) -> Tensor:
    """Bands of so many channels, low ones of early channels first, [4 · channels, channels, 2, 2].

    A channel counts as a third of a band: the first three are colours.
    """
    order = sorted(
        ((channel, band) for channel in range(channels) for band in range(4)),
        key=lambda one: (one[0] + 3 * one[1], one[1]),
    )
    found = torch.zeros(len(order), channels, 2, 2)
    for number, (channel, band) in enumerate(order):
        found[number, channel] = _BANDS[band].float()
    return found
