"""The contract of a runtime, and how a model or a bundle becomes a codec on one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from slimcodec import registry
from slimcodec.errors import UsageError
from slimcodec.model_file import Model
from slimcodec.runtime.bundle import Bundle
from slimcodec.types import Codec

__all__ = ["Operator", "Part", "Runtime", "Source", "glue", "open_codec"]

Source = Model | Bundle
"""What a runtime can run: a model, or a bundle that was made for it."""


class Part(Protocol):
    """One executable graph: arrays in, an array or a tuple of them out, as the family says."""

    def __call__(self, *arrays: NDArray[Any]) -> Any: ...


_MULTIPLYING = ("Conv", "conv", "MatMul", "Gemm")


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
        return any(word in self.kind for word in _MULTIPLYING)


class Runtime(Protocol):
    """Something that can execute the parts of a model."""

    name: str

    def parts(self, source: Source) -> Mapping[str, Part]:
        """Every graph of the model's family, ready to be called.

        Raises:
            MissingExtraError: when a model must be exported first and what that needs is missing.
            BundleError: when the runtime cannot run a graph, naming it and the operator.
        """

    def describe(self) -> dict[str, Any]:
        """Versions and settings that a measurement should record."""

    def operators(self, source: Source, use: Callable[[Codec], object]) -> list[Operator]:
        """Every operator that ran while a codec was put to use, from the runtime's own profile."""


def open_codec(source: Source, runtime: str | None = None, *, model_bytes: int = 0) -> Codec:
    """A model or a bundle as a codec on a runtime.

    Args:
        source: weights and integers, or a bundle.
        runtime: a name in ``registry.runtimes``; the bundle's own, or torch, when not given.
        model_bytes: size of the model file it came from; a bundle knows its own.

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
    return glue(source, registry.runtimes.get(runtime or "torch")().parts(source), model_bytes)


def glue(source: Source, parts: Mapping[str, Part], model_bytes: int = 0) -> Codec:
    """The codec of a source over parts that are there already."""
    if isinstance(source, Bundle):
        facts, model_bytes = source.model, source.bytes
    else:
        facts = {**source.manifest(), "digest": source.digest}
    family = registry.families.get(facts["family"])
    codec: Codec = family.codec(
        family.config(facts["config"]),
        parts,
        source.coding,
        name=facts["name"],
        digest=facts["digest"],
        model_bytes=model_bytes,
    )
    return codec
