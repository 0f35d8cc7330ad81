"""The contract of a runtime, and how a model becomes a codec on one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from slimcodec import registry
from slimcodec.codecs.family import Arrays
from slimcodec.model_file import Model
from slimcodec.types import Codec

__all__ = ["Part", "Runtime", "open_codec"]


class Part(Protocol):
    """One executable graph: arrays in, an array or a tuple of them out, as the family says."""

    def __call__(self, *arrays: NDArray[Any]) -> Any: ...


class Runtime(Protocol):
    """Something that can execute the parts of a model."""

    name: str

    def parts(self, model: Model) -> Mapping[str, Part]:
        """Every graph of the model's family, ready to be called."""

    def describe(self) -> dict[str, Any]:
        """Versions and settings that a measurement should record."""


def open_codec(model: Model, runtime: str = "torch", *, model_bytes: int = 0) -> Codec:
    """A model as a codec on a runtime.

    Args:
        model: weights and integers.
        runtime: a name in ``registry.runtimes``.
        model_bytes: size of the file it came from.
    """
    family = registry.families.get(model.family)
    weights: Arrays = model.weights
    codec: Codec = family.codec(
        family.config(model.config),
        registry.runtimes.get(runtime)().parts(model),
        weights,
        model.frozen,
        name=model.name,
        digest=model.digest,
        model_bytes=model_bytes,
    )
    return codec
