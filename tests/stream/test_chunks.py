"""The container of tiles, and of what travels beside a picture: damage costs what it hits."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slimcodec.errors import StreamError, UsageError
from slimcodec.stream import (
    BESIDE,
    MAX_PIXELS,
    Stream,
    attach,
    cut,
    is_progressive,
    pack,
    salvage,
    step_ends,
    unpack,
)
from slimcodec.stream.chunks import MAX_CHUNKS
from slimcodec.stream.varints import to_varint

SAMPLE = Stream(
    b"identity",
    300,
    200,
    12,
    (b"first payload", b"", bytes(range(150)), b"last"),
    tile=16,
    tiles=4,
    beside={"exif": b"Exif\0\0...", "alpha": b"alpha"},
)
PROGRESSIVE = replace(SAMPLE, sections=SAMPLE.sections * 3, progressive=True)


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    height = draw(st.integers(1, MAX_PIXELS))
    width = draw(st.integers(1, MAX_PIXELS // height))
    progressive = draw(st.booleans())
    tiles = draw(st.integers(1, 4))
    count = tiles * draw(st.integers(1, 3) if progressive else st.just(1))
    sections = draw(st.lists(st.binary(max_size=50), min_size=count, max_size=count))
    beside = draw(st.dictionaries(st.sampled_from(BESIDE), st.binary(max_size=50)))
    return Stream(
        draw(st.binary(min_size=8, max_size=8)),
        height,
        width,
        draw(st.integers(0, 2**35 - 1)),
        tuple(sections),
        progressive,
        tile=draw(st.integers(8, 2**35 - 1)) if tiles > 1 else 0,
        tiles=tiles,
        beside=beside,
    )


@given(streams())
def test_unpack_is_the_inverse_of_pack(stream: Stream) -> None:
    data = pack(stream)
    assert unpack(data) == stream
    assert salvage(data) == (data, None)
    assert is_progressive(data) == stream.progressive
    assert data[3] == (3 if stream.tiles > 1 or stream.beside else 1 + stream.progressive)


@given(streams(), st.data())
def test_holes_travel_too(stream: Stream, data: st.DataObject) -> None:
    # Whole steps at the end are not missing but cut off.
    numbers = st.integers(0, len(stream.sections) - 2)
    gone = data.draw(st.frozensets(numbers)) if len(stream.sections) > 1 else frozenset()
    sections = tuple(b"" if n in gone else s for n, s in enumerate(stream.sections))
    holed = replace(stream, sections=sections, missing=gone)
    assert unpack(pack(holed), partial=True) == holed
    if gone:
        with pytest.raises(StreamError, match=r"missing; .* salvage (it|them)"):
            unpack(pack(holed))


def test_golden_bytes() -> None:
    """The layout of the docstring, byte for byte; 300 is 0xAC 0x02 as a varint."""
    stream = Stream(b"identity", 300, 5, 12, (b"ab", b"c"), tile=9, tiles=2, beside={"icc": b"x"})
    header = b"SLC\x03identity" + b"\xac\x02" + b"\x05" + b"\x0c" + b"\x09\x02\x00"
    check = zlib.crc32(header)
    expected = header + struct.pack("<I", check)
    for head, payload in ((b"\x02\0\x01", b"x"), (b"\0\0\x02", b"ab"), (b"\0\x01\x01", b"c")):
        own = zlib.crc32(head, check)
        last = zlib.crc32(payload, own)
        expected += head + struct.pack("<I", own) + payload + struct.pack("<I", last)
    assert pack(stream) == expected
    assert pack(stream).hex() == ("534c43036964656e74697479ac02050c090200" + expected[19:].hex())


@pytest.mark.parametrize("stream", [SAMPLE, PROGRESSIVE])
def test_every_flipped_bit_is_noticed_and_costs_a_chunk(stream: Stream) -> None:
    data = pack(stream)
    header = len(pack(replace(stream, beside={}, missing=frozenset(range(1, 4))))) - 13 - 11
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(StreamError):
            unpack(bytes(flipped))
        if bit // 8 < header - 13:
            continue
        try:
            kept, lost = salvage(bytes(flipped))
        except StreamError:
            continue
        found = unpack(kept, partial=True)
        assert lost
        there = set(range(len(found.sections))) - found.missing
        assert all(found.sections[number] == stream.sections[number] for number in there)
        assert set(found.beside.items()) <= set(stream.beside.items())


def test_a_flipped_bit_in_a_payload_costs_that_one() -> None:
    data = pack(SAMPLE)
    for number in (0, 2, 3):
        at = data.index(SAMPLE.sections[number])
        changed = data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]
        kept, lost = salvage(changed)
        assert lost is not None and f"tile {number + 1} of 4" in lost
        found = unpack(kept, partial=True)
        assert found.missing == {number} and found.beside == SAMPLE.beside
    at = data.index(b"Exif")
    kept, lost = salvage(data[:at] + b"e" + data[at + 1 :])
    assert lost is not None and "what travels beside it" in lost and "4 of 4 tiles" in lost
    assert unpack(kept).sections == SAMPLE.sections
    assert unpack(kept).beside == {"alpha": b"alpha"}


@pytest.mark.parametrize("stream", [SAMPLE, PROGRESSIVE])
def test_every_truncation(stream: Stream) -> None:
    data = pack(stream)
    ends = step_ends(data)
    for length in range(len(data)):
        if stream.progressive and length in ends:
            assert unpack(data[:length]).steps == ends.index(length) + 1
            continue
        with pytest.raises(StreamError, match=r"cut short|missing|fails|less than|not a slimcodec"):
            unpack(data[:length])


def test_a_cut_is_a_beginning() -> None:
    data = pack(PROGRESSIVE)
    ends = step_ends(data)
    assert len(ends) == 3 and ends[-1] == len(data)
    for count, end in enumerate(ends, 1):
        expected = replace(PROGRESSIVE, sections=PROGRESSIVE.sections[: 4 * count])
        assert cut(data, count) == data[:end] == pack(expected)
    with pytest.raises(UsageError, match="1 to 3, got 4"):
        cut(data, 4)
    with pytest.raises(UsageError, match="only a progressive stream"):
        cut(pack(SAMPLE), 1)


def test_a_cut_of_what_has_holes() -> None:
    holed = replace(PROGRESSIVE, missing=frozenset({2, 5}), sections=tuple(
        b"" if n in (2, 5) else s for n, s in enumerate(PROGRESSIVE.sections)
    ))  # fmt: skip
    found = unpack(cut(pack(holed), 1), partial=True)
    assert found == replace(holed, sections=holed.sections[:4], missing=frozenset({2}))


def test_chunks_of_another_stream_or_out_of_order() -> None:
    data, other = pack(SAMPLE), pack(replace(SAMPLE, quality=13))
    at = data.index(b"last") - 7
    mixed = data[:at] + other[at:]
    with pytest.raises(StreamError, match=r"from another stream.*tile 4 of 4"):
        unpack(mixed)
    assert unpack(salvage(mixed)[0], partial=True).missing == {3}
    with pytest.raises(StreamError, match="comes after"):
        unpack(data + data[at:])


def test_a_kind_that_is_not_known_is_passed_over() -> None:
    data = pack(SAMPLE)
    check = zlib.crc32(data[: data.index(b"Exif") - 11])
    head = b"\x63\x07\x02"
    own = zlib.crc32(head, check)
    chunk = head + struct.pack("<I", own) + b"hi" + struct.pack("<I", zlib.crc32(b"hi", own))
    assert unpack(data + chunk) == SAMPLE


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tiles": 0}, "0 tiles"),
        ({"tiles": 3}, "3 tiles"),
        ({"sections": ()}, "got 0"),
        ({"sections": SAMPLE.sections * 2}, "got 8"),
        ({"beside": {"name": b""}}, "not name"),
    ],
)
def test_what_is_no_stream(change: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        pack(replace(SAMPLE, **change))


@pytest.mark.parametrize(("tile", "tiles"), [(0, 4), (16, 1), (7, 4), (16, 1 << 17)])
def test_claims_that_cannot_be(tile: int, tiles: int) -> None:
    header = b"SLC\x03identity\x10\x10\x00"
    for value in (tile, tiles, 0):
        while value >= 128:
            header += bytes([value & 127 | 128])
            value >>= 7
        header += bytes([value])
    data = header + struct.pack("<I", zlib.crc32(header))
    with pytest.raises(StreamError, match=f"claims {tiles} tiles of up to {tile} positions"):
        unpack(data)


def test_attaching_takes_the_place_of_what_was_there() -> None:
    data = pack(replace(SAMPLE, beside={}))
    once = attach(data, {"exif": b"one", "icc": b"two"})
    assert attach(once, {"exif": b"three"}) == attach(data, {"exif": b"three"})
    assert attach(once, {}) == data
    plain = pack(Stream(b"identity", 3, 3, 0, (b"abc",)))
    assert plain[3] == 1 and attach(plain, {"xmp": b"x"})[3] == 3
    assert attach(attach(plain, {"xmp": b"x"}), {}) == plain


def test_a_few_bytes_do_not_claim_millions_of_sections() -> None:
    tiles, last = 1 << 16, (1 << 24) - 1
    data = bytearray(b"SLC\3identity" + b"".join(map(to_varint, (16, 16, 0, 8, tiles, 1))))
    check = zlib.crc32(data)
    head = b"".join(map(to_varint, (0, last, 0)))
    own = zlib.crc32(head, check)
    data += struct.pack("<I", check) + head + struct.pack("<II", own, own)
    tracemalloc.start()
    for read in (unpack, salvage, step_ends):
        with pytest.raises(StreamError, match=f"section {last + 1} .*of at most 262144"):
            read(bytes(data))
    assert not is_progressive(bytes(data))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_no_more_is_written_than_is_read() -> None:
    sections = (b"",) * (MAX_CHUNKS + 4)
    with pytest.raises(UsageError, match="of every step, and at most 262,144, got 262148"):
        pack(replace(PROGRESSIVE, sections=sections))


def test_many_faults_are_told_in_few_words() -> None:
    """Each of a thousand chunks is damaged: the line that says so is no longer than any."""
    many = replace(SAMPLE, sections=(b"payload",) * 1000, tiles=1000)
    damaged = pack(many).replace(b"payload", b"Payload", 999)
    with pytest.raises(
        StreamError, match=r"; 994 more faults; tiles 1, 2, 3, 4, 5 and 994"
    ) as told:
        unpack(damaged)
    assert len(str(told.value)) < 600
