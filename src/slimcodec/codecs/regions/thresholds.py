"""Which coefficients are worth their bits: the threshold of each, by rate and distortion.

At given steps, quantization still has a choice: a coefficient may be left out, or made smaller, and
the file is the shorter. Of all choices for a block the one is taken that makes

    weight * squared error + price * bits

least, where bits are those of the file's own Huffman code. A symbol says how many zeros come before
a coefficient, so what one costs depends on which is kept before it; the best of all choices is the
shortest path over the coefficients that are not zero anyway, found by dynamic programming, as the
trellis of Ramchandran and Vetterli (1994) and of mozjpeg does. Where a block's weight is small, its
thresholds are high: that is how a region takes bytes from what is around it, in steps that the
whole file has in common.

All blocks go through the program together. Blocks with the most coefficients stand first, so each
step works on the leading ones alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.regions.huffman import LONGEST, code_of
from slimcodec.codecs.regions.jpeg_file import END_OF_BLOCK, ZERO_RUN, ac_histogram, sizes_of

__all__ = ["Prices", "cost_of", "prices_of", "quantized", "worth_keeping"]

_PIECE = 1 << 14
"""Blocks that go through the program together: beyond, it takes memory and no less time."""
_SIZES = 11
"""Bits that a coefficient may have, and none."""


@dataclass(frozen=True, eq=False)
class Prices:
    """What is sent of a block costs, in bits.

    Attributes:
        kept: a coefficient of so many bits behind so many zeros, ``float32 [11, 63]``.
        end: that nothing else comes.
    """

    kept: NDArray[np.float32]
    end: float


def prices_of(blocks: NDArray[np.int16]) -> Prices:
    """What the best code for some blocks charges.

    Args:
        blocks: quantized, ``int16 [n, 64]``.
    """
    histogram = ac_histogram(blocks)
    lengths = code_of(histogram).lengths.astype(np.float32)
    lengths[histogram == 0] = LONGEST
    sizes, runs = np.mgrid[:_SIZES, :63]
    kept = lengths[(runs % 16) << 4 | sizes] + (runs // 16) * lengths[ZERO_RUN] + sizes
    return Prices(kept.astype(np.float32), float(lengths[END_OF_BLOCK]))


def quantized(blocks: NDArray[np.float32], steps: NDArray[np.uint8]) -> NDArray[np.int16]:
    """The nearest whole numbers of steps, ``int16 [n, 64]``, within what baseline JPEG holds."""
    nearest = np.rint(blocks / steps.astype(np.float32))
    return np.clip(nearest, -1023, 1023).astype(np.int16)


def worth_keeping(
    blocks: NDArray[np.float32],
    steps: NDArray[np.uint8],
    weights: NDArray[np.float32],
    prices: Prices,
    price: float,
) -> NDArray[np.int16]:
    """Quantized coefficients of the least cost; the mean of a block is the nearest.

    Args:
        blocks: coefficients, ``float32 [n, 64]``.
        steps: of quantization, [64].
        weights: of each block's squared error, [n].
        prices: of symbols, in bits.
        price: of a bit, in squared error.
    """
    found = quantized(blocks, steps)
    for start in range(0, len(blocks), _PIECE):
        piece = slice(start, start + _PIECE)
        _choose(found[piece], blocks[piece], steps, weights[piece], prices, price)
    return found


def cost_of(
    chosen: NDArray[np.int16],
    blocks: NDArray[np.float32],
    steps: NDArray[np.uint8],
    weights: NDArray[np.float32],
    prices: Prices,
    price: float,
) -> float:
    """What a choice costs, all but the means of blocks; see ``worth_keeping``."""
    error = np.square(blocks - chosen * steps.astype(np.float32))[:, 1:].sum(axis=1)
    rows, columns = np.nonzero(chosen[:, 1:])
    first = np.diff(rows, prepend=-1) > 0
    runs = columns - np.where(first, -1, np.roll(columns, 1)) - 1
    bits = prices.kept[sizes_of(chosen[rows, columns + 1]), runs].sum()
    ends = prices.end * np.count_nonzero(chosen[:, 63] == 0)
    return float((weights * error).sum() + price * (bits + ends))


@dataclass(frozen=True, eq=False)
class _Nodes:
    """Coefficients of blocks that are not zero when they are rounded, one node each, [n, 1 + m].

    Node 0 is a block's mean, node i its i-th coefficient that is not zero; a block with fewer than
    m has nodes that are nowhere. Blocks with more stand first.

    Attributes:
        counts: nodes of each block, its mean not counted, [n].
        places: in zigzag order.
        bits: that the rounded coefficient takes.
        levels: its size rounded, and the largest that takes a bit less, [2, n, 1 + m].
        errors: weighted, with either; infinite where the smaller one is none at all.
        left_out: weighted error of all nodes up to this one, if none of them is kept.
    """

    counts: NDArray[np.intp]
    places: NDArray[np.intp]
    bits: NDArray[np.intp]
    levels: NDArray[np.int32]
    errors: NDArray[np.float32]
    left_out: NDArray[np.float32]


def _choose(
    nearest: NDArray[np.int16],
    blocks: NDArray[np.float32],
    steps: NDArray[np.uint8],
    weights: NDArray[np.float32],
    prices: Prices,
    price: float,
) -> None:
    """Put the best choice in the place of the nearest one; see ``worth_keeping``."""
    counts = np.count_nonzero(nearest[:, 1:], axis=1)
    order = np.argsort(-counts, kind="stable")
    order = order[: np.count_nonzero(counts)]
    if len(order) == 0:
        return
    nodes = _nodes(nearest[order], blocks[order], steps, weights[order])
    before, smaller, last = _shortest(nodes, prices, price)
    chosen = np.zeros((len(order), nearest.shape[1]), np.int16)
    chosen[:, 0] = nearest[order, 0]
    rows, node = np.arange(len(order)), last
    while len(rows := rows[node > 0]):
        node = node[node > 0]
        places = nodes.places[rows, node]
        level = nodes.levels[smaller[rows, node].astype(np.intp), rows, node]
        chosen[rows, places] = level * np.sign(nearest[order[rows], places])
        node = before[rows, node]
    nearest[order] = chosen


def _nodes(
    nearest: NDArray[np.int16],
    blocks: NDArray[np.float32],
    steps: NDArray[np.uint8],
    weights: NDArray[np.float32],
) -> _Nodes:
    """Of blocks that each have one at least, those with most first."""
    rows, places = np.nonzero(nearest[:, 1:])
    places += 1
    counts = np.bincount(rows)
    at = rows, np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    shape = (len(counts), 1 + int(counts[0]))
    where, level = np.zeros(shape, np.intp), np.zeros(shape, np.int32)
    size, step = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    where[at], level[at] = places, np.abs(nearest[rows, places])
    size[at], step[at] = np.abs(blocks[rows, places]), steps[places]
    bits = sizes_of(level).astype(np.intp)
    levels = np.stack([level, (1 << np.maximum(bits - 1, 0)) - 1]).astype(np.int32)
    errors = weights[:, None] * np.square(size - levels * step)
    errors[1, levels[1] == 0] = np.inf
    left_out = np.cumsum(weights[:, None] * np.square(size), axis=1)
    return _Nodes(counts, where, bits, levels, errors, left_out)


def _shortest(
    nodes: _Nodes, prices: Prices, price: float
) -> tuple[NDArray[np.intp], NDArray[np.bool_], NDArray[np.intp]]:
    """The best way through each block.

    Returns:
        The node that is kept before each one, [n, 1 + m], whether each is the smaller of its
        levels, [n, 1 + m], and the last one that is kept, [n].
    """
    shape = nodes.places.shape
    kept = np.float32(price) * prices.kept
    # What a way to a node costs beyond what leaving everything out up to there would.
    gained = np.zeros(shape, np.float32)
    before, smaller = np.zeros(shape, np.intp), np.zeros(shape, bool)
    for node in range(1, shape[1]):
        own = slice(0, int(np.searchsorted(-nodes.counts, -node, side="right")))
        runs = nodes.places[own, node, None] - nodes.places[own, :node] - 1
        bits = nodes.bits[own, node, None]
        ways = np.concatenate(
            [
                gained[own, :node] + kept[fewer, runs] + nodes.errors[which, own, node, None]
                for which, fewer in enumerate((bits, np.maximum(bits - 1, 0)))
            ],
            axis=1,
        )
        choice = ways.argmin(axis=1)
        own_error = nodes.left_out[own, node] - nodes.left_out[own, node - 1]
        gained[own, node] = ways[np.arange(len(ways)), choice] - own_error
        smaller[own, node], before[own, node] = np.divmod(choice, node)
    gained += np.where(nodes.places == 63, 0, price * prices.end)
    gained[np.arange(shape[1]) > nodes.counts[:, None]] = np.inf
    return before, smaller, gained.argmin(axis=1)
