"""Configs as plain values and back, for manifests.

A model's digest covers its manifest, and a manifest has its config. So a field that came after
models were shipped is written only where it says something: a model that does without it keeps its
digest however often it is thawed and frozen.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from slimcodec.errors import UsageError

__all__ = ["from_plain", "later", "to_plain"]

C = TypeVar("C")

_LATER = "later"


def later(default: Any) -> Any:
    """A field of a config that shipped models do not know; left out where it has its default."""
    return dataclasses.field(default=default, metadata={_LATER: True})


def to_plain(config: Any) -> dict[str, Any]:
    """A config's fields by name."""
    values = {field: getattr(config, field.name) for field in dataclasses.fields(config)}
    return {
        field.name: value
        for field, value in values.items()
        if not (_LATER in field.metadata and value == field.default)
    }


def from_plain(kind: type[C], values: Mapping[str, Any], what: str) -> C:
    """The inverse of ``to_plain``; lists become tuples.

    Args:
        kind: class of the config.
        values: plain, as JSON or TOML has them.
        what: whose config it is, for the error.

    Raises:
        UsageError: on a key that is not a field.
    """
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - names):
        raise UsageError(f"unknown {what} configuration key {', '.join(unknown)}")
    return kind(**{key: _frozen(value) for key, value in values.items()})


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value
