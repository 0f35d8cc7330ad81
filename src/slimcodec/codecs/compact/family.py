"""Compacting networks as the rest of slimcodec sees them; torch is imported only when a network is
asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slimcodec import registry
from slimcodec.codecs.around import Contents
from slimcodec.codecs.compact.coding import STREAM_ID, CompactCodec, parcel_of
from slimcodec.codecs.compact.config import FACTOR, CompactConfig, com_rec_cnn, compact_s
from slimcodec.codecs.compact.layers import layers, narrowed
from slimcodec.codecs.family import PictureLayers, Rescaling, Signature, Wide
from slimcodec.codecs.layers import Layer, rescalings
from slimcodec.codecs.trunk.modulation import LAYERS, Condition
from slimcodec.errors import UnknownNameError
from slimcodec.quantization import Quantization

if TYPE_CHECKING:
    from torch import Tensor

    from slimcodec.codecs.compact.network import CompactNetwork
    from slimcodec.graphs.ir import Model as GraphModel
    from slimcodec.stream import Stream

__all__ = ["CompactFamily"]

_PRESETS = {"compact-s": compact_s, "com-rec-cnn": com_rec_cnn}
BALANCE = 0.5
"""Between squared errors and decibels (``error.py``): what ``compact-s`` was trained with."""
_COSTING = "jpeg"
_COST_QUALITIES = (15, 40, 70)
"""Of the files that say what a network is worth, where passes ask: those of the one codec that is
everywhere and quick."""


class CompactFamily:
    """See ``codecs.family.Identified`` and ``codecs.around.Enveloping``."""

    name = "compact"
    parts = ("compactor", "reconstructor", "condition")
    encoding_parts = frozenset({"compactor"})
    shared_parts: frozenset[str] = frozenset()
    changes_streams: frozenset[str] = frozenset()
    coding_weights = ("condition.",)
    objectives = ("compaction",)
    finetuning: Mapping[str, Any] = MappingProxyType({"name": "compaction"})

    def preset(self, name: str) -> CompactConfig:
        if name not in _PRESETS:
            raise UnknownNameError("compact preset", name, _PRESETS)
        return _PRESETS[name]()

    def config(self, values: Mapping[str, Any]) -> CompactConfig:
        return CompactConfig.from_dict(values)

    def build(self, config: CompactConfig) -> CompactNetwork:
        from slimcodec.codecs.compact.network import CompactNetwork

        return CompactNetwork(config)

    def inner(self, config: CompactConfig, wanted: str = "") -> str:
        name = wanted or config.inner
        if name not in registry.codecs:
            raise UnknownNameError("inner codec", name, registry.codecs)
        return name

    def contents(self, stream: Stream) -> Contents:
        parcel = parcel_of(stream)
        return Contents(parcel.inner, stream.quality, len(parcel.file))

    def stream_id(self, coding: Condition) -> bytes:
        return STREAM_ID

    def costs(self, network: CompactNetwork, image: Tensor) -> Iterator[Tensor]:
        from slimcodec.codecs.compact.error import cost_of, in_units, through
        from slimcodec.codecs.compact.network import resized

        inner = registry.codecs.get(_COSTING)()
        height, width = (side // 8 * 8 for side in image.shape[-2:])
        picture = in_units(image[..., :height, :width])
        for quality in _COST_QUALITIES:
            passed = network(picture, lambda small, q=quality: through([inner], [q], small)[1:])
            yield cost_of(passed.made, resized(passed.decoded, FACTOR), picture, BALANCE)

    def graphs(self, network: CompactNetwork) -> dict[str, Callable[..., Any]]:
        return {"compactor": network.compactor, "reconstructor": network.reconstructor}

    def signatures(self, config: CompactConfig) -> dict[str, list[Signature]]:
        compacting: dict[str, tuple[int | str, ...]] = {"picture": (1, 3, "2h", "2w")}
        reconstructing: dict[str, tuple[int | str, ...]] = {"picture": (1, 3, "h", "w")}
        if config.folded:
            compacting = {"picture": (1, 3, "4h", "4w")}
            reconstructing = {
                "small": (1, 3, "4h", "4w"), "modulation": (1, config.modulation, 1, 1),
            }  # fmt: skip
        return {
            "compactor": [Signature(compacting, ("correction",))],
            "reconstructor": [Signature(reconstructing, ("correction",))],
        }

    def written(
        self,
        config: CompactConfig,
        weights: Mapping[str, NDArray[np.float32]],
        graph: str,
        way: Signature,
    ) -> GraphModel:
        from slimcodec.codecs.compact.graphs import written

        return written(config, weights, graph, way)

    def wide_layers(self, config: CompactConfig) -> dict[str, Wide]:
        return {}

    def layers(self, config: CompactConfig) -> list[Layer]:
        return layers(config)

    def residual_blocks(self, config: CompactConfig) -> tuple[str, ...]:
        return ()

    def narrowed(
        self,
        config: CompactConfig,
        widths: Mapping[str, int],
        blocks: Sequence[int] | None = None,
        full_norms: bool = True,
    ) -> CompactConfig:
        return narrowed(config, widths)

    def rescalings(self, config: CompactConfig) -> list[Rescaling]:
        return rescalings(layers(config))

    def centre(self, network: CompactNetwork, part: str) -> None:
        """There are no norms."""

    def picture_layers(self, config: CompactConfig) -> PictureLayers:
        return PictureLayers((), hindrance="it is what a filter made and a correction")

    def coding(
        self,
        config: CompactConfig,
        weights: Mapping[str, NDArray[np.float32]],
        quantization: Quantization,
        frozen: Mapping[str, NDArray[np.generic]],
    ) -> Condition:
        return Condition.of(weights, LAYERS if config.folded else 0)

    def codec(
        self,
        config: CompactConfig,
        graphs: Mapping[str, Callable[..., Any]],
        coding: Condition,
        **identity: Any,
    ) -> CompactCodec:
        return CompactCodec(config, graphs, coding, self.inner(config), **identity)
