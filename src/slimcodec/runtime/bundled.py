"""What the runtimes that run bundles have in common: graphs behind names, loaded when they are
first called, so that a decoder never loads an encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol

from numpy.typing import NDArray

from slimcodec.machine import available_cores, tune_allocator
from slimcodec.runtime.base import Operator, Source, glue
from slimcodec.runtime.bundle import Bundle, GraphFile
from slimcodec.runtime.cache import bundle_of
from slimcodec.types import Codec

__all__ = ["BundleRuntime", "LoadedGraph"]

_SIGNS = (".weight.", ".after.", "")
"""What follows a layer's name in that of a node that multiplies by its weights, of one that takes
what they made, and of any other."""


class LoadedGraph(Protocol):
    """One way to call a graph, ready to run."""

    def run(self, arrays: tuple[NDArray[Any], ...]) -> list[NDArray[Any]]: ...

    def profile(self) -> list[tuple[str, str, bool, float]]:
        """Of a graph that was loaded for profiling, what ran: kind, names in the runtime's words,
        whether in integers, milliseconds."""


class BundleRuntime:
    """See ``runtime.Runtime``; a runtime adds its name, ``load`` and ``describe``.

    Args:
        threads: of each graph; all cores that this process may use when not given.
    """

    name: ClassVar[str]

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or available_cores()

    def load(self, path: Path, way: GraphFile, profiled: bool) -> LoadedGraph:
        """Make a graph ready to run.

        Raises:
            BundleError: when the runtime cannot run it, in one line.
        """
        raise NotImplementedError

    def parts(self, source: Source) -> Mapping[str, Callable[..., Any]]:
        # The glue between the graphs and the integer prior are numpy's.
        tune_allocator()
        return self._ways(bundle_of(source, self.name), profiled=False)

    def operators(self, source: Source, use: Callable[[Codec], object]) -> list[Operator]:
        bundle = bundle_of(source, self.name)
        parts = self._ways(bundle, profiled=True)
        use(glue(bundle, parts))
        return [
            Operator(graph, kind, _layer(name, way.file.layers), integer, ms)
            for graph, ways in parts.items()
            for way in ways.ways.values()
            for kind, name, integer, ms in way.profile()
        ]

    def _ways(self, bundle: Bundle, *, profiled: bool) -> dict[str, _Ways]:
        return {
            name: _Ways({len(w.inputs): _Way(self, bundle.folder, w, profiled) for w in ways})
            for name, ways in bundle.graphs.items()
        }


class _Ways:
    """The ways to call one graph, told apart by how many arrays they take."""

    def __init__(self, ways: Mapping[int, _Way]) -> None:
        self.ways = ways

    def __call__(self, *arrays: NDArray[Any]) -> Any:
        return self.ways[len(arrays)](*arrays)


class _Way:
    def __init__(
        self, runtime: BundleRuntime, folder: Path, file: GraphFile, profiled: bool
    ) -> None:
        self.runtime, self.folder, self.file, self.profiled = runtime, folder, file, profiled
        self._loaded: LoadedGraph | None = None

    def __call__(self, *arrays: NDArray[Any]) -> Any:
        if self._loaded is None:
            path = self.folder / self.file.file
            self._loaded = self.runtime.load(path, self.file, self.profiled)
        out = self._loaded.run(arrays)
        return out[0] if len(out) == 1 else tuple(out)

    def profile(self) -> list[tuple[str, str, bool, float]]:
        return self._loaded.profile() if self._loaded is not None else []


def _layer(name: str, layers: tuple[str, ...]) -> str:
    """The layer that an operator works for; else the runtime's own name for it.

    A node that multiplies by a layer's weights has them in its name. A runtime joins it with what
    comes before and after, such as the next layer's rounding of its input.
    """
    for sign in _SIGNS:
        if found := [layer for layer in layers if layer + sign in name]:
            return max(found, key=len)
    return name
