"""Symbols through the coder: exact, in the bits that the integer frequencies promise.

``SlowCoder`` is the format written down a second time, in Python integers and with nothing but the
tables' frequencies: a 64-bit state, 32-bit words, 24-bit probabilities (Duda 2013). The fast coder
must write its words.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slimcodec.errors import StreamError
from slimcodec.model_file import Model
from slimcodec.stream import SYMBOL_LIMIT, SymbolDecoder, SymbolEncoder, Tables
from slimcodec.stream.tables import TOTAL


def bell(reach: int, width: float) -> np.ndarray:
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    return weights / weights.sum() * 0.9999


LATENT = Tables.from_probabilities(
    [0, 3, -40, 0, 0], [bell(1, 0.2), bell(6, 2), bell(90, 25), bell(0, 1), bell(400, 100)]
)
HYPER = Tables.from_probabilities([-2, 5], [bell(4, 1), bell(12, 3)])

Put = tuple[np.ndarray, np.ndarray, Tables]


class SlowCoder:
    """Asymmetric numeral system, one symbol at a time; pushed in reverse at the end."""

    def __init__(self) -> None:
        self.pushed: list[tuple[int, int]] = []  # (left cumulative, frequency)

    def put(self, symbols: np.ndarray, indexes: np.ndarray, tables: Tables) -> None:
        flat, numbers = symbols.ravel().tolist(), indexes.ravel().tolist()
        escaped = []
        for number in range(len(tables)):
            counts = [int(count) for count in tables[number]]
            centre, reach = int(tables.centres[number]), int(tables.reaches[number])
            for symbol in (s for s, n in zip(flat, numbers, strict=True) if n == number):
                local = symbol - centre
                place = local + reach if abs(local) <= reach else 2 * reach + 1
                self.pushed.append((sum(counts[:place]), counts[place]))
                if abs(local) > reach:
                    escaped.append((local < 0, abs(local) - reach))
        for negative, excess in escaped:
            self.put_escape(negative, excess)

    def put_escape(self, negative: bool, excess: int) -> None:
        bits = excess.bit_length() - 1
        self.uniform(int(negative), 2)
        self.uniform(bits, 22)
        if bits:
            self.uniform(excess - 2**bits, 2**bits)

    def uniform(self, number: int, size: int) -> None:
        share = TOTAL // size
        last = number == size - 1
        self.pushed.append((number * share, TOTAL - number * share if last else share))

    def finish(self) -> bytes:
        state, words = 0, []
        for left, frequency in reversed(self.pushed):
            if state >= frequency << 40:
                words.append(state & 0xFFFFFFFF)
                state >>= 32
            state = (state // frequency << 24) + left + state % frequency
        while state:
            words.append(state & 0xFFFFFFFF)
            state >>= 32
        return b"".join(word.to_bytes(4, "little") for word in words)


def encoded(*puts: Put) -> bytes:
    encoder = SymbolEncoder()
    for symbols, indexes, tables in puts:
        encoder.put(symbols, indexes, tables)
    return encoder.finish()


def decoded(payload: bytes, *puts: Put) -> list[np.ndarray]:
    decoder = SymbolDecoder(payload)
    taken = [decoder.take(indexes, tables) for _, indexes, tables in puts]
    decoder.finish()
    return taken


near, far = st.integers(-50, 50), st.integers(-SYMBOL_LIMIT, SYMBOL_LIMIT)


@st.composite
def puts(draw: st.DrawFn) -> Put:
    tables = draw(st.sampled_from([LATENT, HYPER]))
    shape = draw(st.sampled_from([(0,), (1,), (7,), (2, 3, 4), (3, 0, 2), (1, 5, 1)]))
    count = math.prod(shape)
    symbols = draw(st.lists(near | near | far, min_size=count, max_size=count))
    numbers = draw(st.lists(st.integers(0, len(tables) - 1), min_size=count, max_size=count))
    indexes = np.array(numbers, draw(st.sampled_from([np.int16, np.int64]))).reshape(shape)
    return np.array(symbols, np.int32).reshape(shape), indexes, tables


@settings(deadline=None)
@given(st.lists(puts(), max_size=4))
def test_round_trip(all_puts: list[Put]) -> None:
    taken = decoded(encoded(*all_puts), *all_puts)
    for (symbols, indexes, _), out in zip(all_puts, taken, strict=True):
        assert out.dtype == np.int32
        assert out.shape == indexes.shape
        np.testing.assert_array_equal(out, symbols)


@settings(deadline=None)
@given(st.lists(puts(), max_size=3))
def test_the_words_are_those_of_the_integer_frequencies(all_puts: list[Put]) -> None:
    slow = SlowCoder()
    for symbols, indexes, tables in all_puts:
        slow.put(symbols, indexes, tables)
    assert encoded(*all_puts) == slow.finish()


@pytest.mark.parametrize("prefix", ["latent_tables", "hyper_tables"])
def test_so_are_those_of_a_models_tables(tiny_model: Model, prefix: str) -> None:
    """Over a hundred tables, some a thousand symbols wide, every place of each drawn alike."""
    tables = Tables.from_arrays(tiny_model.frozen, prefix)
    rng = np.random.default_rng(0)
    indexes = rng.integers(0, len(tables), 3000)
    reach = tables.reaches[indexes] + 2  # a few beyond, as escapes
    symbols = tables.centres[indexes] + rng.integers(-reach, reach + 1)
    slow = SlowCoder()
    slow.put(symbols, indexes, tables)
    assert encoded((symbols, indexes, tables)) == slow.finish()


def test_golden_words() -> None:
    """What every version and every machine must write for these symbols."""
    symbols = np.array([[0, 3, -41, 0, 250], [1, -2, 9, 0, -1000]])
    indexes = np.array([[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]])
    payload = encoded((symbols, indexes, LATENT), (np.array([-2, 70]), np.array([0, 1]), HYPER))
    assert payload.hex() == "806decb6e4baf916270cd3f547d2d22e"


def test_the_length_is_the_ideal_of_the_integer_frequencies() -> None:
    rng = np.random.default_rng(5)
    tables = Tables.from_probabilities([0, 0, 0], [bell(2, 0.15), bell(9, 2), bell(200, 40)])
    indexes = rng.integers(0, 3, 200_000).astype(np.int16)
    symbols = np.empty(len(indexes), np.int32)
    ideal_bits = 0.0
    for number in range(3):
        counts, reach = tables[number].astype(np.float64), int(tables.reaches[number])
        where = np.flatnonzero(indexes == number)
        inside = counts[:-1] / counts[:-1].sum()
        places = rng.choice(2 * reach + 1, len(where), p=inside)
        symbols[where] = places - reach
        ideal_bits -= float(np.log2(counts[places] / TOTAL).sum())
    real_bits = 8 * len(encoded((symbols, indexes, tables)))
    assert ideal_bits - 1 < real_bits <= ideal_bits * 1.0001 + 64


def test_the_order_of_puts_is_the_order_of_takes() -> None:
    first = (np.array([1, 2, 3]), np.array([1, 1, 1]), LATENT)
    second = (np.array([-9, 0]), np.array([0, 1]), HYPER)
    payload = encoded(first, second)
    assert [out.tolist() for out in decoded(payload, first, second)] == [[1, 2, 3], [-9, 0]]
    assert payload != encoded(second, first)


def test_nothing_takes_no_bytes() -> None:
    empty = (np.empty((0, 4), np.int32), np.empty((0, 4), np.int16), LATENT)
    assert encoded() == encoded(empty, empty) == b""
    assert decoded(b"", empty)[0].shape == (0, 4)


def test_symbols_are_clipped_to_the_limit() -> None:
    """What a broken network might send; the limit itself is coded as it is."""
    values = np.array([SYMBOL_LIMIT, SYMBOL_LIMIT + 1, 2**31 - 1, -SYMBOL_LIMIT, -(2**31)])
    put = (values, np.array([0, 1, 2, 0, 1]), LATENT)
    taken = decoded(encoded(put), put)[0]
    assert taken.tolist() == [SYMBOL_LIMIT] * 3 + [-SYMBOL_LIMIT] * 2


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("excess", [SYMBOL_LIMIT, 2**21, 2**22 - 1])
def test_no_stream_holds_a_symbol_beyond_the_limit(negative: bool, excess: int) -> None:
    """No encoder writes one, and what follows relies on it: the integer prior is exact up to it."""
    slow = SlowCoder()
    counts = [int(count) for count in LATENT[0]]
    slow.pushed.append((sum(counts[:-1]), counts[-1]))
    slow.put_escape(negative, excess)
    with pytest.raises(StreamError, match="beyond"):
        SymbolDecoder(slow.finish()).take(np.array([0]), LATENT)


def test_left_over_symbols() -> None:
    put = (np.arange(20) % 7, np.full(20, 1), LATENT)
    decoder = SymbolDecoder(encoded(put))
    decoder.take(put[1][:-1], LATENT)
    with pytest.raises(StreamError, match="left over"):
        decoder.finish()


@pytest.mark.parametrize("payload", [b"abc", b"abcde", bytes(4), b"abcd" + bytes(4)])
def test_payloads_that_no_encoder_writes(payload: bytes) -> None:
    with pytest.raises(StreamError, match="the stream is damaged"):
        SymbolDecoder(payload)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=64).map(lambda data: data[: len(data) // 4 * 4]), st.integers(0, 40))
def test_random_payloads(payload: bytes, count: int) -> None:
    """Whatever decodes to the end is what the encoder would have written; all else is refused."""
    indexes = np.arange(count) % len(LATENT)
    try:
        taken = decoded(payload, (np.empty(0), indexes, LATENT))[0]
    except StreamError as error:
        assert "\n" not in str(error)
    else:
        assert encoded((taken, indexes, LATENT)) == payload
