"""Restoring networks as the rest of slimcodec sees them; torch is imported only when a network is
asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slimcodec import registry
from slimcodec.codecs.family import PictureLayers, Rescaling, Signature, Wide
from slimcodec.codecs.layers import Layer, rescalings
from slimcodec.codecs.restore.coding import RestoreCodec
from slimcodec.codecs.restore.config import RestoreConfig, cas_cnn, restore_s
from slimcodec.codecs.restore.layers import layers, narrowed
from slimcodec.codecs.trunk.modulation import LAYERS, Condition
from slimcodec.errors import UnknownNameError, UsageError
from slimcodec.quantization import Quantization

if TYPE_CHECKING:
    from torch import Tensor

    from slimcodec.codecs.restore.network import RestoreNetwork
    from slimcodec.graphs.ir import Model as GraphModel

__all__ = ["RestoreFamily"]

_PRESETS = {"restore-s": restore_s, "cas-cnn": cas_cnn}
_INNER = "jpeg"
BALANCE = 0.5
"""Between squared errors and decibels (``error.py``): what ``restore-s`` was trained with."""
_COST_QUALITIES = (10, 30, 60)
"""Of the JPEGs that say what a network is worth, where passes ask."""


class RestoreFamily:
    """See ``codecs.around.Around``."""

    name = "restore"
    parts = ("restorer", "condition")
    encoding_parts: frozenset[str] = frozenset()
    shared_parts: frozenset[str] = frozenset()
    changes_streams: frozenset[str] = frozenset()
    coding_weights = ("condition.",)
    objectives = ("restoration",)
    finetuning: Mapping[str, Any] = MappingProxyType({"name": "restoration"})

    def preset(self, name: str) -> RestoreConfig:
        if name not in _PRESETS:
            raise UnknownNameError("restore preset", name, _PRESETS)
        return _PRESETS[name]()

    def config(self, values: Mapping[str, Any]) -> RestoreConfig:
        return RestoreConfig.from_dict(values)

    def build(self, config: RestoreConfig) -> RestoreNetwork:
        from slimcodec.codecs.restore.network import RestoreNetwork

        return RestoreNetwork(config)

    def inner(self, config: RestoreConfig, wanted: str = "") -> str:
        if wanted not in ("", _INNER):
            raise UsageError(f"a model that restores is around {_INNER} alone, not {wanted}")
        return _INNER

    def costs(self, network: RestoreNetwork, image: Tensor) -> Iterator[Tensor]:
        from slimcodec.codecs.restore.error import damaged, errors_of

        inner = registry.codecs.get(_INNER)()
        for quality in _COST_QUALITIES:
            _, planes, facts = damaged(inner, image, quality)
            yield errors_of(network(planes, facts), planes, image).cost(BALANCE)

    def graphs(self, network: RestoreNetwork) -> dict[str, Callable[..., Any]]:
        return {"restorer": network.restorer}

    def signatures(self, config: RestoreConfig) -> dict[str, list[Signature]]:
        inputs: dict[str, tuple[int | str, ...]] = {"planes": (1, config.planes, "8h", "8w")}
        if config.modulation:
            inputs |= {"phases": (1, 4, "2h", "2w"), "modulation": (1, config.modulation, 1, 1)}
        return {"restorer": [Signature(inputs, ("restored",))]}

    def written(
        self,
        config: RestoreConfig,
        weights: Mapping[str, NDArray[np.float32]],
        graph: str,
        way: Signature,
    ) -> GraphModel:
        from slimcodec.codecs.restore.graphs import written

        return written(config, weights, way)

    def wide_layers(self, config: RestoreConfig) -> dict[str, Wide]:
        return {}

    def layers(self, config: RestoreConfig) -> list[Layer]:
        return layers(config)

    def residual_blocks(self, config: RestoreConfig) -> tuple[str, ...]:
        return ()

    def narrowed(
        self,
        config: RestoreConfig,
        widths: Mapping[str, int],
        blocks: Sequence[int] | None = None,
        full_norms: bool = True,
    ) -> RestoreConfig:
        return narrowed(config, widths)

    def rescalings(self, config: RestoreConfig) -> list[Rescaling]:
        return rescalings(layers(config))

    def centre(self, network: RestoreNetwork, part: str) -> None:
        """There are no norms."""

    def picture_layers(self, config: RestoreConfig) -> PictureLayers:
        return PictureLayers((), hindrance="it is what was decoded and a correction")

    def coding(
        self,
        config: RestoreConfig,
        weights: Mapping[str, NDArray[np.float32]],
        quantization: Quantization,
        frozen: Mapping[str, NDArray[np.generic]],
    ) -> Condition:
        return Condition.of(weights, LAYERS if config.modulation else 0)

    def codec(
        self,
        config: RestoreConfig,
        graphs: Mapping[str, Callable[..., Any]],
        coding: Condition,
        **identity: Any,
    ) -> RestoreCodec:
        inner = registry.codecs.get(_INNER)()
        return RestoreCodec(config, graphs, coding, inner, **identity)
