"""CompressAI's codecs as the rest of slimcodec sees them; torch is imported only when a network is
asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.compressai.checkpoint import HELP, QUESTIONS
from slimcodec.codecs.compressai.config import ARCHITECTURES, CompressaiConfig, compressai, elic
from slimcodec.codecs.compressai.layers import layers, narrowed
from slimcodec.codecs.compressai.theirs.container import HELP as FOREIGN_HELP
from slimcodec.codecs.compressai.theirs.container import TheirStream, parse
from slimcodec.codecs.family import PictureLayers, Price, Rescaling, Signature, Wide
from slimcodec.codecs.foreign import ForeignHeader, ForeignPicture
from slimcodec.codecs.latents import Coding, MeanScaleCodec, integer_sums
from slimcodec.codecs.latents.factorized_tile import FactorizedCoding, FactorizedTileCoder
from slimcodec.codecs.layers import Layer, rescalings
from slimcodec.codecs.published import Imported, by_role, check_answers
from slimcodec.errors import UnknownNameError, naming_extra
from slimcodec.quantization import IntegerSum, Quantization

if TYPE_CHECKING:
    from torch import Tensor

    from slimcodec.codecs.compressai.network import CompressaiNetwork
    from slimcodec.graphs.ir import Model as GraphModel

__all__ = ["CompressaiFamily"]

_PRESETS: dict[str, Callable[[], CompressaiConfig]] = {
    **{name: partial(compressai, name) for name in ARCHITECTURES},
    "mbt2018-mean-elic": elic,
}


class CompressaiFamily:
    """See ``codecs.family.Coded``."""

    name = "compressai"
    parts = ("encoder", "generator", "probability")
    encoding_parts = frozenset({"encoder"})
    shared_parts: frozenset[str] = frozenset()
    changes_streams = frozenset({"probability"})
    coding_weights = (
        *(f"probability.{part}" for part in ("scale.", "features.", "context.", "mean.")),
        "probability.median",
        "log_gain",
        "log_degain",
    )
    checkpoint_files = ("checkpoint",)
    checkpoint_questions = QUESTIONS
    checkpoint_help = HELP
    foreign_help = FOREIGN_HELP
    objectives = ("rate-distortion", "distillation")
    finetuning: Mapping[str, Any] = MappingProxyType({"name": "rate-distortion"})

    def preset(self, name: str) -> CompressaiConfig:
        if name not in _PRESETS:
            raise UnknownNameError("CompressAI preset", name, _PRESETS)
        return _PRESETS[name]()

    def config(self, values: Mapping[str, Any]) -> CompressaiConfig:
        return CompressaiConfig.from_dict(values)

    def build(self, config: CompressaiConfig) -> CompressaiNetwork:
        from slimcodec.codecs.compressai.network import CompressaiNetwork

        return CompressaiNetwork(config)

    def initialise(self, network: CompressaiNetwork, blocks: NDArray[np.float32]) -> None:
        from slimcodec.codecs.compressai.initial import initialise

        initialise(network, blocks)

    def freeze(self, network: CompressaiNetwork) -> dict[str, NDArray[np.generic]]:
        from slimcodec.codecs.latents.freeze import freeze

        return freeze(network)

    def expect(self, network: CompressaiNetwork, image: Tensor) -> None:
        for quality in range(len(network.config.lambdas)):
            network(image, image.new_full((1,), quality))

    def prices(
        self, network: CompressaiNetwork, image: Tensor, qualities: Sequence[int]
    ) -> Iterator[Price]:
        for quality in qualities:
            out = network(image, image.new_full((1,), quality))
            bpp = out.likelihoods.bits().mean() / (image.shape[2] * image.shape[3])
            error = (out.image - image).square().mean()
            yield Price(bpp, network.config.lambdas[quality] * 255**2 * error)

    def costs(self, network: CompressaiNetwork, image: Tensor) -> Iterator[Tensor]:
        lambdas = network.config.lambdas
        usual = lambdas[len(lambdas) // 2]
        for own, price in zip(
            lambdas, self.prices(network, image, range(len(lambdas))), strict=True
        ):
            yield (price.rate + price.distortion) * (usual / own) ** 0.5

    def graphs(self, network: CompressaiNetwork) -> dict[str, Callable[[Any], Any]]:
        from slimcodec.codecs.latents.hyperprior import Hyperprior

        found: dict[str, Callable[[Any], Any]] = {
            "encoder": network.encoder,
            "generator": network.generator,
        }
        if isinstance(network.probability, Hyperprior):
            found["hyper_analysis"] = network.probability.hyper_latents
            if network.probability.mean is not None:
                found["hyper_mean"] = network.probability.latent_means
        return found

    def signatures(self, config: CompressaiConfig) -> dict[str, list[Signature]]:
        latents = (1, config.latent_channels, "h", "w")
        hyper = (1, config.hyper_channels, "h", "w")
        around = (1, config.latent_channels, "4h", "4w")
        found = {
            "encoder": [Signature({"image": (1, 3, "16h", "16w")}, ("latents",))],
            "generator": [Signature({"latents": latents}, ("image",))],
        }
        if config.structure.hyperprior:
            found["hyper_analysis"] = [Signature({"latents": around}, ("hyper_latents",))]
            if config.structure.mean is not None:
                found["hyper_mean"] = [Signature({"hyper_latents": hyper}, ("means",))]
        return found

    def written(
        self,
        config: CompressaiConfig,
        weights: Mapping[str, NDArray[np.float32]],
        graph: str,
        way: Signature,
    ) -> GraphModel:
        from slimcodec.codecs.compressai.graphs import written

        return written(config, weights, graph, way)

    def wide_layers(self, config: CompressaiConfig) -> dict[str, Wide]:
        # Latents reach a hundred steps in one channel and one in others. mbt2018-mean 128/192 on
        # held-out photographs, inputs of 8 bits for 16: 4.9 % more bytes and 0.03 dB less; 12 bits
        # for their weights gave 0.03 dB. The last layer's inputs in 9 bits gave 0.07 dB, for a
        # quarter of the generator's time.
        latents = Wide(weights=0, inputs=8)
        found = {"generator.stages.0.conv": latents}
        if config.structure.hyperprior:
            found["probability.analysis.layers.0"] = latents
        return found

    def layers(self, config: CompressaiConfig) -> list[Layer]:
        return layers(config)

    def residual_blocks(self, config: CompressaiConfig) -> tuple[str, ...]:
        return ()

    def narrowed(
        self,
        config: CompressaiConfig,
        widths: Mapping[str, int],
        blocks: Sequence[int] | None = None,
        full_norms: bool = True,
    ) -> CompressaiConfig:
        return narrowed(config, widths)

    def rescalings(self, config: CompressaiConfig) -> list[Rescaling]:
        return rescalings(layers(config))

    def centre(self, network: CompressaiNetwork, part: str) -> None:
        """Its norms have no means to take off."""

    def picture_layers(self, config: CompressaiConfig) -> PictureLayers:
        return PictureLayers(("generator.out",))

    def integer_sums(self, config: CompressaiConfig) -> list[IntegerSum]:
        if not config.structure.hyperprior:
            return []
        return integer_sums(config)

    def coding(
        self,
        config: CompressaiConfig,
        weights: Mapping[str, NDArray[np.float32]],
        quantization: Quantization,
        frozen: Mapping[str, NDArray[np.generic]],
    ) -> Coding | FactorizedCoding:
        if not config.structure.hyperprior:
            return FactorizedCoding.of(config, weights, frozen)
        return Coding.of(config, weights, quantization, frozen)

    def stream_id(self, coding: Coding | FactorizedCoding) -> bytes:
        return coding.stream_id

    def codec(
        self,
        config: CompressaiConfig,
        graphs: Mapping[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]],
        coding: Coding | FactorizedCoding,
        **identity: Any,
    ) -> MeanScaleCodec:
        if isinstance(coding, FactorizedCoding):
            identity["tiles"] = FactorizedTileCoder
        return MeanScaleCodec(config, graphs, coding, **identity)

    @naming_extra("reading a checkpoint", "torch")
    def read_checkpoint(
        self, paths: Sequence[Path], answers: Mapping[str, str] = MappingProxyType({})
    ) -> Imported:
        """A published checkpoint as a network; see ``checkpoint``."""
        from slimcodec.codecs.compressai.checkpoint import read_published

        check_answers(self.name, self.checkpoint_questions, answers)
        path = by_role(self.name, self.checkpoint_files, paths)["checkpoint"]
        return read_published(path, answers)

    def coded_symbols(self, codec: MeanScaleCodec, stream: bytes) -> NDArray[np.int32]:
        _, tiles = codec.read(stream)
        rows = [own.ravel() for tile in tiles for own in (tile.symbols, tile.hyper_latents)]
        return np.concatenate(rows).astype(np.int32)

    def foreign_header(self, data: bytes) -> ForeignHeader:
        found = parse(data)
        return ForeignHeader(found.writer, found.height, found.width, found.region, found)

    @naming_extra("reading a checkpoint", "torch")
    def read_foreign(
        self,
        header: ForeignHeader,
        paths: Sequence[Path],
        memory: int | None = None,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> ForeignPicture:
        from slimcodec.codecs.compressai.theirs.reading import read

        path = by_role(self.name, self.checkpoint_files, paths)["checkpoint"]
        stream: TheirStream = header.content
        latents, pixels, notes = read(stream, path, memory, on_progress)
        count = latents.symbols.size + latents.hyper_latents.size
        return ForeignPicture(header, count, pixels, latents, notes)

    def foreign_stream(self, codec: Any, picture: ForeignPicture, padded: bool) -> bytes:
        from slimcodec.codecs.compressai.theirs.rewriting import rewritten

        return rewritten(codec, picture, padded)
