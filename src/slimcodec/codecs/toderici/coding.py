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

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.checks import (
    check_decodable,
    check_encodable,
    check_made,
    check_payload,
    check_written,
    saying_memory,
)
from slimcodec.codecs.family import Floats
from slimcodec.codecs.toderici.config import STRIDE, TodericiConfig, last_hidden
from slimcodec.codecs.toderici.prior import Coding, Exchange, Known, Place
from slimcodec.errors import ModelFileError, StreamError
from slimcodec.images import from_planes, pad_to_multiple, to_planes
from slimcodec.stream import (
    Stream,
    SymbolDecoder,
    SymbolEncoder,
    cut,
    least_bits,
    pack,
    unpack,
)
from slimcodec.types import Clock, Image, no_clock

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

    def encode(
        self, image: Image, quality: float | None = None, *, clock: Clock = no_clock
    ) -> bytes:
        """One image to one stream of ``quality`` iterations; see ``types.Codec``."""
        check_encodable(image, self.name, self.config.bytes_per_pixel)
        count = self._iterations(quality)
        with saying_memory(self.name):
            return self._encode(image, count, clock)

    def _encode(self, image: Image, count: int, clock: Clock) -> bytes:
        height, width, _ = image.shape
        sections: list[bytes] = []
        code = np.empty(0, np.float32)
        encoder_state: tuple[Floats, ...] = ()
        decoder_state: tuple[Floats, ...] = ()
        with clock("encoder", 1):
            padded = pad_to_multiple(image, STRIDE, STRIDE)
            residual = to_planes(padded)
            residual -= np.float32(0.5)
            known = self.prior.start(*self._grid(height, width))
        for number in range(count):
            iteration = np.array(number, np.int64)
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
                code = self.graphs["binarizer"](features, iteration)
                check_made(code, (1, self.config.bits, *self._grid(height, width)), "binarizer")
            with clock("entropy", number + 1):
                coder = SymbolEncoder()
                rows = code[0].reshape(code.shape[1], -1).T
                bits = np.ascontiguousarray(rows).astype(np.int32)
                if (np.abs(bits) != self.prior.sent(bits)).any():
                    raise ModelFileError(
                        f"{self.name} gives codes that are not -1 or +1; the model is damaged, or "
                        "its linear path has no place for every bit"
                    )
                _, known = self.prior.iterate(number, known, self._writer(coder, bits))
                sections.append(coder.finish())
        written = Stream(self.stream_id, height, width, 0, tuple(sections), progressive=True)
        check_written(written, self._least_bits(height, width))
        return pack(written)

    def decode(self, stream: bytes, *, clock: Clock = no_clock) -> Image:
        """One stream to one image, of all its iterations; see ``types.Codec``."""
        header = self._header(stream)
        with saying_memory(self.name):
            return self._decode(header, clock)

    def _decode(self, header: Stream, clock: Clock) -> Image:
        height, width = self._grid(header.height, header.width)
        known = self.prior.start(height, width)
        picture = np.full((1, 3, STRIDE * height, STRIDE * width), 0.5, np.float32)
        state: tuple[Floats, ...] = ()
        for number, section in enumerate(header.sections):
            with clock("entropy", number + 1):
                bits, known = self._read_section(number, section, known)
            with clock("decoder", number + 1):
                code = np.ascontiguousarray(bits.transpose(2, 0, 1)[None], dtype=np.float32)
                output, *rest = self.graphs["decoder"](code, np.array(number, np.int64), *state)
                check_made(output, picture.shape, "decoder")
                state = tuple(rest)
                picture += output
        if self.config.filter_width:
            with clock("filter"):
                filtered = self.graphs["filter"](picture, last_hidden(state))
                check_made(filtered, picture.shape, "filter")
                picture = filtered
        with clock("decoder"):
            return from_planes(picture, header.height, header.width)

    def cut(self, stream: bytes, quality: float) -> bytes:
        """The stream of fewer iterations; see ``types.Progressive``."""
        self._header(stream)
        return cut(stream, self._iterations(quality))

    def read(self, stream: bytes) -> NDArray[np.int8]:
        """The bits of a stream, ±1 or, where one is not written, 0: [iterations, h/16, w/16, n];
        every check made."""
        header = self._header(stream)
        known = self.prior.start(*self._grid(header.height, header.width))
        codes = []
        for number, section in enumerate(header.sections):
            bits, known = self._read_section(number, section, known)
            codes.append(bits)
        return np.stack(codes)

    def _header(self, stream: bytes) -> Stream:
        """
        Raises:
            StreamError: when the stream is damaged or foreign.
            WrongModelError: when another model wrote it.
        """
        header = unpack(stream)
        check_decodable(header, self.stream_id, self.name, self.config.bytes_per_pixel)
        if not header.progressive:
            raise StreamError(
                f"the stream is damaged: it is not progressive, as all of {self.name}'s are"
            )
        if header.quality:
            raise StreamError(
                f"the stream is damaged: quality {header.quality}, where {self.name} writes 0"
            )
        if len(header.sections) > self.config.iterations:
            raise StreamError(
                f"the stream is damaged: {len(header.sections)} iterations, {self.name} writes at "
                f"most {self.config.iterations}"
            )
        check_payload(header, self._least_bits(header.height, header.width))
        return header

    def _least_bits(self, height: int, width: int) -> float:
        """What such an image's first iteration takes at the least: at every second place, its first
        bits are coded before anything is known, by the same tables everywhere."""
        down, across = self._grid(height, width)
        first = float(least_bits(self.tables).take(self.prior.opening).sum())
        return -(-down * across // 2) * first

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
    def _grid(height: int, width: int) -> tuple[int, int]:
        """Code positions of an image, down and across."""
        return -(-height // STRIDE), -(-width // STRIDE)
