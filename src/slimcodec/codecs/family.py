"""What a learned codec must say about itself, so that training, shrinking, saving and running it
need not know which one it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from slimcodec.types import Codec

__all__ = ["Arrays", "Family", "Floats"]

Floats = NDArray[np.float32]
Arrays = Mapping[str, NDArray[Any]]


class Family(Protocol):
    """A learned codec's networks, integers and glue behind one contract.

    A *config* is the family's own frozen dataclass with ``to_dict`` and ``qualities``; a *network*
    is a ``torch.nn.Module`` whose attributes named in ``parts`` are its parts.
    """

    name: str
    parts: tuple[str, ...]
    """Names a recipe may use, in the order of the flow chart."""
    changes_streams: frozenset[str]
    """Parts whose weights old streams depend on: shrinking one gives a new ``stream_id``."""

    def preset(self, name: str) -> Any:
        """A named config, or ``UnknownNameError``."""

    def config(self, values: Mapping[str, Any]) -> Any:
        """A config from a manifest's plain values."""

    def build(self, config: Any) -> Any:
        """A network with torch's default weights."""

    def initialise(self, network: Any, blocks: Floats) -> None:
        """Starting weights for training, given pixel blocks [n, 3, k, k] of the photographs."""

    def freeze(self, network: Any) -> dict[str, NDArray[Any]]:
        """Everything integer that coding needs, computed from the network's weights."""

    def graphs(self, network: Any) -> dict[str, Callable[[Any], Any]]:
        """What a runtime executes: one tensor in, one out, by the name the glue calls it."""

    def read_checkpoint(self, path: Path) -> Any:
        """A network with the weights of a published checkpoint; ``CheckpointError`` otherwise."""

    def stream_id(self, weights: Arrays, frozen: Arrays) -> bytes:
        """Identity of the streams that these weights write."""

    def codec(
        self,
        config: Any,
        parts: Mapping[str, Callable[[Floats], Floats]],
        weights: Arrays,
        frozen: Arrays,
        *,
        name: str,
        digest: str,
        model_bytes: int,
    ) -> Codec:
        """The glue over a runtime's parts."""
