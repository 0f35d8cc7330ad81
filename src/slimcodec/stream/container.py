"""The bytes of one compressed image: a small header and checked sections.

Versions 1 and 2 hold a picture that is one tile, with nothing beside it; for all others there is
version 3 (``chunks``).

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
no section can be swapped, repeated or moved unnoticed. Varints are those of
``varints``. For a 768x512 image with one section the whole frame is 24 bytes, from 16 KiB on 25.

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
from collections.abc import Mapping
from dataclasses import replace

from slimcodec.errors import StreamError, UsageError
from slimcodec.stream.chunks import CHUNKED, pack_chunks, parse_chunks
from slimcodec.stream.parsed import Parsed, Stream
from slimcodec.stream.varints import from_varint, to_varint

__all__ = [
    "MAX_BYTES",
    "MAX_PIXELS",
    "MAX_SECTIONS",
    "attach",
    "cut",
    "has_parts",
    "image_size",
    "is_progressive",
    "pack",
    "salvage",
    "step_ends",
    "unpack",
]

MAGIC = b"SLC"
_JPEG = b"\xff\xd8\xff"
VERSION, PROGRESSIVE = 1, 2
ID_BYTES = 8
MAX_PIXELS = 1 << 28
"""Larger images are refused before memory is taken for them."""
MAX_BYTES = 3 * MAX_PIXELS
"""Of a whole stream: what is longer than its pixels is none."""
MAX_SECTIONS = 256
"""Of a progressive stream, for each tile; more cannot be steps of a codec."""


def pack(stream: Stream) -> bytes:
    """Stream to bytes; the inverse of ``unpack``.

    Raises:
        UsageError: when a progressive stream has no sections or more than ``MAX_SECTIONS``, or
            tiles and sections do not agree.
    """
    if stream.tile or stream.tiles > 1 or stream.beside or stream.missing:
        return pack_chunks(stream, bytes(_front(stream, CHUNKED)), MAX_SECTIONS)
    count = len(stream.sections)
    if stream.progressive and not 1 <= count <= MAX_SECTIONS:
        raise UsageError(
            f"a progressive stream must have 1 to {MAX_SECTIONS} sections, got {count}"
        )
    data = _front(stream, PROGRESSIVE if stream.progressive else VERSION)
    if not stream.progressive:
        data += to_varint(count)
    running = zlib.crc32(data)
    for section in stream.sections:
        length = to_varint(len(section))
        check = zlib.crc32(section, zlib.crc32(length, running))
        framed = length + struct.pack("<I", check) + section
        running = check if stream.progressive else zlib.crc32(framed, running)
        data += framed
    return bytes(data)


def _front(stream: Stream, version: int) -> bytearray:
    data = bytearray(MAGIC) + bytes([version]) + stream.stream_id
    for value in (stream.height, stream.width, stream.quality):
        data += to_varint(value)
    return data


def unpack(data: bytes, *, partial: bool = False) -> Stream:
    """Bytes to stream, every check made; the inverse of ``pack``.

    Args:
        data: of a stream.
        partial: whether to be content with a stream that has holes, as ``salvage`` leaves them.

    Raises:
        StreamError: when the bytes are foreign, of a later version, cut short, damaged, or go on
            after their end. Where something of it stands alone, it says what.
    """
    parsed = _parse(data)
    if partial and parsed.stream.missing:
        return parsed.stream
    return _sound(parsed).stream


def image_size(data: bytes) -> tuple[int, int]:
    """Width and height that a header claims; what is behind it is not looked at, nor needed.

    Raises:
        StreamError: when the header is foreign, of a later version, damaged or cut short.
    """
    _version(data)
    (height, width, _), _ = _sides(data)
    return width, height


def is_progressive(data: bytes) -> bool:
    """Whether these bytes begin as those of a progressive stream; no check is made."""
    if data[:4] == MAGIC + bytes([CHUNKED]):
        try:
            return _parse(data).stream.progressive
        except StreamError:
            return False
    return data[:4] == MAGIC + bytes([PROGRESSIVE])


def has_parts(data: bytes) -> bool:
    """Whether these bytes begin as those of a stream whose parts may stand alone (``salvage``)."""
    return data[:3] == MAGIC and data[3:4] in (bytes([PROGRESSIVE]), bytes([CHUNKED]))


def step_ends(data: bytes) -> tuple[int, ...]:
    """Where each step of a sound stream ends, in bytes from its start: its sections, or all tiles'
    of a step.

    Raises:
        StreamError: as ``unpack``.
    """
    return _sound(_parse(data)).ends


def cut(data: bytes, steps: int) -> bytes:
    """The stream of the first ``steps`` steps: the first bytes of a progressive stream; of one with
    holes, as ``salvage`` leaves them, with those that are left.

    Raises:
        UsageError: when the stream is not progressive, or has no such number of steps.
        StreamError: as ``unpack``.
    """
    parsed = _parse(data)
    holes = parsed.stream.missing
    if not holes:
        _sound(parsed)
    if not parsed.stream.progressive:
        raise UsageError(
            "only a progressive stream can be cut, and this one is not; "
            "encode the picture again at a lower quality"
        )
    count = len(parsed.ends)
    if not 1 <= steps <= count:
        counted = f"{count} section{'s' * (count != 1)}"
        raise UsageError(f"the stream has {counted}, so it can be cut to 1 to {count}, got {steps}")
    if not holes:
        return data[: parsed.ends[steps - 1]]
    kept = parsed.stream.sections[: steps * parsed.stream.tiles]
    left = frozenset(number for number in holes if number < len(kept))
    return pack(replace(parsed.stream, sections=kept, missing=left))


def attach(data: bytes, beside: Mapping[str, bytes]) -> bytes:
    """The stream with what shall travel beside its picture (``Stream.beside``), in place of what
    did so far.

    Raises:
        StreamError: as ``unpack``.
        UsageError: when it is none of what may.
    """
    return pack(replace(unpack(data, partial=True), beside=dict(beside)))


def salvage(data: bytes) -> tuple[bytes, str | None]:
    """What is whole of a stream, as a stream, and in one line what was lost, if so: the first steps
    of a progressive one; of one in tiles all that are whole, with holes between them.

    Raises:
        StreamError: when nothing is whole that stands alone.
    """
    parsed = _parse(data)
    if parsed.fault is None:
        return data, None
    if not parsed.kept:
        raise StreamError(
            f"{parsed.fault}; only a progressive stream, or one in tiles, has parts that stand "
            "alone"
        )
    kept = pack(parsed.stream) if data[3] == CHUNKED else data[: parsed.ends[-1]]
    return kept, f"{parsed.fault}; {parsed.kept}"


def _parse(data: bytes) -> Parsed:
    """Read up to the end or the first fault.

    Raises:
        StreamError: when the header is no good, or nothing is whole that stands alone.
    """
    version = _version(data)
    sides, at = _sides(data)
    stream_id = data[4 : 4 + ID_BYTES]
    if version == CHUNKED:
        return parse_chunks(data, stream_id, sides, at, MAX_SECTIONS)
    progressive = version == PROGRESSIVE
    count = MAX_SECTIONS
    if not progressive:
        count, at = from_varint(data, at)
    if count == 0:
        raise StreamError("the stream is damaged: it has no sections")
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
    whole = len(sections)
    kept = "the first section is" if whole == 1 else f"the first {whole} sections are"
    stream = Stream(stream_id, *sides, tuple(sections), progressive)
    return Parsed(stream, tuple(ends), fault, f"{kept} whole" if progressive else "")


def _sound(parsed: Parsed) -> Parsed:
    """What was parsed, where a fault is an error."""
    if parsed.fault is None:
        return parsed
    if not parsed.kept:
        raise StreamError(parsed.fault)
    pronoun = "it" if len(parsed.stream.sections) - len(parsed.stream.missing) == 1 else "them"
    raise StreamError(
        f"{parsed.fault}; {parsed.kept}; salvage {pronoun} (slimcodec decode --partial)"
    )


def _version(data: bytes) -> int:
    """Of the format.

    Raises:
        StreamError: when the bytes are no stream, or one of a later version.
    """
    if data[:3] != MAGIC:
        hint = ""
        if data[:3] == _JPEG:
            hint = ": it is a JPEG, which every viewer opens, and --codec jpeg decodes"
        raise StreamError(f"not a slimcodec stream (its first bytes are not 'SLC'){hint}")
    if len(data) < 4 + ID_BYTES:
        raise StreamError(f"the stream is cut short: {len(data)} bytes are less than a header")
    if data[3] not in (VERSION, PROGRESSIVE, CHUNKED):
        raise StreamError(
            f"the stream has format version {data[3]}, this slimcodec reads versions {VERSION} "
            f"to {CHUNKED}; a later slimcodec may read it"
        )
    return data[3]


def _sides(data: bytes) -> tuple[tuple[int, int, int], int]:
    """Height, width and quality, and where they end.

    Raises:
        StreamError: when they cannot be read, or are those of no image.
    """
    height, at = from_varint(data, 4 + ID_BYTES)
    width, at = from_varint(data, at)
    quality, at = from_varint(data, at)
    if not (height and width and height * width <= MAX_PIXELS):
        raise StreamError(f"the stream is damaged: it claims an image of {width}x{height} pixels")
    return (height, width, quality), at


def _read_section(data: bytes, at: int, running: int, number: int) -> tuple[bytes, int, int]:
    """Payload and check of the section that begins at ``at``, and where it ends."""
    start = at
    length, at = from_varint(data, at, f"section {number}")
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
