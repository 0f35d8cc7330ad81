"""Changes to what a file holds: to its bytes, to nested values, to the fields of a protobuf."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

__all__ = ["edited_bytes", "edited_json", "edited_text", "edited_values", "edited_wire", "varint"]

JUNK: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32, 2**63, 10**30,
    0.0, -0.5, 0.5, 1e-300, 1e308, float("nan"), float("inf"), "", "x", "../x", "/dev/zero", "é",
    "a\0b", "a\nb", "a" * 300, [], {}, [[]], [0], [-1], [10**9], ["x"], {"a": {}}, {"": 0},
)  # fmt: skip


def edited_bytes(data: bytes, rng: random.Random) -> bytes:
    """Some bytes of it flipped, set, cut out, repeated, put in or moved."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        at, length = rng.randrange(len(out) + 1), rng.choice((1, 1, 2, 4, 8, 64))
        match rng.randrange(7):
            case 0 if at < len(out):
                out[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(out):
                out[at] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
            case 2:
                del out[at : at + length]
            case 3:
                out[at:at] = out[at : at + length]
            case 4:
                out[at:at] = rng.randbytes(length)
            case 5:
                del out[at:]
            case _:
                out[at : at + length] = bytes(rng.choice((0, 255)) for _ in range(length))
    return bytes(out)


def edited_text(text: str, rng: random.Random) -> str:
    """Some of its lines dropped, repeated or swapped, or some of its characters changed."""
    lines = text.splitlines()
    if lines and rng.random() < 0.5:
        one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
        match rng.randrange(3):
            case 0:
                del lines[one]
            case 1:
                lines.insert(other, lines[one])
            case _:
                lines[one], lines[other] = lines[other], lines[one]
        return "\n".join(lines)
    return edited_bytes(text.encode(), rng).decode(errors="replace")


def edited_values(values: Any, rng: random.Random) -> Any:
    """Nested lists and tables with one place changed; what was given stays as it was."""
    places = list(_places(values))
    if not places:
        return rng.choice(JUNK)
    # Long lists of things alike would otherwise take all the edits.
    depth = rng.choice(sorted({len(place) for place in places}))
    place = rng.choice([place for place in places if len(place) == depth])
    other = rng.choice(places)
    return _with(values, place, rng, _at(values, other))


def _places(values: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items: Any = ()
    if isinstance(values, dict):
        items = values.items()
    elif isinstance(values, list):
        items = enumerate(values)
    for key, value in items:
        yield (*way, key)
        yield from _places(value, (*way, key))


def _at(values: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        values = values[key]
    return values


def _with(values: Any, place: tuple[Any, ...], rng: random.Random, other: Any) -> Any:
    changed: Any = dict(values) if isinstance(values, dict) else list(values)
    key, rest = place[0], place[1:]
    if rest:
        changed[key] = _with(changed[key], rest, rng, other)
        return changed
    old = changed[key]
    match rng.randrange(8):
        case 0:
            del changed[key]
        case 1:
            changed[key] = other
        case 2 if isinstance(changed, dict):
            changed[rng.choice(("", "x", "../x", f"{key}x"))] = changed.pop(key)
        case 2:
            changed.insert(key, old)
        case 3 | 4 | 5 if type(old) in (int, float):
            changed[key] = _near(old, rng)
        case 3 if isinstance(old, str):
            changed[key] = edited_text(old, rng)
        case 3 | 4 if isinstance(old, list):
            changed[key] = old[::-1] if rng.random() < 0.5 else old + old[:1]
        case _:
            changed[key] = rng.choice(JUNK)
    return changed


def _near(number: Any, rng: random.Random) -> Any:
    """Numbers that pass where the very wrong ones do not."""
    if isinstance(number, int) and abs(number) < 2**53:
        return rng.choice((number + 1, number - 1, number * 2, number // 2, -number, number + 8))
    return rng.choice((number * 2, number / 2, -number, number * 1e-6, number * 1e6))


def varint(value: int) -> bytes:
    """LEB128 of 0 or above."""
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes((*out, value))


def edited_wire(data: bytes, rng: random.Random) -> bytes:
    """A protobuf with one field changed, dropped, repeated or moved, and lengths that fit."""
    fields = _fields(data)
    if not fields:
        return edited_bytes(data, rng)
    at = rng.randrange(len(fields))
    tag, value = fields[at]
    match rng.randrange(8):
        case 0:
            del fields[at]
        case 1:
            fields.insert(rng.randrange(len(fields)), fields[at])
        case 2:
            other = rng.randrange(len(fields))
            fields[at], fields[other] = fields[other], fields[at]
        case _ if isinstance(value, int):
            junk = (0, 1, 2, 7, value + 1, max(0, value - 1), 2**31, 2**63 - 1, 2**64 - 1)
            fields[at] = (tag, rng.choice(junk))
        case _ if tag & 7 == 2 and _fields(value) and rng.random() < 0.9:
            fields[at] = (tag, edited_wire(value, rng))
        case _:
            fields[at] = (tag, edited_bytes(value, rng))
    return b"".join(_field(tag, value) for tag, value in fields)


def _fields(data: bytes) -> list[tuple[int, Any]]:
    """(tag, number or bytes) of a message; none where it is not one."""
    fields: list[tuple[int, Any]] = []
    at = 0
    while at < len(data):
        tag, at = _number(data, at)
        if tag & 7 == 0:
            value, at = _number(data, at)
            fields.append((tag, value))
            continue
        length = {1: 8, 5: 4}.get(tag & 7, -1)
        if tag & 7 == 2:
            length, at = _number(data, at)
        if tag < 8 or length < 0 or at + length > len(data):
            return []
        fields.append((tag, data[at : at + length]))
        at += length
    return fields


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(data):
            break
        value |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            return value, at
    return 0, len(data) + 1


def _field(tag: int, value: Any) -> bytes:
    if isinstance(value, int):
        return varint(tag) + varint(value)
    content = bytes(value)
    return varint(tag) + (varint(len(content)) if tag & 7 == 2 else b"") + content


def edited_json(data: bytes, rng: random.Random) -> bytes:
    """One of its values changed; its bytes, where it is no JSON."""
    try:
        return json.dumps(edited_values(json.loads(data), rng)).encode()
    except (ValueError, RecursionError):
        return edited_bytes(data, rng)
