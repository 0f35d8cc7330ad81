"""Where a layer's levels lie to begin with: k-means in one dimension (Lloyd 1982), weighted.

    minimise over steps, table and n   Σ importance · (w - step[c] · table[n])²

Beginning with an even grid, three choices are made in turn, none of which can make it worse: each
weight goes to the nearest level, each position becomes the mean of what is on it, each channel's
step the best factor to its levels. So a table is never farther from the weights than the grid with
as many bits that it began as, and has one level more. One table serves a whole layer: what differs
between channels is mostly how far they reach, which steps say already, and a table for each channel
would take more bytes than it saves.
"""

from __future__ import annotations

import torch
from torch import Tensor

from slimcodec.quantization.rounding import nearest, short

__all__ = ["placed_levels"]

_ROUNDS, _MOVES = 4, 12
"""How often steps are chosen anew, and how often positions are between."""


@torch.no_grad()
def placed_levels(
    weight: Tensor, steps: Tensor, bits: int, importance: Tensor
) -> tuple[Tensor, Tensor]:
    """Steps and positions for a layer, zero among these, all of eleven significant bits.

    Args:
        weight: as trained.
        steps: of an even grid, shaped to multiply the weights.
        bits: 2 to 4.
        importance: of each weight's squared error, of the weights' shape or broadcast to it.

    Returns:
        Steps shaped like those given, and a table [2^bits] (see ``WeightGrid``).
    """
    half = 2 ** (bits - 1)
    even = torch.arange(-half, half, dtype=weight.dtype)
    importance = importance.expand_as(weight)
    # The level that an even grid has no use for is worth most on the side with the longer tail.
    found = [_descended(weight, steps, table, importance) for table in (even, -even)]
    errors = [_error(weight, *one, importance) for one in found]
    return found[errors.index(min(errors))]


def _descended(
    weight: Tensor, steps: Tensor, table: Tensor, importance: Tensor
) -> tuple[Tensor, Tensor]:
    for number in range(_ROUNDS):
        for _ in range(_MOVES):
            table = _moved(weight / steps, table, importance * steps.square())
        if number < _ROUNDS - 1:
            steps = _fitted(weight, steps, table, importance)
    return steps, short(table)


def _moved(scaled: Tensor, table: Tensor, importance: Tensor) -> Tensor:
    """Each position at the mean of what is nearest to it; zero stays, and so does one that nothing
    is near to."""
    numbers = nearest(scaled, table).flatten()
    weights = importance.flatten().double()
    sums = torch.bincount(numbers, weights * scaled.flatten(), minlength=len(table))
    counts = torch.bincount(numbers, weights, minlength=len(table))
    means = torch.where(counts > 0, sums / counts, table.double()).to(table.dtype)
    means[len(table) // 2] = 0
    return means


def _fitted(weight: Tensor, steps: Tensor, table: Tensor, importance: Tensor) -> Tensor:
    """The step of each channel with the least error to the levels its weights are on; where all of
    them are on zero it stays."""
    level = table[nearest(weight / steps, table)]
    others = [d for d in range(weight.dim()) if steps.shape[d] == 1]
    along = (importance * weight * level).sum(dim=others, keepdim=True)
    length = (importance * level.square()).sum(dim=others, keepdim=True)
    return short(torch.where(length > 0, along / length, steps))


def _error(weight: Tensor, steps: Tensor, table: Tensor, importance: Tensor) -> float:
    rounded = table[nearest(weight / steps, table)] * steps
    return float((importance * (rounded - weight).square()).sum(dtype=torch.float64))
