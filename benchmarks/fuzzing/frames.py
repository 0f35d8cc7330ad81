"""Formats taken apart without belief and put together again with checks that fit.

What puts together takes anything: a version that there is not, a size that no picture has.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass, field
from typing import Any, ClassVar

from fuzzing.edits import varint

__all__ = ["Frame", "Piece", "Tensors", "joined", "split"]

_ID_BYTES, _CHECK = 8, 4


@dataclass
class Piece:
    """A section of a stream, or what is beside its picture: whatever has a check of its own.

    Attributes:
        payload: bytes.
        kind, number: of a chunk of version 3; no other has them.
        length: what is claimed in place of the payload's own, where something is.
    """

    payload: bytes
    kind: int = 0
    number: int = 0
    length: int | None = None

    def head(self, version: int) -> bytes:
        """The numbers before the first check."""
        length = varint(len(self.payload) if self.length is None else self.length)
        return varint(self.kind) + varint(self.number) + length if version == 3 else length


@dataclass
class Frame:
    """A stream: ``numbers`` are those of its header, as many as its version has."""

    version: int
    stream_id: bytes
    numbers: list[int]
    pieces: list[Piece]
    rest: bytes = b""

    NUMBERS: ClassVar[dict[int, int]] = {1: 4, 2: 3, 3: 6}
    """Of a header, by version; a version that comes has its line here."""

    @classmethod
    def of(cls, data: bytes) -> Frame | None:
        """None of bytes that are no stream at all."""
        if len(data) < 4 + _ID_BYTES or data[:3] != b"SLC" or data[3] not in cls.NUMBERS:
            return None
        version, at = data[3], 4 + _ID_BYTES
        numbers, at = _numbers(data, at, cls.NUMBERS[version])
        chunked = version == 3
        at += _CHECK * chunked
        pieces = []
        while at < len(data):
            (*names, length), behind = _numbers(data, at, 3 if chunked else 1)
            start = behind + _CHECK
            end = start + length
            if end + _CHECK * chunked > len(data):
                break
            pieces.append(Piece(data[start:end], *names))
            at = end + _CHECK * chunked
        return cls(version, data[4 : 4 + _ID_BYTES], numbers, pieces, data[at:])

    def to_bytes(self) -> bytes:
        """With every check right."""
        out = bytearray(b"SLC" + bytes((self.version,)) + self.stream_id)
        for number in self.numbers:
            out += varint(number)
        running = zlib.crc32(out)
        if self.version == 3:
            out += _stored(running)
        for piece in self.pieces:
            head = piece.head(self.version)
            of_head = zlib.crc32(head, running)
            check = zlib.crc32(piece.payload, of_head)
            if self.version == 3:
                out += head + _stored(of_head) + piece.payload + _stored(check)
                continue
            framed = head + _stored(check) + piece.payload
            out += framed
            running = check if self.version == 2 else zlib.crc32(framed, running)
        return bytes(out) + self.rest


def _stored(check: int) -> bytes:
    return struct.pack("<I", check)


def _numbers(data: bytes, at: int, count: int) -> tuple[list[int], int]:
    numbers = []
    for _ in range(count):
        value, at = _number(data, at)
        numbers.append(value)
    return numbers, at


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 35, 7):
        if at >= len(data):
            break
        value |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            break
    return value, at


@dataclass
class Tensors:
    """A safetensors file: its header as values, ``__metadata__`` apart, and the bytes behind it."""

    header: dict[str, Any]
    data: bytes
    manifest: dict[str, Any] | None = None
    other: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, data: bytes) -> Tensors | None:
        """None where the header is no table."""
        try:
            (length,) = struct.unpack_from("<Q", data)
            header = json.loads(data[8 : 8 + length])
            metadata = dict(header.pop("__metadata__", {}))
            manifest = json.loads(metadata.pop("slimcodec", "null"))
            if not isinstance(manifest, dict | None):
                return None
        except (ValueError, TypeError, AttributeError, struct.error, RecursionError):
            return None
        return cls(header, data[8 + length :], manifest, metadata)

    def to_bytes(self) -> bytes:
        metadata = dict(self.other)
        if self.manifest is not None:
            metadata["slimcodec"] = json.dumps(self.manifest)
        header = {**({"__metadata__": metadata} if metadata else {}), **self.header}
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        return struct.pack("<Q", len(text)) + text + self.data

    def put(self, name: str, data: bytes) -> None:
        """Another content for one tensor; what lies behind it moves."""
        start, end = self.header[name]["data_offsets"]
        moved = len(data) - (end - start)
        self.data = self.data[:start] + data + self.data[end:]
        for other in self.header.values():
            first, last = other["data_offsets"]
            if first >= end and other is not self.header[name]:
                other["data_offsets"] = [first + moved, last + moved]
        self.header[name]["data_offsets"] = [start, start + len(data)]

    def got(self, name: str) -> bytes:
        """The content of one tensor."""
        start, end = self.header[name]["data_offsets"]
        return self.data[start:end]


def joined(files: dict[str, bytes]) -> bytes:
    """Several files as one input."""
    lengths = json.dumps({name: len(data) for name, data in files.items()})
    return lengths.encode() + b"\n" + b"".join(files.values())


def split(data: bytes) -> dict[str, bytes]:
    """The inverse of ``joined``.

    Raises:
        ValueError: where it is none.
    """
    first, _, rest = data.partition(b"\n")
    lengths = json.loads(first)
    if not isinstance(lengths, dict) or not all(type(n) is int for n in lengths.values()):
        raise ValueError("no joined files")
    files, at = {}, 0
    for name, length in lengths.items():
        files[name] = rest[at : at + length]
        at += length
    return files
