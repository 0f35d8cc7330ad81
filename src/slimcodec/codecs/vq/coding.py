"""A vector quantizer between an image and a stream, in numpy.

    encode   image ─► planes ─► means, surface ─► what is left ─► search ─► sections of a stream
    decode   sections ─► means and codes ─► decoder ─► image

Encoding searches; decoding looks up. The decoder is a graph, and to look codes up is to multiply
by vectors that are 1 in one place (``one_hot``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
from slimcodec.codecs.tiles import (
    Box,
    Sight,
    Walk,
    check_region,
    claimed_tiles,
    grid,
    side_by_side,
    tile_of,
)
from slimcodec.codecs.vq.config import BLOCK, STRIDE, Book, VqConfig
from slimcodec.codecs.vq.planes import MIDDLE, means_of, neighbourhoods, planes_of, vectors_of
from slimcodec.codecs.vq.prior import Place
from slimcodec.codecs.vq.search import search
from slimcodec.codecs.vq.tables import LEVELS, VqCoding
from slimcodec.codecs.vq.tile import Blocks, bits_at_least, blank, read, write
from slimcodec.images import pad_to_multiple
from slimcodec.stream import Stream, pack
from slimcodec.types import Clock, Image, Region, check_image, codec_line, no_clock

__all__ = ["PreparedPlanes", "VqCodec", "choose", "decoder_inputs"]

_HEAVIER = 2.5
"""Added to what bits weigh, which is 1 at a whole quality, for a quality. Of ``vq-s``, on six
photographs, it brings 27 of 42 streams down to the length of the quality below, the others near."""
_HALO = 2
"""Positions around a window: chroma is interpolated from the next block's, whose surface looks at
the one behind it."""
_PICTURE_BYTES = 12.0
"""Of memory for each pixel of a whole picture: its pixels, planes, means and codes."""


def choose(
    coding: VqCoding,
    config: VqConfig,
    quality: int,
    planes: Sequence[Floats],
    rate_weight: float = 1.0,
    inside: Box | None = None,
) -> tuple[tuple[Blocks, ...], list[Floats]]:
    """What is coded of a piece of a picture, and what that leaves of its vectors, [n, d].

    Args:
        coding: of the model.
        config: of the model.
        quality: from 0.
        planes: luma and chroma of the piece, and of what is around it.
        rate_weight: bits against squared error, of the quality's own.
        inside: positions of the piece among those; all when not given.
    """
    step, worth = config.mean_steps[quality], rate_weight / config.lambdas[quality]
    tile, left = [], []
    for own, plane, used in zip(coding.books, planes, config.used(quality), strict=True):
        book = own.book
        around = np.rint((means_of(plane) + MIDDLE) / step).astype(np.int64)
        sides = around.shape[1:]
        surface = (neighbourhoods(around * step) - MIDDLE) @ own.surface
        vectors = (vectors_of(plane) - surface).reshape(*sides, book.length)
        means = around
        if inside is not None:
            rows, columns = inside.times(book.places).slices
            means = np.ascontiguousarray(around[:, rows, columns])
            vectors = np.ascontiguousarray(vectors[rows, columns])
        chosen, rest = search(
            vectors.reshape(-1, book.length),
            own.codes[:used],
            own.rates(quality),
            Place.of(means, step),
            worth / book.weight,
        )
        tile.append(Blocks(means, chosen))
        left.append(rest)
    return tuple(tile), left


def decoder_inputs(
    config: VqConfig,
    quality: int,
    tile: Sequence[Blocks],
    ring: Sequence[tuple[int, int]] = ((0, 0), (0, 0)),
) -> list[Floats]:
    """What the decoder is given: means of luma and chroma, then their codes, [1, c, h, w].

    Args:
        config: of the model.
        quality: from 0.
        tile: what was coded.
        ring: positions to add before and behind, down and across; the means of the edge, no codes.
    """
    step, means, codes = config.mean_steps[quality], [], []
    for book, blocks in zip(config.books, tile, strict=True):
        sides = ((0, 0), *((book.places * a, book.places * b) for a, b in ring))
        levels = np.pad(blocks.means, sides, mode="edge") * step
        means.append(((levels - MIDDLE) / LEVELS).astype(np.float32)[None])
        codes.append(one_hot(book, np.pad(blocks.chosen, sides)))
    return [*means, *codes]


def one_hot(book: Book, chosen: NDArray[np.int16]) -> Floats:
    """Codes [s, h, w] as vectors that are 1 in one place, [1, stages · codes, h, w]; where there is
    no code, nowhere."""
    out = np.zeros((1, book.stages * book.codes, *chosen.shape[1:]), np.float32)
    stage, row, column = chosen.nonzero()
    out[0, stage * book.codes + chosen[stage, row, column] - 1, row, column] = 1
    return out


@dataclass(frozen=True, eq=False)
class PreparedPlanes:
    """An image of which planes are made, to be coded at any quality; see ``types.Prepared``.

    Attributes:
        codec: whose it is.
        height: rows of the image.
        width: columns of the image.
        planes: luma [1, 16h, 16w] and chroma [2, 8h, 8w].
    """

    codec: VqCodec
    height: int
    width: int
    planes: tuple[Floats, Floats]

    def encode(self, quality: float, *, clock: Clock = no_clock) -> bytes:
        """Search and entropy coding; see ``types.Prepared``."""
        return self.codec.encode_prepared(self, quality, clock)


class VqCodec:
    """A vector quantizer as a codec; see ``types.Tiled`` and ``types.Adjustable``.

    Args:
        config: its shape.
        graphs: ``decoder`` (luma means, chroma means, luma codes, chroma codes) -> image, float32
            [1, c, h, w].
        coding: codes and tables of the model file.
        name: for tables and plots.
        digest: of the model file.
        model_bytes: size of the model file.
    """

    quality_step = 1.0

    def __init__(
        self,
        config: VqConfig,
        graphs: Mapping[str, Callable[..., Any]],
        coding: VqCoding,
        *,
        name: str,
        digest: str,
        model_bytes: int,
    ) -> None:
        self.config, self.graphs, self.coding = config, graphs, coding
        self.name, self.digest, self.model_bytes = name, digest, model_bytes
        self.stream_id = coding.stream_id
        self.qualities, self.quality_range = config.qualities, config.quality_range
        self.default_quality = self.qualities[len(self.qualities) // 2]
        self._sight = Sight(STRIDE, _HALO, config.bytes_per_pixel)

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
        quality = self.default_quality if quality is None else quality
        self._checked(image, memory)
        self.config.check_quality(quality, self.name)
        return self.prepare(image, memory=memory, clock=clock).encode(quality, clock=clock)

    def prepare(
        self, image: Image, *, memory: int | None = None, clock: Clock = no_clock
    ) -> PreparedPlanes:
        """Planes, once for any number of qualities; see ``types.Adjustable``."""
        self._checked(image, memory)
        with saying_memory(self.name), clock("planes"):
            planes = planes_of(pad_to_multiple(image, STRIDE))
        height, width, _ = image.shape
        return PreparedPlanes(self, height, width, planes)

    def encode_prepared(self, prepared: PreparedPlanes, quality: float, clock: Clock) -> bytes:
        """What ``encode`` does behind the planes; ``PreparedPlanes.encode`` calls it."""
        self.config.check_quality(quality, self.name)
        number, below = step_above(quality - 1)
        share, height, width = 1 + _HEAVIER * below, prepared.height, prepared.width
        whole, side = _whole(height, width), tile_of(height, width)
        tiles = grid(whole, side)

        def section(tile: Box) -> bytes:
            around = self._sight.grown(tile, whole)
            planes = [
                plane[:, *around.times(BLOCK * book.places).slices]
                for book, plane in zip(self.config.books, prepared.planes, strict=True)
            ]
            inside = tile.seen_from(around)
            with clock("search"):
                chosen, _ = choose(self.coding, self.config, number, planes, share, inside)
            with clock("entropy"):
                return write(self.coding, self.config, number, chosen)

        with saying_memory(self.name):
            sections = tuple(side_by_side(section, tiles, clock))
        written = Stream(
            self.stream_id, height, width, number, sections, tile=side, tiles=len(sections)
        )
        check_written(written, self._least_bits(tiles, number))
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
        need = self._sight.need(_whole(region.height, region.width), _PICTURE_BYTES * STRIDE**2)
        left = check_decodable(region.height, region.width, self.name, need, memory)
        with saying_memory(self.name):
            return self._decode(header, region, left, clock)

    def read(self, stream: bytes) -> tuple[tuple[Blocks, ...], ...]:
        """The integers of a stream, tile by tile and, in each, of luma and of chroma; every check
        made.

        Raises:
            StreamError: when the stream is damaged or foreign.
            WrongModelError: when another model wrote it.
        """
        header = self._header(stream)
        tiles = grid(_whole(header.height, header.width), header.tile)
        return tuple(
            read(self.coding, self.config, header.quality, tile.size, section)
            for section, tile in zip(header.sections, tiles, strict=True)
        )

    def memory_needed(self, height: int, width: int) -> int:
        """See ``types.Tiled``."""
        return self._sight.usual(_whole(height, width), _PICTURE_BYTES * STRIDE**2)

    def _checked(self, image: Image, memory: int | None) -> None:
        check_image(image)
        need = self._sight.need(_whole(*image.shape[:2]), _PICTURE_BYTES * STRIDE**2)
        check_encodable(image, self.name, need, memory)

    def _decode(self, header: Stream, region: Region, memory: int | None, clock: Clock) -> Image:
        whole, quality = _whole(header.height, header.width), header.quality
        walk = Walk(header, region, whole, self._sight)
        pieces = blank(self.config, quality, walk.around.size)

        def take(section: bytes, tile: Box, needed: Box) -> None:
            with clock("entropy"):
                own = read(self.coding, self.config, quality, tile.size, section)
            for book, all_blocks, blocks in zip(self.config.books, pieces, own, strict=True):
                target = all_blocks.cut(book, needed.seen_from(walk.around))
                source = blocks.cut(book, needed.seen_from(tile))
                target.means[:], target.chosen[:] = source.means, source.chosen

        walk.read(take, clock)
        for window, seen in walk.windows(memory):
            own = [
                blocks.cut(book, seen.seen_from(walk.around))
                for book, blocks in zip(self.config.books, pieces, strict=True)
            ]
            with clock("decoder"):
                walk.canvas.lay(self._pictured(own, quality, window, seen), window, window)
        return walk.picture()

    def _pictured(self, blocks: Sequence[Blocks], quality: int, window: Box, seen: Box) -> Floats:
        """A window's picture, [1, 3, 16h, 16w], of the blocks that are seen: it is decoded with a
        ring of ``_HALO`` positions, made up at the edge of the picture, and thrown away."""
        ring = [
            (_HALO - (window.top - seen.top), _HALO - (seen.bottom - window.bottom)),
            (_HALO - (window.left - seen.left), _HALO - (seen.right - window.right)),
        ]
        inputs = decoder_inputs(self.config, quality, blocks, ring)
        picture: Floats = self.graphs["decoder"](*inputs)
        sides = tuple(STRIDE * (side + 2 * _HALO) for side in window.size)
        check_made(picture, (1, 3, *sides), "decoder")
        edge = STRIDE * _HALO
        return picture[:, :, edge:-edge, edge:-edge]

    def _header(self, stream: bytes, partial: bool = False) -> Stream:
        """
        Raises:
            StreamError: when the stream is damaged or foreign.
            WrongModelError: when another model wrote it.
        """
        last = len(self.qualities) - 1
        header = plain_header(stream, self.stream_id, self.name, last, partial=partial)
        tiles = claimed_tiles(header, _whole(header.height, header.width), self.name)
        there = [tiles[number] for number in header.there]
        check_payload(header, self._least_bits(there, header.quality))
        return header

    def _least_bits(self, tiles: list[Box], quality: int) -> float:
        positions = sum(down * across for down, across in (tile.size for tile in tiles))
        return bits_at_least(self.coding, self.config, quality, positions)


def _whole(height: int, width: int) -> Box:
    """All positions of an image."""
    return Box(0, 0, -(-height // STRIDE), -(-width // STRIDE))
