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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

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
from slimcodec.codecs.latents.coding import Coding
from slimcodec.codecs.latents.config import LatentsConfig
from slimcodec.codecs.latents.prior import Guess, GuessWalk
from slimcodec.codecs.latents.rounding import Rounding, rounded
from slimcodec.errors import StreamError, UsageError
from slimcodec.images import from_planes, pad_to_multiple, to_planes
from slimcodec.stream import (
    Stream,
    SymbolDecoder,
    SymbolEncoder,
    least_bits,
    pack,
    unpack,
)
from slimcodec.types import Clock, Image, codec_line, no_clock

__all__ = ["QUALITY_STEPS", "Latents", "MeanScaleCodec", "PreparedImage", "gain_at"]

Graph = Callable[[Floats], Floats]

QUALITY_STEPS = 8
"""Qualities between two trained ones; a stream carries its quality as an integer of these."""
_HYPER_STRIDE = 4
_SMALLEST_LATENTS = 8
"""Reflection padding inside the hyper-analysis needs this many latents on a side."""


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
class PreparedImage:
    """An image behind the transforms, to be coded at any quality; see ``types.Prepared``.

    Attributes:
        codec: whose transforms.
        height: rows of the image.
        width: columns of the image.
        centred: latents less their means, before any gain, float32 [m, h, w].
        hyper_latents: int32 [n, h/4, w/4].
    """

    codec: MeanScaleCodec
    height: int
    width: int
    centred: Floats
    hyper_latents: NDArray[np.int32]

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

    def __repr__(self) -> str:
        return codec_line(self)

    def encode(
        self, image: Image, quality: float | None = None, *, clock: Clock = no_clock
    ) -> bytes:
        """One image to one stream; see ``types.Codec``."""
        check_encodable(image, self.name, self.config.bytes_per_pixel)
        step = self._quality_step(quality)
        with saying_memory(self.name):
            prepared = self._transformed(image, clock)
            return self._written(prepared, step, self.rate_weight, clock)

    def prepare(self, image: Image, *, clock: Clock = no_clock) -> PreparedImage:
        """Transforms, once for any number of qualities; see ``types.Adjustable``."""
        check_encodable(image, self.name, self.config.bytes_per_pixel)
        with saying_memory(self.name):
            return self._transformed(image, clock)

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

    def decode(self, stream: bytes, *, clock: Clock = no_clock) -> Image:
        """One stream to one image; see ``types.Codec``."""
        with saying_memory(self.name):
            header, latents = self.read(stream, clock)
            return self.synthesise(latents, header, clock)

    def analyse(self, image: Image, step: int, clock: Clock = no_clock) -> Latents:
        """Transforms and rounding: an image to the integers that will be coded."""
        return self._rounded(self._transformed(image, clock), step, self.rate_weight, clock)

    def _transformed(self, image: Image, clock: Clock) -> PreparedImage:
        height, width, _ = image.shape
        with clock("encoder"):
            padded = pad_to_multiple(image, self.config.stride, 2 * self.config.stride)
            y = self.graphs["encoder"](to_planes(padded))
            sides = (side // self.config.stride for side in padded.shape[:2])
            check_made(y, (1, self.config.latent_channels, *sides), "encoder")
        with clock("prior"):
            around = pad_to_multiple(y[0].transpose(1, 2, 0), _HYPER_STRIDE, _SMALLEST_LATENTS)
            z = self.graphs["hyper_analysis"](np.ascontiguousarray(around.transpose(2, 0, 1))[None])
            sides = (side // _HYPER_STRIDE for side in around.shape[:2])
            check_made(z, (1, self.config.hyper_channels, *sides), "hyper_analysis")
            z_hat = np.rint(z[0]).astype(np.int32)
            centred = y[0] - self._means(z_hat, y.shape[2:])
        return PreparedImage(self, height, width, centred, z_hat)

    def _rounded(
        self, prepared: PreparedImage, step: int, rate_weight: float, clock: Clock
    ) -> Latents:
        with clock("prior"):
            gain = gain_at(self.coding.log_gain, step)
            centred = _in_rows(prepared.centred * gain)
            least = self._rounding.least(rate_weight)
            coded = []

            def choose(guess: Guess) -> NDArray[np.int32]:
                symbols = rounded(guess.coded(centred), guess.tables, least)
                coded.append((symbols, guess.tables))
                return symbols

            z_hat, (_, down, across) = prepared.hyper_latents, prepared.centred.shape
            walk = self.coding.prior.walk(z_hat, (down, across), step, QUALITY_STEPS)
            symbols = _in_planes(_walked(walk, choose), (down, across))
        return Latents(symbols, z_hat, tuple(coded))

    def _written(
        self, prepared: PreparedImage, step: int, rate_weight: float, clock: Clock
    ) -> bytes:
        latents = self._rounded(prepared, step, rate_weight, clock)
        with clock("entropy"):
            encoder = SymbolEncoder()
            encoder.put(
                latents.hyper_latents,
                self._channels(latents.hyper_latents.shape),
                self.coding.hyper_tables,
            )
            for symbols, tables in latents.coded:
                encoder.put(symbols, tables, self.coding.latent_tables)
            height, width = prepared.height, prepared.width
            written = Stream(self.stream_id, height, width, step, (encoder.finish(),))
            check_written(written, self._least_bits(height, width))
            return pack(written)

    def read(self, stream: bytes, clock: Clock = no_clock) -> tuple[Stream, Latents]:
        """The integers of a stream, every check made.

        Raises:
            StreamError: when the stream is damaged or foreign.
            WrongModelError: when another model wrote it.
        """
        header = unpack(stream)
        check_decodable(header, self.stream_id, self.name, self.config.bytes_per_pixel)
        if header.progressive:
            raise StreamError(
                f"the stream is damaged: the streams of {self.name} are not progressive"
            )
        if len(header.sections) != 1:
            raise StreamError(
                f"a stream of {self.name} has one section, this has {len(header.sections)}"
            )
        if header.quality > QUALITY_STEPS * (len(self.qualities) - 1):
            raise StreamError(f"the stream is damaged: quality step {header.quality}")
        hyper_shape, shape = self._shapes(header.height, header.width)
        check_payload(header, self._least_bits(header.height, header.width))
        with clock("entropy"):
            decoder = SymbolDecoder(header.sections[0])
            z_hat = decoder.take(self._channels(hyper_shape), self.coding.hyper_tables)
        coded = []

        def take(guess: Guess) -> NDArray[np.int32]:
            with clock("entropy"):
                symbols = decoder.take(guess.tables, self.coding.latent_tables)
            coded.append((symbols, guess.tables))
            return symbols

        with clock("prior"):
            walk = self.coding.prior.walk(z_hat, shape[1:], header.quality, QUALITY_STEPS)
        symbols = _in_planes(_walked(walk, take, clock), shape[1:])
        with clock("entropy"):
            decoder.finish()
        return header, Latents(symbols, z_hat, tuple(coded))

    def synthesise(self, latents: Latents, header: Stream, clock: Clock = no_clock) -> Image:
        """Integers to pixels."""
        with clock("prior"):
            means = self._means(latents.hyper_latents, latents.symbols.shape[1:])
            gain = gain_at(self.coding.log_gain, header.quality)
            degain = gain_at(self.coding.log_degain, header.quality)
            y_hat = (latents.symbols.astype(np.float32) + means * gain) * degain
        with clock("generator"):
            picture = self.graphs["generator"](y_hat[None])
            sides = (side * self.config.stride for side in y_hat.shape[1:])
            check_made(picture, (1, 3, *sides), "generator")
            return from_planes(picture, header.height, header.width)

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

    def _least_bits(self, height: int, width: int) -> float:
        """What hyper-latents of such an image take at the least; latents may take all but none."""
        (_, down, across), _ = self._shapes(height, width)
        return down * across * float(least_bits(self.coding.hyper_tables).sum())

    def _shapes(self, height: int, width: int) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """Of hyper-latents and latents, for an image."""
        latents = [max(-(-side // self.config.stride), 2) for side in (height, width)]
        hyper = [
            max(-(-side // _HYPER_STRIDE) * _HYPER_STRIDE, _SMALLEST_LATENTS) // _HYPER_STRIDE
            for side in latents
        ]
        return (
            (self.config.hyper_channels, hyper[0], hyper[1]),
            (self.config.latent_channels, latents[0], latents[1]),
        )


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
