"""How a layer's weights round, and what their grid learns meanwhile.

    w -> step[c] · n            n = clip(rint(w / step[c]))
    w -> step[c] · table[n]     n: the position of the table nearest to w / step[c]

Both have a straight-through gradient to the weights: one inside the grid, zero beyond its ends
(Jacob et al. 2018). Steps may learn with the weights, as in LSQ (Esser et al. 2020): inside the
grid a step's gradient is that of its weights times their rounding error in steps, beyond its ends
times the last level. So may the positions of a table, as in quantized distillation (Polino et al.
2018): a position's gradient is the sum over the weights that lie on it. Nothing is derived by hand;
it follows from the two equations when rounding straight through is their only rule. Both gradients
are divided by √(weights · highest level), as in LSQ: sums over so many weights would take up all
that the clipping of gradients leaves.

What learns is a step's logarithm: steps stay positive, and an update changes a large one and a
small one by the same share. Steps and positions have eleven significant bits while they learn too,
so what a network runs with is what its model file will say, and nothing is lost at the end.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from slimcodec.quantization.grids import WeightGrid, levels, storage

__all__ = ["WeightRounding", "near_levels", "nearest", "rounded", "short", "to_level"]


def rounded(x: Tensor, step: Tensor | float, lowest: float, highest: float) -> Tensor:
    """``step · clip(rint(x / step))``, straight through inside the grid."""
    if not torch.is_grad_enabled():
        return (x / step).round_().clamp_(lowest, highest).mul_(step)
    inside = (x / step).clamp(lowest, highest)
    return (inside + (inside.round() - inside).detach()) * step


def placed(x: Tensor, step: Tensor, table: Tensor) -> Tensor:
    """``step · table[n]``, straight through between the table's ends."""
    scaled = x / step
    position = table[nearest(scaled.detach(), table.detach())]
    if torch.is_grad_enabled():
        inside = scaled.clamp(table.min().detach(), table.max().detach())
        position = position + (inside - inside.detach())
    return position * step


def nearest(x: Tensor, table: Tensor) -> Tensor:
    """Which position of a table, in any order, is nearest to each value."""
    ordered, order = table.sort(stable=True)
    return order[torch.bucketize(x.contiguous(), (ordered[1:] + ordered[:-1]) / 2)]


def to_level(x: Tensor, levels: tuple[int, int] | Tensor) -> Tensor:
    """The nearest level of values in steps.

    Args:
        x: weights over their steps.
        levels: lowest and highest integer, or a table of positions.
    """
    if isinstance(levels, Tensor):
        return levels[nearest(x, levels)]
    return x.round().clamp(*levels)


def near_levels(weight: Tensor, rounded: Tensor, steps: Tensor, table: Tensor | None) -> Tensor:
    """Weights as near to given ones as they can be and surely round to the levels they shall: at
    most a quarter of the way to the next level.

    What learns on begins where it was, and a weight that was rounded to zero is none that was
    pruned, which is zero underneath too.

    Args:
        weight: as trained.
        rounded: on levels.
        steps: broadcastable to the weights.
        table: of positions; None for even levels.
    """
    room = steps / 4
    if table is not None:
        ordered, order = table.sort(stable=True)
        gaps = ordered.diff()
        ends = gaps.new_full((1,), torch.inf)
        closest = torch.minimum(torch.cat([ends, gaps]), torch.cat([gaps, ends]))
        room = closest[order.argsort()][nearest(rounded / steps, table)] * room
    return rounded + (weight - rounded).clamp(-room, room)


def short(x: Tensor) -> Tensor:
    """Rounded to eleven significant bits, so that every machine multiplies it alike."""
    mantissa, exponent = torch.frexp(x)
    return torch.ldexp((mantissa * 2048).round() / 2048, exponent)


class WeightRounding(nn.Module):
    """The parametrization of a layer's weights.

    Args:
        steps: [c], one per output channel.
        axis: of the output channels.
        bits: 2 to 16.
        coded: whether coding runs the layer in integers of its own.
        table: [2^bits], positions of levels, see ``WeightGrid``; integers are the levels when not
            given.
    """

    steps: Tensor
    table: Tensor | None
    growth: nn.Parameter | None
    moves: nn.Parameter | None

    def __init__(
        self,
        steps: Tensor,
        axis: int,
        bits: int,
        dimensions: int = 4,
        *,
        coded: bool = False,
        table: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.coded = coded
        shape = [1] * dimensions
        shape[axis] = -1
        self.axis, self.bits = axis, bits
        self.lowest, self.highest = levels(bits)
        self.register_buffer("steps", steps.reshape(shape), persistent=False)
        self.register_buffer("table", table, persistent=False)
        self.register_parameter("growth", None)
        self.register_parameter("moves", None)

    def forward(self, weight: Tensor) -> Tensor:
        steps, table = self.steps_of(weight), self.table_of(weight)
        if table is None:
            return rounded(weight, steps, self.lowest, self.highest)
        return placed(weight, steps, table)

    def let_learn(self) -> None:
        """From now on steps, and positions but for zero, are parameters."""
        self.growth = nn.Parameter(torch.zeros_like(self.steps))
        if self.table is not None:
            self.moves = nn.Parameter(torch.zeros_like(self.table))

    @torch.no_grad()
    def hold(self, weight: Tensor) -> None:
        """The inverse of ``let_learn``: steps and positions stay where they are now."""
        self.steps, self.table = self.steps_of(weight), self.table_of(weight)
        self.growth = self.moves = None

    def steps_of(self, weight: Tensor) -> Tensor:
        """The steps as they are now, shaped to multiply the weights."""
        if self.growth is None:
            return self.steps
        growth = self._slowed(self.growth, weight)
        return _shortened(self.steps * growth.exp())

    def table_of(self, weight: Tensor) -> Tensor | None:
        """The positions as they are now."""
        if self.moves is None or self.table is None:
            return self.table
        moves = self._slowed(self.moves, weight)
        # Zero is a level for ever: of what was pruned, and of what is padded.
        free = torch.arange(len(moves), device=moves.device) != len(moves) // 2
        return _shortened(self.table + moves * free)

    def _slowed(self, learned: Tensor, weight: Tensor) -> Tensor:
        """Itself, with a gradient divided by √(weights to each · highest level)."""
        share = 1 / math.sqrt(max(1, weight.numel() // learned.numel()) * self.highest)
        return learned * share + (learned - learned * share).detach()

    @torch.no_grad()
    def grid(self, weight: Tensor) -> WeightGrid:
        """The integers of the weights, as they are rounded."""
        steps, table = self.steps_of(weight), self.table_of(weight)
        if table is None:
            integers = (weight / steps).round().clamp(self.lowest, self.highest)
        else:
            integers = nearest(weight / steps, table) - len(table) // 2
        return WeightGrid(
            integers.cpu().numpy().astype(storage(self.bits)),
            steps.flatten().cpu().numpy().astype(np.float32),
            self.axis,
            self.bits,
            None if table is None else tuple(table.tolist()),
        )


def _shortened(x: Tensor) -> Tensor:
    """``short``, straight through."""
    return x + (short(x.detach()) - x).detach()
