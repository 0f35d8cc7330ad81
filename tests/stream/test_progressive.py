"""A progressive stream cut at a section's end is a stream; cut or damaged elsewhere it keeps what
came before; and nothing that was not written there passes for it."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from slimcodec.errors import StreamError, UsageError
from slimcodec.stream import (
    MAX_PIXELS,
    MAX_SECTIONS,
    Stream,
    cut,
    is_progressive,
    pack,
    salvage,
    step_ends,
    unpack,
)

SAMPLE = Stream(b"identity", 300, 200, 0, (b"first", b"", b"third", b"", bytes(140)), True)


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    height = draw(st.integers(1, MAX_PIXELS))
    return Stream(
        draw(st.binary(min_size=8, max_size=8)),
        height,
        draw(st.integers(1, MAX_PIXELS // height)),
        draw(st.integers(0, 2**35 - 1)),
        tuple(draw(st.lists(st.binary(max_size=150), min_size=1, max_size=6))),
        progressive=True,
    )


def first(stream: Stream, count: int) -> Stream:
    return replace(stream, sections=stream.sections[:count])


def framed(data: bytes) -> tuple[bytes, list[bytes]]:
    """The header, and each section with its length and check."""
    ends = step_ends(data)
    header = len(pack(replace(unpack(data), sections=(b"",)))) - 5
    starts = (header, *ends[:-1])
    return data[:header], [data[a:b] for a, b in zip(starts, ends, strict=True)]


def test_golden_bytes() -> None:
    """The layout of the docstring, byte for byte."""
    stream = Stream(b"identity", 300, 5, 0, (b"ab", b"", b"c"), progressive=True)
    header = b"SLC\x02identity" + b"\xac\x02" + b"\x05" + b"\x00"
    without_checks, expected = header, header
    for length, payload in ((b"\x02", b"ab"), (b"\x00", b""), (b"\x01", b"c")):
        without_checks += length + payload
        expected += length + struct.pack("<I", zlib.crc32(without_checks)) + payload
    assert pack(stream) == expected
    assert pack(stream).hex() == (
        "534c43026964656e74697479ac020500024c013adf61620037d8b7ad013944769463"
    )


@given(streams())
def test_unpack_is_the_inverse_of_pack(stream: Stream) -> None:
    data = pack(stream)
    assert unpack(data) == stream
    assert salvage(data) == (data, None)
    assert is_progressive(data) and not is_progressive(pack(replace(stream, progressive=False)))


@given(streams())
def test_every_beginning_is_the_stream_of_fewer_sections(stream: Stream) -> None:
    data = pack(stream)
    ends = step_ends(data)
    assert len(ends) == len(stream.sections) and ends[-1] == len(data)
    for count, end in enumerate(ends, 1):
        assert pack(first(stream, count)) == data[:end] == cut(data, count)
        assert unpack(data[:end]) == first(stream, count)
        assert step_ends(data[:end]) == ends[:count]


@given(streams())
def test_cut_anywhere_else(stream: Stream) -> None:
    data = pack(stream)
    ends = step_ends(data)
    for length in set(range(3, len(data))) - set(ends):
        whole = [end for end in ends if end < length]
        with pytest.raises(StreamError, match="cut short") as caught:
            unpack(data[:length])
        if not whole:
            with pytest.raises(StreamError, match="cut short"):
                salvage(data[:length])
            continue
        kept, lost = salvage(data[:length])
        assert kept == data[: whole[-1]]
        assert lost is not None and f"cut short inside section {len(whole) + 1}" in lost
        assert str(caught.value).startswith(lost) and "--partial" in str(caught.value)


@given(streams(), st.data())
def test_any_changed_byte(stream: Stream, data: st.DataObject) -> None:
    sound = pack(stream)
    place = data.draw(st.integers(0, len(sound) - 1))
    changed = bytearray(sound)
    changed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(StreamError):
        unpack(bytes(changed))
    whole = [end for end in step_ends(sound) if end <= place]
    if whole:
        kept, lost = salvage(bytes(changed))
        assert kept == sound[: whole[-1]] and lost
    else:
        with pytest.raises(StreamError):
            salvage(bytes(changed))


@settings(max_examples=200)
@given(streams(), st.lists(st.integers(0, 5), min_size=1, max_size=8))
def test_sections_repeated_or_in_another_order(stream: Stream, order: list[int]) -> None:
    header, sections = framed(pack(stream))
    order = [number % len(sections) for number in order]
    data = header + b"".join(sections[number] for number in order)
    right = 0
    while right < len(order) and order[right] == right:
        right += 1
    if right == len(order):
        assert unpack(data) == first(stream, right)
    else:
        with pytest.raises(StreamError, match="section"):
            unpack(data)
    if right:
        assert salvage(data)[0] == pack(first(stream, right))


@given(streams(), streams(), st.booleans(), st.data())
def test_sections_of_another_stream(
    one: Stream, other: Stream, same_header: bool, data: st.DataObject
) -> None:
    """Also of the same picture's, when what was written before differs."""
    other = replace(one, sections=other.sections) if same_header else other
    start = data.draw(st.integers(1, len(one.sections)))
    there = data.draw(st.integers(1, len(other.sections)))
    assume(pack(first(one, start)) != pack(first(other, there)))
    foreign = framed(pack(other))[1][there:]
    assume(foreign)
    mixed = pack(first(one, start)) + b"".join(foreign)
    with pytest.raises(StreamError):
        unpack(mixed)
    assert salvage(mixed)[0] == pack(first(one, start))


def test_empty_sections_forget_nothing() -> None:
    """As they would if the check of data followed by its own check were continued."""
    header, sections = framed(pack(SAMPLE))
    for order in ((0, 1, 1), (0, 1, 3), (0, 3), (1,), (0, 1, 2, 3, 3), (0, 1, 4)):
        with pytest.raises(StreamError, match="fails its check"):
            unpack(header + b"".join(sections[number] for number in order))


def test_the_words_for_each_damage() -> None:
    data = pack(SAMPLE)
    ends = step_ends(data)
    with pytest.raises(
        StreamError,
        match=r"^the stream is cut short inside section 3 \(2 of its 10 bytes are missing\); "
        r"the first 2 sections are whole; salvage them \(slimcodec decode --partial\)$",
    ):
        unpack(data[: ends[2] - 2])
    changed = bytearray(data)
    changed[ends[1] - 1] ^= 1
    with pytest.raises(
        StreamError,
        match=r"^section 2 fails its check \(damaged, out of order, or from another stream\); "
        r"the first section is whole; salvage it \(slimcodec decode --partial\)$",
    ):
        unpack(bytes(changed))
    with pytest.raises(StreamError, match=r"^the stream is cut short inside section 3; the first"):
        unpack(data[: ends[1]] + b"\x80")
    with pytest.raises(StreamError, match="a number in section 3 is too long; the first 2"):
        unpack(data[: ends[1]] + b"\x80" * 9)
    for nothing in (data[: ends[0] - 1], data[: ends[0] - 1] + b"?"):
        for read in (unpack, salvage):
            with pytest.raises(StreamError, match=r"section 1.*; none of it can be decoded"):
                read(nothing)
    for read in (unpack, salvage):
        with pytest.raises(StreamError, match="it ends before its first section"):
            read(framed(data)[0])


@pytest.mark.parametrize("count", [-1, 0, 6, 10**9])
def test_cut_to_what_is_not_there(count: int) -> None:
    with pytest.raises(UsageError, match=f"has 5 sections, .* cut to 1 to 5, got {count}$"):
        cut(pack(SAMPLE), count)


def test_cut_is_strict() -> None:
    """A damaged stream is not made to look sound by dropping the damage unasked."""
    with pytest.raises(StreamError, match="the first 4 sections are whole"):
        cut(pack(SAMPLE)[:-1], 2)


def test_streams_that_are_not_progressive() -> None:
    data = pack(replace(SAMPLE, progressive=False))
    with pytest.raises(UsageError, match="only a progressive stream can be cut"):
        cut(data, 1)
    assert salvage(data) == (data, None)
    for damaged in (data[:-1], data + b"\0"):
        with pytest.raises(
            StreamError, match="only a progressive stream, or one in tiles, has parts"
        ):
            salvage(damaged)
    for read in (cut, lambda data, _: salvage(data)):
        with pytest.raises(StreamError, match="not a slimcodec stream"):
            read(b"\xff\xd8\xff", 1)


def test_a_progressive_stream_needs_a_section_and_not_too_many() -> None:
    for count in (0, MAX_SECTIONS + 1):
        with pytest.raises(UsageError, match=f"1 to {MAX_SECTIONS} sections, got {count}"):
            pack(replace(SAMPLE, sections=(b"",) * count))
    most = pack(replace(SAMPLE, sections=(b"",) * MAX_SECTIONS))
    assert len(unpack(most).sections) == MAX_SECTIONS
    more = most + most[-5:]
    with pytest.raises(StreamError, match=f"after its end; the first {MAX_SECTIONS} sections"):
        unpack(more)
    assert salvage(more)[0] == most


@settings(max_examples=200)
@given(st.binary(max_size=80))
def test_random_bytes(data: bytes) -> None:
    for read in (unpack, salvage):
        with pytest.raises(StreamError) as caught:
            read(b"SLC\x02identity" + data)
        assert "\n" not in str(caught.value)
