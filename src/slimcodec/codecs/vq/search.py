"""The encoder's choice of codes: least squared error plus what bits cost.

    J = |x - Σ code|² + L · bits        L: what a bit must save, in squared levels

Plain vector quantization takes the nearest code; here one that is a little further but cheaper
wins, and no code at all is a choice like any other (entropy-constrained, Chou et al. 1989). The
best code of a stage need not be in the best sum of all stages, so a few sums are carried along
(an M-search), the cheapest of which is taken at the end.

All of it is floats, and none of it concerns a decoder, which is told what was chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.family import Floats
from slimcodec.codecs.vq.prior import Group, Place, around_of, groups

__all__ = ["CARRIED", "Rates", "search"]

CARRIED = 4
"""Sums that are carried along. Of 1, 2, 4 and 8 see the log."""


@dataclass(frozen=True)
class Rates:
    """Bits of what may be chosen.

    Shapes: ``flags`` [stages, contexts, 2], of no code and of one; ``numbers`` [stages, directions,
    codes].
    """

    flags: Floats
    numbers: Floats


@dataclass
class _Sums:
    """What is carried along of each block: m sums of codes, [n, m, ...].

    Attributes:
        left: what is left of the vector, [n, m, d].
        cost: J, [n, m].
        chosen: 0 or 1 + the code's number of each stage, [n, m, s].
    """

    left: Floats
    cost: Floats
    chosen: NDArray[np.int16]

    def taken(self, stage: int) -> NDArray[np.bool_]:
        """Whether the cheapest sum has a code of a stage, [n]."""
        best = self.cost.argmin(axis=1)
        found: NDArray[np.bool_] = self.chosen[np.arange(len(best)), best, stage] > 0
        return found


def search(
    vectors: Floats,
    codes: Floats,
    rates: Rates,
    place: Place,
    worth: float,
) -> tuple[NDArray[Any], Floats]:
    """What is chosen for the blocks of a tile, int16 [stages, h, w], and what it leaves of their
    vectors, [n, d].

    Args:
        vectors: [n, d] of h · w blocks, row by row, in levels.
        codes: [stages, codes, d] of the stages that may be used.
        rates: of these.
        place: of the tile.
        worth: squared levels that a bit must save, L.
    """
    height, width = place.activity.shape
    stages = len(codes)
    sums = {
        colour: _Sums(
            vectors[blocks.ravel(), None],
            np.square(vectors[blocks.ravel()]).sum(axis=1)[:, None],
            np.zeros((int(blocks.sum()), 1, stages + 2), np.int16),
        )
        for _, colour, blocks in groups(height, width, 1)
    }
    now = before = np.zeros((height, width), np.bool_)
    for group in groups(height, width, stages):
        if group.colour == 0:
            before, now = now, np.zeros((height, width), np.bool_)
        own = sums[group.colour]
        if not len(own.cost):
            continue
        contexts = around_of(group, place, now, before)
        directions = place.direction[group.blocks]
        _extend(own, group, codes[group.stage], rates, contexts, directions, worth)
        now[group.blocks] = own.taken(group.stage + 2)
    chosen = np.zeros((stages, height, width), np.int16)
    left = np.empty_like(vectors)
    for _, colour, blocks in groups(height, width, 1):
        own = sums[colour]
        best = (np.arange(len(own.cost)), own.cost.argmin(axis=1))
        chosen[:, blocks] = own.chosen[best][:, 2:].T
        left[blocks.ravel()] = own.left[best]
    return chosen, left


def _extend(
    sums: _Sums,
    group: Group,
    codes: Floats,
    rates: Rates,
    contexts: NDArray[np.int64],
    directions: NDArray[np.int64],
    worth: float,
) -> None:
    """Every sum with no code of a stage, and with each; the cheapest few stay."""
    count, carried, length = sums.left.shape
    stage = group.stage
    taken = sums.chosen[:, :, stage : stage + 2] > 0
    flags = rates.flags[stage][contexts[:, None] + taken @ np.array((1, 2))]  # [n, m, 2]
    costs = np.empty((count, carried, len(codes) + 1), np.float32)
    costs[:, :, 0] = worth * flags[:, :, 0]
    products = sums.left.reshape(-1, length) @ (-2 * codes.T)
    costs[:, :, 1:] = products.reshape(count, carried, -1)
    costs[:, :, 1:] += np.square(codes).sum(axis=1)
    costs[:, :, 1:] += worth * rates.numbers[stage][directions][:, None]
    costs[:, :, 1:] += worth * flags[:, :, 1:]
    costs += sums.cost[:, :, None]
    flat = costs.reshape(count, -1)
    keep = min(CARRIED, flat.shape[1])
    best = np.argpartition(flat, keep - 1, axis=1)[:, :keep]
    parent, code = np.divmod(best, len(codes) + 1)
    rows = np.arange(count)[:, None]
    with_zero = np.concatenate([np.zeros_like(codes[:1]), codes])
    sums.left = sums.left[rows, parent] - with_zero[code]
    sums.cost = flat[rows, best]
    sums.chosen = sums.chosen[rows, parent]
    sums.chosen[:, :, stage + 2] = code
