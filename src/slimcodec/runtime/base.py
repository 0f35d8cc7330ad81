"""The contract of a runtime, and how a model or a bundle becomes a codec on one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from slimcodec import registry
from slimcodec.codecs.family import stream_id_of
from slimcodec.errors import BundleError, ModelFileError, UsageError
from slimcodec.model_file import Model, file_bytes, files_of, load
from slimcodec.runtime.bundle import Bundle
from slimcodec.runtime.cache import KnownFile, known_file, remember_file
from slimcodec.types import Codec

__all__ = [
    "DEFAULT",
    "Graph",
    "Operator",
    "Runtime",
    "Source",
    "failure",
    "glue",
    "open_codec",
    "open_file",
]

DEFAULT = "onnx"
"""What runs a model when nobody says what shall."""

Source = Model | Bundle
"""What a runtime can run: a model, or a bundle that was made for it."""


class Graph(Protocol):
    """One executable graph: arrays in, an array or a tuple of them out, as the family says.

    Any number of threads may call it at once; each gets what it would have got alone, in arrays of
    its own.
    """

    def __call__(self, *arrays: NDArray[Any]) -> Any: ...


_MULTIPLYING = ("Conv", "conv", "MatMul", "Gemm")


_LACKS_MEMORY = ("bad_alloc", "bad alloc", "allocate", "out of memory", "not enough memory")
"""What runtimes say that lack memory, whose errors are of no kind of their own."""


@dataclass(frozen=True)
class Operator:
    """One operator as a runtime really ran it.

    Attributes:
        graph: which graph it belongs to.
        kind: what it does, in the runtime's words.
        name: the layer of the network that it works for where that can be told, else the
            runtime's own name for it.
        integer: whether it worked on integers.
        ms: how long it took.
    """

    graph: str
    kind: str
    name: str
    integer: bool
    ms: float

    @property
    def multiplies(self) -> bool:
        """Whether it does the work of a layer with weights."""
        # Not what only converts between types.
        kind = self.kind.replace("Convert", "")
        return any(word in kind for word in _MULTIPLYING)


class Runtime(Protocol):
    """Something that can execute the graphs of a model."""

    name: str

    def kept(self, digest: str) -> Bundle | None:
        """What was made of the model of that digest before, where the runtime keeps such."""

    def graphs(self, source: Source) -> Mapping[str, Graph]:
        """Every graph of the model's family, ready to be called.

        Raises:
            BundleError: when the runtime cannot run a graph, naming it and the operator.
        """

    def describe(self) -> dict[str, str]:
        """Libraries to their versions: what decides bytes and pixels besides the model, so that a
        measurement must record it. Threads are no part of it: they decide times alone."""

    def operators(self, source: Source, use: Callable[[Codec], object]) -> list[Operator]:
        """Every operator that ran while a codec was put to use, from the runtime's own profile."""


def failure(runtime: str, graph: str, error: Exception) -> Exception:
    """What an error of a runtime's own means, in one line.

    Args:
        runtime: its name.
        graph: that it was to load or to run.
        error: what it raised.
    """
    reason = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MemoryError) or any(sign in reason.lower() for sign in _LACKS_MEMORY):
        return MemoryError(f"{runtime} lacks memory for {graph}: {reason}")
    return BundleError(f"{runtime} cannot run {graph}: {reason}")


def open_codec(
    source: Source,
    runtime: str | None = None,
    *,
    model_bytes: int = 0,
    threads: int | None = None,
) -> Codec:
    """A model or a bundle as a codec on a runtime.

    Args:
        source: weights and integers, or a bundle.
        runtime: a name in ``registry.runtimes``; the bundle's own, or the default, when not given.
        model_bytes: size of the model file it came from; a bundle knows its own.
        threads: of each graph, see ``open_file``.

    Raises:
        UsageError: when a bundle was made for another runtime.
    """
    if isinstance(source, Bundle):
        if runtime not in (None, source.runtime):
            raise UsageError(
                f"{source.folder} was made for the runtime {source.runtime}, not for {runtime}; "
                f"export the model again with --runtime {runtime}"
            )
        runtime = source.runtime
    return glue(source, _made(runtime, threads).graphs(source), model_bytes)


def open_file(path: Path, runtime: str | None = None, threads: int | None = None) -> Codec:
    """A model file as a codec on a runtime.

    Where the runtime keeps what it made of this very model before, a file that was checked then and
    has not changed since is not read again.

    Args:
        path: of the file.
        runtime: a name in ``registry.runtimes``; the default when not given.
        threads: of each graph, where the runtime has such; all cores when not given. Whoever
            codes several pictures at once gives each call fewer: what comes out is the same.
    """
    own = _made(runtime, threads)
    known = known_file(path)
    kept = None if known is None else own.kept(known.digest)
    source: Source | None = kept
    if kept is not None and known is not None:
        told = (kept.model["stream_id"], kept.model["look"])
        source = kept if told == (known.stream_id, known.look) else None
    if known is None or source is None:
        model = load(path)
        known = KnownFile(model.digest, file_bytes(path), model.stream_id, model.look)
        source = model
        remember_file(path, files_of(path), known)
    return glue(source, own.graphs(source), known.bytes)


def _made(runtime: str | None, threads: int | None) -> Any:
    """A runtime by name. One that takes no number of threads, such as torch, has a setting of its
    own for them."""
    kind = registry.runtimes.get(runtime or DEFAULT)
    takes = "threads" in inspect.signature(kind).parameters
    return kind(threads=threads) if takes else kind()


def glue(source: Source, graphs: Mapping[str, Graph], model_bytes: int = 0) -> Codec:
    """The codec of a source over graphs that are there already.

    Args:
        source: what the graphs were made of.
        graphs: by the names that the family's codec calls them.
        model_bytes: size of the model file; of the bundle when not given.

    Raises:
        BundleError: when a bundle's integers are not those that its manifest speaks of.
    """
    if isinstance(source, Model):
        facts = {**source.manifest(), "digest": source.digest}
        whole: Codec = _glued(facts, source, graphs, model_bytes)
        return whole
    try:
        codec: Codec = _glued(source.model, source, graphs, model_bytes or source.bytes)
    except (LookupError, TypeError, ValueError, ArithmeticError, ModelFileError) as error:
        raise BundleError(f"{source.folder} is damaged: {type(error).__name__}: {error}") from error
    family = registry.families.get(source.model["family"])
    if stream_id_of(family, source.coding) != source.model["stream_id"]:
        raise BundleError(
            f"{source.folder}: its integers do not give the stream id {source.model['stream_id']} "
            "that it was made with; it comes from another version of slimcodec"
        )
    return codec


def _glued(facts: Mapping[str, Any], source: Source, graphs: Any, model_bytes: int) -> Any:
    family = registry.families.get(facts["family"])
    return family.codec(
        family.config(facts["config"]),
        graphs,
        source.coding,
        name=facts["name"],
        digest=facts["digest"],
        model_bytes=model_bytes,
    )
