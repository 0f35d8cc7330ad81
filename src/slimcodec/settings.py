"""Recipes, studies and training runs as TOML: reading one, writing one, and refusing what nobody
will look at; and whether a plain value, of TOML or JSON, is of the type and in the range that a
field has."""

from __future__ import annotations

import collections.abc
import dataclasses
import json
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from slimcodec.errors import ConfigError, SlimcodecError, UsageError, why_unreadable

__all__ = [
    "check_settings",
    "fitting",
    "is_of",
    "read_toml",
    "refuse_unknown",
    "to_toml",
    "within",
]

_WHOLE = range(-(2**63), 2**63)
"""What a 64-bit integer holds."""
_RANGE = "range"


def read_toml(path: Path) -> dict[str, Any]:
    """The values of a TOML file.

    Raises:
        SlimcodecError: naming the file, when it cannot be read.
        ConfigError: naming the file and, for a syntax error, the line.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SlimcodecError(f"{path} cannot be read: {why_unreadable(error)}") from error
    except RecursionError as error:
        raise ConfigError(str(path), "is not valid TOML for us: it is nested too deep") from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), f"cannot be read: {why_unreadable(error)}") from error
    except ValueError as error:
        # Syntax, or a number of thousands of digits.
        raise ConfigError(str(path), f"is not valid TOML: {error}") from error


def to_toml(values: Mapping[str, Any]) -> str:
    """The inverse of reading: plain values as TOML's text; a list of tables as ``[[name]]``, and
    the tables in one of these as ``[name.key]``, their own inside a line."""
    tables = {key: value for key, value in values.items() if _is_tables(value)}
    lines = [f"{_key(k)} = {_value(v)}" for k, v in values.items() if k not in tables]
    for name, listed in tables.items():
        for table in listed:
            lines += ["", f"[[{_key(name)}]]"]
            inner = {key: value for key, value in table.items() if isinstance(value, Mapping)}
            lines += [f"{_key(k)} = {_value(v)}" for k, v in table.items() if k not in inner]
            for key, own in inner.items():
                lines += ["", f"[{_key(name)}.{_key(key)}]"]
                lines += [f"{_key(k)} = {_value(v)}" for k, v in own.items()]
    return "\n".join(lines) + "\n"


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, Mapping) for v in value)


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if bare else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = [f"{_key(key)} = {_value(own)}" for key, own in value.items()]
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(own) for own in value)}]"
    # As in JSON, but for the character DEL; beyond ASCII as it is, for JSON's pairs of escapes are
    # none in TOML.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


def refuse_unknown(values: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """A misspelt key must not pass for a default.

    Raises:
        ConfigError: naming the first unknown key and the known ones.
    """
    known = sorted(known)
    for key in values:
        if key not in known:
            raise ConfigError(where, f"unknown key {key!r}; known: {', '.join(known)}")


def is_of(
    value: Any, kind: Any, *, whole: range = _WHOLE, largest: float = sys.float_info.max
) -> bool:
    """Whether a plain value is of a type as a dataclass's field says it.

    Args:
        value: as TOML or JSON have it; lists are tuples too.
        kind: int, float, Any, a literal, a tuple, a sequence, a mapping, another class, or a
            union of these. No bool is a number, and a float is never NaN.
        whole: integers that an int may be.
        largest: magnitude of a float.
    """
    origin, kinds = get_origin(kind), get_args(kind)

    def all_of(values: Iterable[Any], own: Any) -> bool:
        return all(is_of(one, own, whole=whole, largest=largest) for one in values)

    if kind is Any:
        return True
    if kind is int:
        return type(value) is int and value in whole
    if kind is float:
        return type(value) in (int, float) and -largest <= value <= largest
    if origin is Literal:
        return isinstance(value, str) and value in kinds
    if origin in (tuple, collections.abc.Sequence):
        if not isinstance(value, list | tuple):
            return False
        if origin is not tuple or kinds[-1] is Ellipsis:
            return all_of(value, kinds[0])
        return len(value) == len(kinds) and all(
            all_of([one], own) for one, own in zip(value, kinds, strict=True)
        )
    if origin is collections.abc.Mapping:
        return (
            isinstance(value, Mapping)
            and all_of(value.keys(), kinds[0])
            and all_of(value.values(), kinds[1])
        )
    if kinds:  # a union
        return any(all_of([value], own) for own in kinds)
    return isinstance(value, kind)


def within(default: Any, least: float, most: float, *, above: bool = False) -> Any:
    """A field of settings that is a number in a range, ends included.

    Args:
        default: its default.
        least: the smallest that makes sense.
        most: the largest.
        above: whether it must be above ``least``.
    """
    return dataclasses.field(default=default, metadata={_RANGE: (least, most, above)})


def check_settings(settings: Any) -> None:
    """Every field of a dataclass of settings as ``fitting`` has it, when one is made.

    Raises:
        UsageError: naming the first that is not of its type and in its range.
    """
    own = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    for name, value in fitting(type(settings), own).items():
        object.__setattr__(settings, name, value)


def fitting(kind: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values for some fields of a dataclass, each of its type and in its range. A whole number
    becomes a float where one is wanted, and a list a tuple: TOML has no tuples.

    Raises:
        UsageError: naming the first that is not.
    """
    types, fitted = get_type_hints(kind), dict(values)
    for field in dataclasses.fields(kind):
        if field.name not in values:
            continue
        value, wanted = values[field.name], types[field.name]
        if not is_of(value, wanted):
            raise UsageError(f"{field.name} must be {_told(wanted)}, got {value!r:.80}")
        if wanted is float:
            fitted[field.name] = float(value)
        elif get_origin(wanted) is tuple:
            fitted[field.name] = tuple(value)
        if _RANGE in field.metadata:
            _check_range(field.name, value, *field.metadata[_RANGE])
    return fitted


def _check_range(name: str, value: float, least: float, most: float, above: bool) -> None:
    if value < least or (above and value == least):
        wanted = f"above {least:g}" if above else f"{least:g} or above"
        raise UsageError(f"{name} must be {wanted}, got {value}")
    if value > most:
        raise UsageError(f"{name} must be at most {most:,}, got {value}")


def _told(kind: Any) -> str:
    """A type in words."""
    words = {int: "a whole number", float: "a finite number", str: "text", bool: "true or false"}
    origin, kinds = get_origin(kind), get_args(kind)
    if origin is Literal:
        return f"{', '.join(map(str, kinds[:-1]))} or {kinds[-1]}"
    if origin is tuple:
        return f"a list, each {_told(kinds[0])}"
    if origin is collections.abc.Mapping:
        return "a table"
    return words.get(kind, "something else")
