"""Everything slimcodec raises on purpose, as one tree.

    SlimcodecError                  exit status 1: the work could not be done
    ├── UsageError                  exit status 2: the request itself is off
    │   └── UnknownNameError        a name that is not among the known ones; near names shown
    ├── ConfigError                 exit status 2: a recipe, study or training file, with its key
    ├── ImageError                  an image that cannot be read or written
    ├── StreamError                 bytes that are not a whole, sound stream
    │   └── WrongModelError         a sound stream of another model
    ├── ModelFileError              a model file that is damaged or not ours
    ├── BundleError                 a bundle that is damaged, or that a runtime cannot run
    ├── CheckpointError             a foreign checkpoint that cannot be imported safely
    ├── TrainingError               a training run that cannot start or go on
    ├── LackOfMemoryError           a MemoryError too: a picture needs more than may be had
    ├── MissingWeightsError         metric weights that are not on this machine
    ├── MissingExtraError           an optional dependency that is not installed
    └── InterruptionError           exit status 130: Ctrl-C, and what is kept

A message says what was expected, what was found and what to do about it, in one line.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

__all__ = [
    "BundleError",
    "CheckpointError",
    "ConfigError",
    "ImageError",
    "InterruptionError",
    "LackOfMemoryError",
    "MissingExtraError",
    "MissingWeightsError",
    "ModelFileError",
    "SlimcodecError",
    "StreamError",
    "TrainingError",
    "UnknownNameError",
    "UsageError",
    "WrongModelError",
    "check_extra",
    "naming_extra",
    "why_unreadable",
]


class SlimcodecError(Exception):
    """The root: catch this to catch everything slimcodec raises on purpose."""

    exit_status = 1

    def __reduce__(self) -> tuple[Any, ...]:
        """As it is, so that another process can raise it, whatever a class asks for when made."""
        return _as_it_was, (type(self), self.args, self.__dict__)


def _as_it_was(kind: type[Any], args: tuple[Any, ...], facts: dict[str, Any]) -> Any:
    # Not by `kind.__new__`: of an error that is a `MemoryError` too that is another one.
    error = Exception.__new__(kind, *args)
    error.args = args
    error.__dict__.update(facts)
    return error


class UsageError(SlimcodecError):
    """The request cannot be meant as given, whatever the files hold."""

    exit_status = 2


class UnknownNameError(UsageError):
    """A name that is not among the known ones; the message lists the near ones.

    Args:
        kind: what was being named, for example ``"codec"``.
        name: the name as given.
        known: every name that would have been accepted.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        near = difflib.get_close_matches(name, self.known, n=3, cutoff=0.5)
        if near:
            hint = f"did you mean {' or '.join(near)}?"
        else:
            hint = f"known: {', '.join(self.known) or 'none'}"
        super().__init__(f"unknown {kind} {name!r}; {hint}")


class ConfigError(SlimcodecError):
    """A recipe, study or training file that does not say what it must.

    Args:
        where: the file, with the line or key when known.
        what: what is wrong there, and what would be right.
    """

    exit_status = 2

    def __init__(self, where: str, what: str) -> None:
        self.where, self.what = where, what
        super().__init__(f"{where}: {what}")


class ImageError(SlimcodecError):
    """An image that cannot be read, decoded or written."""


class StreamError(SlimcodecError):
    """Bytes that are not a whole and sound stream."""


class WrongModelError(StreamError):
    """A sound stream that another model wrote."""


class ModelFileError(SlimcodecError):
    """A model file that is damaged, foreign or from a later version."""


class BundleError(SlimcodecError):
    """A bundle that is damaged, foreign, or that its runtime cannot run."""


class CheckpointError(SlimcodecError):
    """A published checkpoint that cannot be imported, or not safely."""


class TrainingError(SlimcodecError):
    """A training run that cannot start, or stopped because going on would be worse."""


class LackOfMemoryError(SlimcodecError, MemoryError):
    """Work that took more memory than this process may have."""


class MissingWeightsError(SlimcodecError):
    """Weights that a metric needs and that are not on this machine."""


class MissingExtraError(SlimcodecError):
    """An optional dependency that is not installed.

    Args:
        purpose: what needs it, for example ``"training"``.
        extra: the extra that brings it, for example ``"train"``.
    """

    def __init__(self, purpose: str, extra: str) -> None:
        self.purpose, self.extra = purpose, extra
        super().__init__(f"{purpose} needs an optional part: pip install 'slimcodec[{extra}]'")


def check_extra(purpose: str, extra: str, *modules: str) -> None:
    """Before work that would come to them late: are they installed? Nothing is imported.

    Args:
        purpose: see ``MissingExtraError``.
        extra: see ``MissingExtraError``.
        modules: that it brings.

    Raises:
        MissingExtraError: when one of them is not.
    """
    if any(find_spec(module) is None for module in modules):
        raise MissingExtraError(purpose, extra)


@contextmanager
def naming_extra(purpose: str, extra: str) -> Iterator[None]:
    """Around what imports an optional dependency, or as a decorator of it: a module that is not
    installed is said with what brings it.

    Args:
        purpose: see ``MissingExtraError``.
        extra: see ``MissingExtraError``.

    Raises:
        MissingExtraError: in place of a ``ModuleNotFoundError`` of a module that is not ours.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "slimcodec":
            raise
        raise MissingExtraError(purpose, extra) from error


def why_unreadable(error: OSError | ValueError) -> str:
    """Why reading a file as text failed, in words of people."""
    if isinstance(error, UnicodeDecodeError):
        return "it is no text in UTF-8"
    reason = error.strerror if isinstance(error, OSError) else None
    return (reason or str(error)).lower()


class InterruptionError(SlimcodecError):
    """Whoever asked for the work stopped it; the message says what is kept and how to go on."""

    exit_status = 130
