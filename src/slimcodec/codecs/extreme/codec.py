"""A codec whose streams have a longest length, between an image and a stream, in numpy.

    encode   image ─► windows ─► encoder ─► nearest levels ─► tiles ─► sections of a stream
    decode   sections ─► tiles ─► levels ─► windows ─► generator ─► image

Graphs arrive as callables over float32 arrays [1, c, h, w], so the same glue runs on any runtime.
What a section is, ``tile`` says; what tiles and windows are, ``codecs.tiles``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.checks import (
    check_decodable,
    check_encodable,
    check_made,
    check_payload,
    check_written,
    plain_header,
    saying_memory,
)
from slimcodec.codecs.extreme.config import ExtremeConfig
from slimcodec.codecs.extreme.contexts import Contexts
from slimcodec.codecs.extreme.tile import most_section_bytes, read_section, write_section
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
    transformed,
)
from slimcodec.stream import Stream, pack
from slimcodec.types import Clock, Image, Region, check_image, codec_line, no_clock

__all__ = ["ExtremeCodec"]


class ExtremeCodec:
    """A model of a few levels as a codec.

    Args:
        config: the network's shape.
        graphs: ``encoder`` image -> what is rounded to levels, ``generator`` levels -> image;
            arrays float32 [1, c, h, w], images in [0, 1].
        coding: tables of the model file, and what chooses among them.
        name: for tables and plots.
        digest: of the model file.
        model_bytes: size of the model file.
    """

    def __init__(
        self,
        config: ExtremeConfig,
        graphs: Mapping[str, Callable[..., Any]],
        coding: Contexts,
        *,
        name: str,
        digest: str,
        model_bytes: int,
    ) -> None:
        self.config, self.graphs, self.coding = config, graphs, coding
        self.name, self.digest, self.model_bytes = name, digest, model_bytes
        self.stream_id = coding.stream_id
        self.qualities = config.qualities
        self.default_quality = self.qualities[0]
        per_pixel = config.bytes_per_pixel
        self._encoder = Sight(config.stride, config.encoder_halo, per_pixel)
        self._decoder = Sight(config.stride, config.decoder_halo, per_pixel)

    def __repr__(self) -> str:
        return codec_line(self)

    def most_bytes(self, height: int, width: int) -> int:
        """The longest stream of any picture of so many pixels, its frame included, without what may
        travel beside it: about ``config.bits_per_pixel`` and 26 bytes."""
        side, whole = tile_of(height, width), self._whole(height, width)
        longest = [bytes(most_section_bytes(self.config, tile.size)) for tile in grid(whole, side)]
        return len(pack(self._stream(height, width, side, longest)))

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
        self.config.check_quality(self.default_quality if quality is None else quality, self.name)
        height, width, _ = image.shape
        need = self._encoder.need(self._whole(height, width), self._position_bytes)
        left = check_encodable(image, self.name, need, memory)
        with saying_memory(self.name):
            symbols = self.levels(image, left, clock)
            side = tile_of(height, width)
            tiles = grid(self._whole(height, width), side)

            def section(tile: Box) -> bytes:
                with clock("entropy"):
                    return write_section(symbols[:, *tile.slices], self.coding)

            sections = side_by_side(section, tiles, clock)
            written = self._stream(height, width, side, sections)
            check_written(written, self._least_bits(tiles))
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
        return self._decoder.usual(self._whole(height, width), self._position_bytes)

    def levels(
        self, image: Image, memory: int | None = None, clock: Clock = no_clock
    ) -> NDArray[np.int32]:
        """An image to its symbols, [c, h, w], window by window."""
        half, count = self.config.half, self.config.latent_channels
        whole, encoder = self._whole(*image.shape[:2]), self.graphs["encoder"]
        made = transformed(image, whole, self._encoder, count, encoder, memory, clock)
        np.rint(made, out=made)
        return np.clip(made, -half, half, out=made).astype(np.int32)

    def read(self, stream: bytes, clock: Clock = no_clock) -> tuple[Stream, list[Any]]:
        """The symbols of a stream, tile by tile, every check made.

        Raises:
            StreamError: when the stream is damaged or foreign.
            WrongModelError: when another model wrote it.
        """
        header = self._header(stream)
        tiles = grid(self._whole(header.height, header.width), header.tile)
        sections = zip(header.sections, tiles, strict=True)
        return header, [self._read(section, tile, clock) for section, tile in sections]

    def _read(self, section: bytes, tile: Box, clock: Clock) -> NDArray[np.int32]:
        with clock("entropy"):
            return read_section(section, tile.size, self.coding)

    def _decode(self, header: Stream, region: Region, memory: int | None, clock: Clock) -> Image:
        whole = self._whole(header.height, header.width)
        walk = Walk(header, region, whole, self._decoder)
        code: Floats = np.zeros((self.config.latent_channels, *walk.around.size), np.float32)

        def read(section: bytes, tile: Box, needed: Box) -> None:
            own = self._read(section, tile, clock)
            code[:, *needed.seen_from(walk.around).slices] = own[:, *needed.seen_from(tile).slices]

        walk.read(read, clock)
        for window, seen in walk.windows(memory):
            with clock("generator"):
                own = np.ascontiguousarray(code[:, *seen.seen_from(walk.around).slices])
                picture = self.graphs["generator"](own[None])
                sides = (side * self.config.stride for side in seen.size)
                check_made(picture, (1, 3, *sides), "generator")
                walk.canvas.lay(picture, window, seen)
        return walk.picture()

    def _header(self, stream: bytes, partial: bool = False) -> Stream:
        """
        Raises:
            StreamError: when the stream is damaged or foreign.
            WrongModelError: when another model wrote it.
        """
        header = plain_header(stream, self.stream_id, self.name, 0, partial=partial)
        tiles = claimed_tiles(header, self._whole(header.height, header.width), self.name)
        check_payload(header, self._least_bits([tiles[number] for number in header.there]))
        return header

    def _stream(self, height: int, width: int, side: int, sections: list[bytes]) -> Stream:
        return Stream(
            self.stream_id, height, width, 0, tuple(sections), tile=side, tiles=len(sections)
        )

    def _least_bits(self, tiles: list[Box]) -> float:
        """What tiles' symbols take at the least."""
        positions = sum(tile.size[0] * tile.size[1] for tile in tiles)
        return positions * self.config.latent_channels * self.coding.least_bits

    @property
    def _position_bytes(self) -> float:
        """Memory for a position of a whole picture: its pixels twice, and its symbols twice."""
        return 6.0 * self.config.stride**2 + 8 * self.config.latent_channels

    def _whole(self, height: int, width: int) -> Box:
        """All positions of an image; the network's reflection padding needs two on a side."""
        stride = self.config.stride
        return Box(0, 0, max(-(-height // stride), 2), max(-(-width // stride), 2))
