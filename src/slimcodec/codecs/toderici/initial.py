"""Where training of a small recurrent codec starts: a linear progressive codec that already works.

Principal components of 16x16 blocks, ``x - 1/2 = B c``. Each bit in turn goes to the component of
which most is left: it says the sign of what is left of the coefficient, and the decoder moves it by
the mean of what was left, ``s = E|r|``, which takes ``s²`` off the squared error, more than any
other component would give. Bits of an iteration are sorted by rounds (the second bit on a component
comes after the first of all), which is also the order in which they are coded. The networks start
close to zero output: they can only improve on that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from slimcodec.codecs.toderici.config import TodericiConfig
from slimcodec.codecs.toderici.network import ConvLstm, TodericiNetwork

__all__ = ["Schedule", "initialise", "initialise_probability", "schedule"]

_MEMORY_DECAY = 0.7


@dataclass(frozen=True)
class Schedule:
    """Which component each bit decides on, in which round, and by how much it moves it.

    Arrays are [iterations, bits].
    """

    components: NDArray[np.int64]
    rounds: NDArray[np.int64]
    steps: NDArray[np.float64]


def schedule(coefficients: NDArray[np.float64], config: TodericiConfig) -> Schedule:
    """Spend bits greedily on coefficients [n, components] of many blocks."""
    left = coefficients.copy()
    mean_left = np.abs(left).mean(axis=0)
    shape = (config.iterations, config.bits)
    components, rounds = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    steps = np.zeros(shape)
    for t in range(config.iterations):
        spent = np.zeros(left.shape[1], np.int64)
        drawn = []
        for _ in range(config.bits):
            k = int(np.where(spent < config.linear_rounds, mean_left, -1.0).argmax())
            step = mean_left[k]
            left[:, k] -= step * np.where(left[:, k] >= 0, 1.0, -1.0)
            mean_left[k] = np.abs(left[:, k]).mean()
            drawn.append((int(spent[k]), k, step))
            spent[k] += 1
        drawn.sort(key=lambda bit: bit[0])  # stable: within a round, the heaviest come first
        for j, (number, k, step) in enumerate(drawn):
            components[t, j], rounds[t, j], steps[t, j] = k, number, step
    return Schedule(components, rounds, steps)


@torch.no_grad()
def initialise(network: TodericiNetwork, blocks: NDArray[np.float32]) -> None:
    """Give a new network its starting weights.

    Args:
        network: any; without a linear path the blocks do not matter.
        blocks: pixel blocks of training photographs, [n, 3, 16, 16], in [0, 1].
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        if isinstance(module, ConvLstm) and module.conv_ih.bias is not None:
            module.conv_ih.bias[module.width : 2 * module.width] = 1.0
    initialise_probability(network)
    if network.config.linear_components:
        network.binarizer.conv.weight *= 0.1
        network.decoder.out.weight *= 0.01
        nn.init.zeros_(network.decoder.correction.weight)
        _set_linear_path(network, blocks)


@torch.no_grad()
def initialise_probability(network: TodericiNetwork) -> None:
    """A bit model that starts by calling every bit a toss, and remembers recent bits best."""
    probability = network.probability
    for module in probability.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for iteration in probability.iterations:
        for group in iteration.groups:  # type: ignore[union-attr]
            nn.init.zeros_(group.out.weight)
    count, channels, bits = probability.memory.shape
    for t in range(count):
        probability.memory[t] = _MEMORY_DECAY**t * torch.eye(channels, bits)


def _set_linear_path(network: TodericiNetwork, blocks: NDArray[np.float32]) -> None:
    config = network.config
    count = config.linear_components
    flat = blocks.reshape(len(blocks), -1).astype(np.float64) - 0.5
    moments, vectors = np.linalg.eigh(flat.T @ flat / len(flat))
    basis = vectors[:, np.argsort(moments)[::-1][:count]]
    coefficients = flat @ basis
    plan = schedule(coefficients, config)
    spread = np.sqrt(np.square(coefficients).mean(axis=0))

    assert network.encoder.linear is not None and network.decoder.linear is not None
    weight = torch.from_numpy(basis.T.reshape(count, *blocks.shape[1:])).float()
    network.encoder.linear.weight.copy_(weight)
    network.decoder.linear.weight.copy_(weight)
    network.decoder.spread.copy_(torch.from_numpy(spread)[None, :, None, None])

    binarizer = network.binarizer
    for t in range(config.iterations):
        k, rounds, steps = plan.components[t], plan.rounds[t], plan.steps[t]
        moves = np.zeros((count, config.bits))
        moves[k, np.arange(config.bits)] = steps
        # In units of its own step, so that a pre-sign value near one is the usual one.
        decision = np.zeros((config.bits, count))
        decision[np.arange(config.bits), k] = 1 / steps
        earlier = rounds[None, :] < rounds[:, None]
        network.decoder.steps[t] = torch.from_numpy(moves)
        binarizer.decision[t] = torch.from_numpy(decision)
        binarizer.feedback[t] = torch.from_numpy(decision @ moves * earlier)
        binarizer.rounds[t] = torch.from_numpy(
            (rounds[None, :] == np.arange(config.linear_rounds)[:, None]).astype(np.float32)
        )
        kept = min(count, config.memory_channels)
        network.probability.memory[t].zero_()
        network.probability.memory[t, :kept] = torch.from_numpy(moves[:kept] / spread[:kept, None])
