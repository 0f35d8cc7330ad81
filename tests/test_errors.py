"""One tree of errors, drawn in its docstring, each with an exit status and one line to say."""

from __future__ import annotations

import pickle
import re
from typing import Any

import pytest

from slimcodec import errors
from slimcodec.errors import (
    ConfigError,
    MissingExtraError,
    SlimcodecError,
    UnknownNameError,
    UsageError,
)

ALL: list[Any] = [
    thing for name in errors.__all__ if isinstance(thing := getattr(errors, name), type)
]


def test_every_error_is_in_the_tree_and_every_class_is_public() -> None:
    classes = {thing for thing in vars(errors).values() if isinstance(thing, type)}
    ours = {c for c in classes if c.__module__ == errors.__name__}
    assert set(ALL) == ours
    assert all(issubclass(c, SlimcodecError) for c in ours)


def test_the_drawing_is_the_tree() -> None:
    """Indentation is descent: each name stands below its base class."""
    drawn: list[tuple[int, str]] = [
        (match.start(1), match[1])
        for match in re.finditer(r"^[ │├└─]*(\w+Error)", errors.__doc__ or "", re.M)
    ]
    lines = (errors.__doc__ or "").splitlines()
    column = {name: next(x.index(name) for x in lines if name in x) for _, name in drawn}
    assert set(column) == {kind.__name__ for kind in ALL}
    above: list[str] = []
    for _, name in drawn:
        while above and column[above[-1]] >= column[name]:
            above.pop()
        expected = getattr(errors, above[-1]) if above else Exception
        assert getattr(errors, name).__base__ is expected, name
        above.append(name)


def test_exit_statuses() -> None:
    usage = {c.__name__ for c in ALL if c.exit_status == 2}
    assert usage == {"UsageError", "UnknownNameError", "ConfigError"}
    assert {c.__name__ for c in ALL if c.exit_status == 130} == {"InterruptionError"}
    assert {c.exit_status for c in ALL} == {1, 2, 130}


def test_errors_travel_between_processes() -> None:
    made = [
        UnknownNameError("codec", "jpgg", ["jpeg"]),
        ConfigError("here", "is wrong"),
        MissingExtraError("training", "train"),
        *(kind("no") for kind in ALL if kind.__init__ is Exception.__init__),
        errors.LackOfMemoryError("no"),
    ]
    assert {type(error) for error in made} == set(ALL)
    for error in made:
        error.add_note("where it was")
        other = pickle.loads(pickle.dumps(error))
        assert (type(other), str(other), vars(other)) == (type(error), str(error), vars(error))


def test_unknown_names() -> None:
    error = UnknownNameError("codec", "jpgg", ["webp", "jpeg", "jpg"])
    assert str(error) == "unknown codec 'jpgg'; did you mean jpg or jpeg?"
    assert (error.kind, error.name, error.known) == ("codec", "jpgg", ["jpeg", "jpg", "webp"])
    assert str(UnknownNameError("codec", "zzz", ["b", "a"])) == "unknown codec 'zzz'; known: a, b"
    assert str(UnknownNameError("codec", "zzz", [])) == "unknown codec 'zzz'; known: none"
    assert isinstance(error, UsageError)


def test_the_place_of_a_configuration_error() -> None:
    error = ConfigError("run.toml", "steps must be above 0")
    assert str(error) == "run.toml: steps must be above 0"
    assert (error.where, error.what) == ("run.toml", "steps must be above 0")


def test_a_missing_extra_names_the_command() -> None:
    error = MissingExtraError("training", "train")
    assert str(error) == "training needs an optional part: pip install 'slimcodec[train]'"
    assert error.extra == "train"


@pytest.mark.parametrize("kind", ALL)
def test_they_can_be_caught_as_one(kind: type[SlimcodecError]) -> None:
    arguments: dict[type[SlimcodecError], tuple[object, ...]] = {
        UnknownNameError: ("a", "b", []),
        ConfigError: ("a", "b"),
    }
    values = arguments.get(kind, ("a", "b") if kind is MissingExtraError else ("a",))
    with pytest.raises(SlimcodecError):
        raise kind(*values)
