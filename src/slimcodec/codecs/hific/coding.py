"""HiFiC between an image and a stream, in numpy, as in the paper's flow chart.

    encode   image ─► pad ─► encoder ─► y ─► hyper-analysis ─► round ─► ẑ ──────────► entropy coder
                                        │                                ├► tables ─►      │
                                        └──► gain ─► subtract mean ─► round ─► symbols ─►  │
    decode   the same stages, read backwards

The parts arrive as callables over float32 arrays [1, c, h, w], so the same glue runs on any
runtime. What decides a table index is the integer prior and nothing else; the mean net is a float
part, because a symbol is what is left after the mean: another runtime's last bits move a pixel's
last digit, never a table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.checks import check_decodable, check_encodable
from slimcodec.codecs.family import Floats
from slimcodec.codecs.hific.config import HificConfig
from slimcodec.codecs.hific.integer_context import Guess, IntegerContext, Units, Walk
from slimcodec.codecs.hific.prior import IntegerPrior, grid_from_arrays
from slimcodec.errors import StreamError, UsageError
from slimcodec.images import crop, pad_to_multiple
from slimcodec.stream import Stream, SymbolDecoder, SymbolEncoder, Tables, pack, unpack
from slimcodec.stream.tables import TOTAL
from slimcodec.types import Clock, Image, no_clock

__all__ = ["QUALITY_STEPS", "Frozen", "HificCodec", "Latents", "gain_at"]

Part = Callable[[Floats], Floats]

QUALITY_STEPS = 8
"""Qualities between two trained ones; a stream carries its quality as an integer of these."""
_HYPER_STRIDE = 4
_SMALLEST_LATENTS = 8
"""Reflection padding inside the hyper-analysis needs this many latents on a side."""


@dataclass(frozen=True)
class Frozen:
    """What freezing adds to the weights: everything integer, and the gains.

    Attributes:
        prior: the scale net in integers.
        latent_tables: one table per scale.
        hyper_tables: one table per hyper-latent channel.
        log_gain: float32 [q, m], before rounding.
        log_degain: float32 [q, m], after.
        interface: bytes of whatever else decides what symbols mean (what makes the means).
    """

    prior: IntegerPrior
    latent_tables: Tables
    hyper_tables: Tables
    log_gain: Floats
    log_degain: Floats
    interface: bytes
    context: IntegerContext | None = None

    @classmethod
    def from_arrays(
        cls,
        weights: Mapping[str, NDArray[np.float32]],
        arrays: Mapping[str, NDArray[np.generic]],
    ) -> Frozen:
        """Put together from a model file's weights and frozen arrays."""
        layers = [f"probability.scale.layers.{i}" for i in range(3)]
        prior = IntegerPrior(
            [weights[f"{layer}.weight"] for layer in layers],
            [weights[f"{layer}.bias"] for layer in layers],
            grid_from_arrays(arrays),
        )
        prefix = "probability.context."
        own = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
        context = IntegerContext(own, Units.from_arrays(arrays)) if own else None
        means = sorted(name for name in weights if name.startswith("probability.mean."))
        means.append("probability.latent_scale")
        return cls(
            prior,
            Tables.from_arrays(arrays, "latent_tables"),
            Tables.from_arrays(arrays, "hyper_tables"),
            weights["log_gain"],
            weights["log_degain"],
            b"".join(weights[name].astype("<f4").tobytes() for name in means),
            context,
        )

    def walk(self, z_hat: NDArray[np.int32], height: int, width: int, step: int) -> Walk:
        """Guesses at latents [m, height, width] in the order in which they are coded."""
        if self.context is None:
            return self._at_once(z_hat, height, width, step)
        accumulators = self.prior.accumulate(z_hat)[:height, :width]
        assert self.prior.grid is not None
        return self.context.walk(self.prior.grid.places(accumulators, step, QUALITY_STEPS))

    def _at_once(self, z_hat: NDArray[np.int32], height: int, width: int, step: int) -> Walk:
        return (yield Guess(self.prior.table_indexes(z_hat, height, width, step, QUALITY_STEPS)))

    def stream_id(self) -> bytes:
        """Digest of everything that a stream's meaning depends on, 8 bytes."""
        digest = hashlib.sha256(b"hific/1")
        digest.update(self.prior.to_bytes())
        for tables in (self.latent_tables, self.hyper_tables):
            digest.update(tables.centres.astype("<i4").tobytes())
            digest.update(tables.reaches.astype("<i4").tobytes())
            digest.update(tables.frequencies.astype("<u4").tobytes())
        digest.update(self.log_gain.astype("<f4").tobytes())
        digest.update(self.log_degain.astype("<f4").tobytes())
        digest.update(self.interface)
        if self.context is not None:
            digest.update(self.context.to_bytes())
        return digest.digest()[:8]


@dataclass(frozen=True)
class Latents:
    """What a stream says, before the generator.

    Attributes:
        symbols: int32 [m, h, w].
        hyper_latents: int32 [n, h/4, w/4].
        coded: for each group, what is coded of its symbols (int32) and by which tables (int16).
    """

    symbols: NDArray[np.int32]
    hyper_latents: NDArray[np.int32]
    coded: tuple[tuple[NDArray[np.int32], NDArray[np.int16]], ...]


class HificCodec:
    """A HiFiC model as a codec.

    Args:
        config: the network's shape.
        parts: ``encoder`` image -> y, ``hyper_analysis`` y -> z, ``hyper_mean`` ẑ -> means,
            ``generator`` ŷ -> image; arrays float32 [1, c, h, w], images in [0, 1].
        frozen: integers and gains of the model file.
        name: for tables and plots.
        digest: of the model file.
        model_bytes: size of the model file.
    """

    def __init__(
        self,
        config: HificConfig,
        parts: Mapping[str, Part],
        frozen: Frozen,
        *,
        name: str,
        digest: str,
        model_bytes: int,
    ) -> None:
        self.config, self.parts, self.frozen = config, parts, frozen
        self.name, self.digest, self.model_bytes = name, digest, model_bytes
        self.stream_id = frozen.stream_id()
        self._bits = _bits_of_symbols(frozen.latent_tables)
        self.qualities = config.qualities
        self.default_quality = self.qualities[len(self.qualities) // 2]

    def encode(
        self, image: Image, quality: float | None = None, *, clock: Clock = no_clock
    ) -> bytes:
        """One image to one stream; see ``types.Codec``."""
        check_encodable(image, self.name, self.config.bytes_per_pixel)
        height, width, _ = image.shape
        step = self._quality_step(quality)
        latents = self.analyse(image, step, clock)
        with clock("entropy"):
            encoder = SymbolEncoder()
            encoder.put(
                latents.hyper_latents,
                self._channels(latents.hyper_latents.shape),
                self.frozen.hyper_tables,
            )
            for symbols, tables in latents.coded:
                encoder.put(symbols, tables, self.frozen.latent_tables)
            return pack(Stream(self.stream_id, height, width, step, (encoder.finish(),)))

    def decode(self, stream: bytes, *, clock: Clock = no_clock) -> Image:
        """One stream to one image; see ``types.Codec``."""
        header, latents = self.read(stream, clock)
        return self.synthesise(latents, header, clock)

    def analyse(self, image: Image, step: int, clock: Clock = no_clock) -> Latents:
        """Transforms and rounding: an image to the integers that will be coded."""
        with clock("encoder"):
            padded = pad_to_multiple(image, self.config.stride, 2 * self.config.stride)
            x = padded.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)
            y = self.parts["encoder"](x)
        with clock("prior"):
            around = pad_to_multiple(y[0].transpose(1, 2, 0), _HYPER_STRIDE, _SMALLEST_LATENTS)
            z = self.parts["hyper_analysis"](np.ascontiguousarray(around.transpose(2, 0, 1))[None])
            z_hat = np.rint(z[0]).astype(np.int32)
            gain = gain_at(self.frozen.log_gain, step)
            centred = (y[0] - self._means(z_hat, y.shape[2:])) * gain
            coded = []

            def choose(guess: Guess) -> NDArray[np.int32]:
                coded.append((self._round(guess.coded(centred), guess.tables), guess.tables))
                return coded[-1][0]

            walk = self.frozen.walk(z_hat, centred.shape[1], centred.shape[2], step)
            symbols = _walked(walk, choose)
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
            raise StreamError("the stream is damaged: a HiFiC stream is not progressive")
        if len(header.sections) != 1:
            raise StreamError(f"a HiFiC stream has one section, this has {len(header.sections)}")
        if header.quality > QUALITY_STEPS * (len(self.qualities) - 1):
            raise StreamError(f"the stream is damaged: quality step {header.quality}")
        hyper_shape, shape = self._shapes(header.height, header.width)
        with clock("entropy"):
            decoder = SymbolDecoder(header.sections[0])
            z_hat = decoder.take(self._channels(hyper_shape), self.frozen.hyper_tables)
        coded = []

        def take(guess: Guess) -> NDArray[np.int32]:
            with clock("entropy"):
                symbols = decoder.take(guess.tables, self.frozen.latent_tables)
            coded.append((symbols, guess.tables))
            return symbols

        with clock("prior"):
            walk = self.frozen.walk(z_hat, shape[1], shape[2], header.quality)
        symbols = _walked(walk, take, clock)
        with clock("entropy"):
            decoder.finish()
        return header, Latents(symbols, z_hat, tuple(coded))

    def synthesise(self, latents: Latents, header: Stream, clock: Clock = no_clock) -> Image:
        """Integers to pixels."""
        with clock("prior"):
            means = self._means(latents.hyper_latents, latents.symbols.shape[1:])
            gain = gain_at(self.frozen.log_gain, header.quality)
            degain = gain_at(self.frozen.log_degain, header.quality)
            y_hat = (latents.symbols.astype(np.float32) + means * gain) * degain
        with clock("generator"):
            x = self.parts["generator"](y_hat[None])[0]
            pixels = np.rint(np.clip(x, 0, 1) * np.float32(255)).astype(np.uint8)
            image = crop(pixels.transpose(1, 2, 0), header.height, header.width)
            return np.ascontiguousarray(image)

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
            towards_zero = nearest - np.sign(nearest)
            saved = self._bits[tables, _known(nearest)] - self._bits[tables, _known(towards_zero)]
            moved = (centred - towards_zero) ** 2 - (centred - nearest) ** 2
            nearest = np.where(moved < self.config.rate_weight * saved, towards_zero, nearest)
        return nearest.astype(np.int32)

    def _means(self, z_hat: NDArray[np.int32], size: tuple[int, ...]) -> Floats:
        means = self.parts["hyper_mean"](z_hat[None].astype(np.float32))[0]
        wanted: Floats = means[:, : size[0], : size[1]]
        return wanted

    @staticmethod
    def _channels(shape: tuple[int, ...]) -> NDArray[np.int16]:
        """The table number of each hyper-latent: its channel."""
        return np.broadcast_to(np.arange(shape[0], dtype=np.int16)[:, None, None], shape)

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
    walk: Walk, exchange: Callable[[Guess], NDArray[np.int32]], clock: Clock = no_clock
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


_FARTHEST = 64
"""The symbol on either side from which on bits are not told apart: beyond, nothing is gained."""


def _known(symbols: Floats) -> NDArray[np.intp]:
    """Columns of ``_bits_of_symbols``."""
    return np.clip(symbols + _FARTHEST, 0, 2 * _FARTHEST).astype(np.intp)


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
