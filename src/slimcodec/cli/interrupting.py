"""Ctrl-C: one line that says what is kept and how to go on, and exit status 130."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from slimcodec.errors import InterruptionError

__all__ = ["interruptible", "kept_if_interrupted"]

P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def kept_if_interrupted(what: str) -> Iterator[None]:
    """Work that leaves something behind when it is interrupted.

    Args:
        what: is kept, and how to go on with it, in words.

    Raises:
        InterruptionError: saying it.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise InterruptionError(f"interrupted; {what}") from None


def interruptible(verb: Callable[P, R]) -> Callable[P, R]:
    """A verb whose interruption is said. One that keeps something says so itself, so whatever
    else is interrupted has written nothing: outputs appear whole or not at all."""

    @functools.wraps(verb)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with kept_if_interrupted("nothing was written; the same command begins again"):
            return verb(*args, **kwargs)

    return call
