"""What the runtimes that run bundles have in common: graphs behind names, loaded when they are
first called, so that a decoder never loads an encoder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from numpy.typing import NDArray

from slimcodec.errors import BundleError
from slimcodec.machine import available_cores, tune_allocator
from slimcodec.model_file import Model
from slimcodec.runtime.base import Graph, Operator, Source, failure, glue
from slimcodec.runtime.bundle import Bundle, GraphFile
from slimcodec.runtime.cache import keep_bundle, kept_bundle
from slimcodec.types import Codec

if TYPE_CHECKING:
    from slimcodec.graphs import ir

__all__ = ["BundleRuntime", "LoadedGraph"]


_SIGNS = (".weight.", ".after.", "")
"""What follows a layer's name in that of a node that multiplies by its weights, of one that takes
what they made, and of any other."""


class LoadedGraph(Protocol):
    """One way to call a graph, ready to run."""

    def run(self, arrays: tuple[NDArray[Any], ...]) -> list[NDArray[Any]]:
        """Outputs, the caller's own; from any number of threads at once."""

    def profile(self) -> list[tuple[str, str, bool, float]]:
        """Of a graph that was loaded for profiling, what ran: kind, names in the runtime's words,
        whether in integers, milliseconds."""


class BundleRuntime:
    """See ``runtime.Runtime``; a runtime adds its name, what it wants of graphs, ``load`` and
    ``describe``. Its library is imported when one is made, so bundles can be made without it.

    Args:
        threads: of each graph; all cores that this process may use when not given.
    """

    name: ClassVar[str]
    dequantizes_behind_padding: ClassVar[bool]
    """Where it looks for the dequantization that it takes into a layer: right before the layer, so
    that padding works on integers, or right behind the quantization."""
    multiplies_wide_weights: ClassVar[bool] = False
    """Whether its rewrites make products of integers of layers that see more than eight bits, so
    that their weights shall come as integers."""

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or available_cores()

    @classmethod
    def rewrites(cls) -> Sequence[Callable[[ir.Model], ir.Model]]:
        """Changes to graphs that it gains from, in order."""
        raise NotImplementedError

    def problems(self) -> tuple[type[Exception], ...]:
        """What its library raises when it cannot load or run a graph."""
        raise NotImplementedError

    def load(self, bundle: Bundle, way: GraphFile, profiled: bool) -> LoadedGraph:
        """Make a graph ready to run; raises what ``problems`` says.

        Raises:
            BundleError: when the graph was altered.
        """
        raise NotImplementedError

    def kept(self, digest: str) -> Bundle | None:
        return kept_bundle(digest, self.name)

    def graphs(self, source: Source) -> Mapping[str, Graph]:
        # The glue between the graphs and the integer prior are numpy's.
        tune_allocator()
        return self._ways(self._bundle(source), profiled=False)

    def operators(self, source: Source, use: Callable[[Codec], object]) -> list[Operator]:
        bundle = self._bundle(source)
        graphs = self._ways(bundle, profiled=True)
        use(glue(bundle, graphs))
        return [
            Operator(graph, kind, _layer(name, way.file.layers), integer, ms)
            for graph, ways in graphs.items()
            for way in ways.ways.values()
            for kind, name, integer, ms in way.profile()
        ]

    def _bundle(self, source: Source) -> Bundle:
        """The bundle itself, or one made of a model."""
        if isinstance(source, Bundle):
            return source
        return kept_bundle(source.digest, self.name, source) or self._made(source)

    def _made(self, model: Model) -> Bundle:
        from slimcodec.runtime.graphs.bundling import export

        return keep_bundle(model, self.name, lambda place: export(model, type(self), place))

    def _ways(self, bundle: Bundle, *, profiled: bool) -> dict[str, _Ways]:
        return {
            name: _Ways({len(way.inputs): _Way(self, bundle, way, profiled) for way in ways})
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
        self, runtime: BundleRuntime, bundle: Bundle, file: GraphFile, profiled: bool
    ) -> None:
        self.runtime, self.bundle, self.file, self.profiled = runtime, bundle, file, profiled
        self._loaded: LoadedGraph | None = None
        self._loading = threading.Lock()

    def __call__(self, *arrays: NDArray[Any]) -> Any:
        try:
            out = self._ready().run(arrays)
        except self.runtime.problems() as error:
            raise failure(self.runtime.name, self.file.file, error) from error
        if len(out) != len(self.file.outputs):
            raise BundleError(
                f"{self.bundle.folder / self.file.file} makes {len(out)} arrays where its manifest "
                f"says {len(self.file.outputs)}; export the model again"
            )
        return out[0] if len(out) == 1 else tuple(out)

    def _ready(self) -> LoadedGraph:
        """Loaded by the first call; others that come meanwhile wait for it."""
        with self._loading:
            if self._loaded is None:
                self._loaded = self.runtime.load(self.bundle, self.file, self.profiled)
            return self._loaded

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
