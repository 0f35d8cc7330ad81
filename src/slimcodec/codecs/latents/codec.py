"""A mean-scale codec between an image and a stream, in numpy.

    encode   image ─► pad ─► encoder ─► y ─► hyper-analysis ─► round ─► ẑ ──────────► entropy coder
                                        │                                ├► tables ─►      │
                                        └──► gain ─► subtract mean ─► round ─► symbols ─►  │
    decode   the same stages, read backwards

Graphs arrive as callables over float32 arrays [1, c, h, w], so the same glue runs on any runtime.
What decides a table index is the integer prior and nothing else; the mean net is a float graph,
because a symbol is what is left after the mean: another runtime's last bits move a pixel's last
digit, never a table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.checks import (
    check_decodable,
    check_encodable,
    check_header,
    check_made,
    check_payload,
    check_written,
    saying_memory,
)
from slimcodec.codecs.family import Floats
from slimcodec.codecs.latents.coding import Coding
from slimcodec.codecs.latents.config import LatentsConfig
from slimcodec.codecs.latents.prior import Guess, GuessWalk
from slimcodec.codecs.tiles import (
    Box,
    Canvas,
    Sight,
    check_region,
    grid,
    side_by_side,
    tile_of,
    touching,
)
from slimcodec.errors import StreamError, UsageError
from slimcodec.images import pad_to_multiple, to_planes
from slimcodec.stream import (
    Stream,
    SymbolDecoder,
    SymbolEncoder,
    Tables,
    least_bits,
    pack,
    unpack,
)
from slimcodec.stream.tables import TOTAL
from slimcodec.types import Clock, Image, Region, check_image, no_clock

__all__ = ["QUALITY_STEPS", "Latents", "MeanScaleCodec", "gain_at"]

Graph = Callable[[Floats], Floats]

QUALITY_STEPS = 8
"""Qualities between two trained ones; a stream carries its quality as an integer of these."""
_HYPER_STRIDE = 4
_SMALLEST_LATENTS = 8
"""Reflection padding inside the hyper-analysis needs this many latents on a side."""
_COPIES = 2
"""Of all latents of a picture, in floats: those that it has, and a window's that are moved."""


@dataclass(frozen=True)
class Latents:
    """What a stream says, before the generator.

    Attributes:
        symbols: int32 [m, h, w].
        hyper_latents: int32 [n, h/4, w/4].
        coded: for each group, what is coded of its symbols (int32) and by which tables (int16),
            [positions, channels].
    """

    symbols: NDArray[np.int32]
    hyper_latents: NDArray[np.int32]
    coded: tuple[tuple[NDArray[np.int32], NDArray[np.int16]], ...]


class MeanScaleCodec:
    """A model with latents as a codec.

    Args:
        config: the network's shape.
        graphs: ``encoder`` image -> y, ``hyper_analysis`` y -> z, ``hyper_mean`` ẑ -> means,
            ``generator`` ŷ -> image; arrays float32 [1, c, h, w], images in [0, 1].
        coding: integers, tables and gains of the model file.
        name: for tables and plots.
        digest: of the model file.
        model_bytes: size of the model file.
    """

    def __init__(
        self,
        config: LatentsConfig,
        graphs: Mapping[str, Graph],
        coding: Coding,
        *,
        name: str,
        digest: str,
        model_bytes: int,
    ) -> None:
        self.config, self.graphs, self.coding = config, graphs, coding
        self.name, self.digest, self.model_bytes = name, digest, model_bytes
        self.stream_id = coding.stream_id
        self.qualities = config.qualities
        self.default_quality = self.qualities[len(self.qualities) // 2]
        per_pixel = config.bytes_per_pixel
        self._encoder = Sight(config.stride, config.encoder_halo, per_pixel)
        self._decoder = Sight(config.stride, config.decoder_halo, per_pixel)

    def encode(
        self,
        image: Image,
        quality: float | None = None,
        *,
        memory: int | None = None,
        clock: Clock = no_clock,
    ) -> bytes:
        """One image to one stream; see ``types.Tiled``."""
        check_image(image)
        height, width, _ = image.shape
        need = self._encoder.need(self._whole(height, width), self._position_bytes)
        left = check_encodable(image, self.name, need, memory)
        step = self._quality_step(quality)
        with saying_memory(self.name):
            y = self.transform(image, left, clock)
            return self.code(y, height, width, step, clock)

    def decode(
        self,
        stream: bytes,
        *,
        region: Region | None = None,
        memory: int | None = None,
        partial: bool = False,
        clock: Clock = no_clock,
    ) -> Image:
        """One stream to one image, or a part of it; see ``types.Tiled``."""
        header = self._header(stream, partial)
        if region is None:
            region = Region(0, 0, header.width, header.height)
        check_region(region, header.height, header.width)
        need = self._decoder.need(self._whole(region.height, region.width), self._position_bytes)
        left = check_decodable(region.height, region.width, self.name, need, memory)
        with saying_memory(self.name):
            return self._decode(header, region, left, clock)

    def transform(self, image: Image, memory: int | None = None, clock: Clock = no_clock) -> Floats:
        """An image to its latents, [m, h, w], window by window."""
        stride = self.config.stride
        whole = self._whole(*image.shape[:2])
        windows = self._encoder.windows(whole, memory)
        # Here: what is kept between two windows would lie where the next one's layers could.
        latents = np.empty((self.config.latent_channels, *whole.size), np.float32)
        for window in windows:
            seen = self._encoder.grown(window, whole)
            with clock("encoder"):
                pixels = pad_to_multiple(image[seen.times(stride).slices], stride, 2 * stride)
                y = self.graphs["encoder"](to_planes(pixels))
                check_made(y, (1, self.config.latent_channels, *seen.size), "encoder")
            latents[:, *window.slices] = y[0][:, *window.seen_from(seen).slices]
        return latents

    def code(self, y: Floats, height: int, width: int, step: int, clock: Clock = no_clock) -> bytes:
        """Latents of an image of that size to its stream, each tile by itself."""
        side = tile_of(height, width)
        tiles = grid(self._whole(height, width), side)

        def coded(tile: Box) -> bytes:
            latents = self.quantize(np.ascontiguousarray(y[:, *tile.slices]), step, clock)
            with clock("entropy"):
                return self._section(latents)

        sections = tuple(side_by_side(coded, tiles, clock))
        written = Stream(self.stream_id, height, width, step, sections, tile=side, tiles=len(tiles))
        check_written(written, self._least_bits(tiles))
        return pack(written)

    def quantize(self, y: Floats, step: int, clock: Clock = no_clock) -> Latents:
        """Latents of a tile, [m, h, w], to the integers that will be coded."""
        with clock("prior"):
            around = pad_to_multiple(y.transpose(1, 2, 0), _HYPER_STRIDE, _SMALLEST_LATENTS)
            z = self.graphs["hyper_analysis"](np.ascontiguousarray(around.transpose(2, 0, 1))[None])
            sides = (side // _HYPER_STRIDE for side in around.shape[:2])
            check_made(z, (1, self.config.hyper_channels, *sides), "hyper_analysis")
            z_hat = np.rint(z[0]).astype(np.int32)
            gain = gain_at(self.coding.log_gain, step)
            centred = _in_rows((y - self._means(z_hat, y.shape[1:])) * gain)
            coded = []

            def choose(guess: Guess) -> NDArray[np.int32]:
                coded.append((self._round(guess.coded(centred), guess.tables), guess.tables))
                return coded[-1][0]

            size = y.shape[1], y.shape[2]
            walk = self.coding.prior.walk(z_hat, size, step, QUALITY_STEPS)
            symbols = _in_planes(_walked(walk, choose), size)
        return Latents(symbols, z_hat, tuple(coded))

    def analyse(self, image: Image, step: int, clock: Clock = no_clock) -> Latents:
        """The integers that will be coded of an image of one tile."""
        return self.quantize(self.transform(image, None, clock), step, clock)

    def read(self, stream: bytes, clock: Clock = no_clock) -> tuple[Stream, tuple[Latents, ...]]:
        """The integers of a stream, tile by tile, every check made.

        Raises:
            StreamError: when the stream is damaged or foreign.
            WrongModelError: when another model wrote it.
        """
        header = self._header(stream)
        tiles = grid(self._whole(header.height, header.width), header.tile)
        return header, tuple(
            self._read(section, tile, header.quality, clock)
            for section, tile in zip(header.sections, tiles, strict=True)
        )

    def _decode(self, header: Stream, region: Region, memory: int | None, clock: Clock) -> Image:
        whole = self._whole(header.height, header.width)
        canvas = Canvas(region, whole, self.config.stride)
        around = self._decoder.grown(canvas.positions, whole)
        tiles = grid(whole, header.tile)
        y_hat = np.zeros((self.config.latent_channels, *around.size), np.float32)

        def read(number: int) -> None:
            tile = tiles[number]
            latents = self._read(header.sections[number], tile, header.quality, clock)
            with clock("prior"):
                common = tile.within(around)
                own = self._dequantize(latents, header.quality)
                y_hat[:, *common.seen_from(around).slices] = own[:, *common.seen_from(tile).slices]

        there = [n for n in touching(around, tiles) if n not in header.missing]
        side_by_side(read, there, clock)
        for window in self._decoder.windows(canvas.positions, memory):
            seen = self._decoder.grown(window, whole)
            with clock("generator"):
                own = y_hat[:, *seen.seen_from(around).slices]
                canvas.lay(self._generated(np.ascontiguousarray(own)), window, seen)
        for number in header.missing:
            canvas.leave_out(tiles[number])
        return canvas.picture

    def _generated(self, y_hat: Floats) -> Floats:
        """A window's latents to its picture, [1, 3, h, w]."""
        picture: Floats = self.graphs["generator"](y_hat[None])
        sides = (side * self.config.stride for side in y_hat.shape[1:])
        check_made(picture, (1, 3, *sides), "generator")
        return picture

    def _dequantize(self, latents: Latents, step: int) -> Floats:
        """What a generator sees of a tile, [m, h, w]."""
        means = self._means(latents.hyper_latents, latents.symbols.shape[1:])
        gain, degain = gain_at(self.coding.log_gain, step), gain_at(self.coding.log_degain, step)
        seen: Floats = (latents.symbols.astype(np.float32) + means * gain) * degain
        return seen

    def _section(self, latents: Latents) -> bytes:
        encoder = SymbolEncoder()
        encoder.put(
            latents.hyper_latents,
            self._channels(latents.hyper_latents.shape),
            self.coding.hyper_tables,
        )
        for symbols, tables in latents.coded:
            encoder.put(symbols, tables, self.coding.latent_tables)
        return encoder.finish()

    def _read(self, section: bytes, tile: Box, step: int, clock: Clock) -> Latents:
        """The inverse of ``_section``."""
        with clock("entropy"):
            decoder = SymbolDecoder(section)
            z_hat = decoder.take(self._channels(self._hyper_shape(tile)), self.coding.hyper_tables)
        coded = []

        def take(guess: Guess) -> NDArray[np.int32]:
            with clock("entropy"):
                symbols = decoder.take(guess.tables, self.coding.latent_tables)
            coded.append((symbols, guess.tables))
            return symbols

        with clock("prior"):
            walk = self.coding.prior.walk(z_hat, tile.size, step, QUALITY_STEPS)
        symbols = _in_planes(_walked(walk, take, clock), tile.size)
        with clock("entropy"):
            decoder.finish()
        return Latents(symbols, z_hat, tuple(coded))

    def _header(self, stream: bytes, partial: bool = False) -> Stream:
        """
        Raises:
            StreamError: when the stream is damaged or foreign.
            WrongModelError: when another model wrote it.
        """
        header = unpack(stream, partial=partial)
        check_header(header, self.stream_id, self.name)
        if header.progressive:
            raise StreamError(
                f"the stream is damaged: the streams of {self.name} are not progressive"
            )
        if header.quality > QUALITY_STEPS * (len(self.qualities) - 1):
            raise StreamError(f"the stream is damaged: quality step {header.quality}")
        tiles = grid(self._whole(header.height, header.width), header.tile)
        if len(header.sections) != len(tiles):
            raise StreamError(
                f"a stream of {self.name} of that size has {len(tiles)} "
                f"section{'s' * (len(tiles) != 1)}, this has {len(header.sections)}"
            )
        check_payload(header, self._least_bits(tiles))
        return header

    @property
    def _position_bytes(self) -> float:
        """Memory for a position of a whole picture: its pixels twice, and its latents."""
        return 6.0 * self.config.stride**2 + _COPIES * 4 * self.config.latent_channels

    def _whole(self, height: int, width: int) -> Box:
        """All latents of an image; the network's reflection padding needs two on a side."""
        stride = self.config.stride
        return Box(0, 0, max(-(-height // stride), 2), max(-(-width // stride), 2))

    def _quality_step(self, quality: float | None) -> int:
        quality = self.default_quality if quality is None else quality
        if not self.qualities[0] <= quality <= self.qualities[-1]:
            raise UsageError(
                f"the quality of {self.name} must be {self.qualities[0]:g} to "
                f"{self.qualities[-1]:g}, got {quality:g}"
            )
        return round((quality - 1) * QUALITY_STEPS)

    def _round(self, centred: Floats, tables: NDArray[np.int16]) -> NDArray[np.int32]:
        """To the nearest integer, or to its neighbour towards zero where that saves enough bits.

        Minimises (value - symbol)² + ``rate_weight`` · bits(symbol) over the two. The decoder does
        not know and need not.
        """
        nearest = np.rint(centred)
        if self.config.rate_weight > 0:
            # Most are 0 already, and stay so.
            moving = (nearest != 0).ravel().nonzero()[0]
            far = nearest.ravel().take(moving)
            own = tables.ravel().take(moving).astype(np.int32)
            own *= self._least.shape[1]
            own += (far.clip(-_FARTHEST, _FARTHEST) + _FARTHEST).astype(np.int32)
            toward = np.sign(far)
            beyond = centred.ravel().take(moving)
            beyond -= far
            beyond *= toward
            toward[beyond >= self._least.ravel().take(own)] = 0
            far -= toward
            nearest.ravel()[moving] = far
        return nearest.astype(np.int32)

    @cached_property
    def _least(self) -> Floats:
        """How far beyond a symbol a value must lie to be coded as it and not as its neighbour
        towards zero, [tables, 129]: half a step less than nothing where both cost the same bits.
        For an encoder only."""
        bits = _bits_of_symbols(self.coding.latent_tables)
        saved = np.zeros_like(bits)
        saved[:, _FARTHEST + 1 :] = bits[:, _FARTHEST + 1 :] - bits[:, _FARTHEST:-1]
        saved[:, :_FARTHEST] = bits[:, :_FARTHEST] - bits[:, 1 : _FARTHEST + 1]
        # (v - n)² - (v - f)² is 2 (v - f) + 1 where n = f - 1; a symbol beyond those that are told
        # apart is dealt with as the last of them, whose neighbour costs as much.
        saved[:, [0, -1]] = 0
        least: Floats = ((self.config.rate_weight * saved - 1) / 2).astype(np.float32)
        return least

    def _means(self, z_hat: NDArray[np.int32], size: tuple[int, ...]) -> Floats:
        means = self.graphs["hyper_mean"](z_hat[None].astype(np.float32))
        sides = (side * _HYPER_STRIDE for side in z_hat.shape[1:])
        check_made(means, (1, self.config.latent_channels, *sides), "hyper_mean")
        wanted: Floats = means[0, :, : size[0], : size[1]]
        return wanted

    @staticmethod
    def _channels(shape: tuple[int, ...]) -> NDArray[np.int16]:
        """The table number of each hyper-latent: its channel."""
        return np.broadcast_to(np.arange(shape[0], dtype=np.int16)[:, None, None], shape)

    def _least_bits(self, tiles: Sequence[Box]) -> float:
        """What tiles' hyper-latents take at the least; latents may take all but none."""
        count = sum(down * across for _, down, across in map(self._hyper_shape, tiles))
        return count * float(least_bits(self.coding.hyper_tables).sum())

    def _hyper_shape(self, tile: Box) -> tuple[int, int, int]:
        """Of a tile's hyper-latents."""
        down, across = (
            max(-(-side // _HYPER_STRIDE) * _HYPER_STRIDE, _SMALLEST_LATENTS) // _HYPER_STRIDE
            for side in tile.size
        )
        return self.config.hyper_channels, down, across


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


def _in_planes(rows: NDArray[np.int32], size: tuple[int, int]) -> NDArray[np.int32]:
    """[h · w, m] to [m, h, w]."""
    return np.ascontiguousarray(rows.T).reshape(-1, *size)


_FARTHEST = 64
"""The symbol on either side from which on bits are not told apart: beyond, nothing is gained."""


def _bits_of_symbols(tables: Tables) -> Floats:
    """Code length of -64 to 64 under each table, [tables, 129]."""
    bits = np.empty((len(tables), 2 * _FARTHEST + 1), np.float32)
    for number in range(len(tables)):
        middle = int(tables.reaches[number])
        reach = min(middle, _FARTHEST)
        own = -np.log2(tables[number].astype(np.float64) / TOTAL)
        inside = own[middle - reach : middle + reach + 1]
        # An escape costs its own bits and about two for each bit of the excess.
        outside = own[-1] + 2 * np.log2(np.arange(1, _FARTHEST - reach + 1)) + 2
        bits[number] = np.concatenate([outside[::-1], inside, outside])
    return bits
