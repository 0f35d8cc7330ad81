"""Where training of a small recurrent codec starts: a linear progressive codec that already works.

**Components.** Principal components of 16x16 blocks, ``x - 1/2 = B c``; or, where windows overlap,
of blocks that lost what continues across their borders. That is a time-domain lapped transform
(Tran, Liang and Tu 2003): before the blocks are cut, the difference of two pixels that mirror each
other in a border, those of one border taken together, is turned by an orthogonal matrix,

    V = J C2' C4 J        C2, C4 cosine transforms of types II and IV, J the reversal

so that block and filter together are windows of 32x32, at a distance of 16, orthogonal to each
other. Photographs are as often mirrored as not, so every component is even or odd in each direction
and what lies beyond the edge of a picture is known.

**Moves.** Each move goes to the component where it is worth most. A sign moves the coefficient by
the mean of what was left, ``s = E|r|``, which takes ``s²`` off the squared error. With significance
bits a move happens with probability p, where ``|r|`` is above a threshold, by the mean of those,
``s``; it takes ``p s²`` off and costs ``H(p) + p`` bits, weighed as the iteration's λ says (about:
a threshold below half a step is raised to that, and the rest left as it was found). Moves
of an iteration are sorted by rounds (the second on a component comes after the first of all), which
is also the order in which they are coded. The networks start close to zero output: they can only
improve on that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from slimcodec.codecs.toderici.config import STRIDE, TodericiConfig
from slimcodec.codecs.toderici.convlstm import ConvLstm
from slimcodec.codecs.toderici.network import TodericiNetwork

__all__ = ["Schedule", "initialise", "initialise_probability", "schedule"]

_MEMORY_DECAY = 0.7
_SHARES = np.linspace(0.04, 1.0, 25)
"""Of the places at which a component may move."""
_PLACES = 8_000
"""From so many the moves are drawn; components come from all."""
_AT_ONCE = 250
"""Blocks that stay in a cache while they are folded."""


@dataclass(frozen=True)
class Schedule:
    """Which component each move goes along, in which round, by how much, and from where on.

    Arrays are [iterations, moves]; a threshold of 0 is a move that always happens.
    """

    components: NDArray[np.int64]
    rounds: NDArray[np.int64]
    steps: NDArray[np.float64]
    thresholds: NDArray[np.float64]


@dataclass(frozen=True)
class _Move:
    """The best next one along a component."""

    worth: float
    step: float
    threshold: float = 0.0

    @classmethod
    def always(cls, left: NDArray[np.float64]) -> _Move:
        """By the mean of what is left."""
        step = float(np.abs(left).mean())
        return cls(step * step, step)

    @classmethod
    def significant(cls, left: NDArray[np.float64], bit: float) -> _Move:
        """By the mean of what is above the best threshold; ``bit`` is the squared error that a bit
        must take off to be worth it."""
        ordered = np.sort(np.abs(left))[::-1]
        counts = np.unique((_SHARES * len(ordered)).astype(np.int64).clip(min=1))
        p = counts / len(ordered)
        steps = np.cumsum(ordered)[counts - 1] / counts
        rest = 1 - p
        bits = p - p * np.log2(p) - rest * np.log2(np.where(rest > 0, rest, 1))
        worth = p * steps**2 - bit * bits
        best = int(worth.argmax())
        # A network's first threshold is 1 in units of this one, so its inverse must be a number in
        # half precision; and below half a step a move makes things worse.
        threshold = max(float(ordered[counts[best] - 1]), float(steps[best]) / 2, 1e-3)
        return cls(float(worth[best]), float(steps[best]), threshold)


def schedule(coefficients: NDArray[np.float64], config: TodericiConfig) -> Schedule:
    """Spend moves greedily on coefficients [n, components] of many places."""
    left = coefficients.copy()
    shape = (config.iterations, config.moves)
    components, rounds = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    steps, thresholds = np.zeros(shape), np.zeros(shape)
    for t, weight in enumerate(config.lambdas):
        # λ weighs errors of 8-bit values per sample, here they are of the place's 3 * 256 samples
        # in [0, 1]; its bits are per pixel, here per place.
        bit = 3 / (255**2 * weight)

        def best(k: int, bit: float = bit) -> _Move:
            if config.significance:
                return _Move.significant(left[:, k], bit)
            return _Move.always(left[:, k])

        moves = [best(k) for k in range(left.shape[1])]
        spent = np.zeros(left.shape[1], np.int64)
        drawn = []
        for _ in range(config.moves):
            worth = [move.worth for move in moves]
            k = int(np.where(spent < config.linear_rounds, worth, -np.inf).argmax())
            move, r = moves[k], left[:, k]
            moving = np.abs(r) >= move.threshold
            left[:, k] -= moving * move.step * np.where(r >= 0, 1.0, -1.0)
            drawn.append((int(spent[k]), k, move))
            spent[k] += 1
            moves[k] = best(k)
        drawn.sort(key=lambda each: each[0])  # stable: within a round, the heaviest come first
        for j, (number, k, move) in enumerate(drawn):
            components[t, j], rounds[t, j] = k, number
            steps[t, j], thresholds[t, j] = move.step, move.threshold
    return Schedule(components, rounds, steps, thresholds)


@torch.no_grad()
def initialise(network: TodericiNetwork, blocks: NDArray[np.float32]) -> None:
    """Give a new network its starting weights.

    Args:
        network: any; without a linear path the blocks do not matter.
        blocks: pixel blocks of training photographs, [n, 3, k, k] in [0, 1], k the config's
            ``block_size``.
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
    if network.decoder.filter is not None:
        last = network.decoder.filter.layers[-1]
        assert isinstance(last, nn.Conv2d)
        last.weight *= 0.01


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
    basis, windows, coefficients = _components(blocks, config)
    plan = schedule(coefficients[:_PLACES], config)
    spread = np.sqrt(np.square(coefficients).mean(axis=0))

    assert network.encoder.linear is not None and network.decoder.linear is not None
    weight = torch.from_numpy(windows).float()
    network.encoder.linear.weight.copy_(weight)
    network.decoder.linear.weight.copy_(weight)
    network.decoder.spread.copy_(torch.from_numpy(spread)[None, :, None, None])
    if network.decoder.laps:
        mirrored = (basis * basis[:, :, ::-1], basis * basis[..., ::-1])
        parity = np.stack([np.sign(each.sum(axis=(1, 2, 3))) for each in mirrored])
        network.decoder.parity.copy_(torch.from_numpy(parity)[:, :, None, None])

    binarizer = network.binarizer
    # Columns of the code that move: its signs, in the order of the moves.
    signs = np.arange(config.bits)
    if config.significance:
        signs = np.flatnonzero(np.array(config.sent_if) >= 0)
    for t in range(config.iterations):
        k, rounds, steps = plan.components[t], plan.rounds[t], plan.steps[t]
        moves = np.zeros((count, config.moves))
        moves[k, np.arange(config.moves)] = steps
        # In units of its threshold or else of its step: a pre-sign value near one is the usual one.
        unit = np.where(plan.thresholds[t] > 0, plan.thresholds[t], steps)
        decision = np.zeros((config.moves, count))
        decision[np.arange(config.moves), k] = 1 / unit
        earlier = rounds[None, :] < rounds[:, None]
        network.decoder.steps[t].zero_()
        network.decoder.steps[t][:, signs] = torch.from_numpy(moves).float()
        binarizer.decision[t] = torch.from_numpy(decision)
        binarizer.feedback[t] = torch.from_numpy(decision @ moves * earlier)
        binarizer.rounds[t] = torch.from_numpy(
            (rounds[None, :] == np.arange(config.linear_rounds)[:, None]).astype(np.float32)
        )
        kept = min(count, config.memory_channels)
        memory = network.probability.memory[t]
        memory.zero_()
        memory[:kept, signs] = torch.from_numpy(moves[:kept] / spread[:kept, None]).float()


def _components(
    blocks: NDArray[np.float32], config: TodericiConfig
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Components on 16x16 blocks [k, 3, 16, 16], the same as windows of pixels [k, 3, w, w], and
    coefficients [n, k] of the blocks."""
    fold = _fold() if config.linear_window > STRIDE else None
    flat = np.empty((len(blocks), 3 * STRIDE * STRIDE))
    for start in range(0, len(blocks), _AT_ONCE):
        centred = blocks[start : start + _AT_ONCE].astype(np.float64) - 0.5
        if fold is not None:
            centred = fold @ centred @ fold.T
        flat[start : start + _AT_ONCE] = centred.reshape(len(centred), -1)
    covariance = (flat.T @ flat / len(flat)).reshape(*2 * (3, STRIDE, STRIDE))
    if fold is not None:
        covariance = (covariance + covariance[:, ::-1, :, :, ::-1]) / 2
        covariance = (covariance + covariance[:, :, ::-1, :, :, ::-1]) / 2
    moments, vectors = np.linalg.eigh(covariance.reshape(flat.shape[1], -1))
    order = np.argsort(moments)[::-1][: config.linear_components]
    basis = vectors[:, order]
    shaped = basis.T.reshape(-1, 3, STRIDE, STRIDE)
    windows = shaped if fold is None else fold.T @ shaped @ fold
    return shaped, windows, flat @ basis


def _fold() -> NDArray[np.float64]:
    """From 32 pixels in a row to the 16 values of the block in their middle, [16, 32]."""
    half = STRIDE // 2
    i, k = np.arange(half) + 0.5, np.arange(half)[:, None]
    second = np.cos(np.pi * i * k / half) * np.sqrt(2 / half)
    second[0] /= np.sqrt(2)
    fourth = np.cos(np.pi * i * (k + 0.5) / half) * np.sqrt(2 / half)
    turned = (second.T @ fourth)[::-1, ::-1]
    # Of a border: pixels before it, nearest first, and behind it.
    same = np.eye(half)
    before, behind = (same + turned) / 2, (same - turned) / 2
    # Rows: a block's first eight lie behind a border, its last eight before one.
    fold = np.zeros((STRIDE, 2 * STRIDE))
    fold[:half, half : 2 * half] = before
    fold[:half, :half] = behind[:, ::-1]
    fold[half:] = fold[:half][::-1, ::-1]
    return fold
