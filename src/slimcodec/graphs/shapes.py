"""Sides of pictures that are known by name only: ``16h`` is sixteen times whatever h is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

__all__ = ["Side", "added", "broadcast", "may_be_odd", "multiplied", "strided"]


@dataclass(frozen=True)
class Side:
    """``factor * name + more`` pixels."""

    factor: int
    name: str
    more: int = 0

    @classmethod
    def parse(cls, text: str) -> Side:
        """``"16h"`` to sixteen times h.

        Raises:
            ValueError: when it is neither a name nor a number before one.
        """
        match = re.fullmatch(r"(\d*)([a-z]+)", text)
        if match is None:
            raise ValueError(f"a side is a number, a name or both, got {text!r}")
        return cls(int(match[1] or 1), match[2])

    def __str__(self) -> str:
        times = self.name if self.factor == 1 else f"{self.factor}*{self.name}"
        return times + (f" {'+' if self.more > 0 else '-'} {abs(self.more)}" if self.more else "")

    def __add__(self, more: int) -> Side:
        return Side(self.factor, self.name, self.more + more)

    def __mul__(self, times: int) -> Side:
        return Side(self.factor * times, self.name, self.more * times)


def may_be_odd(side: object) -> bool:
    """Whether a side is known well enough to say that it is not always even."""
    if isinstance(side, Side):
        return bool(side.factor % 2 or side.more % 2)
    return isinstance(side, int) and bool(side % 2)


def strided(side: int | Side | None, stride: int) -> int | Side | None:
    """A side divided by a stride, down to a whole number; None where the name hides it."""
    if side is None:
        return None
    if isinstance(side, int):
        return side // stride
    if side.factor % stride:
        return None
    return Side(side.factor // stride, side.name, side.more // stride)


def added(side: Any, more: int) -> Any:
    """A side and so many pixels more; None where it is not known."""
    return None if side is None else side + more


def multiplied(side: Any, times: int) -> Any:
    """A side so many times; None where it is not known."""
    return None if side is None else side * times


def broadcast(one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
    """The shape of what two shapes make together."""
    length = max(len(one), len(other))
    one, other = (1,) * (length - len(one)) + one, (1,) * (length - len(other)) + other
    return tuple(b if a == 1 else a for a, b in zip(one, other, strict=True))
