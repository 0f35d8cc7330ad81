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

import math
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
from slimcodec.codecs.latents.rounding import Rounding, rounded
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
    least_bits,
    pack,
    unpack,
)
from slimcodec.types import Clock, Image, Region, check_image, codec_line, no_clock

__all__ = ["QUALITY_STEPS", "Latents", "MeanScaleCodec", "PreparedImage", "gain_at"]

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


@dataclass(frozen=True, eq=False)
class PreparedTile:
    """A tile behind the transforms.

    Attributes:
        centred: latents less their means, before any gain, float32 [m, h, w].
        hyper_latents: int32 [n, h/4, w/4].
    """

    centred: Floats
    hyper_latents: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class PreparedImage:
    """An image behind the transforms, to be coded at any quality; see ``types.Prepared``.

    Attributes:
        codec: whose transforms.
        height: rows of the image.
        width: columns of the image.
        side: of its tiles, 0 where it is one.
        tiles: each by itself.
    """

    codec: MeanScaleCodec
    height: int
    width: int
    side: int
    tiles: tuple[PreparedTile, ...]

    def encode(
        self, quality: float, rate_weight: float | None = None, *, clock: Clock = no_clock
    ) -> bytes:
        """Gains, rounding and entropy coding; see ``types.Prepared``."""
        return self.codec.encode_prepared(self, quality, rate_weight, clock)


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
        self.quality_step, self.rate_weight = 1 / QUALITY_STEPS, config.rate_weight
        per_pixel = config.bytes_per_pixel
        self._encoder = Sight(config.stride, config.encoder_halo, per_pixel)
        self._decoder = Sight(config.stride, config.decoder_halo, per_pixel)

    def __repr__(self) -> str:
        return codec_line(self)

    def encode(
        self,
        image: Image,
        quality: float | None = None,
        *,
        memory: int | None = None,
        clock: Clock = no_clock,
    ) -> bytes:
        """One image to one stream; see ``types.Tiled``."""
        left = self._checked(image, memory)
        step = self._quality_step(quality)
        with saying_memory(self.name):
            prepared = self._prepared(image, left, clock)
            return self._written(prepared, step, self.rate_weight, clock)

    def prepare(
        self, image: Image, *, memory: int | None = None, clock: Clock = no_clock
    ) -> PreparedImage:
        """Transforms, once for any number of qualities; see ``types.Adjustable``."""
        left = self._checked(image, memory)
        with saying_memory(self.name):
            return self._prepared(image, left, clock)

    def encode_prepared(
        self, prepared: PreparedImage, quality: float, rate_weight: float | None, clock: Clock
    ) -> bytes:
        """What ``encode`` does behind the transforms; ``PreparedImage.encode`` calls it."""
        step = self._quality_step(quality)
        weight = self.rate_weight if rate_weight is None else rate_weight
        if not 0 <= weight < math.inf:
            raise UsageError(f"the rate weight must be a number from 0 on, got {weight}")
        with saying_memory(self.name):
            return self._written(prepared, step, weight, clock)

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

    def analyse(self, image: Image, step: int, clock: Clock = no_clock) -> tuple[Latents, ...]:
        """The integers that will be coded of an image, tile by tile."""
        prepared = self._prepared(image, None, clock)
        return tuple(self._rounded(tile, step, self.rate_weight, clock) for tile in prepared.tiles)

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

    def _checked(self, image: Image, memory: int | None) -> int | None:
        """Memory for networks, of an image that can be coded here."""
        check_image(image)
        whole = self._whole(*image.shape[:2])
        need = self._encoder.need(whole, self._position_bytes)
        return check_encodable(image, self.name, need, memory)

    def _prepared(self, image: Image, memory: int | None, clock: Clock) -> PreparedImage:
        y = self.transform(image, memory, clock)
        height, width, _ = image.shape
        side = tile_of(height, width)

        def prepared(tile: Box) -> PreparedTile:
            with clock("prior"):
                own = y[:, *tile.slices]
                around = pad_to_multiple(own.transpose(1, 2, 0), _HYPER_STRIDE, _SMALLEST_LATENTS)
                planes = np.ascontiguousarray(around.transpose(2, 0, 1))[None]
                z = self.graphs["hyper_analysis"](planes)
                sides = (side // _HYPER_STRIDE for side in around.shape[:2])
                check_made(z, (1, self.config.hyper_channels, *sides), "hyper_analysis")
                z_hat = np.rint(z[0]).astype(np.int32)
                return PreparedTile(own - self._means(z_hat, tile.size), z_hat)

        tiles = side_by_side(prepared, grid(self._whole(height, width), side), clock)
        return PreparedImage(self, height, width, side, tuple(tiles))

    def _rounded(self, tile: PreparedTile, step: int, rate_weight: float, clock: Clock) -> Latents:
        with clock("prior"):
            gain = gain_at(self.coding.log_gain, step)
            centred = _in_rows(tile.centred * gain)
            least = self._rounding.least(rate_weight)
            coded = []

            def choose(guess: Guess) -> NDArray[np.int32]:
                symbols = rounded(guess.coded(centred), guess.tables, least)
                coded.append((symbols, guess.tables))
                return symbols

            z_hat, (_, down, across) = tile.hyper_latents, tile.centred.shape
            walk = self.coding.prior.walk(z_hat, (down, across), step, QUALITY_STEPS)
            symbols = _in_planes(_walked(walk, choose), (down, across))
        return Latents(symbols, z_hat, tuple(coded))

    def _written(
        self, prepared: PreparedImage, step: int, rate_weight: float, clock: Clock
    ) -> bytes:
        def section(tile: PreparedTile) -> bytes:
            latents = self._rounded(tile, step, rate_weight, clock)
            with clock("entropy"):
                return self._section(latents)

        sections = tuple(side_by_side(section, prepared.tiles, clock))
        height, width, side = prepared.height, prepared.width, prepared.side
        written = Stream(
            self.stream_id, height, width, step, sections, tile=side, tiles=len(sections)
        )
        check_written(written, self._least_bits(grid(self._whole(height, width), side)))
        return pack(written)

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

    @cached_property
    def _rounding(self) -> Rounding:
        """For an encoder only."""
        return Rounding(self.coding.latent_tables)

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
