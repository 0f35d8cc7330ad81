"""Vector quantizers as the rest of slimcodec sees them; torch is imported only when a network is
asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.family import PictureLayers, Price, Rescaling, Signature, Wide
from slimcodec.codecs.layers import Layer
from slimcodec.codecs.vq.coding import VqCodec
from slimcodec.codecs.vq.config import VqConfig, vq_s
from slimcodec.codecs.vq.layers import layers
from slimcodec.codecs.vq.tables import VqCoding
from slimcodec.errors import UnknownNameError
from slimcodec.quantization import IntegerSum, Quantization

if TYPE_CHECKING:
    from torch import Tensor

    from slimcodec.codecs.vq.network import VqNetwork
    from slimcodec.graphs.ir import Model as GraphModel

__all__ = ["VqFamily"]

_PRESETS = {"vq-s": vq_s}


class VqFamily:
    """See ``codecs.family.Fitted``."""

    name = "vq"
    parts = ("decoder", "probability")
    encoding_parts: frozenset[str] = frozenset()
    shared_parts = frozenset({"decoder"})
    changes_streams = frozenset({"probability"})
    coding_weights = tuple(
        f"decoder.{book}{kind}." for book in ("luma", "chroma") for kind in ("", "_surface")
    )
    objectives = ("rate-distortion",)
    finetuning: Mapping[str, Any] = MappingProxyType({"name": "rate-distortion"})
    fitted_by = "least squares, then k-means that counts bits, stage by stage and all together"
    fitted_pixels = 1 << 24

    def preset(self, name: str) -> VqConfig:
        if name not in _PRESETS:
            raise UnknownNameError("vq preset", name, _PRESETS)
        return _PRESETS[name]()

    def config(self, values: Mapping[str, Any]) -> VqConfig:
        return VqConfig.from_dict(values)

    def build(self, config: VqConfig) -> VqNetwork:
        from slimcodec.codecs.vq.network import VqNetwork

        return VqNetwork(config)

    def initialise(
        self,
        network: VqNetwork,
        blocks: NDArray[np.float32],
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        from slimcodec.codecs.vq.fit import fit

        fit(network, blocks, on_progress)

    def stream_id(self, coding: VqCoding) -> bytes:
        return coding.stream_id

    def freeze(self, network: VqNetwork) -> dict[str, NDArray[np.generic]]:
        from slimcodec.codecs.vq.freeze import freeze

        return freeze(network)

    def expect(self, network: VqNetwork, image: Tensor) -> None:
        """Coding runs no layer in integers: those that decide are no layer's."""

    def prices(
        self, network: VqNetwork, image: Tensor, qualities: Sequence[int]
    ) -> Iterator[Price]:
        for quality in qualities:
            out = network(image, image.new_full((1,), quality))
            bpp = out.likelihoods.bits().mean() / (image.shape[2] * image.shape[3])
            error = (out.image - image).square().mean()
            yield Price(bpp, network.config.lambdas[quality] * 255**2 * error)

    def costs(self, network: VqNetwork, image: Tensor) -> Iterator[Tensor]:
        lambdas = network.config.lambdas
        usual = lambdas[len(lambdas) // 2]
        prices = self.prices(network, image, range(len(lambdas)))
        for own, price in zip(lambdas, prices, strict=True):
            yield (price.rate + price.distortion) * (usual / own) ** 0.5

    def graphs(self, network: VqNetwork) -> dict[str, Callable[..., Any]]:
        return {"decoder": network.decoder}

    def signatures(self, config: VqConfig) -> dict[str, list[Signature]]:
        luma, chroma = config.books
        inputs: dict[str, tuple[int | str, ...]] = {
            "luma_means": (1, 1, "2h", "2w"),
            "chroma_means": (1, 2, "h", "w"),
            "luma_codes": (1, luma.stages * luma.codes, "2h", "2w"),
            "chroma_codes": (1, chroma.stages * chroma.codes, "h", "w"),
        }
        return {"decoder": [Signature(inputs, ("image",))]}

    def written(
        self,
        config: VqConfig,
        weights: Mapping[str, NDArray[np.float32]],
        graph: str,
        way: Signature,
    ) -> GraphModel:
        from slimcodec.codecs.vq.graphs import written

        return written(weights, way)

    def wide_layers(self, config: VqConfig) -> dict[str, Wide]:
        # What they are given are means of pixels: in eight bits, skies would have steps again.
        more = Wide(weights=4, inputs=8)
        names = ("luma_surface", "chroma_surface", "interpolation", "colour")
        return {f"decoder.{name}": more for name in names}

    def layers(self, config: VqConfig) -> list[Layer]:
        return layers(config)

    def residual_blocks(self, config: VqConfig) -> tuple[str, ...]:
        return ()

    def narrowed(
        self,
        config: VqConfig,
        widths: Mapping[str, int],
        blocks: Sequence[int] | None = None,
        full_norms: bool = True,
    ) -> VqConfig:
        return config

    def rescalings(self, config: VqConfig) -> list[Rescaling]:
        return []

    def centre(self, network: VqNetwork, part: str) -> None:
        """There are no norms."""

    def picture_layers(self, config: VqConfig) -> PictureLayers:
        return PictureLayers(("decoder.colour",))

    def integer_sums(self, config: VqConfig) -> list[IntegerSum]:
        return []

    def coding(
        self,
        config: VqConfig,
        weights: Mapping[str, NDArray[np.float32]],
        quantization: Quantization,
        frozen: Mapping[str, NDArray[np.generic]],
    ) -> VqCoding:
        return VqCoding.of(config, weights, frozen)

    def codec(
        self,
        config: VqConfig,
        graphs: Mapping[str, Callable[..., Any]],
        coding: VqCoding,
        **identity: Any,
    ) -> VqCodec:
        return VqCodec(config, graphs, coding, **identity)
