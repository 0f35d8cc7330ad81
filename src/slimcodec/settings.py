"""Recipes, studies and training runs as TOML: reading one, and refusing what nobody will look
at."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from slimcodec.errors import ConfigError

__all__ = ["read_toml", "refuse_unknown"]


def read_toml(path: Path) -> dict[str, Any]:
    """The values of a TOML file.

    Raises:
        ConfigError: naming the file and, for a syntax error, the line.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {(error.strerror or '').lower()}") from error
    except RecursionError as error:
        raise ConfigError(str(path), "is not valid TOML for us: it is nested too deep") from error
    except ValueError as error:
        # Syntax, encoding, or a number of thousands of digits.
        raise ConfigError(str(path), f"is not valid TOML: {error}") from error


def refuse_unknown(values: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """A misspelt key must not pass for a default.

    Raises:
        ConfigError: naming the first unknown key and the known ones.
    """
    known = sorted(known)
    for key in values:
        if key not in known:
            raise ConfigError(where, f"unknown key {key!r}; known: {', '.join(known)}")
