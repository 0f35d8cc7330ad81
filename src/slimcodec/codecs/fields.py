"""Configs as plain values and back, for manifests.

A model's digest covers its manifest, and a manifest has its config. So a field that came after
models were shipped is written only where it says something: a model that does without it keeps its
digest however often it is thawed and frozen.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from slimcodec.errors import UsageError
from slimcodec.settings import is_of

__all__ = ["from_plain", "later", "to_plain"]

C = TypeVar("C")

_MOST = 1 << 16
"""Channels, kernels and the like: seventy times those of the widest published network."""

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
        UsageError: on a key that is not a field, and on a value that is not of the field's type or
            is beyond what a network could have: a manifest may say anything.
    """
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - names):
        raise UsageError(f"unknown {what} configuration key {', '.join(unknown)}")
    frozen = {key: _frozen(value) for key, value in values.items()}
    types = get_type_hints(kind)
    for key, value in frozen.items():
        if not is_of(value, types[key], whole=range(_MOST + 1)):
            raise UsageError(f"{key} must be {_told(types[key])}, got {value!r:.80}")
    return kind(**frozen)


def _told(kind: Any) -> str:
    if kind is int:
        return f"a whole number from 0 to {_MOST}"
    if kind is float:
        return "a finite number"
    if kind is bool:
        return "true or false"
    if get_origin(kind) is Literal:
        return " or ".join(map(repr, get_args(kind)))
    if get_origin(kind) is tuple and get_args(kind)[-1] is Ellipsis:
        return f"a list, each {_told(get_args(kind)[0])}"
    if get_origin(kind) is tuple:
        return f"a list of {', '.join(_told(own) for own in get_args(kind))}"
    if get_args(kind):
        return " or ".join(_told(own) for own in get_args(kind))
    return "a text" if kind is str else "nothing"


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value
