"""The bit model in integers: which table codes each bit (``slimcodec.integers``).

The twin of ``probability.BitModel``. A bit's logit, rounded to quarters and clipped to ±8, is the
number of one of 65 frozen tables. Memory and bits enter as integers too, so nothing that decides a
table has ever been a float.

    known = (memory, bits of the iteration before)
    one iteration: context once, then per group: table numbers ─► exchange ─► bits

Of a group, bits that are always written come first; then those that are written only where another
bit is +1 (a sign behind its significance bit), which are 0 elsewhere. Positions lie row by row.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.toderici.config import TodericiConfig
from slimcodec.errors import ModelFileError
from slimcodec.integers import (
    WEIGHT_LIMIT,
    Group,
    IntegerLayer,
    IntegerNet,
    Output,
    Part,
    Product,
    bordered,
    corners,
    integer_layer,
    taps,
    trusted,
    walk,
    window,
)
from slimcodec.quantization import ActivationGrid, IntegerSum, Quantization
from slimcodec.stream import Tables

__all__ = [
    "SENT_IF",
    "BitPrior",
    "Coding",
    "Exchange",
    "Known",
    "Place",
    "bit_tables",
    "check_tables",
    "integer_sums",
]

SENT_IF = "sent_if"
"""Name of the frozen array that says which bits depend on which."""

_LOGIT_STEPS = 4
"""Tables per unit of logit. A logit that is off by an eighth costs a toss 0.003 bits, the mean of
all roundings a third of that."""
_LARGEST_LOGIT = 8
_MIDDLE = _LARGEST_LOGIT * _LOGIT_STEPS
_MEMORY_FRACTION, _MOST_MEMORY = 10, 1 << 30
_DIGIT = WEIGHT_LIMIT.bit_length()
_ZERO = 128
"""What stands for zero among bytes."""
_BIT = 64
"""A bit among bytes. Bits and context are added under weights of one step, so both must reach about
as far: with bits as 0, 1 and 2, what is left of the context's weights cost 1 to 2 %."""


def check_tables(tables: Tables) -> Tables:
    """The same tables, if they are as many and as wide as this prior's table numbers need.

    Raises:
        ModelFileError: otherwise.
    """
    if len(tables) != 2 * _MIDDLE + 1 or tables.centres.any() or (tables.reaches != 1).any():
        raise ModelFileError(
            f"the bit model's tables are damaged: {2 * _MIDDLE + 1} over -1, 0 and 1 are needed"
        )
    return tables


def bit_tables() -> Tables:
    """Bernoulli tables over the symbols -1 and +1, from logit -8 to +8 in quarters.

    A table also holds the symbol 0 and the escape, at the least frequency of 2**-24: a decoder
    that meets one reads damaged bytes.
    """
    logits = np.arange(-_MIDDLE, _MIDDLE + 1) / _LOGIT_STEPS
    plus = [1 / (1 + math.exp(-logit)) for logit in logits]
    return Tables.from_probabilities(
        [0] * len(plus), [np.array([1 - p, 0.0, p], np.float64) for p in plus]
    )


Place = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Where bits stand in a code [h · w, n]: positions and channels, one of each per bit."""

Exchange = Callable[[NDArray[np.int16], Place], NDArray[np.int32]]
"""Table numbers of some bits for the bits themselves, ±1 in the same shape; ``code[place]`` has
it too."""


@dataclass(frozen=True)
class Known:
    """What is known before an iteration: memory int32 [h, w, c] in fixed point, and the bits int8
    [h, w, n] of the iteration before, 0 where one was not written."""

    memory: NDArray[np.int32]
    code: NDArray[np.int8]


def integer_sums(config: TodericiConfig) -> list[IntegerSum]:
    """The layers of the bit model that coding runs in integers: all."""
    bits = ActivationGrid(1 / _BIT, 8, -_ZERO)
    sums = []
    for number in range(config.iterations):
        own = f"probability.iterations.{number}."
        sums.append(IntegerSum((f"{own}context",), ("units",)))
        for group in _groups(config):
            mix, out = own + group.hidden, own + group.out
            if group.seen:
                sums.append(IntegerSum((mix, f"{mix.removesuffix('mix')}seen"), ("seen", bits)))
            else:
                sums.append(IntegerSum((mix,), ("seen",)))
            sums.append(IntegerSum((out,), ("seen",)))
    return sums


def _groups(config: TodericiConfig) -> tuple[Group, ...]:
    sizes = [config.bits // config.slices] * config.slices
    return tuple(Group.of_slices(sizes, "groups.", 1))


class BitPrior:
    """All iterations' models, settled.

    Args:
        config: of the network.
        weights: of the model; of integer layers only the biases are looked at.
        quantization: with the grids of ``integer_sums``.
        sent_if: for every bit the number of the bit, of its own group, that must be +1 for it to be
            written; -1 where it always is, as all are when not given.

    Raises:
        ModelFileError: when sums could be inexact, or ``sent_if`` names bits that are not there.
        LookupError: when a grid or a weight is missing.
    """

    def __init__(
        self,
        config: TodericiConfig,
        weights: Mapping[str, NDArray[np.float32]],
        quantization: Quantization,
        sent_if: NDArray[Any] | None = None,
    ) -> None:
        memory = np.rint(weights["probability.memory"].astype(np.float64) * 2.0**_MEMORY_FRACTION)
        if not np.abs(memory).sum(axis=(0, 2)).max(initial=0.0) < _MOST_MEMORY:
            raise ModelFileError("the bit model's memory is too large to be exact in integers")
        self._memory = memory.astype(np.int32).transpose(0, 2, 1)
        self.iterations, self.bits, self.memory_channels = self._memory.shape
        if self._memory.shape != (config.iterations, config.bits, config.memory_channels):
            raise ModelFileError("the bit model's memory is not of the configuration's shape")
        self.groups = _groups(config)
        layers: dict[str, IntegerLayer] = {}
        self._bytes_of_memory: list[float] = []
        self._bytes_of_bits: list[int] = []
        for number in range(self.iterations):
            own = f"probability.iterations.{number}."
            step = quantization.activations[f"{own}context"].step
            if not 1 <= 1 / step < _ZERO:
                raise ModelFileError("the bit model's grid of memory and bits is damaged")
            self._bytes_of_memory.append(_multiplier(step))
            self._bytes_of_bits.append(round(1 / step))
            for name, layer in _layers(own, self.groups, weights, quantization).items():
                layers[f"{number}.{name}"] = layer
        self.net = IntegerNet(layers)
        always = np.full(self.bits, -1, np.int16)
        self.sent_if = always if sent_if is None else _checked(sent_if, self.groups, self.bits)

    @cached_property
    def _run(self) -> Mapping[str, Any]:
        return self.net.on(trusted())

    def sent(self, code: NDArray[Any]) -> NDArray[np.bool_]:
        """Which bits of a code [..., n] are written."""
        return (self.sent_if < 0) | (code[..., np.maximum(self.sent_if, 0)] > 0)

    def start(self, height: int, width: int) -> Known:
        """Before the first iteration nothing is known."""
        return Known(
            np.zeros((height, width, self.memory_channels), np.int32),
            np.zeros((height, width, self.bits), np.int8),
        )

    def iterate(
        self, number: int, known: Known, exchange: Exchange
    ) -> tuple[NDArray[np.int8], Known]:
        """Code the bits of one iteration, counted from 0.

        Returns:
            the bits, ±1 [h, w, n] and 0 where one was not written, and what is known after them.
        """
        size = known.code.shape[:2]
        seen = self._seen(number, known)
        layers = {name: self._run[f"{number}.{name}"] for name in self._names}
        base = layers["context"](taps(bordered(seen, _ZERO), corners(*size), seen.shape[2]))
        code = np.zeros((size[0] * size[1], self.bits), np.int8)
        zeros = np.full(self.bits, _ZERO, np.uint8)
        groups = walk(self.groups, layers, base, size, zeros)
        found = next(groups, None)
        while found is not None:
            own, tables = found.group.channels, (found.out + _MIDDLE).astype(np.int16)
            for gated in (False, True):
                at, channels = self._written(own, gated, code, found.positions)
                if len(at):
                    place = (found.positions[at], channels)
                    code[place] = exchange(tables[at, channels - own.start], place)
            try:
                written = code[:, own].take(found.positions, axis=0).astype(np.uint8)
                found = groups.send(written * np.uint8(_BIT) + np.uint8(_ZERO))
            except StopIteration:
                found = None
        shaped = code.reshape(*size, -1)
        memory = known.memory + self._remembered(number, code).reshape(*size, -1)
        return shaped, Known(memory, shaped)

    def _remembered(self, number: int, code: NDArray[np.int8]) -> NDArray[np.int32]:
        """What an iteration's bits add to the memory, [h · w, c]; not by BLAS, whose idle threads
        would spin on the cores that the decoder needs next: it took 486 ms for 315."""
        bits = (code + np.int8(1)).astype(np.uint8)
        added = np.zeros((len(code), self.memory_channels), np.int32)
        for place, product in enumerate(self._digits[number]):
            added += product(bits) << (_DIGIT * place)
        added -= self._memory[number].sum(axis=0, dtype=np.int32)
        return added

    @cached_property
    def _digits(self) -> list[list[Product]]:
        """Of each iteration's memory, in base 64, lowest first, as products."""
        engine, found = trusted(), []
        for memory in self._memory:
            size, signs = np.abs(memory), np.sign(memory)
            count = -(-int(size.max(initial=0)).bit_length() // _DIGIT)
            digits = [signs * (size >> (_DIGIT * n) & WEIGHT_LIMIT) for n in range(count)]
            found.append([engine.product(digit.astype(np.int8)) for digit in digits])
        return found

    @cached_property
    def opening(self) -> NDArray[np.int16]:
        """Table numbers of the bits that are coded first, at every place alike."""
        asked: list[NDArray[np.int16]] = []

        def take(tables: NDArray[np.int16], place: Place) -> NDArray[np.int32]:
            asked.append(tables)
            return np.full(tables.shape, -1, np.int32)

        self.iterate(0, self.start(1, 1), take)
        return asked[0]

    @cached_property
    def _names(self) -> list[str]:
        """Of one iteration's layers."""
        return ["context", *(n for group in self.groups for n in (group.hidden, group.out))]

    def _seen(self, number: int, known: Known) -> NDArray[np.uint8]:
        """What the context is given, [h, w, c]."""
        # A product of two integers below 2^53, scaled by a power of two, and a floor.
        memory = np.floor(known.memory * self._bytes_of_memory[number] + (_ZERO + 0.5))
        bits = known.code.astype(np.int16) * self._bytes_of_bits[number] + _ZERO
        both = np.concatenate([np.clip(memory, 0, 255), bits], axis=2)
        return both.astype(np.uint8)

    def _written(
        self,
        own: slice,
        gated: bool,
        code: NDArray[np.int8],
        positions: NDArray[np.intp],
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Which bits of a group are written, of those that always are or of the others: place by
        place, numbers of places and channels."""
        channels = np.flatnonzero((self.sent_if[own] >= 0) == gated) + own.start
        if not gated or not len(channels):
            count = len(positions)
            return np.repeat(np.arange(count), len(channels)), np.tile(channels, count)
        at, of = np.nonzero(code[positions[:, None], self.sent_if[channels]] > 0)
        return at, channels[of]

    def to_bytes(self) -> bytes:
        """Everything that decides a table, for a stream's identity."""
        pieces = [
            np.array(self._memory.shape, "<i8").tobytes(),
            self._memory.astype("<i4").tobytes(),
        ]
        pieces.append(np.array(self._bytes_of_memory, "<f8").tobytes())
        pieces.append(np.array(self._bytes_of_bits, "<i8").tobytes())
        if (self.sent_if >= 0).any():
            pieces.append(self.sent_if.astype("<i2").tobytes())
        return self.net.to_bytes() + b"".join(pieces)


@dataclass(frozen=True)
class Coding:
    """See ``codecs.family.Exportable.coding``."""

    prior: BitPrior
    tables: Tables

    @classmethod
    def of(
        cls,
        config: TodericiConfig,
        weights: Mapping[str, NDArray[np.float32]],
        quantization: Quantization,
        frozen: Mapping[str, NDArray[Any]],
    ) -> Coding:
        """Put together from a model's contents.

        Raises:
            ModelFileError, LookupError: when they make no codec.
        """
        prior = BitPrior(config, weights, quantization, frozen.get(SENT_IF))
        return cls(prior, check_tables(Tables.from_arrays(frozen, "bit_tables")))

    @cached_property
    def stream_id(self) -> bytes:
        """Digest of everything that a stream's meaning depends on, 8 bytes."""
        digest = hashlib.sha256(b"toderici/2" + self.prior.to_bytes())
        digest.update(self.tables.frequencies.astype("<u4").tobytes())
        return digest.digest()[:8]


def _multiplier(step: float) -> float:
    """From memory to bytes: fifteen bits times a power of two."""
    mantissa, exponent = math.frexp(2.0**-_MEMORY_FRACTION / step)
    return round(mantissa * (1 << 15)) * 2.0 ** (exponent - 15)


def _layers(
    own: str,
    groups: tuple[Group, ...],
    weights: Mapping[str, NDArray[np.float32]],
    quantization: Quantization,
) -> dict[str, IntegerLayer]:
    """One iteration's layers, by the names of its groups."""

    def part(name: str, zero: int = 0) -> Part:
        grid = quantization.weights[f"{own}{name}.weight"]
        step = quantization.activations[own + name].step
        return Part(window(grid.integers), grid.steps, step, zero)

    def layer(name: str, parts: list[Part], output: Output) -> IntegerLayer:
        return integer_layer(parts, weights[f"{own}{name}.bias"], output)

    def step(name: str) -> float:
        return quantization.activations[own + name].step

    layers = {"context": layer("context", [part("context", _ZERO)], Output(step("groups.0.mix")))}
    for group in groups:
        parts = [part(group.hidden)]
        if group.seen:
            parts.insert(0, part(group.hidden.removesuffix("mix") + "seen", _ZERO))
        layers[group.hidden] = layer(group.hidden, parts, Output(step(group.out)))
        quarters = Output(1 / _LOGIT_STEPS, -_MIDDLE, _MIDDLE)
        layers[group.out] = layer(group.out, [part(group.out)], quarters)
    return layers


def _checked(sent_if: NDArray[Any], groups: tuple[Group, ...], bits: int) -> NDArray[np.int16]:
    """The same, if a decoder that reads a group knows all that it asks for."""
    known = False
    if sent_if.shape == (bits,) and sent_if.dtype.kind in "iu":
        start = np.zeros(bits, np.int64)
        for group in groups:
            start[group.channels] = group.channels.start
        gates = np.clip(sent_if, 0, bits - 1)
        of_its_group = start[gates] == start[np.arange(bits)]
        known = bool(
            ((sent_if == -1) | ((sent_if == gates) & (sent_if[gates] == -1) & of_its_group)).all()
        )
    if not known:
        raise ModelFileError(
            "the bit model is damaged: it says that bits depend on others that are not known then"
        )
    return sent_if.astype(np.int16)
