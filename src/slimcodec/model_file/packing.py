"""Arrays of weights to bytes and back, exactly, in about as few bytes as their histogram allows.

A trained layer's weights are noise to anything that looks for repetitions, but small ones are many
and large ones few, and pruned ones are all zero. An entropy coder under the array's own histogram
takes that and leaves nothing more to gain from values taken one by one: eight-bit integers cost
six or seven bits, a zero among many next to none, a half float thirteen or fourteen bits.

Integers and half floats are coded alike. A value is *folded* into an unsigned one of its width
whose lowest bit is the sign (0, -1, 1, -2, ... and the bits of a half turned left by one), so that
zero is 0 and magnitudes lie in a row. Zero has a symbol of its own. Of any other value the high
bits are a symbol, and the ``low`` bits below them, which look random, follow as they are; how many
is whatever comes out smallest: none of eight-bit integers, about half of a half float's. Wider
integers are their 16-bit pieces, one after another, and so are single floats, their bits turned
like a half's. What would not get smaller is stored as it is.

    blob       sections, CRC-32 of them
    section    0, folded values                          one section per 16 bits, lowest first
               1, low, histogram, number of words, words
    histogram  counts of symbols 0, 1, ... until they add up to the number of values; after a
               zero comes how many more follow it
    numbers    LEB128; everything else little-endian

The words are ANS: of every ``_CHUNK`` values the symbols, then the low bits. Symbols that occur get
integer frequencies that sum to 2**24, computed from the exact counts in integers and given to the
coder as integer weights, which it takes exactly (``stream/entropy.py`` says why). No float decides
anything in decoding. Counts in full cost a few hundred bytes; for that a reader knows the number
of values, of zeros and the entropy before it decodes one, and takes memory only for what bytes
can stand for. The CRC notices accidents; that the contents are the model's own is the digest's
business.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import constriction
import numpy as np
from numpy.typing import NDArray

from slimcodec.errors import ModelFileError
from slimcodec.model_file.folding import PACKED_TYPES, fold, unfold

__all__ = ["PACKED_TYPES", "Summary", "pack", "summarise", "unpack"]

_TOTAL = 1 << 24
_CHUNK = 1 << 20
"""Values coded in one go: part of the format, and small enough to stay in a cache."""
_WORTHWHILE = 16
"""Fewer values than this never pay for their histogram."""
_FEW = 1 << 13
"""Fewer values than this are counted faster by sorting them."""
_MOST = 1 << 31
"""Values in one blob; their counts times 2**24 must fit 64 bits."""
_RAW, _CODED = 0, 1
_NUMBER_BYTES = 6


@dataclass(frozen=True)
class Summary:
    """What a blob holds.

    Attributes:
        elements: values.
        nonzero: of them, those that are not zero; a negative zero counts, which no weight is.
        entropy_bits: the fewest bits that a coder of single values could need who has the histogram
            for free; of a section that is stored as it is, its size.
    """

    elements: int
    nonzero: int
    entropy_bits: float


def pack(array: NDArray[Any]) -> NDArray[np.uint8]:
    """An array of one of ``PACKED_TYPES`` as bytes, without its type and shape."""
    flat = np.ascontiguousarray(array).reshape(-1)
    sections = b"".join(_pack_section(piece) for piece in fold(flat))
    crc = zlib.crc32(sections).to_bytes(4, "little")
    return np.frombuffer(sections + crc, np.uint8)


def unpack(blob: NDArray[np.uint8], dtype: str, shape: Sequence[int]) -> NDArray[Any]:
    """The array that was packed; no memory is taken for values that its histograms do not have.

    Args:
        blob: what ``pack`` gave.
        dtype: name of its type.
        shape: its shape.

    Raises:
        ModelFileError: when ``pack`` cannot have written it for such an array.
    """
    # Every section's histogram is read and checked before anything is decoded.
    sections = list(_sections(blob, dtype, math.prod(shape)))
    return unfold([_unpack_section(section) for section in sections], dtype).reshape(shape)


def summarise(blob: NDArray[np.uint8], dtype: str, shape: Sequence[int]) -> Summary:
    """What a blob holds, read off its histograms.

    Raises:
        ModelFileError: as ``unpack`` does, but for what only decoding shows.
    """
    elements = math.prod(shape)
    sections = list(_sections(blob, dtype, elements))
    bits = sum(section.entropy_bits for section in sections)
    if len(sections) > 1:  # a value is zero when all of its pieces are
        values = unpack(blob, dtype, [elements])
        nonzero = int(np.count_nonzero(values.view(f"u{values.itemsize}")))
    else:
        nonzero = sections[0].nonzero
    return Summary(elements, nonzero, bits)


# Sections


@dataclass(frozen=True)
class _Split:
    """How folded values are divided: into symbols that are coded, and low bits.

    Attributes:
        low: how many low bits.
        symbols: the symbols that occur, rising; 0 is zero, others are one more than the high bits.
        counts: int64, how often each occurs.
    """

    low: int
    symbols: NDArray[np.int64]
    counts: NDArray[np.int64]

    @property
    def nonzero(self) -> int:
        return int(self.counts[self.symbols > 0].sum())

    @property
    def entropy_bits(self) -> float:
        shares = self.counts / self.counts.sum()
        return float(-(self.counts * np.log2(shares)).sum()) + self.low * self.nonzero

    @property
    def histogram_bytes(self) -> int:
        """About; what is written is in ``_histogram``."""
        digits = np.ceil(np.log2(self.counts + 1.0) / 7).sum()
        gaps = np.count_nonzero(np.diff(self.symbols, prepend=-1) > 1)
        return int(digits) + 2 * int(gaps)

    def model(self) -> Any:
        """The coder's model of the symbols' places in ``symbols``; None where there is but one."""
        if len(self.counts) == 1:
            return None
        # The coder adds one to every weight, so these become frequencies that sum to 2**24.
        spare = _TOTAL - len(self.counts)
        weights = self.counts * spare // self.counts.sum()
        weights[np.argmax(weights)] += spare - weights.sum()
        return constriction.stream.model.Categorical(weights.astype(np.float64), perfect=False)

    def low_model(self) -> Any:
        """The coder's model of low bits; None where there are none."""
        return constriction.stream.model.Uniform(1 << self.low) if self.low else None


@dataclass(frozen=True)
class _Section:
    """A section whose head is read and found sound; ``split`` is None where it is raw."""

    elements: int
    width: np.dtype[Any]
    split: _Split | None
    payload: memoryview

    @property
    def entropy_bits(self) -> float:
        return self.split.entropy_bits if self.split else 8.0 * len(self.payload)

    @property
    def nonzero(self) -> int:
        return self.split.nonzero if self.split else int(np.count_nonzero(_unpack_section(self)))


def _pack_section(folded: NDArray[Any]) -> bytes:
    raw = _number(_RAW) + folded.astype(folded.dtype.newbyteorder("<")).tobytes()
    if folded.size < _WORTHWHILE or (split := _best_split(folded)).entropy_bits >= 8 * len(raw):
        return raw
    words = _encode(folded, split)
    head = [_CODED, split.low, *_histogram(split), len(words)]
    coded = b"".join(map(_number, head)) + words.astype("<u4").tobytes()
    return min(raw, coded, key=len)


def _best_split(folded: NDArray[Any]) -> _Split:
    """The split that takes the fewest bytes."""
    values, counts = _count(folded)
    zero = int(values[0] == 0)
    high, rest, splits = values[zero:], counts[zero:], []
    for low in range(8 * folded.itemsize):
        symbols = np.concatenate([values[:zero], high + 1])
        splits.append(_Split(low, symbols, np.concatenate([counts[:zero], rest])))
        if len(high) < 2:
            break
        high = high >> 1
        starts = np.flatnonzero(np.diff(high, prepend=-1))
        high, rest = high[starts], np.add.reduceat(rest, starts)
    return min(splits, key=lambda split: split.entropy_bits + 8 * split.histogram_bytes)


def _count(folded: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The values that occur, rising, and how often each does."""
    if folded.size < _FEW:
        values, counts = np.unique(folded, return_counts=True)
        return values.astype(np.int64), counts.astype(np.int64)
    every = np.zeros(1 << 8 * folded.itemsize, np.int64)
    for chunk in _chunks(folded):
        every += np.bincount(chunk, minlength=every.size)
    values = np.flatnonzero(every).astype(np.int64)
    return values, every[values]


def _encode(folded: NDArray[Any], split: _Split) -> NDArray[np.uint32]:
    """The words of a section. ANS is a stack: what is to be read first is pushed last."""
    places = np.zeros((1 << 8 * folded.itemsize >> split.low) + 1, np.int32)
    places[split.symbols] = np.arange(len(split.symbols))
    by_value = np.repeat(places[1:], 1 << split.low)
    by_value[0] = places[0]
    model, low_model = split.model(), split.low_model()
    coder = constriction.stream.stack.AnsCoder()
    for chunk in reversed(list(_chunks(folded))):
        if low_model is not None:
            low = chunk[chunk != 0] & ((1 << split.low) - 1)
            coder.encode_reverse(low.astype(np.int32), low_model)
        if model is not None:
            coder.encode_reverse(by_value[chunk], model)
    words: NDArray[np.uint32] = coder.get_compressed()
    return words


def _unpack_section(section: _Section) -> NDArray[Any]:
    width, split = section.width, section.split
    if split is None:
        return np.frombuffer(section.payload, width.newbyteorder("<")).astype(width)
    try:
        words = np.frombuffer(section.payload, "<u4").astype(np.uint32)
        coder = constriction.stream.stack.AnsCoder(words)
    except ValueError as error:
        raise _damage("its words end in zero") from error
    bases = (np.maximum(split.symbols - 1, 0) << split.low).astype(width)
    zero_is_first = split.symbols[0] == 0
    model, low_model = split.model(), split.low_model()
    folded = np.empty(section.elements, width)
    for chunk in _chunks(folded):
        places = np.zeros(chunk.size, np.int32)
        if model is not None:
            places = coder.decode(model, chunk.size)
        np.take(bases, places, out=chunk)
        if low_model is not None:
            there = places != 0 if zero_is_first else np.ones(chunk.size, bool)
            count = int(np.count_nonzero(there))
            if count:
                chunk[there] |= coder.decode(low_model, count).astype(width)
    if not coder.is_empty():
        raise _damage("something is left over after decoding")
    return folded


def _chunks(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    for start in range(0, array.size, _CHUNK):
        yield array[start : start + _CHUNK]


# Bytes


def _damage(what: str) -> ModelFileError:
    return ModelFileError(f"packed values are damaged: {what}")


def _number(value: int) -> bytes:
    digits = bytearray()
    while value > 127:
        digits.append(128 | value & 127)
        value >>= 7
    return bytes([*digits, value])


def _histogram(split: _Split) -> Iterator[int]:
    """As numbers; ``_Reader.split`` is the inverse."""
    after = 0
    for symbol, count in zip(split.symbols.tolist(), split.counts.tolist(), strict=True):
        if symbol > after:
            yield 0
            yield symbol - after - 1
        yield count
        after = symbol + 1


class _Reader:
    """Reads a blob's numbers and bytes from front to back, and never beyond its end."""

    def __init__(self, data: memoryview) -> None:
        self._data, self._at = data, 0

    def number(self) -> int:
        value = 0
        for place, digit in enumerate(self._data[self._at : self._at + _NUMBER_BYTES]):
            value |= (digit & 127) << 7 * place
            if digit < 128:
                self._at += place + 1
                return value
        raise _damage("a number has no end")

    def take(self, count: int) -> memoryview:
        if count > len(self._data) - self._at:
            raise _damage("they are cut short")
        self._at += count
        return self._data[self._at - count : self._at]

    def split(self, elements: int, width: np.dtype[Any]) -> _Split:
        """A histogram that adds up to the number of values."""
        low = self.number()
        if low >= 8 * width.itemsize:
            raise _damage(f"values of {8 * width.itemsize} bits have no {low} low bits")
        symbols, counts, symbol, left = [], [], 0, elements
        while left > 0:
            if count := self.number():
                symbols.append(symbol)
                counts.append(count)
                symbol, left = symbol + 1, left - count
            else:
                symbol += self.number() + 1
            if left < 0 or symbol > (1 << 8 * width.itemsize >> low) + 1:
                raise _damage(f"a histogram does not add up to {elements} values")
        if not symbols:
            raise _damage("a histogram is empty")
        return _Split(low, np.array(symbols, np.int64), np.array(counts, np.int64))

    def finish(self) -> None:
        if self._at != len(self._data):
            raise _damage("something follows them")


def _sections(blob: NDArray[np.uint8], dtype: str, elements: int) -> Iterator[_Section]:
    """Every section, its head checked."""
    if elements > _MOST:
        raise _damage(f"{elements} values are more than there can be")
    if dtype not in PACKED_TYPES or blob.dtype != np.uint8 or blob.ndim != 1 or blob.size < 4:
        raise _damage(f"{blob.dtype} of shape {blob.shape} stands for no {dtype} values")
    data = memoryview(blob.tobytes())
    if zlib.crc32(data[:-4]).to_bytes(4, "little") != data[-4:]:
        raise _damage("their check sum does not match")
    reader, size = _Reader(data[:-4]), np.dtype(dtype).itemsize
    width = np.dtype(np.uint8 if size == 1 else np.uint16)
    for _ in range(max(1, size // 2)):
        form = reader.number()
        if form == _RAW:
            yield _Section(elements, width, None, reader.take(elements * width.itemsize))
        elif form == _CODED:
            split = reader.split(elements, width)
            yield _Section(elements, width, split, reader.take(4 * reader.number()))
        else:
            raise _damage(f"there is no form {form}")
    reader.finish()
