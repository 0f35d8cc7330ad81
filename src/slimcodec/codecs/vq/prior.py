"""What is known about a code before it is read: which table, in integers alone.

Stage by stage, one colour of a checkerboard and then the other, a block has a *flag*: whether it
takes a code of this stage at all. If so, the code's number follows.

    flag      a table by quality, stage, colour and context: whether the block's last two stages
              took a code, how many of its four neighbours did (the second colour knows those of
              this stage, the first those of the stage before), and how steep the means are here
    number    a table by stage and direction: where the means rise, edges lie across

Everything is read off integers that encoder and decoder both have, so agreement needs no care.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["CONTEXTS", "DIRECTIONS", "OWN", "Group", "Place", "groups", "walk"]

Integers = NDArray[np.int64]

_STEEP = np.array((8, 24, 64))
"""Levels by which means on either side of a block differ, together down and across."""
_FEW = np.array((0, 1, 2, 3, 3))
"""Class of how many of four neighbours took a code."""
OWN = 4
"""What a block's last two stages were."""
_AROUND, _ACTIVITIES = 4, len(_STEEP) + 1
CONTEXTS = 2 * _AROUND * _ACTIVITIES * OWN
"""Of flags, in a stage; the block's own stages are their last digit."""
DIRECTIONS = 9
"""Of rising means: none, and eight."""


@dataclass(frozen=True)
class Place:
    """What means say of each block of a tile, [h, w].

    Attributes:
        activity: how steep they are, 0 to 3.
        direction: 0 where they are flat, else 1 to 8.
    """

    activity: Integers
    direction: Integers

    @classmethod
    def of(cls, means: NDArray[Any], step: int) -> Place:
        """Of means [c, h, w] in units of so many levels."""
        around = np.pad(means, ((0, 0), (1, 1), (1, 1)), mode="edge") * step
        across = (around[:, 1:-1, 2:] - around[:, 1:-1, :-2]).sum(axis=0)
        down = (around[:, 2:, 1:-1] - around[:, :-2, 1:-1]).sum(axis=0)
        steep = abs(across) + abs(down)
        octant = 4 * (across > 0) + 2 * (down > 0) + (abs(across) > abs(down))
        return cls(
            np.searchsorted(_STEEP, steep, side="right"),
            np.where(steep < _STEEP[0], 0, 1 + octant),
        )


class Group(NamedTuple):
    """Blocks of one colour in one stage, which are coded at once.

    Attributes:
        stage: its number.
        colour: 0 or 1.
        blocks: bool [h, w], which they are.
    """

    stage: int
    colour: int
    blocks: NDArray[np.bool_]


def groups(height: int, width: int, stages: int) -> Iterator[Group]:
    """All of a tile in the order in which they are coded."""
    odd = (np.arange(height)[:, None] + np.arange(width)) % 2 == 1
    for stage in range(stages):
        yield Group(stage, 0, ~odd)
        yield Group(stage, 1, odd)


def around_of(
    group: Group, place: Place, now: NDArray[np.bool_], before: NDArray[np.bool_]
) -> Integers:
    """The contexts of a group's flags [n], less what the blocks' own stages say, which are below
    ``OWN`` and are added.

    Args:
        group: of blocks.
        place: of the tile.
        now: bool [h, w], which blocks took a code in this stage, as far as that is known.
        before: bool [h, w], which did in the stage before.
    """
    taken = np.pad(now if group.colour else before, 1).astype(np.int64)
    count = taken[:-2, 1:-1] + taken[2:, 1:-1] + taken[1:-1, :-2] + taken[1:-1, 2:]
    context = (group.colour * _AROUND + _FEW[count]) * _ACTIVITIES + place.activity
    own: Integers = OWN * context[group.blocks]
    return own


Exchange = Callable[[Group, Integers, Integers], Integers]
"""A group, its contexts [n] and directions [n], to what it has: 0 for no code, else 1 + its number,
[n]."""


def walk(place: Place, stages: int, exchange: Exchange) -> NDArray[Any]:
    """What each stage has for each block, 0 for no code: an encoder's exchange gives what it has
    chosen, a decoder's reads."""
    height, width = place.activity.shape
    chosen = np.zeros((stages + 2, height, width), np.int16)
    for group in groups(height, width, stages):
        # The last two stages lie before: of the first stage, nothing does.
        earlier, before, now = chosen[group.stage : group.stage + 3] > 0
        own = 2 * before[group.blocks] + earlier[group.blocks]
        contexts = around_of(group, place, now, before) + own
        chosen[group.stage + 2, group.blocks] = exchange(
            group, contexts, place.direction[group.blocks]
        )
    return chosen[2:]
