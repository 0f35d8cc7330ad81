"""A stream of CompressAI's command line to its symbols, its latents and its picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from slimcodec.codecs.checks import check_decodable, check_made, check_payload, saying_memory
from slimcodec.codecs.compressai.checkpoint import imported, read_state
from slimcodec.codecs.compressai.config import CompressaiConfig
from slimcodec.codecs.compressai.theirs.container import TheirStream
from slimcodec.codecs.compressai.theirs.ending import read_doubtful, read_sure
from slimcodec.codecs.compressai.theirs.rans import Decoder, Tables
from slimcodec.codecs.compressai.theirs.synthesis import Synthesis, Way, doubtful, picked
from slimcodec.codecs.compressai.theirs.tables import (
    density_tables,
    scale_steps,
    scale_tables,
    stored_tables,
)
from slimcodec.codecs.latents.scales import SCALE_MIN
from slimcodec.codecs.tiles import Box, Canvas, Sight
from slimcodec.errors import CheckpointError, StreamError
from slimcodec.stream import SYMBOL_LIMIT, Stream
from slimcodec.types import Image

__all__ = ["TheirLatents", "read"]

OnProgress = Callable[[int, int], None]

_BYTES_PER_LATENT = 64
"""What symbols, scales in both precisions and means take while they are read, about."""


@dataclass(frozen=True)
class TheirLatents:
    """What a stream holds.

    Attributes:
        config: of the network that wrote it.
        symbols: int32 [m, h, w].
        hyper_latents: int32 [n, h/4, w/4]; of no size without a hyperprior.
        y_hat: float32 [m, h, w], as CompressAI's generator is given it.
    """

    config: CompressaiConfig
    symbols: NDArray[np.int32]
    hyper_latents: NDArray[np.int32]
    y_hat: NDArray[np.float32]


def read(
    stream: TheirStream, path: Path, memory: int | None, on_progress: OnProgress
) -> tuple[TheirLatents, Image, tuple[str, ...]]:
    """All that is in a stream.

    Args:
        stream: parsed.
        path: of the checkpoint that wrote it.
        memory: bytes that may be taken; what there is when not given.
        on_progress: is told how many symbols are read, and of how many.

    Returns:
        The latents; the picture, without its padding, that the checkpoint's own weights make of
        them; and in sentences what was not the usual way.

    Raises:
        CheckpointError: when the file is no such checkpoint, or its tables are damaged.
        StreamError: when the stream is damaged, or another checkpoint or other floats wrote it.
    """
    state = read_state(path)
    network: Any = imported(state, path).network
    config = network.config
    stream.check_architecture(config.architecture)
    if config.structure.hyperprior != stream.hyperprior:
        raise StreamError(
            f"it has {len(stream.strings)} strings, which a stream of {config.architecture} has not"
        )
    reader = _Reader(stream, state, config, on_progress)
    reader.check_memory(memory)
    with saying_memory(path.name):
        try:
            latents = reader.latents()
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {error}") from error
        pixels = _painted(network, latents, stream, memory)
    return latents, pixels, tuple(reader.notes)


class _Reader:
    def __init__(
        self,
        stream: TheirStream,
        state: dict[str, NDArray[np.float32]],
        config: CompressaiConfig,
        on_progress: OnProgress,
    ) -> None:
        self._stream, self._state, self._config = stream, state, config
        self._on_progress, self._done = on_progress, 0
        self.notes: list[str] = []
        down, across = stream.height // config.stride, stream.width // config.stride
        self._shape = (config.latent_channels, down, across)
        self._first = (
            config.hyper_channels if stream.hyperprior else config.latent_channels,
            *stream.shape,
        )
        self._total = int(np.prod(self._shape))
        if stream.hyperprior:
            self._total += int(np.prod(self._first))

    def check_memory(self, memory: int | None) -> None:
        """Memory for all latents, before it is taken."""
        stream, config = self._stream, self._config
        per_pixel = 6 + _BYTES_PER_LATENT * config.latent_channels / config.stride**2
        need = _sight(config).need(_whole(stream, config), per_pixel * config.stride**2)
        check_decodable(stream.height, stream.width, config.architecture, need, memory)

    def latents(self) -> TheirLatents:
        """Of the strings; the last is the first to be read."""
        tables = self._stored("entropy_bottleneck", self._first[0])
        if tables is None:
            tables = density_tables(self._state)
        count = int(np.prod(self._stream.shape))
        self._check_long_enough(count * float(tables.least_bits.sum()))
        channels = np.repeat(np.arange(self._first[0]), count)
        found = read_sure(Decoder(self._stream.strings[-1], tables), channels, self._read_on)
        if found is None:
            what = "hyper-latents" if self._stream.hyperprior else "latents"
            raise StreamError(
                f"its {what} do not end where an encoder with this checkpoint's tables began: it "
                "is damaged, or another checkpoint (or its coder, -c rangecoder) wrote it"
            )
        symbols = _within(found).reshape(self._first)
        median = self._state["entropy_bottleneck.quantiles"][:, 0, 1].reshape(-1, 1, 1)
        z_hat = symbols.astype(np.float32) + median
        if not self._stream.hyperprior:
            nothing = np.zeros((0, 0, 0), np.int32)
            return TheirLatents(self._config, symbols, nothing, z_hat)
        own, way = self._conditional(z_hat)
        latents = _within(own).reshape(self._shape)
        y_hat = latents.astype(np.float32)
        if way.means is not None:
            y_hat += way.means
        return TheirLatents(self._config, latents, symbols, y_hat)

    def _conditional(self, z_hat: NDArray[np.float32]) -> tuple[NDArray[np.int32], Way]:
        """Symbols of y, and the way whose scales lead to the end of their string."""
        steps = scale_steps(self._state)
        least = self._scale_bound()
        tables = self._stored("gaussian_conditional", len(steps)) or scale_tables(steps)
        decoder = Decoder(self._stream.strings[0], tables)
        tried: set[bytes] = set()
        for number, way in enumerate(Synthesis(self._state, self._config.architecture).ways(z_hat)):
            check_made(way.scales.astype(np.float32), self._shape, "h_s")
            chosen = picked(way.scales, steps, least)
            if number == 0:
                self._check_long_enough(float(tables.least_bits[chosen].sum()))
            if (key := chosen.tobytes()) in tried:
                continue
            tried.add(key)
            found = read_sure(decoder, chosen, self._read_on)
            if found is not None:
                if number:
                    self.notes.append(f"its tables are those of scales computed {way.name}")
                return found, way
        doubts = doubtful(way.scales, steps, least)
        ended = read_doubtful(decoder, chosen, doubts, self._read_on)
        if ended is None:
            raise StreamError(
                f"its latents end nowhere an encoder began, with scales computed in {number + 1} "
                f"ways and {len(doubts)} of them beside a step taken either way: it is damaged, or "
                "the floats that picked its tables do not come out here"
            )
        found, changes = ended
        self.notes.append(
            f"its tables are those of scales computed {way.name}, with {changes} of "
            f"{len(chosen):,} on the other side of a step"
        )
        return found, way

    def _scale_bound(self) -> float:
        """What smaller scales are taken for; that it is about the usual was checked."""
        for name in ("lower_bound_scale.bound", "scale_bound"):
            own = self._state.get(f"gaussian_conditional.{name}")
            if own is not None and own.size:
                return float(own.flat[0])
        return SCALE_MIN

    def _stored(self, part: str, count: int) -> Tables | None:
        found = stored_tables(self._state, part, count)
        if found is None:
            self.notes.append(
                f"the checkpoint has no tables of {part}; they were made as its update() makes them"
            )
        return found

    def _check_long_enough(self, least_bits: float) -> None:
        """Strings that can hold what they claim, before it is read."""
        stream = self._stream
        claimed = Stream(b"", stream.height, stream.width, 0, (b"".join(stream.strings),))
        check_payload(claimed, least_bits)

    def _read_on(self, count: int) -> None:
        self._done += count
        # Where a string is read again, nobody knows how often.
        self._on_progress(self._done, max(self._total, self._done))


def _within(symbols: NDArray[np.int32]) -> NDArray[np.int32]:
    """Symbols that streams of ours can hold."""
    most = int(np.abs(symbols).max())
    if most > SYMBOL_LIMIT:
        raise StreamError(f"a symbol of it is {most:,}; no more than {SYMBOL_LIMIT:,} can be kept")
    return symbols


def _whole(stream: TheirStream, config: CompressaiConfig) -> Box:
    return Box(0, 0, stream.height // config.stride, stream.width // config.stride)


def _sight(config: CompressaiConfig) -> Sight:
    return Sight(config.stride, config.decoder_halo, config.bytes_per_pixel)


@torch.no_grad()
def _painted(network: Any, latents: TheirLatents, stream: TheirStream, memory: int | None) -> Image:
    """The picture, window by window."""
    config, whole = latents.config, _whole(stream, latents.config)
    canvas, sight = Canvas(stream.region, whole, config.stride), _sight(config)
    for window in sight.windows(canvas.positions, memory):
        seen = sight.grown(window, whole)
        own = np.ascontiguousarray(latents.y_hat[:, *seen.slices])
        canvas.lay(network.generator(torch.from_numpy(own)[None]).numpy(), window, seen)
    return canvas.picture
