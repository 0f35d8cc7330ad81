"""HiFiC as the rest of slimcodec sees it; torch is imported only when a network is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.family import by_role
from slimcodec.codecs.hific.coding import Frozen, HificCodec
from slimcodec.codecs.hific.config import HificConfig, hific, hific_s
from slimcodec.errors import CheckpointError, UnknownNameError

if TYPE_CHECKING:
    from slimcodec.codecs.hific.network import HificNetwork

__all__ = ["HificFamily"]

_PRESETS = {"hific": hific, "hific-s": hific_s}


class HificFamily:
    """See ``codecs.family.Family``."""

    name = "hific"
    parts = ("encoder", "generator", "probability")
    encoding_parts = frozenset({"encoder"})
    shared_parts: frozenset[str] = frozenset()
    changes_streams = frozenset({"probability"})
    checkpoint_files = ("checkpoint",)
    objectives = ("rate-distortion", "perception")

    def preset(self, name: str) -> HificConfig:
        if name not in _PRESETS:
            raise UnknownNameError("HiFiC preset", name, _PRESETS)
        return _PRESETS[name]()

    def config(self, values: Mapping[str, Any]) -> HificConfig:
        return HificConfig.from_dict(values)

    def build(self, config: HificConfig) -> HificNetwork:
        from slimcodec.codecs.hific.network import HificNetwork

        return HificNetwork(config)

    def initialise(self, network: HificNetwork, blocks: NDArray[np.float32]) -> None:
        from slimcodec.codecs.hific.initial import initialise

        initialise(network, blocks)

    def freeze(self, network: HificNetwork) -> dict[str, NDArray[np.generic]]:
        from slimcodec.codecs.hific.freeze import freeze

        return freeze(network)

    def graphs(self, network: HificNetwork) -> dict[str, Callable[[Any], Any]]:
        return {
            "encoder": network.encoder,
            "hyper_analysis": network.probability.hyper_latents,
            "hyper_mean": network.probability.latent_means,
            "generator": network.generator,
        }

    def stream_id(
        self,
        weights: Mapping[str, NDArray[np.float32]],
        frozen: Mapping[str, NDArray[np.generic]],
    ) -> bytes:
        return Frozen.from_arrays(weights, frozen).stream_id()

    def codec(
        self,
        config: HificConfig,
        parts: Mapping[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]],
        weights: Mapping[str, NDArray[np.float32]],
        frozen: Mapping[str, NDArray[np.generic]],
        **identity: Any,
    ) -> HificCodec:
        return HificCodec(config, parts, Frozen.from_arrays(weights, frozen), **identity)

    def read_checkpoint(self, paths: Sequence[Path]) -> HificNetwork:
        """A published checkpoint as a network; see ``checkpoint``."""
        import torch

        from slimcodec.codecs.hific.checkpoint import config_from_args, from_published
        from slimcodec.codecs.torch_file import as_arrays, as_settings, read_torch_file

        path = by_role(self.name, self.checkpoint_files, paths)["checkpoint"]
        content = read_torch_file(path)
        state = content.get("model_state_dict")
        if not isinstance(state, Mapping):
            raise CheckpointError(f"{path} has no 'model_state_dict'; is it a HiFiC checkpoint?")
        config = config_from_args(as_settings(content.get("args", {})))
        try:
            arrays = as_arrays(state)
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {error}") from error
        ours = from_published(arrays, config)
        with torch.device("meta"):
            network = self.build(config)
        try:
            network.load_state_dict({k: torch.from_numpy(v) for k, v in ours.items()}, assign=True)
        except RuntimeError as error:
            raise CheckpointError(f"{path}: {' '.join(str(error).split())}") from error
        return network.eval()
