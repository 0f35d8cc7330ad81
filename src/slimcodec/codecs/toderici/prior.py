"""The bit model in integers: which table codes each bit, the same on every machine.

The twin of ``probability.BitModel``, in numpy, on integers held in float64 (``codecs.integers``
says why that is exact). A bit's last accumulator is its logit on a fixed-point grid; rounded to
quarters and clipped to ±8, it is the number of one of 65 frozen tables. Memory and bits enter as
integers too, so nothing that decides a table has ever been a float.

    known = (memory, bits of the iteration before)
    one iteration: context once, then per group: accumulate ─► table numbers ─► exchange ─► bits

``BitPrior.iterate`` walks the groups and, for each, exchanges table numbers for bits: an encoder
gives the bits it has and writes them, a decoder reads them. Both run the same lines. Of a group,
bits that are always written come first; then those that are written only where another bit is +1
(a sign behind its significance bit), which are 0 elsewhere.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.integers import (
    ACTIVATION_LIMIT,
    FRACTION_BITS,
    Integers,
    Linear,
    around,
    fixed_point,
    prove_exact,
    relu,
    rounded,
    weight_bits,
)
from slimcodec.errors import ModelFileError
from slimcodec.stream import Tables

__all__ = ["SENT_IF", "BitPrior", "Exchange", "Known", "Place", "bit_tables", "check_tables"]

SENT_IF = "sent_if"
"""Name of the frozen array that says which bits depend on which."""

_LOGIT_STEPS = 4
"""Tables per unit of logit. A logit that is off by an eighth costs a toss 0.003 bits, the mean of
all roundings a third of that."""
_LARGEST_LOGIT = 8
_MIDDLE = _LARGEST_LOGIT * _LOGIT_STEPS
_MEMORY_FRACTION = 10

Weights = Mapping[str, NDArray[np.float32]]


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


Place = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]
"""Where bits stand in a code [h, w, n]: rows, columns and channels, one of each per bit."""

Exchange = Callable[[NDArray[np.int16], Place], NDArray[np.int32]]
"""Table numbers of some bits for the bits themselves, ±1 in the same shape; ``code[place]`` has
it too."""


@dataclass(frozen=True)
class Known:
    """What is known before an iteration: memory [h, w, c] in fixed point, and the bits [h, w, n] of
    the iteration before, 0 where one was not written."""

    memory: Integers
    code: Integers


@dataclass(frozen=True)
class _Group:
    """One slice in one colour; ``seen`` is None where no bit is known."""

    start: int
    stop: int
    second: bool
    mix: Linear
    seen: Integers | None
    out: Linear


class BitPrior:
    """All iterations' models.

    Args:
        weights: the part's arrays by the names of ``probability.BitModel``, without its prefix.
        sent_if: for every bit the number of the bit, of its own group, that must be +1 for it to be
            written; -1 where it always is, as all are when not given.

    Raises:
        ModelFileError: when the weights are too large for sums to be exact, or ``sent_if`` names
            bits that are not there.
    """

    def __init__(self, weights: Weights, sent_if: NDArray[Any] | None = None) -> None:
        memory = weights["memory"].astype(np.float64)
        self._memory = np.rint(memory * 2.0**_MEMORY_FRACTION).transpose(0, 2, 1)
        self.iterations, self.bits, self.memory_channels = self._memory.shape
        largest = np.abs(self._memory).sum(axis=(0, 1))
        self._contexts: list[Linear] = []
        self._groups: list[list[_Group]] = []
        for number in range(self.iterations):
            prefix = f"iterations.{number}."
            context = _context(weights, prefix, self.memory_channels)
            prove_exact(context.bound(np.concatenate([largest, np.ones(self.bits)])))
            self._contexts.append(context)
            self._groups.append(list(_groups(weights, prefix, self.bits)))
        always = np.full(self.bits, -1, np.int16)
        self.sent_if = always if sent_if is None else _checked(sent_if, self._groups[0], self.bits)

    @classmethod
    def from_model(cls, weights: Weights, frozen: Mapping[str, NDArray[np.generic]]) -> BitPrior:
        """From all of a model file's weights and its frozen arrays."""
        prefix = "probability."
        own = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
        sent_if = frozen.get(SENT_IF)
        return cls(own, sent_if)

    def sent(self, code: NDArray[Any]) -> NDArray[np.bool_]:
        """Which bits of a code [..., n] are written."""
        return (self.sent_if < 0) | (code[..., np.maximum(self.sent_if, 0)] > 0)

    def start(self, height: int, width: int) -> Known:
        """Before the first iteration nothing is known."""
        return Known(
            np.zeros((height, width, self.memory_channels)), np.zeros((height, width, self.bits))
        )

    def iterate(
        self, number: int, known: Known, exchange: Exchange
    ) -> tuple[NDArray[np.int8], Known]:
        """Code the bits of one iteration, counted from 0.

        Returns:
            the bits, ±1 [h, w, n] and 0 where one was not written, and what is known after them.
        """
        height, width, _ = known.code.shape
        context = relu(
            _convolve(self._contexts[number], np.concatenate([known.memory, known.code], axis=2)),
            self._contexts[number].right_shift,
        )
        now = np.zeros((height + 2, width + 2, self.bits))
        colours = [np.nonzero(np.indices((height, width)).sum(axis=0) % 2 == c) for c in (0, 1)]
        for group in self._groups[number]:
            rows, columns = colours[group.second]
            if len(rows) == 0:
                continue
            accumulator = context[rows, columns] @ group.mix.weight[0] + group.mix.bias
            if group.seen is not None:
                _, channels, hidden_width = group.seen.shape
                taps = group.seen.reshape(-1, hidden_width)
                accumulator += around(now, rows, columns, channels) @ taps
            hidden = relu(accumulator, group.mix.right_shift)
            logits = hidden @ group.out.weight[0] + group.out.bias
            quarters = np.floor(logits * 2.0**-group.out.right_shift + 0.5)
            tables = (np.clip(quarters, -_MIDDLE, _MIDDLE) + _MIDDLE).astype(np.int16)
            for gated in (False, True):
                at, channels = self._written(group, gated, now[1:-1, 1:-1], rows, columns)
                if len(at):
                    place = (rows[at], columns[at], channels)
                    found = exchange(tables[at, channels - group.start], place)
                    now[place[0] + 1, place[1] + 1, channels] = found
        code = np.ascontiguousarray(now[1:-1, 1:-1])
        return code.astype(np.int8), Known(known.memory + code @ self._memory[number], code)

    def _written(
        self,
        group: _Group,
        gated: bool,
        code: Integers,
        rows: NDArray[np.intp],
        columns: NDArray[np.intp],
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Which bits of a group are written, of those that always are or of the others: place by
        place, numbers of places and channels."""
        own = self.sent_if[group.start : group.stop]
        channels = np.flatnonzero((own >= 0) == gated) + group.start
        if not gated or not len(channels):
            return np.repeat(np.arange(len(rows)), len(channels)), np.tile(channels, len(rows))
        gates = self.sent_if[channels]
        at, of = np.nonzero(code[rows[:, None], columns[:, None], gates] > 0)
        return at, channels[of]

    def stream_id(self, tables: Tables) -> bytes:
        """Digest of everything that a stream's meaning depends on, 8 bytes."""
        digest = hashlib.sha256(b"toderici/1")
        digest.update(np.array(self._memory.shape, "<i8").tobytes())
        digest.update(self._memory.astype("<i8").tobytes())
        for context, groups in zip(self._contexts, self._groups, strict=True):
            digest.update(context.to_bytes())
            for group in groups:
                digest.update(group.mix.to_bytes())
                digest.update(group.out.to_bytes())
                if group.seen is not None:
                    digest.update(group.seen.astype("<i8").tobytes())
        if (self.sent_if >= 0).any():
            digest.update(self.sent_if.astype("<i2").tobytes())
        digest.update(tables.frequencies.astype("<u4").tobytes())
        return digest.digest()[:8]


def _checked(sent_if: NDArray[Any], groups: list[_Group], bits: int) -> NDArray[np.int16]:
    """The same, if a decoder that reads a group knows all that it asks for."""
    known = False
    if sent_if.shape == (bits,) and sent_if.dtype.kind in "iu":
        group = np.zeros(bits, np.int64)
        for each in groups:
            group[each.start : each.stop] = each.start
        gates = np.clip(sent_if, 0, bits - 1)
        of_its_group = group[gates] == group[np.arange(bits)]
        known = bool(
            ((sent_if == -1) | ((sent_if == gates) & (sent_if[gates] == -1) & of_its_group)).all()
        )
    if not known:
        raise ModelFileError(
            "the bit model is damaged: it says that bits depend on others that are not known then"
        )
    return sent_if.astype(np.int16)


def _convolve(layer: Linear, x: Integers) -> Integers:
    """A zero-padded 3x3 convolution, [h, w, c_in] to [h, w, c_out]."""
    height, width, channels = x.shape
    around = np.zeros((height + 2, width + 2, channels))
    around[1:-1, 1:-1] = x
    out = np.broadcast_to(layer.bias, (height * width, len(layer.bias))).copy()
    for tap, weight in enumerate(layer.weight):
        i, j = divmod(tap, 3)
        out += around[i : i + height, j : j + width].reshape(height * width, channels) @ weight
    return out.reshape(height, width, -1)


def _context(weights: Weights, prefix: str, memory_channels: int) -> Linear:
    """Memory has its own fraction, bits have none: theirs is in their weights."""
    weight = weights[f"{prefix}context.weight"]
    bits = weight_bits(weight)
    integers = rounded(weight, bits)
    integers[:, memory_channels:] *= 2.0**_MEMORY_FRACTION
    fraction = bits + _MEMORY_FRACTION
    bias = fixed_point(weights[f"{prefix}context.bias"], fraction)
    return Linear(integers, bias, fraction - FRACTION_BITS)


def _groups(weights: Weights, prefix: str, bits: int) -> Iterator[_Group]:
    count = 0
    while f"{prefix}groups.{count}.out.weight" in weights:
        count += 1
    size = 2 * bits // count
    for number in range(count):
        own = f"{prefix}groups.{number}."
        mix, seen = weights[f"{own}mix.weight"], weights.get(f"{own}seen.weight")
        both = weight_bits(mix) if seen is None else weight_bits(mix, seen)
        fraction = both + FRACTION_BITS
        bias = fixed_point(weights[f"{own}mix.bias"], fraction)
        hidden = Linear(rounded(mix, both), bias, fraction - FRACTION_BITS)
        taps = None if seen is None else rounded(seen, both) * 2.0**FRACTION_BITS
        reach = 0.0 if taps is None else float(np.abs(taps).sum(axis=(0, 1)).max())
        prove_exact(hidden.bound(np.full(mix.shape[1], ACTIVATION_LIMIT)) + reach)

        out = weights[f"{own}out.weight"]
        own_bits = weight_bits(out)
        fraction = own_bits + FRACTION_BITS
        logits = Linear(
            rounded(out, own_bits),
            fixed_point(weights[f"{own}out.bias"], fraction),
            fraction - int(math.log2(_LOGIT_STEPS)),
        )
        prove_exact(logits.bound(np.full(out.shape[1], ACTIVATION_LIMIT)))
        start = number // 2 * size
        yield _Group(start, start + size, number % 2 == 1, hidden, taps, logits)
