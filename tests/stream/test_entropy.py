"""Symbols through the coder: exact, in the bits that the integer frequencies promise.

``SlowCoder`` is the format written down a second time, symbol by symbol in Python integers and with
nothing but the tables' frequencies: a 64-bit state, 32-bit words, 24-bit probabilities (Duda 2013).
The fast coder must write its words.
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
LIKELY = Tables.from_probabilities(
    [0, 7, 0, 0, 0, -3, 1],
    [
        bell(3, 0.3),  # several classes of misses, one shared by two tables
        bell(2, 0.25),
        bell(1, 0.11),
        bell(1, 0.25),
        np.array([0.3, 0.0, 0.7]),  # two-valued
        np.array([0.999, 0.001, 0.0]),
        np.array([0.05, 0, 0, 0.9, 0, 0, 0]),  # a mode off the centre
    ],
)
BITS = Tables.from_probabilities([0] * 3, [np.array([1 - p, 0, p]) for p in (0.01, 0.5, 0.8)])

Put = tuple[np.ndarray, np.ndarray, Tables]


class SlowTable:
    def __init__(self, tables: Tables, number: int) -> None:
        *counts, escape = (int(count) for count in tables[number])
        self.centre, self.reach = int(tables.centres[number]), int(tables.reaches[number])
        self.first = self.centre - self.reach
        self.places = [escape, *counts]
        best = counts.index(max(counts))
        self.mode = self.first + best
        self.misses = TOTAL - counts[best]
        self.own = dict(enumerate(counts, -best))  # by distance from the mode
        others = {distance: count for distance, count in self.own.items() if distance}
        self.second = max(others, key=lambda d: (others[d], -d), default=0)
        rest = self.misses - others.get(self.second, 0)
        sound = counts[best] >= escape
        self.two = (
            sound
            and others.get(self.second, 0) >= escape
            and rest <= 4
            and 1024 * rest <= self.misses
        )
        self.flagged = self.two or (sound and 4 * counts[best] >= 3 * TOTAL)
        width = self.misses.bit_length()
        self.group = (width, self.misses >> width - 5 if width > 12 else 0)

    def exceptions(self, near: list[int]) -> list[int]:
        counts = [self.own.get(distance, 0) for distance in near]
        counts = [self.misses - sum(counts), *counts]
        scaled = [count * (TOTAL - 5) // self.misses + 1 for count in counts]
        scaled[scaled.index(max(scaled))] += TOTAL - sum(scaled)
        return scaled


def eight_flags(misses: int) -> list[int]:
    counts = []
    for byte in range(256):
        share = TOTAL - 256
        for factor in [misses] * byte.bit_count() + [TOTAL - misses] * (8 - byte.bit_count()):
            share = share * factor // TOTAL
        counts.append(share + 1)
    counts[0] += TOTAL - sum(counts)
    return counts


class SlowCoder:
    """Asymmetric numeral system, one symbol at a time; pushed in reverse at the end."""

    def __init__(self) -> None:
        self.pushed: list[tuple[int, int]] = []  # (left cumulative, frequency)

    def put(self, symbols: np.ndarray, indexes: np.ndarray, tables: Tables) -> None:
        known = [SlowTable(tables, number) for number in range(len(tables))]
        misses: dict[tuple[int, int], list[int]] = {}
        for table in known:
            if table.flagged:
                misses.setdefault(table.group, []).append(table.misses)
        pairs = [
            (symbol, known[number])
            for symbol, number in zip(
                symbols.ravel().tolist(), indexes.ravel().tolist(), strict=True
            )
        ]
        escaped: list[tuple[int, int]] = []
        for table in known:
            for symbol in (s for s, t in pairs if t is table and not t.flagged):
                if abs(symbol - table.centre) <= table.reach:
                    self.place(1 + symbol - table.first, table.places)
                else:
                    self.place(0, table.places)
                    escaped.append((symbol - table.centre, table.reach))
        flagged = [(symbol, table) for symbol, table in pairs if table.flagged]
        flagged.sort(key=lambda pair: pair[1].group, reverse=True)
        for at in range(0, len(flagged), 8):
            own = misses[flagged[at][1].group]
            flags = [int(symbol != table.mode) for symbol, table in flagged[at : at + 8]]
            flags += [0] * (8 - len(flags))
            byte = sum(flag << (7 - i) for i, flag in enumerate(flags))
            self.place(byte, eight_flags(sum(own) // len(own)))
        exceptions = [(s - table.mode, table) for s, table in flagged if s != table.mode]
        surprises = [distance != table.second for distance, table in exceptions if table.two]
        if surprises:
            self.place(int(any(surprises)), [TOTAL - 2**14, 2**14])
        for distance, table in exceptions:
            if table.two and not any(surprises):
                continue
            near = [-1, 1, -2, 2]
            self.place(near.index(distance) + 1 if distance in near else 0, table.exceptions(near))
            if distance not in near:
                escaped.append((distance, 2))
        for distance, reach in escaped:
            self.put_escape(distance < 0, abs(distance) - reach)

    def place(self, place: int, counts: list[int]) -> None:
        assert sum(counts) == TOTAL
        self.pushed.append((sum(counts[:place]), counts[place]))

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


closest, near, far = (
    st.integers(-1, 1),
    st.integers(-50, 50),
    st.integers(-SYMBOL_LIMIT, SYMBOL_LIMIT),
)


@st.composite
def puts(draw: st.DrawFn) -> Put:
    tables = draw(st.sampled_from([LATENT, HYPER, LIKELY, BITS]))
    shape = draw(st.sampled_from([(0,), (1,), (7,), (37,), (2, 3, 4), (3, 0, 2), (1, 5, 1)]))
    count = math.prod(shape)
    symbols = draw(st.lists(closest | closest | near | far, min_size=count, max_size=count))
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
    likely = np.array([[0, 7, 0, 0, 1, -3, 1], [0, 6, 1, 0, -1, -4, -1], [2, 900, 0, -1, 1, 2, 5]])
    payload = encoded(
        (symbols, indexes, LATENT),
        (np.array([-2, 70]), np.array([0, 1]), HYPER),
        (likely, np.arange(7) + np.zeros((3, 1), np.int16), LIKELY),
        (np.array([1, -1, 1, 1]), np.array([0, 1, 1, 2]), BITS),
    )
    assert payload.hex() == (
        "ab5e88e650b9b395b0ac00dfd0ffffaafb09aef2effcf260bb04001155b87cfb1f42674f0b000000"
    )


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


@pytest.mark.parametrize("number", [0, 2], ids=["flagged", "plain"])
@pytest.mark.parametrize(
    "symbol", [SYMBOL_LIMIT + 1, -SYMBOL_LIMIT - 1, 2**22 - 200, -(2**22) + 200]
)
def test_no_stream_holds_a_symbol_beyond_the_limit(symbol: int, number: int) -> None:
    """No encoder writes one, and what follows relies on it: the integer prior is exact up to it."""
    slow = SlowCoder()
    slow.put(np.array([symbol]), np.array([number]), LATENT)
    with pytest.raises(StreamError, match="beyond"):
        SymbolDecoder(slow.finish()).take(np.array([number]), LATENT)


def test_no_flag_behind_the_last_symbol() -> None:
    slow = SlowCoder()
    slow.place(0b00000001, eight_flags(SlowTable(BITS, 0).misses))
    slow.place(0, [TOTAL - 2**14, 2**14])
    indexes = np.zeros(7, np.int16)
    with pytest.raises(StreamError, match="more symbols"):
        SymbolDecoder(slow.finish()).take(indexes, BITS)


def test_no_surprise_without_a_third_value() -> None:
    table = SlowTable(BITS, 0)
    slow = SlowCoder()
    slow.place(0b10000000, eight_flags(table.misses))
    slow.place(1, [TOTAL - 2**14, 2**14])
    assert table.second == 2
    slow.place(4, table.exceptions([-1, 1, -2, 2]))
    with pytest.raises(StreamError, match="not there"):
        SymbolDecoder(slow.finish()).take(np.zeros(1, np.int16), BITS)


def test_a_surprise_is_told() -> None:
    """A third value, which a two-valued table all but excludes, among many of the second."""
    symbols = np.array([1, -1, 1, -1, 0, 1, 70, -1, 1, 1])
    put = (symbols, np.zeros(10, np.int16), BITS)
    assert SlowTable(BITS, 0).two
    np.testing.assert_array_equal(decoded(encoded(put), put)[0], symbols)


def test_most_symbols_cost_the_coder_an_eighth() -> None:
    """What flags are for: 8000 bits in one call, of a thousand symbols."""
    put = (np.full(8000, -1), np.zeros(8000, np.int16), BITS)
    encoder = SymbolEncoder()
    encoder.put(*put)
    assert [len(step[0]) for step in encoder._steps] == [1000]


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
@given(
    st.binary(max_size=64).map(lambda data: data[: len(data) // 4 * 4]),
    st.integers(0, 40),
    st.sampled_from([LATENT, LIKELY, BITS]),
)
def test_random_payloads(payload: bytes, count: int, tables: Tables) -> None:
    """Whatever decodes to the end is what the encoder would have written; all else is refused."""
    indexes = np.arange(count) % len(tables)
    try:
        taken = decoded(payload, (np.empty(0), indexes, tables))[0]
    except StreamError as error:
        assert "\n" not in str(error)
    else:
        assert encoded((taken, indexes, tables)) == payload
