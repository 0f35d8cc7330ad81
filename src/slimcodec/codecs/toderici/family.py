"""The recurrent codec as the rest of slimcodec sees it; torch is imported only when a network is
asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.toderici.coding import TodericiCodec
from slimcodec.codecs.toderici.config import TodericiConfig, toderici, toderici_s
from slimcodec.codecs.toderici.prior import BitPrior, check_tables
from slimcodec.errors import UnknownNameError
from slimcodec.stream import Tables

if TYPE_CHECKING:
    from slimcodec.codecs.toderici.network import TodericiNetwork

__all__ = ["TodericiFamily"]

_PRESETS = {"toderici": toderici, "toderici-s": toderici_s}


class TodericiFamily:
    """See ``codecs.family.Family``."""

    name = "toderici"
    parts = ("encoder", "binarizer", "decoder", "probability")
    encoding_parts = frozenset({"encoder", "binarizer"})
    shared_parts = frozenset({"decoder"})
    changes_streams = frozenset({"probability"})
    objectives = ("progressive",)
    checkpoint_files = ("encoder", "binarizer", "decoder")

    def preset(self, name: str) -> TodericiConfig:
        if name not in _PRESETS:
            raise UnknownNameError("recurrent codec preset", name, _PRESETS)
        return _PRESETS[name]()

    def config(self, values: Mapping[str, Any]) -> TodericiConfig:
        return TodericiConfig.from_dict(values)

    def build(self, config: TodericiConfig) -> TodericiNetwork:
        from slimcodec.codecs.toderici.network import TodericiNetwork

        return TodericiNetwork(config)

    def initialise(self, network: TodericiNetwork, blocks: NDArray[np.float32]) -> None:
        from slimcodec.codecs.toderici.initial import initialise

        initialise(network, blocks)

    def freeze(self, network: TodericiNetwork) -> dict[str, NDArray[np.generic]]:
        from slimcodec.codecs.toderici.freeze import freeze

        return freeze(network)

    def graphs(self, network: TodericiNetwork) -> dict[str, Callable[..., Any]]:
        return {
            "encoder": network.encoder,
            "binarizer": network.binarizer,
            "decoder": network.decoder,
        }

    def stream_id(
        self,
        weights: Mapping[str, NDArray[np.float32]],
        frozen: Mapping[str, NDArray[np.generic]],
    ) -> bytes:
        return BitPrior.from_weights(weights).stream_id(_tables(frozen))

    def codec(
        self,
        config: TodericiConfig,
        parts: Mapping[str, Callable[..., Any]],
        weights: Mapping[str, NDArray[np.float32]],
        frozen: Mapping[str, NDArray[np.generic]],
        **identity: Any,
    ) -> TodericiCodec:
        return TodericiCodec(
            config, parts, BitPrior.from_weights(weights), _tables(frozen), **identity
        )

    def read_checkpoint(self, paths: Sequence[Path]) -> TodericiNetwork:
        """Three published checkpoints as a network; see ``checkpoint``."""
        from slimcodec.codecs.toderici.checkpoint import read_published

        return read_published(paths)


def _tables(frozen: Mapping[str, NDArray[np.generic]]) -> Tables:
    return check_tables(Tables.from_arrays(frozen, "bit_tables"))
