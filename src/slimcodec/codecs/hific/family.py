"""HiFiC as the rest of slimcodec sees it; torch is imported only when a network is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.family import PictureLayers, Price, Rescaling, Signature, Wide
from slimcodec.codecs.hific.checkpoint import HELP, QUESTIONS
from slimcodec.codecs.hific.config import HificConfig, hific, hific_s
from slimcodec.codecs.hific.layers import (
    layers,
    narrowed,
    next_to_picture,
    picture_layers,
    residual_blocks,
)
from slimcodec.codecs.latents import Coding, MeanScaleCodec, integer_sums
from slimcodec.codecs.layers import Layer, rescalings
from slimcodec.codecs.published import Imported, by_role, check_answers
from slimcodec.errors import UnknownNameError, naming_extra
from slimcodec.quantization import IntegerSum, Quantization

if TYPE_CHECKING:
    from torch import Tensor

    from slimcodec.codecs.hific.network import HificNetwork
    from slimcodec.graphs.ir import Model as GraphModel

__all__ = ["HificFamily"]

_USUAL_LAMBDA = 0.005
"""The middle of ``hific-s``'s."""

_PRESETS = {"hific": hific, "hific-s": hific_s}


class HificFamily:
    """See ``codecs.family.Family``."""

    name = "hific"
    parts = ("encoder", "generator", "probability")
    encoding_parts = frozenset({"encoder"})
    shared_parts: frozenset[str] = frozenset()
    changes_streams = frozenset({"probability"})
    coding_weights = (
        *(f"probability.{part}" for part in ("scale.", "features.", "context.", "mean.")),
        "probability.latent_scale",
        "log_gain",
        "log_degain",
    )
    checkpoint_files = ("checkpoint",)
    checkpoint_questions = QUESTIONS
    checkpoint_help = HELP
    objectives = ("rate-distortion", "perception", "distillation")
    # An encoder of hific-s, 30 % of it pruned and 10,000 steps of squared error alone: +0.4 % of
    # bits at equal PSNR, +12.8 at equal MS-SSIM (Kodak); 2,500 more with this weight: +1.0, +1.4.
    finetuning: Mapping[str, Any] = MappingProxyType(
        {"name": "rate-distortion", "ms_ssim_weight": 0.01}
    )

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
        from slimcodec.codecs.latents.freeze import freeze

        return freeze(network)

    def expect(self, network: HificNetwork, image: Tensor) -> None:
        gains = network.log_gain
        for quality in range(len(gains)):
            network(image, gains.new_full((1,), quality))

    def prices(
        self, network: HificNetwork, image: Tensor, qualities: Sequence[int]
    ) -> Iterator[Price]:
        lambdas = _lambdas(network.config)
        for quality in qualities:
            out = network(image, image.new_full((1,), quality))
            bpp = out.likelihoods.bits().mean() / (image.shape[2] * image.shape[3])
            error = (out.image - image).square().mean()
            yield Price(bpp, lambdas[quality] * 255**2 * error)

    def costs(self, network: HificNetwork, image: Tensor) -> Iterator[Tensor]:
        lambdas = _lambdas(network.config)
        prices = self.prices(network, image, range(len(lambdas)))
        for own, price in zip(lambdas, prices, strict=True):
            yield (price.rate + price.distortion) * (_USUAL_LAMBDA / own) ** 0.5

    def graphs(self, network: HificNetwork) -> dict[str, Callable[[Any], Any]]:
        return {
            "encoder": network.encoder,
            "hyper_analysis": network.probability.hyper_latents,
            "hyper_mean": network.probability.latent_means,
            "generator": network.generator,
        }

    def signatures(self, config: HificConfig) -> dict[str, list[Signature]]:
        pixels = (1, 3, f"{config.stride}h", f"{config.stride}w")
        latents = (1, config.latent_channels, "h", "w")
        hyper = (1, config.hyper_channels, "h", "w")
        around = (1, config.latent_channels, "4h", "4w")
        return {
            "encoder": [Signature({"image": pixels}, ("latents",))],
            "hyper_analysis": [Signature({"latents": around}, ("hyper_latents",))],
            "hyper_mean": [Signature({"hyper_latents": hyper}, ("means",))],
            "generator": [Signature({"latents": latents}, ("image",))],
        }

    def written(
        self,
        config: HificConfig,
        weights: Mapping[str, NDArray[np.float32]],
        graph: str,
        way: Signature,
    ) -> GraphModel:
        from slimcodec.codecs.hific.graphs import written

        return written(config, weights, graph, way)

    def wide_layers(self, config: HificConfig) -> dict[str, Wide]:
        # Latents reach hundreds of steps in some channels and one in others, and the last layer
        # writes noise straight into smooth skies. Loss at quality 5, held-out photographs, inputs
        # of 8 | 9 | 12 bits, one layer alone: linear 1.63 | 0.39 | 0.03 dB, head 0.12 | 0.04 |
        # 0.00, out 0.021 | 0.005 | 0.000, the stage before it 0.010 | 0.003 | 0.000. Weights of the
        # head in 8 bits for 12: 0.013. A network without a linear path was never measured with
        # trained weights, nor were gated blocks.
        if not config.linear_path:
            return {}
        latents = Wide(weights=4, inputs=8)
        picture = Wide(weights=0, inputs=1)
        return {
            "generator.linear": latents,
            "generator.head": latents,
            **dict.fromkeys(next_to_picture(config), picture),
            "generator.out": picture,
        }

    def layers(self, config: HificConfig) -> list[Layer]:
        return layers(config)

    def residual_blocks(self, config: HificConfig) -> tuple[str, ...]:
        return residual_blocks(config)

    def narrowed(
        self,
        config: HificConfig,
        widths: Mapping[str, int],
        blocks: Sequence[int] | None = None,
        full_norms: bool = True,
    ) -> HificConfig:
        return narrowed(config, widths, blocks, full_norms)

    def rescalings(self, config: HificConfig) -> list[Rescaling]:
        return rescalings(layers(config))

    def centre(self, network: HificNetwork, part: str) -> None:
        from slimcodec.codecs.hific.network import centre

        if part in ("encoder", "generator") and part not in network.config.centred:
            centre(network, part)

    def picture_layers(self, config: HificConfig) -> PictureLayers:
        return picture_layers(config)

    def integer_sums(self, config: HificConfig) -> list[IntegerSum]:
        return integer_sums(config)

    def coding(
        self,
        config: HificConfig,
        weights: Mapping[str, NDArray[np.float32]],
        quantization: Quantization,
        frozen: Mapping[str, NDArray[np.generic]],
    ) -> Coding:
        return Coding.of(config, weights, quantization, frozen)

    def stream_id(self, coding: Coding) -> bytes:
        return coding.stream_id

    def codec(
        self,
        config: HificConfig,
        graphs: Mapping[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]],
        coding: Coding,
        **identity: Any,
    ) -> MeanScaleCodec:
        return MeanScaleCodec(config, graphs, coding, **identity)

    @naming_extra("reading a checkpoint", "torch")
    def read_checkpoint(
        self, paths: Sequence[Path], answers: Mapping[str, str] = MappingProxyType({})
    ) -> Imported:
        """A published checkpoint as a network; see ``checkpoint``."""
        from slimcodec.codecs.hific.checkpoint import read_published

        check_answers(self.name, self.checkpoint_questions, answers)
        path = by_role(self.name, self.checkpoint_files, paths)["checkpoint"]
        return read_published(path, answers)

    def coded_symbols(self, codec: MeanScaleCodec, stream: bytes) -> NDArray[np.int32]:
        _, tiles = codec.read(stream)
        rows = [own.ravel() for tile in tiles for own in (tile.symbols, tile.hyper_latents)]
        return np.concatenate(rows).astype(np.int32)


def _lambdas(config: HificConfig) -> list[float]:
    """Of each quality; a network of one does not say for which it was trained."""
    return [own or _USUAL_LAMBDA for own in config.lambdas]
