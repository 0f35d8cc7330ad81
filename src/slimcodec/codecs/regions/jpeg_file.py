"""Quantized coefficients as a file: baseline JPEG, 8 bits, 4:2:0, one scan, its own Huffman codes.

Written here and not by a library. Of those that reach coefficients jpeglib (1.0.2, MPL-2) is kept
up: it brings 23 MB of twenty libjpegs, none for Linux on ARM, and writes through files on a disk.
What bits a coefficient takes must be known here anyway for what ``thresholds`` decides; the rest of
a file is this page, and libjpeg's own ``jpegtran -optimize`` gives back the same bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.regions.coefficients import BLOCK
from slimcodec.codecs.regions.huffman import code_of

__all__ = ["END_OF_BLOCK", "ZERO_RUN", "ac_histogram", "sizes_of", "write_jpeg"]

END_OF_BLOCK, ZERO_RUN = 0x00, 0xF0
"""Symbols: nothing but zeros from here on, and sixteen zeros."""
_JFIF = b"JFIF\0" + bytes([1, 1, 0, 0, 1, 0, 1, 0, 0])
_SAMPLING = (0x22, 0x11, 0x11)
_TABLE_OF = (0, 1, 1)
"""Of luma and both chromas: the number of its quantization table and of its codes."""


@dataclass(frozen=True, eq=False)
class _Tokens:
    """What one component, or several, send: symbols, each followed by bits of its own.

    Attributes:
        places: that put them in the order of the file, ``int64 [n]``.
        symbols: ``uint8 [n]``.
        extra: the bits behind each symbol as a number, ``uint32 [n]``.
        sizes: how many bits that is, ``uint8 [n]``.
        kind: 0 for the means of blocks, 1 for the rest.
    """

    places: NDArray[np.int64]
    symbols: NDArray[np.uint8]
    extra: NDArray[np.uint32]
    sizes: NDArray[np.uint8]


def write_jpeg(
    blocks: Sequence[NDArray[np.int16]],
    tables: Sequence[NDArray[np.uint8]],
    height: int,
    width: int,
) -> bytes:
    """A whole file.

    Args:
        blocks: luma's and both chromas' quantized coefficients, ``int16 [rows, columns, 64]``, in
            zigzag order; luma has twice the rows and columns of chroma.
        tables: steps of luma and of chroma, [64] each, in zigzag order.
        height, width: of the picture, in pixels.
    """
    orders = _orders(*blocks[1].shape[:2])
    luma = _without_unseen(blocks[0], -(-height // BLOCK), -(-width // BLOCK))
    scanned = [_by_unit(luma), *(own.reshape(-1, own.shape[2]) for own in blocks[1:])]
    tokens = [_tokens(own, order) for own, order in zip(scanned, orders, strict=True)]
    kinds = [[tokens[0][kind], _joined(tokens[1][kind], tokens[2][kind])] for kind in (0, 1)]
    codes = [[code_of(_histogram(own.symbols)) for own in tables_of] for tables_of in kinds]
    words, lengths, places = [], [], []
    for kind in (0, 1):
        for own, code in zip(kinds[kind], codes[kind], strict=True):
            words.append((code.words[own.symbols].astype(np.uint64) << own.sizes) | own.extra)
            lengths.append(code.lengths[own.symbols].astype(np.int64) + own.sizes)
            places.append(own.places)
    order = np.argsort(np.concatenate(places), kind="stable")
    scan = _packed(np.concatenate(words)[order], np.concatenate(lengths)[order])
    return b"".join(
        [
            b"\xff\xd8",
            _segment(0xE0, _JFIF),
            *(_segment(0xDB, bytes([i]) + bytes(table.tolist())) for i, table in enumerate(tables)),
            _segment(0xC0, _frame(height, width)),
            *(
                _segment(0xC4, bytes([kind << 4 | i, *code.counts, *code.symbols]))
                for i in (0, 1)
                for kind, code in enumerate((codes[0][i], codes[1][i]))
            ),
            _segment(0xDA, bytes([3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0])),
            scan.replace(b"\xff", b"\xff\0"),
            b"\xff\xd9",
        ]
    )


def sizes_of(values: NDArray[np.int16] | NDArray[np.int32]) -> NDArray[np.uint8]:
    """Bits of whole numbers without their sign: 0 for 0, 1 for ±1, 2 for ±2 and ±3, and so on."""
    _, exponents = np.frexp(np.abs(values.astype(np.float32)))
    return exponents.astype(np.uint8)


def ac_histogram(blocks: NDArray[np.int16]) -> NDArray[np.int64]:
    """How often each symbol comes for all but the means of blocks, [256].

    Args:
        blocks: quantized coefficients, ``int16 [n, 64]``, in zigzag order.
    """
    return _histogram(_tokens(blocks, np.arange(len(blocks)))[1].symbols)


def _histogram(symbols: NDArray[np.uint8]) -> NDArray[np.int64]:
    return np.bincount(symbols, minlength=256)


def _orders(rows: int, columns: int) -> list[NDArray[np.int64]]:
    """The number in the scan of each block of a component, its blocks in their own order there:
    four of luma, then one of each chroma, unit by unit."""
    units = 6 * np.arange(rows * columns)
    return [(units[:, None] + np.arange(4)).ravel(), units + 4, units + 5]


def _without_unseen(luma: NDArray[np.int16], rows: int, columns: int) -> NDArray[np.int16]:
    """Blocks that only fill up a unit made as short as can be, as libjpeg does: the mean of the one
    before in the scan, and nothing else.

    Args:
        luma: ``int16 [r, c, 64]``, of whole units.
        rows, columns: that hold pixels of the picture.
    """
    found = luma.copy()
    if columns % 2:
        found[:, columns] = 0
        found[:, columns, 0] = found[:, columns - 1, 0]
    if rows % 2:
        # The block before those of a unit's second row is the last one of its first.
        found[rows] = 0
        found[rows, :, 0] = np.repeat(found[rows - 1, 1::2, 0], 2)
    return found


def _by_unit(luma: NDArray[np.int16]) -> NDArray[np.int16]:
    """Luma's blocks in the order of the scan, [n, 64]: four of a unit, then those of the next."""
    rows, columns, count = luma.shape
    units = luma.reshape(rows // 2, 2, columns // 2, 2, count).transpose(0, 2, 1, 3, 4)
    return units.reshape(rows * columns, count)


_PLACES = 256
"""Of a block: its mean, then four for each coefficient, three runs of zeros and itself."""


def _tokens(blocks: NDArray[np.int16], order: NDArray[np.int64]) -> tuple[_Tokens, _Tokens]:
    """What a component sends for the means of its blocks, and for the rest.

    Args:
        blocks: of one component in the order of the scan, ``int16 [n, 64]``.
        order: the number of each in the scan, [n].
    """
    means = blocks[:, 0].astype(np.int32)
    steps = np.diff(means, prepend=0)
    sizes = sizes_of(steps)
    dc = _Tokens(order * _PLACES, sizes, _extra(steps, sizes), sizes)

    rows, columns = np.nonzero(blocks[:, 1:])
    columns += 1
    values = blocks[rows, columns].astype(np.int32)
    first = np.diff(rows, prepend=-1) > 0
    runs = columns - np.where(first, 0, np.roll(columns, 1)) - 1
    sizes = sizes_of(values)
    places = order[rows] * _PLACES + 4 * columns
    symbols = ((runs % 16) << 4 | sizes).astype(np.uint8)
    sent = _Tokens(places, symbols, _extra(values, sizes), sizes)
    zero_runs = [_without_bits(places[runs >= 16 * count] - count, ZERO_RUN) for count in (3, 2, 1)]
    ended = _without_bits(order[blocks[:, 63] == 0] * _PLACES + _PLACES - 1, END_OF_BLOCK)
    return dc, _joined(sent, *zero_runs, ended)


def _without_bits(places: NDArray[np.int64], symbol: int) -> _Tokens:
    count = len(places)
    nothing = np.zeros(count, np.uint8)
    return _Tokens(places, np.full(count, symbol, np.uint8), nothing.astype(np.uint32), nothing)


def _joined(*parts: _Tokens) -> _Tokens:
    return _Tokens(
        np.concatenate([part.places for part in parts]),
        np.concatenate([part.symbols for part in parts]),
        np.concatenate([part.extra for part in parts]),
        np.concatenate([part.sizes for part in parts]),
    )


def _extra(values: NDArray[np.int32], sizes: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """The bits behind a symbol: a positive number itself, a negative one less one."""
    mask = (1 << sizes.astype(np.int32)) - 1
    return ((values - (values < 0)) & mask).astype(np.uint32)


def _packed(words: NDArray[np.uint64], lengths: NDArray[np.int64]) -> bytes:
    """Words one behind the other, the highest bit first, and ones up to a whole byte.

    Each word of 32 bits or fewer lies in one or two pieces of 32; sums of what lies in a piece are
    exact in float64, for no two words share a bit.
    """
    ends = np.cumsum(lengths)
    starts = ends - lengths
    pieces = starts >> 5
    placed = words << (64 - (starts & 31) - lengths).astype(np.uint64)
    total = int(ends[-1])
    count = (total + 31) // 32 + 1
    high = np.bincount(pieces, (placed >> np.uint64(32)).astype(np.float64), count)
    low = np.bincount(pieces + 1, (placed & np.uint64(0xFFFFFFFF)).astype(np.float64), count + 1)
    data = (high + low[:count]).astype(">u4").tobytes()[: (total + 7) // 8]
    if total % 8 == 0:
        return data
    return data[:-1] + bytes([data[-1] | (1 << (8 - total % 8)) - 1])


def _frame(height: int, width: int) -> bytes:
    components = b"".join(bytes([i + 1, _SAMPLING[i], _TABLE_OF[i]]) for i in range(len(_SAMPLING)))
    return struct.pack(">BHHB", 8, height, width, len(_SAMPLING)) + components


def _segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload
