"""What codes latents by their factorized density alone, in numpy.

y ─► subtract median ─► round ─► symbols ─► entropy coder, a table for each channel
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.family import Floats
from slimcodec.codecs.latents.config import LatentsConfig
from slimcodec.codecs.latents.rounding import Rounding, rounded
from slimcodec.codecs.latents.tile import BitsAround, Graph, Latents, PreparedTile, channel_tables
from slimcodec.codecs.tiles import Box
from slimcodec.errors import ModelFileError
from slimcodec.stream import SymbolDecoder, SymbolEncoder, Tables, least_bits
from slimcodec.types import Clock, no_clock

__all__ = ["FactorizedCoding", "FactorizedTileCoder"]


@dataclass(frozen=True)
class FactorizedCoding:
    """See ``codecs.family.Exportable.coding``.

    Attributes:
        tables: one for each channel of the latents.
        median: float32 [m, 1, 1], around which latents are rounded.
    """

    tables: Tables
    median: Floats

    @classmethod
    def of(
        cls,
        config: LatentsConfig,
        weights: Mapping[str, NDArray[np.float32]],
        frozen: Mapping[str, NDArray[Any]],
    ) -> FactorizedCoding:
        """Put together from a model's contents.

        Raises:
            ModelFileError, LookupError: when they make no codec.
        """
        tables = Tables.from_arrays(frozen, "latent_tables")
        median = weights["probability.median"]
        if not len(tables) == median.size == config.latent_channels:
            raise ModelFileError("its tables and medians are not as many as its channels")
        return cls(tables, median.reshape(-1, 1, 1))

    @cached_property
    def stream_id(self) -> bytes:
        """Digest of everything that a stream's meaning depends on, 8 bytes."""
        digest = hashlib.sha256(b"factorized/1")
        digest.update(self.tables.to_bytes())
        digest.update(self.median.astype("<f4").tobytes())
        return digest.digest()[:8]


class FactorizedTileCoder:
    """See ``tile.Tiles``.

    Args:
        config: the network's shape.
        graphs: of which none is called.
        coding: tables and medians of the model file.
    """

    def __init__(
        self, config: LatentsConfig, graphs: Mapping[str, Graph], coding: FactorizedCoding
    ) -> None:
        self.config, self.coding = config, coding

    def prepare(self, y: Floats, clock: Clock = no_clock) -> PreparedTile:
        """See ``tile.Tiles``."""
        with clock("prior"):
            return PreparedTile(y - self.coding.median, np.zeros((0, 0, 0), np.int32))

    def quantize(
        self, tile: PreparedTile, step: int, rate_weight: float, clock: Clock = no_clock
    ) -> Latents:
        """See ``tile.Tiles``."""
        with clock("prior"):
            tables = channel_tables(tile.centred.shape)
            symbols = rounded(tile.centred, tables, self._rounding.least(rate_weight))
            return self.of_symbols(symbols, tile.hyper_latents, step)

    def of_symbols(
        self, symbols: NDArray[np.int32], hyper_latents: NDArray[np.int32], step: int
    ) -> Latents:
        """See ``tile.Tiles``."""
        return Latents(symbols, hyper_latents, ((symbols, channel_tables(symbols.shape)),))

    def bits_around(self, latents: Latents, step: int) -> BitsAround:
        """See ``tile.Tiles``."""
        symbols, tables = latents.symbols, channel_tables(latents.symbols.shape)
        return BitsAround(*(self._rounding.bits(symbols + other, tables) for other in (0, -1, 1)))

    def hyper_shape(self, size: tuple[int, int]) -> tuple[int, int, int]:
        """See ``tile.Tiles``."""
        return 0, 0, 0

    def dequantize(self, latents: Latents, step: int, clock: Clock = no_clock) -> Floats:
        """See ``tile.Tiles``."""
        with clock("prior"):
            seen: Floats = latents.symbols.astype(np.float32) + self.coding.median
            return seen

    def write(self, latents: Latents, clock: Clock = no_clock) -> bytes:
        """See ``tile.Tiles``."""
        with clock("entropy"):
            encoder = SymbolEncoder()
            for symbols, tables in latents.coded:
                encoder.put(symbols, tables, self.coding.tables)
            return encoder.finish()

    def read(
        self, section: bytes, size: tuple[int, int], step: int, clock: Clock = no_clock
    ) -> Latents:
        """See ``tile.Tiles``."""
        with clock("entropy"):
            decoder = SymbolDecoder(section)
            tables = channel_tables((self.config.latent_channels, *size))
            symbols = decoder.take(tables, self.coding.tables)
            decoder.finish()
        return Latents(symbols, np.zeros((0, 0, 0), np.int32), ((symbols, tables),))

    def least_bits(self, tiles: Iterable[Box]) -> float:
        """See ``tile.Tiles``."""
        positions = sum(tile.size[0] * tile.size[1] for tile in tiles)
        return positions * float(least_bits(self.coding.tables).sum())

    @cached_property
    def _rounding(self) -> Rounding:
        """For an encoder only."""
        return Rounding(self.coding.tables)
