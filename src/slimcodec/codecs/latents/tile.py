"""A tile's latents to a section of a stream and back, in numpy; nothing outside it is looked at.

    y ─► hyper-analysis ─► round ─► ẑ ──────────► entropy coder
    │                                ├► tables ─►      │
    └──► subtract mean ─► gain ─► round ─► symbols ─►  │

What decides a table index is the integer prior and nothing else; the mean net is a float graph,
because a symbol is what is left after the mean: another runtime's last bits move a pixel's last
digit, never a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.checks import check_made
from slimcodec.codecs.family import Floats
from slimcodec.codecs.latents.coding import Coding
from slimcodec.codecs.latents.config import LatentsConfig
from slimcodec.codecs.latents.prior import Guess, GuessWalk
from slimcodec.codecs.latents.rounding import Rounding, rounded
from slimcodec.codecs.tiles import Box
from slimcodec.images import pad_to_multiple
from slimcodec.stream import SymbolDecoder, SymbolEncoder, least_bits
from slimcodec.types import Clock, no_clock

__all__ = [
    "QUALITY_STEPS",
    "BitsAround",
    "Graph",
    "Latents",
    "PreparedTile",
    "TileCoder",
    "Tiles",
    "channel_tables",
    "gain_at",
]

Graph = Callable[[Floats], Floats]
Planes = TypeVar("Planes", NDArray[np.int32], Floats)

QUALITY_STEPS = 8
"""Qualities between two trained ones; a stream carries its quality as an integer of these."""
_HYPER_STRIDE = 4


@dataclass(frozen=True)
class Latents:
    """What a stream says, before the generator.

    Attributes:
        symbols: int32 [m, h, w].
        hyper_latents: int32 [n, h/4, w/4], in steps from their medians.
        coded: for each group, what is coded of its symbols (int32) and by which tables (int16),
            [positions, channels].
    """

    symbols: NDArray[np.int32]
    hyper_latents: NDArray[np.int32]
    coded: tuple[tuple[NDArray[np.int32], NDArray[np.int16]], ...]


@dataclass(frozen=True, eq=False)
class PreparedTile:
    """A tile behind the transforms.

    Attributes:
        centred: latents less their means, before any gain, float32 [m, h, w].
        hyper_latents: int32 [n, h/4, w/4].
    """

    centred: Floats
    hyper_latents: NDArray[np.int32]


class BitsAround(NamedTuple):
    """What each symbol of a tile takes, and would take if it were another and all others as they
    are; float32 [m, h, w] each.

    Attributes:
        own: in bits.
        less: if it were one less.
        more: if it were one more.
    """

    own: Floats
    less: Floats
    more: Floats


@runtime_checkable
class Tiles(Protocol):
    """What codes a tile."""

    def prepare(self, y: Floats, clock: Clock = no_clock) -> PreparedTile:
        """Latents, [m, h, w], as far as they do not depend on a quality."""

    def quantize(
        self, tile: PreparedTile, step: int, rate_weight: float, clock: Clock = no_clock
    ) -> Latents:
        """To the integers that will be coded, at a quality step."""

    def of_symbols(
        self, symbols: NDArray[np.int32], hyper_latents: NDArray[np.int32], step: int
    ) -> Latents:
        """Integers that are there already, as what will be coded at a quality step.

        Args:
            symbols: [m, h, w].
            hyper_latents: of ``hyper_shape``.
            step: of quality.
        """

    def bits_around(self, latents: Latents, step: int) -> BitsAround:
        """Of a tile's symbols, at a quality step."""

    def hyper_shape(self, size: tuple[int, int]) -> tuple[int, int, int]:
        """Of the hyper-latents of so many latents down and across; no size where there are none."""

    def dequantize(self, latents: Latents, step: int, clock: Clock = no_clock) -> Floats:
        """What a generator sees of them, [m, h, w]."""

    def write(self, latents: Latents, clock: Clock = no_clock) -> bytes:
        """To a section."""

    def read(
        self, section: bytes, size: tuple[int, int], step: int, clock: Clock = no_clock
    ) -> Latents:
        """The inverse of ``write``.

        Args:
            section: of a stream.
            size: latents down and across.
            step: of quality.
            clock: is told the stages.

        Raises:
            StreamError: when the section is damaged.
        """

    def least_bits(self, tiles: Iterable[Box]) -> float:
        """What tiles take at the least."""


class TileCoder:
    """Hyperprior, context and entropy coder of a model.

    Args:
        config: the network's shape.
        graphs: of which ``hyper_analysis`` and ``hyper_mean`` are called.
        coding: integers, tables and gains of the model file.
    """

    def __init__(self, config: LatentsConfig, graphs: Mapping[str, Graph], coding: Coding) -> None:
        self.config, self.graphs, self.coding = config, graphs, coding

    def prepare(self, y: Floats, clock: Clock = no_clock) -> PreparedTile:
        """See ``Tiles``."""
        with clock("prior"):
            least = self.config.structure.smallest_latents
            around = pad_to_multiple(y.transpose(1, 2, 0), _HYPER_STRIDE, least)
            planes = np.ascontiguousarray(around.transpose(2, 0, 1))[None]
            z = self.graphs["hyper_analysis"](planes)
            sides = (side // _HYPER_STRIDE for side in around.shape[:2])
            check_made(z, (1, self.config.hyper_channels, *sides), "hyper_analysis")
            z_hat = np.rint(z[0]).astype(np.int32)
            return PreparedTile(y - self._means(z_hat, y.shape[1:]), z_hat)

    def quantize(
        self, tile: PreparedTile, step: int, rate_weight: float, clock: Clock = no_clock
    ) -> Latents:
        """See ``Tiles``."""
        with clock("prior"):
            gain = gain_at(self.coding.log_gain, step)
            least = self._rounding.least(rate_weight)
            rows, size = _in_rows(tile.centred * gain), tile.centred.shape[1:]
            return self._chosen(rows, size, tile.hyper_latents, step, least)

    def of_symbols(
        self, symbols: NDArray[np.int32], hyper_latents: NDArray[np.int32], step: int
    ) -> Latents:
        """See ``Tiles``."""
        rows, size = _in_rows(symbols.astype(np.float32)), symbols.shape[1:]
        return self._chosen(rows, size, hyper_latents, step, None)

    def dequantize(self, latents: Latents, step: int, clock: Clock = no_clock) -> Floats:
        """See ``Tiles``."""
        with clock("prior"):
            means = self._means(latents.hyper_latents, latents.symbols.shape[1:])
            gain = gain_at(self.coding.log_gain, step)
            degain = gain_at(self.coding.log_degain, step)
            seen: Floats = (latents.symbols.astype(np.float32) + means * gain) * degain
            return seen

    def write(self, latents: Latents, clock: Clock = no_clock) -> bytes:
        """See ``Tiles``."""
        with clock("entropy"):
            encoder = SymbolEncoder()
            encoder.put(
                latents.hyper_latents,
                channel_tables(latents.hyper_latents.shape),
                self.coding.hyper_tables,
            )
            for symbols, tables in latents.coded:
                encoder.put(symbols, tables, self.coding.latent_tables)
            return encoder.finish()

    def read(
        self, section: bytes, size: tuple[int, int], step: int, clock: Clock = no_clock
    ) -> Latents:
        """See ``Tiles``."""
        with clock("entropy"):
            decoder = SymbolDecoder(section)
            z_hat = decoder.take(channel_tables(self.hyper_shape(size)), self.coding.hyper_tables)
        coded = []

        def take(guess: Guess) -> NDArray[np.int32]:
            with clock("entropy"):
                symbols = decoder.take(guess.tables, self.coding.latent_tables)
            coded.append((symbols, guess.tables))
            return symbols

        with clock("prior"):
            walk = self.coding.prior.walk(z_hat, size, step, QUALITY_STEPS)
        symbols = _in_planes(_walked(walk, take, clock), size)
        with clock("entropy"):
            decoder.finish()
        return Latents(symbols, z_hat, tuple(coded))

    def least_bits(self, tiles: Iterable[Box]) -> float:
        """What tiles' hyper-latents take at the least; latents may take all but none."""
        count = sum(
            down * across for _, down, across in (self.hyper_shape(tile.size) for tile in tiles)
        )
        return count * float(least_bits(self.coding.hyper_tables).sum())

    def bits_around(self, latents: Latents, step: int) -> BitsAround:
        """See ``Tiles``."""
        rows = _in_rows(latents.symbols.astype(np.float32))
        around = [np.empty(rows.shape, np.float32) for _ in range(3)]

        def look(guess: Guess) -> NDArray[np.int32]:
            coded = guess.coded(rows).astype(np.int32)
            up = 1 if guess.signs is None else guess.signs.astype(np.int32)
            for made, other in zip(around, (0, -up, up), strict=True):
                made[guess.positions, guess.channels] = self._rounding.bits(
                    coded + other, guess.tables
                )
            return coded

        size = latents.symbols.shape[1:]
        _walked(self.coding.prior.walk(latents.hyper_latents, size, step, QUALITY_STEPS), look)
        return BitsAround(*(_in_planes(made, size) for made in around))

    def hyper_shape(self, size: tuple[int, int]) -> tuple[int, int, int]:
        """See ``Tiles``."""
        down, across = (
            max(-(-side // _HYPER_STRIDE), self.config.structure.smallest_latents // _HYPER_STRIDE)
            for side in size
        )
        return self.config.hyper_channels, down, across

    def _chosen(
        self,
        rows: Floats,
        size: tuple[int, ...],
        z_hat: NDArray[np.int32],
        step: int,
        least: Floats | None,
    ) -> Latents:
        """Integers for gained latents, [h · w, m], group by group; ``least`` is of ``rounded``."""
        down, across = size
        coded = []

        def choose(guess: Guess) -> NDArray[np.int32]:
            symbols = rounded(guess.coded(rows), guess.tables, least)
            coded.append((symbols, guess.tables))
            return symbols

        walk = self.coding.prior.walk(z_hat, (down, across), step, QUALITY_STEPS)
        symbols = _in_planes(_walked(walk, choose), (down, across))
        return Latents(symbols, z_hat, tuple(coded))

    @cached_property
    def _rounding(self) -> Rounding:
        """For an encoder only."""
        return Rounding(self.coding.latent_tables)

    def _means(self, z_hat: NDArray[np.int32], size: tuple[int, ...]) -> Floats:
        if self.config.structure.mean is None:
            return np.zeros((1, 1, 1), np.float32)
        means = self.graphs["hyper_mean"](z_hat[None].astype(np.float32))
        sides = (side * _HYPER_STRIDE for side in z_hat.shape[1:])
        check_made(means, (1, self.config.latent_channels, *sides), "hyper_mean")
        wanted: Floats = means[0, :, : size[0], : size[1]]
        return wanted


def gain_at(log_gains: Floats, step: int) -> Floats:
    """Gains [m, 1, 1] at a quality step, interpolated in the logarithm between trained ones."""
    low, rest = divmod(step, QUALITY_STEPS)
    high = min(low + 1, len(log_gains) - 1)
    fraction = np.float32(rest / QUALITY_STEPS)
    gain: Floats = np.exp(log_gains[low] + (log_gains[high] - log_gains[low]) * fraction)
    return gain[:, None, None]


def _walked(
    walk: GuessWalk, exchange: Callable[[Guess], NDArray[np.int32]], clock: Clock = no_clock
) -> NDArray[np.int32]:
    """All symbols of a walk, each guess exchanged for what is coded of its group."""
    with clock("prior"):
        guess = next(walk)
    while True:
        coded = exchange(guess)
        try:
            with clock("prior"):
                guess = walk.send(coded)
        except StopIteration as end:
            symbols: NDArray[np.int32] = end.value
            return symbols


def _in_rows(planes: Floats) -> Floats:
    """[m, h, w] to [h · w, m]."""
    return np.ascontiguousarray(planes.reshape(len(planes), -1).T)


def _in_planes(rows: Planes, size: tuple[int, int]) -> Planes:
    """[h · w, m] to [m, h, w]."""
    return np.ascontiguousarray(rows.T).reshape(-1, *size)


def channel_tables(shape: tuple[int, ...]) -> NDArray[np.int16]:
    """The table numbers of what a factorized density codes, [c, h, w]: each its channel's."""
    return np.broadcast_to(np.arange(shape[0], dtype=np.int16)[:, None, None], shape)
