"""A mean-scale codec between an image and a stream, in numpy.

    encode   image ─► windows ─► encoder ─► y ─► tiles ─► their coder ─► sections of a stream
    decode   sections ─► their coder ─► tiles ─► ŷ ─► windows ─► generator ─► image

Graphs arrive as callables over float32 arrays [1, c, h, w], so the same glue runs on any runtime.
What a tile's coder does is in ``tile``; what tiles and windows are, in ``codecs.tiles``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.between import step_above
from slimcodec.codecs.checks import (
    check_decodable,
    check_encodable,
    check_made,
    check_payload,
    check_written,
    plain_header,
    saying_memory,
)
from slimcodec.codecs.family import Floats
from slimcodec.codecs.latents.config import LatentsConfig
from slimcodec.codecs.latents.refiner import Picture, Refiner
from slimcodec.codecs.latents.tile import (
    QUALITY_STEPS,
    Graph,
    Latents,
    PreparedTile,
    TileCoder,
    Tiles,
)
from slimcodec.codecs.tiles import (
    Box,
    Sight,
    Walk,
    check_region,
    claimed_tiles,
    grid,
    side_by_side,
    tile_of,
    transformed,
)
from slimcodec.errors import UsageError
from slimcodec.stream import (
    Stream,
    pack,
)
from slimcodec.types import Clock, Image, Region, check_image, codec_line, no_clock

__all__ = ["MeanScaleCodec", "PreparedImage"]

_HEAVIER = 0.05
"""Added to what bits weigh, for a step. Of ``hific-s`` 0.02 to 0.05 bring a stream of one step down
to the length of the one below: eight photographs, ten steps."""
_COPIES = 2
"""Of all latents of a picture, in floats: those that it has, and a window's that are moved."""


@dataclass(frozen=True, eq=False)
class PreparedImage:
    """An image behind the transforms, to be coded at any quality; see ``types.Prepared``.

    Attributes:
        codec: whose transforms.
        height: rows of the image.
        width: columns of the image.
        side: of its tiles, 0 where it is one.
        tiles: each by itself.
        image: itself, where its symbols are refined.
    """

    codec: MeanScaleCodec
    height: int
    width: int
    side: int
    tiles: tuple[PreparedTile, ...]
    image: Image | None = None

    def encode(self, quality: float, *, clock: Clock = no_clock) -> bytes:
        """Gains, rounding and entropy coding; see ``types.Prepared``."""
        return self.codec.encode_prepared(self, quality, clock)


class MeanScaleCodec:
    """A model with latents as a codec.

    Of one without a hyperprior, scales and means are those of each channel, and ``tiles`` says so.

    Args:
        config: the network's shape.
        graphs: ``encoder`` image -> y, ``hyper_analysis`` y -> z, ``hyper_mean`` ẑ -> means,
            ``generator`` ŷ -> image; arrays float32 [1, c, h, w], images in [0, 1].
        coding: integers, tables and gains of the model file.
        tiles: what codes a tile, made of config, graphs and coding.
        name: for tables and plots.
        digest: of the model file.
        model_bytes: size of the model file.
    """

    def __init__(
        self,
        config: LatentsConfig,
        graphs: Mapping[str, Graph],
        coding: Any,
        *,
        tiles: Callable[[LatentsConfig, Mapping[str, Graph], Any], Tiles] = TileCoder,
        name: str,
        digest: str,
        model_bytes: int,
    ) -> None:
        self.config, self.graphs, self.coding = config, graphs, coding
        self.name, self.digest, self.model_bytes = name, digest, model_bytes
        self.stream_id = coding.stream_id
        self.qualities = config.qualities
        self.default_quality = self.qualities[len(self.qualities) // 2]
        self.quality_range, self.quality_step = config.quality_range, 1 / QUALITY_STEPS
        self._tile = tiles(config, graphs, coding)
        per_pixel = config.bytes_per_pixel
        self._encoder = Sight(config.stride, config.encoder_halo, per_pixel)
        self._decoder = Sight(config.stride, config.decoder_halo, per_pixel)
        self._refiner: Refiner | None = None

    def refining(self, refiner: Refiner, name: str, digest: str) -> MeanScaleCodec:
        """The same codec under another name, whose encoder refines symbols."""
        made = copy.copy(self)
        made.name, made.digest, made._refiner = name, digest, refiner
        return made

    @property
    def rounds(self) -> int:
        """See ``types.Refining``."""
        return 0 if self._refiner is None else self._refiner.count

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
        step, weight = self._step_and_weight(quality)
        with saying_memory(self.name):
            prepared = self._prepared(image, left, clock)
            return self._written(prepared, step, weight, clock)

    def prepare(
        self, image: Image, *, memory: int | None = None, clock: Clock = no_clock
    ) -> PreparedImage:
        """Transforms, once for any number of qualities; see ``types.Adjustable``."""
        left = self._checked(image, memory)
        with saying_memory(self.name):
            return self._prepared(image, left, clock)

    def encode_prepared(self, prepared: PreparedImage, quality: float, clock: Clock) -> bytes:
        """What ``encode`` does behind the transforms; ``PreparedImage.encode`` calls it."""
        step, weight = self._step_and_weight(quality)
        with saying_memory(self.name):
            return self._written(prepared, step, weight, clock)

    def encode_symbols(
        self,
        symbols: NDArray[np.int32],
        hyper_latents: NDArray[np.int32],
        height: int,
        width: int,
    ) -> bytes:
        """A stream of integers that are there already, at the first quality. However large, it is
        one tile: in several, each would have means of its own at its edges.

        Args:
            symbols: [m, h, w] of all latents.
            hyper_latents: [n, h/4, w/4], in steps from their medians; none without a hyperprior.
            height, width: of the picture that they are of.

        Raises:
            UsageError: when a picture of that size has other latents with this model.
        """
        whole = self._whole(height, width)
        wanted = (self.config.latent_channels, *whole.size)
        hyper = self._tile.hyper_shape(whole.size)
        if symbols.shape != wanted or hyper_latents.shape != hyper:
            raise UsageError(
                f"{self.name} has latents {wanted} and hyper-latents {hyper} of {width}x{height} "
                f"pixels; these are {symbols.shape} and {hyper_latents.shape}"
            )
        with saying_memory(self.name):
            section = self._tile.write(self._tile.of_symbols(symbols, hyper_latents, 0))
        written = Stream(self.stream_id, height, width, 0, (section,))
        check_written(written, self._tile.least_bits([whole]))
        return pack(written)

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

    def memory_needed(self, height: int, width: int) -> int:
        """See ``types.Tiled``; a decoder's windows are the larger ones."""
        whole = self._whole(height, width)
        usual = self._decoder.usual(whole, self._position_bytes)
        return usual if self._refiner is None else usual + int(self._refiner.memory_needed(whole))

    def transform(self, image: Image, memory: int | None = None, clock: Clock = no_clock) -> Floats:
        """An image to its latents, [m, h, w], window by window."""
        whole, count = self._whole(*image.shape[:2]), self.config.latent_channels
        encoder = self.graphs["encoder"]
        return transformed(image, whole, self._encoder, count, encoder, memory, clock)

    def analyse(self, image: Image, step: int, clock: Clock = no_clock) -> tuple[Latents, ...]:
        """The integers that will be coded of an image, tile by tile."""
        prepared = self._prepared(image, None, clock)
        return tuple(
            self._tile.quantize(tile, step, self.config.rate_weight, clock)
            for tile in prepared.tiles
        )

    def read(self, stream: bytes, clock: Clock = no_clock) -> tuple[Stream, tuple[Latents, ...]]:
        """The integers of a stream, tile by tile, every check made.

        Raises:
            StreamError: when the stream is damaged or foreign.
            WrongModelError: when another model wrote it.
        """
        header = self._header(stream)
        tiles = grid(self._whole(header.height, header.width), header.tile)
        return header, tuple(
            self._tile.read(section, tile.size, header.quality, clock)
            for section, tile in zip(header.sections, tiles, strict=True)
        )

    def _checked(self, image: Image, memory: int | None) -> int | None:
        """Memory for networks, of an image that can be coded here."""
        check_image(image)
        whole = self._whole(*image.shape[:2])
        need = self._encoder.need(whole, self._position_bytes)
        if self._refiner is not None:
            need = replace(need, window=max(need.window, self._refiner.memory_needed(whole)))
        return check_encodable(image, self.name, need, memory)

    def _prepared(self, image: Image, memory: int | None, clock: Clock) -> PreparedImage:
        y = self.transform(image, memory, clock)
        height, width, _ = image.shape
        side = tile_of(height, width)

        def prepared(tile: Box) -> PreparedTile:
            return self._tile.prepare(y[:, *tile.slices], clock)

        tiles = side_by_side(prepared, grid(self._whole(height, width), side), clock)
        kept = None if self._refiner is None else image
        return PreparedImage(self, height, width, side, tuple(tiles), kept)

    def _written(
        self, prepared: PreparedImage, step: int, rate_weight: float, clock: Clock
    ) -> bytes:
        height, width, side = prepared.height, prepared.width, prepared.side

        def quantized(tile: PreparedTile) -> Latents:
            return self._tile.quantize(tile, step, rate_weight, clock)

        def section(latents: Latents) -> bytes:
            return self._tile.write(latents, clock)

        latents = side_by_side(quantized, prepared.tiles, clock)
        if self._refiner is not None and prepared.image is not None:
            whole = self._whole(height, width)
            picture = Picture(prepared.image, whole, grid(whole, side), self._decoder.halo)
            weight = rate_weight / self.config.rate_weight if self.config.rate_weight else 1.0
            latents = self._refiner(self._tile, picture, latents, step, weight, clock)
        sections = tuple(side_by_side(section, latents, clock))
        written = Stream(
            self.stream_id, height, width, step, sections, tile=side, tiles=len(sections)
        )
        check_written(written, self._tile.least_bits(grid(self._whole(height, width), side)))
        return pack(written)

    def _decode(self, header: Stream, region: Region, memory: int | None, clock: Clock) -> Image:
        whole, step = self._whole(header.height, header.width), header.quality
        walk = Walk(header, region, whole, self._decoder)
        y_hat = np.zeros((self.config.latent_channels, *walk.around.size), np.float32)

        def read(section: bytes, tile: Box, needed: Box) -> None:
            own = self._tile.dequantize(
                self._tile.read(section, tile.size, step, clock), step, clock
            )
            y_hat[:, *needed.seen_from(walk.around).slices] = own[:, *needed.seen_from(tile).slices]

        walk.read(read, clock)
        for window, seen in walk.windows(memory):
            with clock("generator"):
                own = np.ascontiguousarray(y_hat[:, *seen.seen_from(walk.around).slices])
                walk.canvas.lay(self._generated(own), window, seen)
        return walk.picture()

    def _generated(self, y_hat: Floats) -> Floats:
        """A window's latents to its picture, [1, 3, h, w]."""
        picture: Floats = self.graphs["generator"](y_hat[None])
        sides = (side * self.config.stride for side in y_hat.shape[1:])
        check_made(picture, (1, 3, *sides), "generator")
        return picture

    def _header(self, stream: bytes, partial: bool = False) -> Stream:
        """
        Raises:
            StreamError: when the stream is damaged or foreign.
            WrongModelError: when another model wrote it.
        """
        last = QUALITY_STEPS * (len(self.qualities) - 1)
        header = plain_header(stream, self.stream_id, self.name, last, partial=partial)
        tiles = claimed_tiles(header, self._whole(header.height, header.width), self.name)
        check_payload(header, self._tile.least_bits(tiles[number] for number in header.there))
        return header

    @property
    def _position_bytes(self) -> float:
        """Memory for a position of a whole picture: its pixels twice, and its latents."""
        return 6.0 * self.config.stride**2 + _COPIES * 4 * self.config.latent_channels

    def _whole(self, height: int, width: int) -> Box:
        """All latents of an image; the network's reflection padding needs two on a side."""
        stride = self.config.stride
        return Box(0, 0, max(-(-height // stride), 2), max(-(-width // stride), 2))

    def _step_and_weight(self, quality: float | None) -> tuple[int, float]:
        """The step of a quality, from 0 on, and what bits weigh when latents are rounded."""
        quality = self.default_quality if quality is None else quality
        self.config.check_quality(quality, self.name)
        step, below = step_above((quality - 1) * QUALITY_STEPS)
        return step, self.config.rate_weight + _HEAVIER * below
