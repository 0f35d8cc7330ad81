"""A tile's means and codes to a section of a stream and back; nothing outside it is looked at.

For luma, then for chroma: the means of each plane, then the codes of all stages.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.tiles import Box
from slimcodec.codecs.vq.config import Book, VqConfig
from slimcodec.codecs.vq.means import SPREADS
from slimcodec.codecs.vq.means import walk as walk_means
from slimcodec.codecs.vq.planes import MIDDLE
from slimcodec.codecs.vq.prior import CONTEXTS, DIRECTIONS, Group, Place, walk
from slimcodec.codecs.vq.tables import PLANES, VqCoding
from slimcodec.errors import StreamError
from slimcodec.stream import SymbolDecoder, SymbolEncoder, Tables, least_bits

__all__ = ["Blocks", "Put", "bits_at_least", "blank", "read", "show", "write"]

Integers = NDArray[np.int64]


class Blocks(NamedTuple):
    """What is coded of the blocks of one book.

    Shapes: ``means`` int64 [c, h, w] in steps, from the lowest level on; ``chosen`` int16
    [stages, h, w], 0 for no code, else 1 + its number.
    """

    means: Integers
    chosen: NDArray[np.int16]

    def cut(self, book: Book, box: Box) -> Blocks:
        """Those of some positions; views."""
        rows, columns = box.times(book.places).slices
        return Blocks(self.means[:, rows, columns], self.chosen[:, rows, columns])


def blank(config: VqConfig, quality: int, size: tuple[int, int]) -> tuple[Blocks, ...]:
    """Grey without codes, of so many positions down and across."""
    found = []
    for book, used in zip(config.books, config.used(quality), strict=True):
        sides = tuple(book.places * side for side in size)
        means = np.full((book.channels, *sides), MIDDLE // config.mean_steps[quality])
        found.append(Blocks(means, np.zeros((used, *sides), np.int16)))
    return tuple(found)


Put = Callable[[str, Integers, Integers], None]
"""Symbols, and by which tables of that name they are coded: ``means``, ``luma.flags``,
``luma.numbers`` and chroma's."""


def show(config: VqConfig, quality: int, tile: tuple[Blocks, ...], put: Put) -> None:
    """Everything of a tile, in the order in which it is coded."""
    step, planes = config.mean_steps[quality], iter(range(PLANES))

    def put_means(plane: int, spread: Integers, far: Integers) -> Integers:
        put("means", far, plane * SPREADS + spread)
        return far

    def put_codes(
        book: Book, blocks: Blocks, group: Group, contexts: Integers, directions: Integers
    ) -> Integers:
        own: Integers = blocks.chosen[group.stage, group.blocks].astype(np.int64)
        taken = own > 0
        put(f"{book.name}.flags", taken.astype(np.int64), _first(book, quality, group) + contexts)
        numbers = group.stage * DIRECTIONS + directions[taken]
        put(f"{book.name}.numbers", own[taken] - 1, numbers)
        return own

    for book, blocks in zip(config.books, tile, strict=True):
        for own in blocks.means:
            walk_means(own, MIDDLE // step, partial(put_means, next(planes)))
        place = Place.of(blocks.means, step)
        walk(place, len(blocks.chosen), partial(put_codes, book, blocks))


def write(coding: VqCoding, config: VqConfig, quality: int, tile: tuple[Blocks, ...]) -> bytes:
    """A tile's section."""
    coder, tables = SymbolEncoder(), _tables(coding)

    def put(name: str, symbols: Integers, numbers: Integers) -> None:
        if len(symbols):
            coder.put(symbols, numbers, tables[name])

    show(config, quality, tile, put)
    return coder.finish()


def read(
    coding: VqCoding, config: VqConfig, quality: int, size: tuple[int, int], section: bytes
) -> tuple[Blocks, ...]:
    """The inverse of ``write``.

    Args:
        coding: of the model.
        config: of the model.
        quality: of the stream, from 0.
        size: of the tile, in positions.
        section: its bytes.

    Raises:
        StreamError: when it is damaged.
    """
    coder, tables = SymbolDecoder(section), _tables(coding)
    step, planes = config.mean_steps[quality], iter(range(PLANES))

    def take(name: str, numbers: Integers) -> Integers:
        if not len(numbers):
            return np.zeros(0, np.int64)
        return coder.take(numbers, tables[name]).astype(np.int64)

    def take_means(plane: int, spread: Integers, far: Integers) -> Integers:
        return take("means", plane * SPREADS + spread)

    def take_codes(book: Book, group: Group, contexts: Integers, directions: Integers) -> Integers:
        found = take(f"{book.name}.flags", _first(book, quality, group) + contexts)
        _check(found, 2, "flag")
        at = found.nonzero()[0]
        codes = take(f"{book.name}.numbers", group.stage * DIRECTIONS + directions[at])
        _check(codes, book.codes, "code")
        found[at] += codes
        return found

    tile = []
    for book, (means, chosen) in zip(config.books, blank(config, quality, size), strict=True):
        for own in means:
            walk_means(own, MIDDLE // step, partial(take_means, next(planes)))
        _check(means, -(-2 * MIDDLE // step) + 1, "mean")
        place = Place.of(means, step)
        tile.append(Blocks(means, walk(place, len(chosen), partial(take_codes, book))))
    coder.finish()
    return tuple(tile)


def bits_at_least(coding: VqCoding, config: VqConfig, quality: int, positions: int) -> float:
    """What so many positions take, if all that is coded of them is what is likeliest."""
    means = least_bits(coding.means).reshape(PLANES, SPREADS).min(axis=1)
    bits, plane = 0.0, 0
    for own, used in zip(coding.books, config.used(quality), strict=True):
        book = own.book
        blocks = positions * book.places**2
        bits += blocks * float(means[plane : plane + book.channels].sum())
        plane += book.channels
        flags = least_bits(own.flag_tables).reshape(len(config.lambdas), book.stages, CONTEXTS)
        bits += blocks * float(flags[quality, :used].min(axis=1).sum())
    return bits


def _first(book: Book, quality: int, group: Group) -> int:
    """The number of a stage's first table of flags."""
    return (quality * book.stages + group.stage) * CONTEXTS


def _check(values: Integers, count: int, what: str) -> None:
    """
    Raises:
        StreamError: when one is not from 0 to ``count`` - 1.
    """
    if values.size and not 0 <= values.min() <= values.max() < count:
        raise StreamError(f"the stream is damaged: it holds a {what} that there is not")


def _tables(coding: VqCoding) -> dict[str, Tables]:
    found = {"means": coding.means}
    for own in coding.books:
        found[f"{own.book.name}.flags"] = own.flag_tables
        found[f"{own.book.name}.numbers"] = own.numbers
    return found
