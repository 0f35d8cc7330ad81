"""The recurrent codec between an image and a progressive stream, in numpy.

    residual = image - 1/2
    encode, per iteration   residual ─► encoder ─► binarizer ─► bits ─► bit prior ─► entropy coder
                            residual ← residual - decoder(bits)         (not after the last one)
    decode, per iteration   entropy coder ─► bit prior ─► bits ─► decoder ─► added to the picture
            at the end      picture ─► filter ─► picture

Each iteration is a section of its own, so a stream cut at a section's end is the stream of fewer
iterations. Graphs arrive as callables over arrays, their state as arrays that go in and come
out, so the same glue runs on any runtime. What decides a table is the integer prior, which sees
bits and nothing else: another runtime's last digits move pixels, never a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

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
from slimcodec.codecs.tiles import (
    Box,
    Canvas,
    Sight,
    check_region,
    claimed_tiles,
    grid,
    side_by_side,
    tile_of,
    touching,
)
from slimcodec.codecs.toderici.config import STRIDE, TodericiConfig, last_hidden
from slimcodec.codecs.toderici.prior import Coding, Exchange, Known, Place
from slimcodec.errors import ModelFileError, StreamError
from slimcodec.images import pad_to_multiple, to_planes
from slimcodec.stream import (
    Stream,
    SymbolDecoder,
    SymbolEncoder,
    cut,
    least_bits,
    pack,
    unpack,
)
from slimcodec.types import Clock, Image, Region, check_image, codec_line, no_clock

__all__ = ["TodericiCodec"]

Graph: TypeAlias = Callable[..., Any]
"""Arrays in; one array, or a tuple of them, out."""


class TodericiCodec:
    """A recurrent model as a progressive codec; a quality is a number of iterations.

    Args:
        config: the network's shape.
        graphs: ``encoder`` (residual [1, 3, h, w], *state) -> (features, *state); ``binarizer``
            (features, iteration) -> code ±1, 0 where a bit is not written, [1, n, h/16, w/16];
            ``decoder`` (code, iteration, *state) -> (output [1, 3, h, w], *state); ``filter``,
            where the config has one, (picture [1, 3, h, w], hidden state of the last ConvLSTM) ->
            picture. Iterations are int64 scalars from 0.
        coding: the bit model in integers, and the tables that it chooses from.
        name: for tables and plots.
        digest: of the model file.
        model_bytes: size of the model file.
    """

    def __init__(
        self,
        config: TodericiConfig,
        graphs: Mapping[str, Graph],
        coding: Coding,
        *,
        name: str,
        digest: str,
        model_bytes: int,
    ) -> None:
        self.config, self.graphs = config, graphs
        self.prior, self.tables = coding.prior, coding.tables
        self.name, self.digest, self.model_bytes = name, digest, model_bytes
        self.stream_id = coding.stream_id
        self.qualities = config.qualities
        self.default_quality = float(min(config.default_iterations, config.iterations))
        self._sight = Sight(STRIDE, config.halo, config.bytes_per_pixel)

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
        """One image to one stream of ``quality`` iterations; see ``types.Tiled``."""
        check_image(image)
        height, width, _ = image.shape
        count = self._iterations(quality)
        need = self._sight.need(self._whole(height, width), self._position_bytes(count))
        left = check_encodable(image, self.name, need, memory)
        with saying_memory(self.name):
            codes = self.transform(image, count, left, clock)
            return self.code(codes, height, width, clock)

    def memory_needed(self, height: int, width: int) -> int:
        """See ``types.Tiled``; of all iterations."""
        bits = self._position_bytes(self.config.iterations)
        return self._sight.usual(self._whole(height, width), bits)

    def transform(
        self, image: Image, count: int, memory: int | None = None, clock: Clock = no_clock
    ) -> NDArray[np.int8]:
        """An image to the bits of so many iterations, window by window: ±1, or 0 where one is not
        written, [count, n, h/16, w/16].

        Raises:
            ModelFileError: when a network gives others.
        """
        whole = self._whole(*image.shape[:2])
        codes = np.empty((count, self.config.bits, *whole.size), np.int8)
        for window in self._sight.windows(whole, memory):
            seen = self._sight.grown(window, whole)
            own = window.seen_from(seen).slices
            pixels = image[seen.times(STRIDE).slices]
            for number, code in enumerate(self._iterate(pixels, count, clock)):
                codes[number, :, *window.slices] = code[0, :, *own]
        return codes

    def code(
        self, codes: NDArray[np.int8], height: int, width: int, clock: Clock = no_clock
    ) -> bytes:
        """Bits of an image of that size to its stream, each tile by itself."""
        side = tile_of(height, width)
        tiles = grid(self._whole(height, width), side)

        def coded(tile: Box) -> list[bytes]:
            known = self.prior.start(*tile.size)
            sections = []
            for number, code in enumerate(codes):
                with clock("entropy", number + 1):
                    rows = code[:, *tile.slices].reshape(self.config.bits, -1).T
                    bits = np.ascontiguousarray(rows).astype(np.int32)
                    coder = SymbolEncoder()
                    _, known = self.prior.iterate(number, known, self._writer(coder, bits))
                    sections.append(coder.finish())
            return sections

        of_tiles = side_by_side(coded, tiles, clock)
        sections = tuple(section for step in zip(*of_tiles, strict=True) for section in step)
        written = Stream(
            self.stream_id,
            height,
            width,
            0,
            sections,
            progressive=True,
            tile=side,
            tiles=len(tiles),
        )
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
        """One stream to one image, of all its iterations, or a part of it; see ``types.Tiled``.
        With ``partial``, a tile that lacks an iteration stays as it was before it."""
        header = self._header(stream, partial)
        if region is None:
            region = Region(0, 0, header.width, header.height)
        check_region(region, header.height, header.width)
        need = self._sight.need(
            self._whole(region.height, region.width), self._position_bytes(header.steps)
        )
        left = check_decodable(region.height, region.width, self.name, need, memory)
        with saying_memory(self.name):
            return self._decode(header, region, left, clock)

    def _iterate(self, image: Image, count: int, clock: Clock) -> Iterator[Floats]:
        """The codes of a window, [1, n, h/16, w/16], one iteration after another."""
        code = np.empty(0, np.float32)
        encoder_state: tuple[Floats, ...] = ()
        decoder_state: tuple[Floats, ...] = ()
        with clock("encoder", 1):
            residual = to_planes(pad_to_multiple(image, STRIDE, STRIDE))
            residual -= np.float32(0.5)
        places = tuple(side // STRIDE for side in residual.shape[2:])
        for number in range(count):
            if number:
                # What the last iteration wrote is taken off only now: after the last of all,
                # nobody would look at what is left.
                with clock("decoder", number + 1):
                    last = np.array(number - 1, np.int64)
                    output, *rest = self.graphs["decoder"](code, last, *decoder_state)
                    check_made(output, residual.shape, "decoder")
                    decoder_state = tuple(rest)
                    residual = residual - output
            with clock("encoder", number + 1):
                features, *rest = self.graphs["encoder"](residual, *encoder_state)
                encoder_state = tuple(rest)
            with clock("binarizer", number + 1):
                code = self.graphs["binarizer"](features, np.array(number, np.int64))
                check_made(code, (1, self.config.bits, *places), "binarizer")
                places_last = code.transpose(0, 2, 3, 1)
                if (np.abs(places_last) != self.prior.sent(places_last)).any():
                    raise ModelFileError(
                        f"{self.name} gives codes that are not -1 or +1; the model is damaged, or "
                        "its linear path has no place for every bit"
                    )
            yield code

    def _decode(self, header: Stream, region: Region, memory: int | None, clock: Clock) -> Image:
        whole = self._whole(header.height, header.width)
        canvas = Canvas(region, whole, STRIDE)
        around = self._sight.grown(canvas.positions, whole)
        tiles = grid(whole, header.tile)
        codes = np.zeros((header.steps, self.config.bits, *around.size), np.int8)

        def read(number: int) -> None:
            common = tiles[number].within(around)
            place, own = common.seen_from(around).slices, common.seen_from(tiles[number]).slices
            for step, bits in enumerate(self._read(header, number, tiles[number], clock)):
                codes[step, :, *place] = bits[own].transpose(2, 0, 1)

        side_by_side(read, touching(around, tiles), clock)
        short = {
            tile: steps
            for number, tile in enumerate(tiles)
            if (steps := _whole_steps(header, number)) < header.steps
        }
        there = [tiles[number] for number in header.there]
        for window in self._sight.windows(canvas.positions, memory):
            if header.missing and not touching(window, there):
                continue
            seen = self._sight.grown(window, whole)
            own = np.ascontiguousarray(codes[:, :, *seen.seen_from(around).slices])
            picture = self._pictured(own, seen, short, clock)
            with clock("decoder"):
                canvas.lay(picture, window, seen)
        for tile, steps in short.items():
            if not steps:
                canvas.leave_out(tile)
        return canvas.picture

    def _pictured(
        self, codes: NDArray[np.int8], seen: Box, short: Mapping[Box, int], clock: Clock
    ) -> Floats:
        """A window's codes, [iterations, n, h, w], to its picture, [1, 3, 16h, 16w].

        Args:
            codes: of what is seen.
            seen: where that is.
            short: tiles that stay as they are after so many iterations.
        """
        picture = np.full((1, 3, *(STRIDE * side for side in seen.size)), 0.5, np.float32)
        state: tuple[Floats, ...] = ()
        stayed: list[tuple[tuple[slice, slice], Floats]] = []
        for number, bits in enumerate(codes):
            for tile, steps in short.items():
                if steps == number and all(tile.within(seen).size):
                    place = tile.within(seen).seen_from(seen).times(STRIDE).slices
                    stayed.append((place, picture[:, :, *place].copy()))
            with clock("decoder", number + 1):
                code = bits[None].astype(np.float32)
                output, *rest = self.graphs["decoder"](code, np.array(number, np.int64), *state)
                check_made(output, picture.shape, "decoder")
                state = tuple(rest)
                picture += output
        for place, before in stayed:
            picture[:, :, *place] = before
        if self.config.filter_width:
            with clock("filter"):
                filtered: Floats = self.graphs["filter"](picture, last_hidden(state))
                check_made(filtered, picture.shape, "filter")
                return filtered
        return picture

    def cut(self, stream: bytes, quality: float) -> bytes:
        """The stream of fewer iterations; see ``types.Progressive``. One with holes keeps those."""
        self._header(stream, partial=True)
        return cut(stream, self._iterations(quality))

    def read(self, stream: bytes) -> NDArray[np.int8]:
        """The bits of a stream, ±1 or, where one is not written, 0: [iterations, h/16, w/16, n];
        every check made."""
        header = self._header(stream)
        whole = self._whole(header.height, header.width)
        codes = np.empty((header.steps, *whole.size, self.config.bits), np.int8)
        for number, tile in enumerate(grid(whole, header.tile)):
            for step, bits in enumerate(self._read(header, number, tile, no_clock)):
                codes[step, *tile.slices] = bits
        return codes

    def _read(
        self, header: Stream, number: int, tile: Box, clock: Clock
    ) -> Iterator[NDArray[np.int8]]:
        """The bits of a tile, [h, w, n], one iteration after another, as far as there are any."""
        known = self.prior.start(*tile.size)
        for step in range(_whole_steps(header, number)):
            with clock("entropy", step + 1):
                section = header.sections[step * header.tiles + number]
                bits, known = self._read_section(step, section, known)
            yield bits

    def _header(self, stream: bytes, partial: bool = False) -> Stream:
        """
        Raises:
            StreamError: when the stream is damaged or foreign.
            WrongModelError: when another model wrote it.
        """
        header = unpack(stream, partial=partial)
        check_header(header, self.stream_id, self.name)
        if not header.progressive:
            raise StreamError(
                f"the stream is damaged: it is not progressive, as all of {self.name}'s are"
            )
        if header.quality:
            raise StreamError(
                f"the stream is damaged: quality {header.quality}, where {self.name} writes 0"
            )
        if header.steps > self.config.iterations:
            raise StreamError(
                f"the stream is damaged: {header.steps} iterations, {self.name} writes at "
                f"most {self.config.iterations}"
            )
        tiles = claimed_tiles(header, self._whole(header.height, header.width), self.name)
        check_payload(header, self._least_bits([tiles[number] for number in header.there]))
        return header

    def _least_bits(self, tiles: Sequence[Box]) -> float:
        """What tiles' first iterations take at the least: at every second place, their first bits
        are coded before anything is known, by the same tables everywhere."""
        first = float(least_bits(self.tables).take(self.prior.opening).sum())
        return first * sum(-(-down * across // 2) for down, across in (t.size for t in tiles))

    def _position_bytes(self, count: int) -> float:
        """Memory for a position of a whole picture: its pixels twice, and so many iterations'
        bits."""
        return 6.0 * STRIDE**2 + self.config.bits * count

    def _read_section(
        self, number: int, section: bytes, known: Known
    ) -> tuple[NDArray[np.int8], Known]:
        coder = SymbolDecoder(section)

        def take(tables: NDArray[np.int16], place: Place) -> NDArray[np.int32]:
            bits = coder.take(tables, self.tables)
            if (np.abs(bits) != 1).any():
                raise StreamError("the stream is damaged: it holds a symbol that is no bit")
            return bits

        read = self.prior.iterate(number, known, take)
        coder.finish()
        return read

    def _writer(self, coder: SymbolEncoder, bits: NDArray[np.int32]) -> Exchange:
        def give(tables: NDArray[np.int16], place: Place) -> NDArray[np.int32]:
            own = bits[place]
            coder.put(own, tables, self.tables)
            return own

        return give

    def _iterations(self, quality: float | None) -> int:
        quality = self.default_quality if quality is None else quality
        self.config.check_quality(quality, self.name)
        return int(quality)

    @staticmethod
    def _whole(height: int, width: int) -> Box:
        """All code positions of an image."""
        return Box(0, 0, -(-height // STRIDE), -(-width // STRIDE))


def _whole_steps(header: Stream, tile: int) -> int:
    """Iterations of a tile before the first that is missing."""
    sections = range(tile, len(header.sections), header.tiles)
    return next((n for n, at in enumerate(sections) if at in header.missing), len(sections))
