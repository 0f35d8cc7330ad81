"""A stream comes back as it went in, or not at all."""

from __future__ import annotations

import struct
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slimcodec.errors import StreamError
from slimcodec.stream import MAX_PIXELS, Stream, pack, unpack

SAMPLE = Stream(b"identity", 300, 200, 12, (b"first payload", b"", bytes(range(150))))
HEADER = b"SLC\x01" + SAMPLE.stream_id


def varint(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = value >> 7, value & 127
        out.append(low | (128 if value else 0))
        if not value:
            return bytes(out)


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    height = draw(st.integers(1, MAX_PIXELS))
    width = draw(st.integers(1, MAX_PIXELS // height))
    return Stream(
        draw(st.binary(min_size=8, max_size=8)),
        height,
        width,
        draw(st.integers(0, 2**35 - 1)),
        tuple(draw(st.lists(st.binary(max_size=300), min_size=1, max_size=4))),
    )


@given(streams())
def test_unpack_is_the_inverse_of_pack(stream: Stream) -> None:
    assert unpack(pack(stream)) == stream


def test_golden_bytes() -> None:
    """The layout of the docstring, byte for byte; 300 is 0xAC 0x02 as a varint."""
    stream = Stream(b"identity", 300, 5, 12, (b"ab", b"c"))
    first = b"SLC\x01identity" + b"\xac\x02" + b"\x05" + b"\x0c" + b"\x02" + b"\x02"
    expected = first + struct.pack("<I", zlib.crc32(first + b"ab")) + b"ab" + b"\x01"
    expected += struct.pack("<I", zlib.crc32(expected + b"c")) + b"c"
    assert pack(stream) == expected
    assert pack(stream).hex() == "534c43016964656e74697479ac02050c02027c48ddf9616201f4a714a963"


@pytest.mark.parametrize(("payload_bytes", "frame_bytes"), [(16_383, 24), (16_384, 25)])
def test_the_frame_of_a_kodak_image(payload_bytes: int, frame_bytes: int) -> None:
    data = pack(Stream(b"identity", 512, 768, 4, (bytes(payload_bytes),)))
    assert len(data) == payload_bytes + frame_bytes


def test_every_truncation() -> None:
    data = pack(SAMPLE)
    for length in range(len(data)):
        with pytest.raises(StreamError):
            unpack(data[:length])


def test_every_flipped_bit() -> None:
    data = pack(SAMPLE)
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(StreamError):
            unpack(bytes(flipped))


def test_sections_cannot_change_places() -> None:
    """Each check continues the one before, so a sound section in another place is not sound."""
    one = pack(Stream(b"identity", 8, 8, 0, (b"aaaa", b"bbbb")))
    start, size = one.index(b"\x04"), 1 + 4 + 4
    sections = one[start : start + size], one[start + size :]
    assert start + 2 * size == len(one)
    for order in (sections[1] + sections[0], sections[0] * 2, sections[1] * 2):
        with pytest.raises(StreamError, match="fails its check"):
            unpack(one[:start] + order)


@pytest.mark.parametrize("more", [b"\0", b"SLC", bytes(100)])
def test_trailing_bytes(more: bytes) -> None:
    with pytest.raises(StreamError, match=f"{len(more)} bytes after its end"):
        unpack(pack(SAMPLE) + more)


@pytest.mark.parametrize("data", [b"", b"S", b"\x89PNG\r\n\x1a\n" + bytes(50), b"slc" + bytes(50)])
def test_foreign_bytes(data: bytes) -> None:
    with pytest.raises(StreamError, match="not a slimcodec stream"):
        unpack(data)


@pytest.mark.parametrize("version", [0, 4, 255])
def test_another_version(version: int) -> None:
    data = bytearray(pack(SAMPLE))
    data[3] = version
    with pytest.raises(StreamError, match=f"format version {version}, .* reads versions 1 to 3"):
        unpack(bytes(data))


@pytest.mark.parametrize(
    ("height", "width"),
    [(0, 5), (5, 0), (0, 0), (2**14 + 1, 2**14), (1, MAX_PIXELS + 1), (2**34, 2**34)],
)
def test_impossible_sizes(height: int, width: int) -> None:
    data = HEADER + varint(height) + varint(width) + b"\0\0"
    with pytest.raises(StreamError, match=f"{width}x{height} pixels"):
        unpack(data)


def test_the_largest_size_is_allowed() -> None:
    assert unpack(pack(Stream(b"identity", 2**14, 2**14, 0, (b"",)))).height == 2**14


@pytest.mark.parametrize(
    "fields",
    [
        (8, 8, 0, 1, 2**34),  # a section longer than any memory
        (8, 8, 0, 2**34, 0),  # more sections than bytes
        (2**34, 2**34, 2**34, 2**34),
    ],
)
def test_huge_claims_take_no_memory(fields: tuple[int, ...]) -> None:
    data = HEADER + b"".join(varint(value) for value in fields) + bytes(64)
    tracemalloc.start()
    try:
        with pytest.raises(StreamError):
            unpack(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000


def test_a_field_without_an_end() -> None:
    with pytest.raises(StreamError, match="a number in its header is too long"):
        unpack(HEADER + b"\xff" * 40)


@settings(max_examples=200)
@given(st.binary(max_size=80), st.booleans())
def test_random_bytes(data: bytes, with_header: bool) -> None:
    """Chance cannot make a sound stream: it needs a section, and a section needs its CRC."""
    data = HEADER + data if with_header else data
    with pytest.raises(StreamError) as caught:
        unpack(data)
    assert "\n" not in str(caught.value)


def test_a_stream_without_sections() -> None:
    """Its header would have no check."""
    with pytest.raises(StreamError, match="no sections"):
        unpack(pack(Stream(b"identity", 8, 8, 0, ())))
