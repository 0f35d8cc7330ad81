"""Which parts a recipe means: a part by its own name, or by what it is for.

    encoder        parts that only an encoder has
    probability    parts that streams depend on
    decoder        all others: what pictures are made with

Every part has one of these roles, and every family has other parts: a recipe that names roles fits
more of them. Where a family has a part of that very name, that part is meant and no other. A role
that a family has no part of is no mistake, but a pass that is left with none is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from slimcodec.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from slimcodec.codecs.family import Family

__all__ = ["absent", "by_part", "parts_of"]

_ENCODER, _DECODER, _PROBABILITY = _ROLES = ("encoder", "decoder", "probability")

T = TypeVar("T")


def parts_of(family: Family, names: Iterable[str]) -> tuple[str, ...]:
    """The parts that names mean, in the family's order; none of no names. Of a group of channels,
    whose name begins with a part, it is that part.

    Raises:
        UnknownNameError: when a name is neither a part nor a role.
        UsageError: when the family has none of what is named.
    """
    names = tuple(map(_head, names))
    meant = {part for name in names for part in _meant(family, name)}
    if names and not meant:
        raise UsageError(f"{family.name} has no {' and no '.join(names)}")
    return tuple(part for part in family.parts if part in meant)


def by_part(family: Family, given: Mapping[str, T]) -> dict[str, T]:
    """What is said of parts, or of groups of channels whose names begin with one, under the parts'
    own names; what is said of a part by its own name counts before what is said of its role.

    Raises:
        UnknownNameError: when a name is neither a part nor a role.
    """
    found: dict[str, T] = {}
    for name in sorted(given, key=lambda name: _head(name) in family.parts):
        head = _head(name)
        found |= {part + name.removeprefix(head): given[name] for part in _meant(family, head)}
    return found


def absent(family: Family, names: Iterable[str]) -> list[str]:
    """For a plan: a line for each role that the family has no part of."""
    heads = dict.fromkeys(map(_head, names))
    return [f"{family.name} has no {head}" for head in heads if not _meant(family, head)]


def _head(name: str) -> str:
    return name.split(".")[0]


def _meant(family: Family, name: str) -> tuple[str, ...]:
    if name in family.parts:
        return (name,)
    if name not in _ROLES:
        raise UnknownNameError(f"part of {family.name}", name, {*family.parts, *_ROLES})
    return tuple(part for part in family.parts if _role(family, part) == name)


def _role(family: Family, part: str) -> str:
    if part in family.encoding_parts:
        return _ENCODER
    return _PROBABILITY if part in family.changes_streams else _DECODER
