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
from slimcodec.errors import StreamError
from slimcodec.images import from_planes, pad_to_multiple, to_planes
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
from slimcodec.types import Clock, Image, no_clock

__all__ = ["QUALITY_STEPS", "Latents", "MeanScaleCodec", "gain_at"]

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

    def encode(
        self, image: Image, quality: float | None = None, *, clock: Clock = no_clock
    ) -> bytes:
        """One image to one stream; see ``types.Codec``."""
        check_encodable(image, self.name, self.config.bytes_per_pixel)
        height, width, _ = image.shape
        step = self._quality_step(quality)
        with saying_memory(self.name):
            latents = self.analyse(image, step, clock)
        with saying_memory(self.name), clock("entropy"):
            encoder = SymbolEncoder()
            encoder.put(
                latents.hyper_latents,
                self._channels(latents.hyper_latents.shape),
                self.coding.hyper_tables,
            )
            for symbols, tables in latents.coded:
                encoder.put(symbols, tables, self.coding.latent_tables)
            written = Stream(self.stream_id, height, width, step, (encoder.finish(),))
            check_written(written, self._least_bits(height, width))
            return pack(written)

    def decode(self, stream: bytes, *, clock: Clock = no_clock) -> Image:
        """One stream to one image; see ``types.Codec``."""
        with saying_memory(self.name):
            header, latents = self.read(stream, clock)
            return self.synthesise(latents, header, clock)

    def analyse(self, image: Image, step: int, clock: Clock = no_clock) -> Latents:
        """Transforms and rounding: an image to the integers that will be coded."""
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
            gain = gain_at(self.coding.log_gain, step)
            centred = _in_rows((y[0] - self._means(z_hat, y.shape[2:])) * gain)
            coded = []

            def choose(guess: Guess) -> NDArray[np.int32]:
                coded.append((self._round(guess.coded(centred), guess.tables), guess.tables))
                return coded[-1][0]

            size = y.shape[2], y.shape[3]
            walk = self.coding.prior.walk(z_hat, size, step, QUALITY_STEPS)
            symbols = _in_planes(_walked(walk, choose), size)
        return Latents(symbols, z_hat, tuple(coded))

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
        self.config.check_quality(quality, self.name)
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
