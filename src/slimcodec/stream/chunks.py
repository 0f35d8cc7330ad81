"""Version 3 of the container: a picture in tiles, and what travels beside it.

    offset  size    field
    0       3       magic "SLC"
    3       1       format version: 3
    4       8       stream_id: a digest of everything the entropy decoder depends on
    12      varint  height
            varint  width
            varint  quality, in the codec's own integer steps
            varint  most positions on a side of a tile, 0 where the picture is one
            varint  number of tiles
            varint  1 for a progressive stream, else 0
            4       CRC-32 of all of this (little-endian, as all checks)
    then per chunk:
            varint  kind: 0 a tile's section; 1 EXIF, 2 colour profile, 3 XMP, 4 transparency
            varint  number: of a section step * tiles + tile, of the others 0
            varint  length
            4       CRC-32 of these three, continuing the header's
            length  payload
            4       CRC-32 of the payload, continuing that of its three numbers

No check continues another chunk's, so damage costs the chunk that it is in; only where it hits the
numbers that say how long a chunk is, all behind it is lost. What is beside the picture comes first,
then sections in the order of their numbers. A section that is not there is a hole: sound bytes, but
only ``decode --partial`` is content with them. Whatever kind is not known is passed over.

A progressive stream says nowhere how many steps it has, so that it may be cut behind each.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from slimcodec.errors import StreamError, UsageError
from slimcodec.stream.parsed import BESIDE, Parsed, Stream
from slimcodec.stream.varints import from_varint, to_varint

__all__ = ["CHUNKED", "MAX_CHUNKS", "MAX_TILES", "pack_chunks", "parse_chunks"]

CHUNKED = 3
MAX_TILES = 1 << 16
MAX_CHUNKS = 1 << 18
"""Sections of a stream, of all tiles and steps, its holes among them: a few bytes may claim that
they are the last of as many."""
_LEAST_TILE = 8
"""Positions: smaller ones cost more than they are worth, and a forger's time."""
_SECTION = 0
_CHECK = struct.Struct("<I")
_NAMED = 5
"""How many of the damaged tiles are named, and how many faults."""


def pack_chunks(stream: Stream, front: bytes, max_steps: int) -> bytes:
    """Stream to bytes.

    Args:
        stream: with or without holes.
        front: magic, version, stream id, sides and quality.
        max_steps: of a progressive stream.

    Raises:
        UsageError: when there are no sections, too many, or not as many as there are tiles.
    """
    count = len(stream.sections)
    steps = max_steps if stream.progressive else 1
    if (
        not 1 <= stream.tiles <= MAX_TILES
        or not 1 <= count <= _most_sections(stream.tiles, steps)
        or count % stream.tiles
    ):
        raise UsageError(
            f"a stream of {stream.tiles} tiles must have a section for each"
            f"{', of every step' if stream.progressive else ''}, and at most {MAX_CHUNKS:,}, got "
            f"{count}"
        )
    if unknown := set(stream.beside) - set(BESIDE):
        raise UsageError(f"beside a picture travel {', '.join(BESIDE)}, not {min(unknown)}")
    data = bytearray(front)
    for value in (stream.tile, stream.tiles, int(stream.progressive)):
        data += to_varint(value)
    check = zlib.crc32(data)
    data += _CHECK.pack(check)
    for kind, name in enumerate(BESIDE, 1):
        if name in stream.beside:
            data += _chunk(kind, 0, stream.beside[name], check)
    for number, section in enumerate(stream.sections):
        if number not in stream.missing:
            data += _chunk(_SECTION, number, section, check)
    return bytes(data)


def _chunk(kind: int, number: int, payload: bytes, check: int) -> bytes:
    head = to_varint(kind) + to_varint(number) + to_varint(len(payload))
    own = zlib.crc32(head, check)
    return head + _CHECK.pack(own) + payload + _CHECK.pack(zlib.crc32(payload, own))


@dataclass
class _Read:
    """What was found so far."""

    sections: dict[int, bytes]
    ends: dict[int, int]
    beside: dict[str, bytes]
    faults: list[str]


def parse_chunks(
    data: bytes, stream_id: bytes, sides: tuple[int, int, int], at: int, max_steps: int
) -> Parsed:
    """Read all that is whole.

    Args:
        data: of the stream.
        stream_id: of it.
        sides: height, width and quality.
        at: where the quality ends.
        max_steps: of a progressive stream.

    Raises:
        StreamError: when the header is damaged, or no section is whole.
    """
    values = []
    for _ in range(3):
        value, at = from_varint(data, at)
        values.append(value)
    if at + _CHECK.size > len(data):
        raise StreamError("the stream is cut short inside its header")
    check = zlib.crc32(data[:at])
    if _CHECK.unpack_from(data, at) != (check,):
        raise StreamError("the stream is damaged: its header fails its check")
    at += _CHECK.size
    tile, tiles, kind = values
    if (
        not 1 <= tiles <= MAX_TILES
        or kind not in (0, 1)
        or (tile == 0) != (tiles == 1)
        or 0 < tile < _LEAST_TILE
    ):
        raise StreamError(
            f"the stream is damaged: it claims {tiles} tiles of up to {tile} positions a side"
        )
    progressive = kind == 1
    most = _most_sections(tiles, max_steps if progressive else 1)
    read = _Read({}, {}, {}, [])
    _read_all(data, at, check, most, read)
    if not read.sections:
        fault = read.faults[0] if read.faults else "the stream is cut short: it holds no picture"
        raise StreamError(f"{fault}; none of it can be decoded")
    count = -(-(max(read.sections) + 1) // tiles) * tiles
    missing = frozenset(set(range(count)) - set(read.sections))
    stream = Stream(
        stream_id,
        *sides,
        tuple(read.sections.get(number, b"") for number in range(count)),
        progressive,
        tile,
        tiles,
        missing,
        read.beside,
    )
    ends = tuple(
        max(read.ends.get(number, 0) for number in range(first, first + tiles))
        for first in range(0, count, tiles)
    )
    faults = read.faults[:_NAMED]
    if len(read.faults) > _NAMED:
        faults.append(f"{len(read.faults) - _NAMED} more faults")
    if missing:
        faults.append(_missing(missing, tiles, count))
    kept = f"{len(read.sections)} of {count} {_things(tiles, progressive)} are whole"
    return Parsed(stream, ends, "; ".join(faults) or None, kept)


def _most_sections(tiles: int, steps: int) -> int:
    """Of whole steps, as many as there may be."""
    return min(tiles * steps, MAX_CHUNKS // tiles * tiles)


def _read_all(data: bytes, at: int, check: int, most: int, read: _Read) -> None:
    """All chunks from ``at`` on that can be read, and what is wrong with others."""
    last = -1
    while at < len(data):
        try:
            kind, number, payload, sound, at = _read_chunk(data, at, check)
            if kind == _SECTION and not last < number < most:
                raise StreamError(
                    f"the stream is damaged: section {number + 1} comes after {last + 1}, of at "
                    f"most {most}"
                )
        except StreamError as error:
            read.faults.append(str(error))
            return
        if not sound:
            what = f"section {number + 1}" if kind == _SECTION else "what travels beside it"
            read.faults.append(f"the stream is damaged: {what} fails its check")
        elif kind == _SECTION:
            read.sections[number], read.ends[number] = payload, at
        elif kind <= len(BESIDE) and number == 0:
            read.beside[BESIDE[kind - 1]] = payload
        if kind == _SECTION:
            last = number


def _read_chunk(data: bytes, at: int, check: int) -> tuple[int, int, bytes, bool, int]:
    """Kind, number and payload of the chunk that begins at ``at``, whether the payload is sound,
    and where it ends.

    Raises:
        StreamError: when it cannot be told how long it is.
    """
    start = at
    kind, at = from_varint(data, at, "a chunk")
    number, at = from_varint(data, at, "a chunk")
    length, at = from_varint(data, at, "a chunk")
    own = zlib.crc32(data[start:at], check)
    if at + _CHECK.size > len(data):
        raise StreamError("the stream is cut short inside a chunk")
    if _CHECK.unpack_from(data, at) != (own,):
        raise StreamError(
            f"the stream is damaged: the chunk at byte {start:,} fails its check (damaged, or from "
            "another stream)"
        )
    at += _CHECK.size
    end = at + length + _CHECK.size
    if end > len(data):
        raise StreamError(
            f"the stream is cut short inside a chunk ({end - len(data):,} of its "
            f"{end - start:,} bytes are missing)"
        )
    payload = data[at : at + length]
    sound = _CHECK.unpack_from(data, at + length) == (zlib.crc32(payload, own),)
    return kind, number, payload, sound, end


def _missing(missing: frozenset[int], tiles: int, count: int) -> str:
    numbers = sorted({number % tiles + 1 for number in missing})
    listed = ", ".join(str(number) for number in numbers[:_NAMED])
    more = f" and {len(numbers) - _NAMED} more" if len(numbers) > _NAMED else ""
    if tiles == 1:
        return f"{len(missing)} of {count} sections are damaged or missing"
    if len(numbers) == 1:
        return f"tile {listed} of {tiles} is damaged or missing"
    return f"tiles {listed}{more} of {tiles} are damaged or missing"


def _things(tiles: int, progressive: bool) -> str:
    return "sections" if progressive or tiles == 1 else "tiles"
