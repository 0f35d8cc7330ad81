"""The bytes of one compressed image: a small header and checked sections.

    offset  size    field
    0       3       magic "SLC"
    3       1       format version, 1
    4       8       stream_id: a digest of everything the entropy decoder depends on
    12      varint  height
            varint  width
            varint  quality, in the codec's own integer steps
            varint  number of sections
    then per section: varint length, CRC-32 (little-endian), payload

A section's CRC continues that of everything before it, so the first one covers the header too and
no section can be swapped, repeated or moved unnoticed. Varints are LEB128: seven bits a byte, low
ones first. For a 768x512 image with one section the whole frame is 24 bytes, from 16 KiB on 25.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from slimcodec.errors import StreamError

__all__ = ["MAX_PIXELS", "Stream", "pack", "unpack"]

MAGIC = b"SLC"
VERSION = 1
ID_BYTES = 8
MAX_PIXELS = 1 << 28
"""Larger images are refused before memory is taken for them."""


@dataclass(frozen=True)
class Stream:
    """A stream taken apart.

    Attributes:
        stream_id: 8 bytes.
        height: rows of the image.
        width: columns of the image.
        quality: in the codec's own integer steps.
        sections: what the entropy coder wrote.
    """

    stream_id: bytes
    height: int
    width: int
    quality: int
    sections: tuple[bytes, ...]


def pack(stream: Stream) -> bytes:
    """Stream to bytes; the inverse of ``unpack``."""
    data = bytearray(MAGIC + bytes([VERSION]) + stream.stream_id)
    for value in (stream.height, stream.width, stream.quality, len(stream.sections)):
        data += _to_varint(value)
    for section in stream.sections:
        data += _to_varint(len(section))
        data += struct.pack("<I", zlib.crc32(section, zlib.crc32(data)))
        data += section
    return bytes(data)


def unpack(data: bytes) -> Stream:
    """Bytes to stream, every check made; the inverse of ``pack``.

    Raises:
        StreamError: when the bytes are foreign, of a later version, cut short, damaged, or go on
            after their end.
    """
    if data[:3] != MAGIC:
        raise StreamError("not a slimcodec stream (its first bytes are not 'SLC')")
    if len(data) < 4 + ID_BYTES:
        raise StreamError(f"the stream is cut short: {len(data)} bytes are less than a header")
    if data[3] != VERSION:
        raise StreamError(
            f"the stream has format version {data[3]}, this slimcodec reads version {VERSION}"
        )
    at = 4 + ID_BYTES
    height, at = _from_varint(data, at)
    width, at = _from_varint(data, at)
    quality, at = _from_varint(data, at)
    count, at = _from_varint(data, at)
    if not (height and width and height * width <= MAX_PIXELS):
        raise StreamError(f"the stream is damaged: it claims an image of {width}x{height} pixels")
    if count == 0:
        raise StreamError("the stream is damaged: it has no sections")
    sections = []
    for number in range(1, count + 1):
        length, at = _from_varint(data, at)
        if at + 4 + length > len(data):
            missing = at + 4 + length - len(data)
            raise StreamError(
                f"the stream is cut short: {missing} bytes of section {number} of {count} missing"
            )
        payload = data[at + 4 : at + 4 + length]
        (expected,) = struct.unpack_from("<I", data, at)
        if zlib.crc32(payload, zlib.crc32(data[:at])) != expected:
            raise StreamError(f"the stream is damaged: section {number} fails its check")
        sections.append(payload)
        at += 4 + length
    if at != len(data):
        raise StreamError(f"the stream is damaged: {len(data) - at} bytes after its end")
    return Stream(data[4 : 4 + ID_BYTES], height, width, quality, tuple(sections))


def _to_varint(value: int) -> bytes:
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _from_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 35, 7):
        if at >= len(data):
            raise StreamError("the stream is cut short: it ends inside its header")
        value |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            return value, at
    raise StreamError("the stream is damaged: a header field is too long")
