"""Recipes, studies and training runs as TOML: reading one, writing one, and refusing what nobody
will look at."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from slimcodec.errors import ConfigError, SlimcodecError

__all__ = ["read_toml", "refuse_unknown", "to_toml"]


def read_toml(path: Path) -> dict[str, Any]:
    """The values of a TOML file.

    Raises:
        SlimcodecError: naming the file, when it cannot be read.
        ConfigError: naming the file and, for a syntax error, the line.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SlimcodecError(f"{path} cannot be read: {(error.strerror or '').lower()}") from error
    except RecursionError as error:
        raise ConfigError(str(path), "is not valid TOML for us: it is nested too deep") from error
    except ValueError as error:
        # Syntax, encoding, or a number of thousands of digits.
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
