"""Numbers in as few bytes as they need: LEB128, seven bits a byte, low ones first."""

from __future__ import annotations

from slimcodec.errors import StreamError

__all__ = ["from_varint", "to_varint"]

_MOST_BITS = 35


def to_varint(value: int) -> bytes:
    """A number from 0 on to bytes; the inverse of ``from_varint``."""
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def from_varint(data: bytes, at: int, where: str = "its header") -> tuple[int, int]:
    """The number that begins at ``at``, and where it ends.

    Args:
        data: of a stream.
        at: place in it.
        where: what it belongs to, in words.

    Raises:
        StreamError: when the data end inside it, or it has more than 35 bits.
    """
    value = 0
    for shift in range(0, _MOST_BITS, 7):
        if at >= len(data):
            raise StreamError(f"the stream is cut short inside {where}")
        value |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            return value, at
    raise StreamError(f"the stream is damaged: a number in {where} is too long")
