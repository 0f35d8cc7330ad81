"""Calls that need not be made again where one layer of a network changes and the rest stays.

A module that is not changed and is given what it was given before makes what it made before. So
while one layer after another is tried on the same picture, everything in front of the layer, and
everything that does not depend on it, is looked up: on ``hific-s`` that is two thirds of the work.
What is looked up was computed by the same modules from equal tensors, so nothing is approximate.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["Recall", "with_ancestors", "without_equals"]

Forward = Callable[..., Any]


class _Call(NamedTuple):
    given: tuple[Any, ...]
    made: Any


class Recall:
    """What every module of a network made of what it was given, for one picture."""

    def __init__(self) -> None:
        self._calls: dict[str, list[_Call]] = {}

    @property
    def called(self) -> frozenset[str]:
        """Names of the modules that were called."""
        return frozenset(self._calls)

    @contextmanager
    def noting(self, network: nn.Module) -> Iterator[None]:
        """Remember every call of the network's modules while the block runs."""

        def noted(name: str, forward: Forward) -> Forward:
            def call(*given: Any) -> Any:
                made = forward(*given)
                self._calls.setdefault(name, []).append(_Call(given, made))
                return made

            return call

        with _instead(network, noted):
            yield

    @contextmanager
    def answering(self, network: nn.Module, changed: Collection[str]) -> Iterator[None]:
        """Answer calls that were made before, while the block runs.

        Args:
            network: the one that was noted, or one like it.
            changed: names of the modules that may make something else of the same, with all that
                they are in (``with_ancestors``).
        """

        def answered(name: str, forward: Forward) -> Forward:
            known = self._calls.get(name, [])
            if name in changed or not known:
                return forward

            def call(*given: Any) -> Any:
                for before in known:
                    if _equal(before.given, given):
                        return before.made
                return forward(*given)

            return call

        with _instead(network, answered):
            yield


def with_ancestors(names: Collection[str]) -> frozenset[str]:
    """Modules, and all that they are in."""
    return frozenset(
        ".".join(name.split(".")[:count]) for name in names for count in range(name.count(".") + 2)
    )


def without_equals(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> frozenset[str]:
    """Names of tensors that only one of two networks has, or that differ between them."""
    return frozenset(
        name
        for name in before.keys() | after.keys()
        if name not in before or name not in after or not _equal(before[name], after[name])
    )


@contextmanager
def _instead(network: nn.Module, made: Callable[[str, Forward], Forward]) -> Iterator[None]:
    """Let every module inside a network run another ``forward``, made of its name and its own."""
    inside = [(name, module) for name, module in network.named_modules() if name]
    for name, module in inside:
        # Of the instance: the class keeps its own, and so does every copy.
        module.__dict__["forward"] = made(name, module.forward)
    try:
        yield
    finally:
        for _, module in inside:
            del module.__dict__["forward"]


def _equal(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.shape == other.shape and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return type(one) is type(other) and bool(one == other)
