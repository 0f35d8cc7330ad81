"""Block means from coarse to fine, in integers.

First every 32nd mean, by itself; then, halving the distance, those between four that are known:

    x . x      x . x      x + x
    . . .  ─►  . o .  ─►  + o +
    x . x      x . x      x + x

What is coded is how far a mean is from the average of its known neighbours, under a table that
their spread picks: where they agree, a mean is near them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["REACH", "SPREADS", "Exchange", "walk"]

_FIRST = 32
_LIMITS = np.array((1, 2, 3, 5, 9, 17, 33))
SPREADS = len(_LIMITS) + 2
"""Classes of spread; the last is that of means that know no neighbour."""
REACH = 24
"""Distances that a table names; further ones escape."""

Integers = NDArray[np.int64]
Exchange = Callable[[Integers, Integers], Integers]
"""Classes of spread and, of an encoder, distances, to the distances that are coded."""


class _Pass(NamedTuple):
    """Means that are coded at once: where they are, and how far away, in rows and columns, are
    those that they are expected from."""

    rows: Integers
    columns: Integers
    known: tuple[tuple[int, int], ...]


def _passes(height: int, width: int) -> Iterator[_Pass]:
    rows, columns = np.mgrid[0:height, 0:width]

    def those(mask: NDArray[np.bool_], *known: tuple[int, int]) -> Iterator[_Pass]:
        if mask.any():
            yield _Pass(rows[mask], columns[mask], known)

    yield from those((rows % _FIRST == 0) & (columns % _FIRST == 0))
    half = _FIRST // 2
    while half:
        own = (rows % half == 0) & (columns % half == 0)
        odd_row, odd_column = rows // half % 2 == 1, columns // half % 2 == 1
        corners = ((-half, -half), (-half, half), (half, -half), (half, half))
        yield from those(own & odd_row & odd_column, *corners)
        yield from those(
            own & (odd_row != odd_column), (-half, 0), (half, 0), (0, -half), (0, half)
        )
        half //= 2


def walk(means: NDArray[Any], first: int, exchange: Exchange) -> None:
    """All means of a plane, in the order in which they are coded.

    Args:
        means: int64 [h, w]; an encoder's, or a decoder's to be filled in.
        first: what means that know no neighbour are expected to be.
        exchange: what is coded.
    """
    height, width = means.shape
    for rows, columns, known in _passes(height, width):
        expected, spread = _expected(means, rows, columns, known, first)
        means[rows, columns] = expected + exchange(spread, means[rows, columns] - expected)


def _expected(
    means: Integers,
    rows: Integers,
    columns: Integers,
    known: tuple[tuple[int, int], ...],
    first: int,
) -> tuple[Integers, Integers]:
    """The average of the known neighbours, rounded, and the class of their spread."""
    if not known:
        return np.full(len(rows), first), np.full(len(rows), SPREADS - 1)
    height, width = means.shape
    down, across = (np.array(sides)[:, None] for sides in zip(*known, strict=True))
    at_rows, at_columns = rows + down, columns + across
    there = (at_rows >= 0) & (at_rows < height) & (at_columns >= 0) & (at_columns < width)
    values = means[np.clip(at_rows, 0, height - 1), np.clip(at_columns, 0, width - 1)]
    count = there.sum(axis=0)
    total = np.where(there, values, 0).sum(axis=0)
    largest = np.iinfo(np.int64).max
    spread = np.where(there, values, -largest).max(axis=0) - np.where(there, values, largest).min(
        axis=0
    )
    return (2 * total + count) // (2 * count), np.searchsorted(_LIMITS, spread, side="right")
