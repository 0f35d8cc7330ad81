"""The bytes of one compressed image: a small header and checked sections.

    offset  size    field
    0       3       magic "SLC"
    3       1       format version: 1, or 2 for a progressive stream
    4       8       stream_id: a digest of everything the entropy decoder depends on
    12      varint  height
            varint  width
            varint  quality, in the codec's own integer steps
            varint  number of sections; not in version 2
    then per section: varint length, CRC-32 (little-endian), payload

A section's CRC continues that of everything before it, so the first one covers the header too and
no section can be swapped, repeated or moved unnoticed. Varints are LEB128: seven bits a byte, low
ones first. For a 768x512 image with one section the whole frame is 24 bytes, from 16 KiB on 25.

A *progressive* stream holds one section per step of its codec and does not say how many there are:
it ends where its bytes end. So its first n sections are the stream of n steps, byte for byte, and
whoever has the bytes can make it coarser (``cut``, or ``head -c``) without a model. A stream that
was damaged or cut elsewhere keeps the sections before the damage (``salvage``).

What is continued differs in one point. In version 1 it is the CRC of all bytes, earlier checks
included; but the CRC of any data followed by its own CRC is a constant, so an empty section would
forget what came before it. Version 2 continues the CRC of all bytes except the checks, which
forgets nothing: there an empty section is as good as any.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from slimcodec.errors import StreamError, UsageError

__all__ = [
    "MAX_BYTES",
    "MAX_PIXELS",
    "MAX_SECTIONS",
    "Stream",
    "cut",
    "image_size",
    "is_progressive",
    "pack",
    "salvage",
    "section_ends",
    "unpack",
]

MAGIC = b"SLC"
VERSION, PROGRESSIVE = 1, 2
ID_BYTES = 8
MAX_PIXELS = 1 << 28
"""Larger images are refused before memory is taken for them."""
MAX_BYTES = 3 * MAX_PIXELS
"""Of a whole stream: what is longer than its pixels is none."""
MAX_SECTIONS = 256
"""Of a progressive stream; more cannot be steps of a codec."""


@dataclass(frozen=True)
class Stream:
    """A stream taken apart.

    Attributes:
        stream_id: 8 bytes.
        height: rows of the image.
        width: columns of the image.
        quality: in the codec's own integer steps. A progressive stream's is the same at any number
            of sections, being part of all of them.
        sections: what the entropy coder wrote.
        progressive: whether the first sections alone are a stream too.
    """

    stream_id: bytes
    height: int
    width: int
    quality: int
    sections: tuple[bytes, ...]
    progressive: bool = False


def pack(stream: Stream) -> bytes:
    """Stream to bytes; the inverse of ``unpack``.

    Raises:
        UsageError: when a progressive stream has no sections, or more than ``MAX_SECTIONS``.
    """
    count = len(stream.sections)
    if stream.progressive and not 1 <= count <= MAX_SECTIONS:
        raise UsageError(
            f"a progressive stream must have 1 to {MAX_SECTIONS} sections, got {count}"
        )
    data = bytearray(MAGIC)
    data += bytes([PROGRESSIVE if stream.progressive else VERSION]) + stream.stream_id
    for value in (stream.height, stream.width, stream.quality):
        data += _to_varint(value)
    if not stream.progressive:
        data += _to_varint(count)
    running = zlib.crc32(data)
    for section in stream.sections:
        length = _to_varint(len(section))
        check = zlib.crc32(section, zlib.crc32(length, running))
        framed = length + struct.pack("<I", check) + section
        running = check if stream.progressive else zlib.crc32(framed, running)
        data += framed
    return bytes(data)


def unpack(data: bytes) -> Stream:
    """Bytes to stream, every check made; the inverse of ``pack``.

    Raises:
        StreamError: when the bytes are foreign, of a later version, cut short, damaged, or go on
            after their end. Of a progressive stream it says how many sections are whole.
    """
    return _sound(data).stream


def image_size(data: bytes) -> tuple[int, int]:
    """Width and height that a header claims; what is behind it is not looked at, nor needed.

    Raises:
        StreamError: when the header is foreign, of a later version, damaged or cut short.
    """
    (height, width, _), _, _ = _read_header(data)
    return width, height


def is_progressive(data: bytes) -> bool:
    """Whether the bytes begin as a progressive stream does; nothing else is checked."""
    return data[:4] == MAGIC + bytes([PROGRESSIVE])


def section_ends(data: bytes) -> tuple[int, ...]:
    """Where each section of a sound stream ends, in bytes from its start.

    Raises:
        StreamError: as ``unpack``.
    """
    return _sound(data).ends


def cut(data: bytes, sections: int) -> bytes:
    """The stream of the first ``sections`` sections: the first bytes of a progressive stream.

    Raises:
        UsageError: when the stream is not progressive, or has no such number of sections.
        StreamError: as ``unpack``.
    """
    parsed = _sound(data)
    if not parsed.stream.progressive:
        raise UsageError(
            "only a progressive stream can be cut, and this one is not; "
            "encode the picture again at a lower quality"
        )
    count = len(parsed.ends)
    if not 1 <= sections <= count:
        counted = f"{count} section{'s' * (count != 1)}"
        raise UsageError(
            f"the stream has {counted}, so it can be cut to 1 to {count}, got {sections}"
        )
    return data[: parsed.ends[sections - 1]]


def salvage(data: bytes) -> tuple[bytes, str | None]:
    """The longest sound beginning of a progressive stream, and in one line what was lost, if so.

    Raises:
        StreamError: when the stream is not progressive, or not even its first section is whole.
    """
    parsed = _parse(data)
    if not parsed.stream.progressive:
        what = parsed.fault or "the stream is not progressive"
        raise StreamError(f"{what}; only a progressive stream has parts that stand alone")
    return data[: parsed.ends[-1]], None if parsed.fault is None else parsed.loss()


@dataclass(frozen=True)
class _Parsed:
    """What could be read: all of it, or the sections before the first fault."""

    stream: Stream
    ends: tuple[int, ...]
    fault: str | None

    def loss(self) -> str:
        whole = len(self.ends)
        kept = "the first section is" if whole == 1 else f"the first {whole} sections are"
        return f"{self.fault}; {kept} whole"


def _parse(data: bytes) -> _Parsed:
    """Read up to the end or the first fault.

    Raises:
        StreamError: when the header is no good, or a progressive stream has no whole section.
    """
    progressive = is_progressive(data)
    header, count, at = _read_header(data)
    running = zlib.crc32(data[:at])
    sections: list[bytes] = []
    ends: list[int] = []
    fault: str | None = None
    try:
        while len(sections) < count and not (progressive and at == len(data)):
            start = at
            payload, check, at = _read_section(data, start, running, len(sections) + 1)
            running = check if progressive else zlib.crc32(data[start:at], running)
            sections.append(payload)
            ends.append(at)
        if at < len(data):
            fault = f"the stream is damaged: {len(data) - at} bytes after its end"
    except StreamError as error:
        fault = str(error)
    if progressive and not sections:
        raise StreamError(
            f"{fault}; none of it can be decoded"
            if fault
            else "the stream is cut short: it ends before its first section"
        )
    height, width, quality = header
    stream_id = data[4 : 4 + ID_BYTES]
    stream = Stream(stream_id, height, width, quality, tuple(sections), progressive)
    return _Parsed(stream, tuple(ends), fault)


def _sound(data: bytes) -> _Parsed:
    """``_parse``, where a fault is an error."""
    parsed = _parse(data)
    if parsed.fault is None:
        return parsed
    if not parsed.stream.progressive:
        raise StreamError(parsed.fault)
    pronoun = "it" if len(parsed.ends) == 1 else "them"
    raise StreamError(f"{parsed.loss()}; salvage {pronoun} (slimcodec decode --partial)")


def _read_header(data: bytes) -> tuple[tuple[int, int, int], int, int]:
    """Height, width and quality; the most sections there can be; where they begin."""
    if data[:3] != MAGIC:
        raise StreamError("not a slimcodec stream (its first bytes are not 'SLC')")
    if len(data) < 4 + ID_BYTES:
        raise StreamError(f"the stream is cut short: {len(data)} bytes are less than a header")
    if data[3] not in (VERSION, PROGRESSIVE):
        raise StreamError(
            f"the stream has format version {data[3]}, this slimcodec reads versions {VERSION} "
            f"and {PROGRESSIVE}; a later slimcodec may read it"
        )
    at = 4 + ID_BYTES
    height, at = _from_varint(data, at)
    width, at = _from_varint(data, at)
    quality, at = _from_varint(data, at)
    count = MAX_SECTIONS
    if data[3] == VERSION:
        count, at = _from_varint(data, at)
    if not (height and width and height * width <= MAX_PIXELS):
        raise StreamError(f"the stream is damaged: it claims an image of {width}x{height} pixels")
    if count == 0:
        raise StreamError("the stream is damaged: it has no sections")
    return (height, width, quality), count, at


def _read_section(data: bytes, at: int, running: int, number: int) -> tuple[bytes, int, int]:
    """Payload and check of the section that begins at ``at``, and where it ends."""
    start = at
    length, at = _from_varint(data, at, f"section {number}")
    end = at + 4 + length
    if end > len(data):
        raise StreamError(
            f"the stream is cut short inside section {number} ({end - len(data):,} of its "
            f"{end - start:,} bytes are missing)"
        )
    (expected,) = struct.unpack_from("<I", data, at)
    payload = data[at + 4 : end]
    check = zlib.crc32(payload, zlib.crc32(data[start:at], running))
    if check != expected:
        raise StreamError(
            f"section {number} fails its check (damaged, out of order, or from another stream)"
        )
    return payload, check, end


def _to_varint(value: int) -> bytes:
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _from_varint(data: bytes, at: int, where: str = "its header") -> tuple[int, int]:
    value = 0
    for shift in range(0, 35, 7):
        if at >= len(data):
            raise StreamError(f"the stream is cut short inside {where}")
        value |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            return value, at
    raise StreamError(f"the stream is damaged: a number in {where} is too long")
