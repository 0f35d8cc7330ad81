"""The codec as the rest of slimcodec sees it; torch is imported only when a network is asked
for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.extreme.codec import ExtremeCodec
from slimcodec.codecs.extreme.config import ExtremeConfig, extreme, extreme_s
from slimcodec.codecs.extreme.contexts import Contexts
from slimcodec.codecs.extreme.layers import layers, narrowed
from slimcodec.codecs.family import PictureLayers, Price, Rescaling, Signature, Wide
from slimcodec.codecs.hific.layers import next_to_picture, picture_layers, residual_blocks
from slimcodec.codecs.layers import Layer, rescalings
from slimcodec.errors import UnknownNameError
from slimcodec.quantization import IntegerSum, Quantization

if TYPE_CHECKING:
    from torch import Tensor

    from slimcodec.codecs.extreme.network import ExtremeNetwork
    from slimcodec.graphs.ir import Model as GraphModel

__all__ = ["ExtremeFamily"]

_PRESETS: Mapping[str, Callable[[], ExtremeConfig]] = {
    "extreme": extreme,
    "extreme-s": extreme_s,
    "extreme-s-4": partial(extreme_s, 4),
    "extreme-s-2": partial(extreme_s, 2),
}


class ExtremeFamily:
    """See ``codecs.family.Coded``."""

    name = "extreme"
    parts = ("encoder", "generator", "probability")
    encoding_parts = frozenset({"encoder"})
    shared_parts: frozenset[str] = frozenset()
    changes_streams = frozenset({"probability"})
    coding_weights: tuple[str, ...] = ()
    objectives = ("perception", "rate-distortion", "distillation")
    finetuning: Mapping[str, Any] = MappingProxyType(
        {
            "name": "perception",
            "distortion_weight": 60.0,
            "lpips_weight": 2.0,
            "adversarial_weight": 0.15,
            "rate_weight": 0.01,
        }
    )

    def preset(self, name: str) -> ExtremeConfig:
        if name not in _PRESETS:
            raise UnknownNameError("extreme preset", name, _PRESETS)
        return _PRESETS[name]()

    def config(self, values: Mapping[str, Any]) -> ExtremeConfig:
        return ExtremeConfig.from_dict(values)

    def build(self, config: ExtremeConfig) -> ExtremeNetwork:
        from slimcodec.codecs.extreme.network import ExtremeNetwork

        return ExtremeNetwork(config)

    def initialise(self, network: ExtremeNetwork, blocks: NDArray[np.float32]) -> None:
        from slimcodec.codecs.extreme.initial import initialise

        initialise(network, blocks)

    def freeze(self, network: ExtremeNetwork) -> dict[str, NDArray[np.generic]]:
        from slimcodec.codecs.extreme.freeze import freeze

        return freeze(network)

    def expect(self, network: ExtremeNetwork, image: Tensor) -> None:
        network(image)

    def prices(
        self, network: ExtremeNetwork, image: Tensor, qualities: Sequence[int]
    ) -> Iterator[Price]:
        for _ in qualities:
            out = network(image)
            bpp = out.likelihoods.bits().mean() / (image.shape[2] * image.shape[3])
            error = (out.image - image).square().mean()
            yield Price(bpp, network.config.trade_off * 255**2 * error)

    def costs(self, network: ExtremeNetwork, image: Tensor) -> Iterator[Tensor]:
        for price in self.prices(network, image, (0,)):
            yield price.rate + price.distortion

    def graphs(self, network: ExtremeNetwork) -> dict[str, Callable[..., Any]]:
        return {"encoder": network.encoder, "generator": network.generator}

    def signatures(self, config: ExtremeConfig) -> dict[str, list[Signature]]:
        pixels = (1, 3, f"{config.stride}h", f"{config.stride}w")
        code = (1, config.latent_channels, "h", "w")
        return {
            "encoder": [Signature({"image": pixels}, ("code",))],
            "generator": [Signature({"code": code}, ("image",))],
        }

    def written(
        self,
        config: ExtremeConfig,
        weights: Mapping[str, NDArray[np.float32]],
        graph: str,
        way: Signature,
    ) -> GraphModel:
        from slimcodec.codecs.extreme.graphs import written

        return written(config, weights, graph, way)

    def wide_layers(self, config: ExtremeConfig) -> dict[str, Wide]:
        # As in HiFiC: latents reach hundreds of steps in some channels and one in others, and the
        # last layers write noise straight into smooth skies. What is coded is small and exact.
        if not config.linear_path:
            return {}
        picture = Wide(weights=0, inputs=1)
        latents = Wide(weights=4, inputs=8)
        before = dict.fromkeys(next_to_picture(config), picture)
        return {"encoder.to_code": latents, **before, "generator.out": picture}

    def layers(self, config: ExtremeConfig) -> list[Layer]:
        return layers(config)

    def residual_blocks(self, config: ExtremeConfig) -> tuple[str, ...]:
        return residual_blocks(config)

    def narrowed(
        self,
        config: ExtremeConfig,
        widths: Mapping[str, int],
        blocks: Sequence[int] | None = None,
        full_norms: bool = True,
    ) -> ExtremeConfig:
        return narrowed(config, widths, blocks, full_norms)

    def rescalings(self, config: ExtremeConfig) -> list[Rescaling]:
        return rescalings(layers(config))

    def centre(self, network: ExtremeNetwork, part: str) -> None:
        from slimcodec.codecs.hific.network import centre

        if part in ("encoder", "generator") and part not in network.config.centred:
            centre(network, part)

    def picture_layers(self, config: ExtremeConfig) -> PictureLayers:
        return picture_layers(config)

    def integer_sums(self, config: ExtremeConfig) -> list[IntegerSum]:
        return []  # sums of neighbours are integers as they are

    def coding(
        self,
        config: ExtremeConfig,
        weights: Mapping[str, NDArray[np.float32]],
        quantization: Quantization,
        frozen: Mapping[str, NDArray[Any]],
    ) -> Contexts:
        return Contexts.of(config, frozen)

    def stream_id(self, coding: Contexts) -> bytes:
        return coding.stream_id

    def codec(
        self,
        config: ExtremeConfig,
        graphs: Mapping[str, Callable[..., Any]],
        coding: Contexts,
        **identity: Any,
    ) -> ExtremeCodec:
        return ExtremeCodec(config, graphs, coding, **identity)
