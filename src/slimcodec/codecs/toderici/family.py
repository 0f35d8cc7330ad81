"""The recurrent codec as the rest of slimcodec sees it; torch is imported only when a network is
asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.family import PictureLayers, Price, Rescaling, Signature, Wide
from slimcodec.codecs.layers import Layer, rescalings
from slimcodec.codecs.published import Imported, Question, check_answers
from slimcodec.codecs.toderici.checkpoint import HELP, ROLES
from slimcodec.codecs.toderici.coding import TodericiCodec
from slimcodec.codecs.toderici.config import TodericiConfig, toderici, toderici_s
from slimcodec.codecs.toderici.layers import layers, narrowed
from slimcodec.codecs.toderici.prior import Coding, integer_sums
from slimcodec.errors import UnknownNameError, naming_extra
from slimcodec.quantization import IntegerSum, Quantization

if TYPE_CHECKING:
    from torch import Tensor

    from slimcodec.codecs.toderici.network import TodericiNetwork
    from slimcodec.graphs.ir import Model as GraphModel

__all__ = ["TodericiFamily"]

Shape = tuple[int | str, ...]

_PRESETS = {"toderici": toderici, "toderici-s": toderici_s}


class TodericiFamily:
    """See ``codecs.family.Family``."""

    name = "toderici"
    parts = ("encoder", "binarizer", "decoder", "probability")
    encoding_parts = frozenset({"encoder", "binarizer"})
    shared_parts = frozenset({"decoder"})
    changes_streams = frozenset({"probability"})
    coding_weights = ("probability.",)
    objectives = ("progressive",)
    finetuning: Mapping[str, Any] = MappingProxyType(
        {"name": "progressive", "window": 4, "ms_ssim_weight": 0.04, "rate_weight": 1.0}
    )
    checkpoint_files = ROLES
    checkpoint_questions: tuple[Question, ...] = ()
    checkpoint_help = HELP

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

    def expect(self, network: TodericiNetwork, image: Tensor) -> None:
        network(image, skip=0, count=network.config.iterations)

    def prices(
        self, network: TodericiNetwork, image: Tensor, qualities: Sequence[int]
    ) -> Iterator[Price]:
        # What bits cost reaches the encoder through the bits themselves.
        out = network(image, skip=0, count=max(qualities) + 1, rate_share=1.0)
        bpp = out.bits.mean(dim=1).cumsum(dim=0) / (image.shape[2] * image.shape[3])
        errors = out.errors.square().mean(dim=(1, 2, 3, 4))
        for quality in qualities:
            worth = network.config.lambdas[quality] * 255**2
            yield Price(bpp[quality], worth * errors[quality])

    def costs(self, network: TodericiNetwork, image: Tensor) -> Iterator[Tensor]:
        import torch

        count = len(network.config.qualities)
        prices = self.prices(network, image, range(count))
        weighted = [
            (price.rate + price.distortion) / own**0.5
            for own, price in zip(network.config.lambdas[:count], prices, strict=True)
        ]
        yield torch.stack(weighted).sum()

    def graphs(self, network: TodericiNetwork) -> dict[str, Callable[..., Any]]:
        graphs: dict[str, Callable[..., Any]] = {
            "encoder": network.encoder,
            "binarizer": network.binarizer,
            "decoder": network.decoder,
        }
        if network.decoder.filter is not None:
            graphs["filter"] = network.decoder.filter
        return graphs

    def signatures(self, config: TodericiConfig) -> dict[str, list[Signature]]:
        code: dict[str, Shape] = {"code": (1, config.bits, "h", "w"), "iteration": ()}
        coefficients: dict[str, Shape] = {}
        if config.linear_components:
            coefficients["decoded"] = (1, config.linear_components, "h", "w")
        features = (1, config.encoder_widths[-1] + config.linear_components, "h", "w")
        residual: dict[str, Shape] = {"residual": (1, 3, "16h", "16w")}
        encoder = _states(config.encoder_widths, (4, 2, 1))
        decoder = coefficients | _states(config.decoder_widths, (1, 2, 4, 8))
        width = config.decoder_widths[-1]
        seen: dict[str, Shape] = {"picture": (1, 3, "16h", "16w"), "hidden": (1, width, "8h", "8w")}
        filtered = {"filter": [Signature(seen, ("filtered",))]} if config.filter_width else {}
        return {
            "encoder": [
                Signature(residual | state, ("features", *_after(encoder)))
                for state in ({}, encoder)
            ],
            "binarizer": [Signature({"features": features, "iteration": ()}, ("code",))],
            "decoder": [
                Signature(code | state, ("output", *_after(decoder))) for state in ({}, decoder)
            ],
            **filtered,
        }

    def written(
        self,
        config: TodericiConfig,
        weights: Mapping[str, NDArray[np.float32]],
        graph: str,
        way: Signature,
    ) -> GraphModel:
        from slimcodec.codecs.toderici.graphs import written

        return written(config, weights, graph, way)

    def wide_layers(self, config: TodericiConfig) -> dict[str, Wide]:
        # Steps along a linear path's components differ as much in size as the components do. With
        # eight bits, one layer alone, three held-out photographs, 8 iterations, weights of before
        # windows overlapped: decoder.linear -1.24 dB and 28 % more bits, others at most 0.01 dB.
        return {"decoder.linear": Wide(weights=4, inputs=8)} if config.linear_components else {}

    def centre(self, network: TodericiNetwork, part: str) -> None:
        """It has no norms."""

    def layers(self, config: TodericiConfig) -> list[Layer]:
        return layers(config)

    def residual_blocks(self, config: TodericiConfig) -> tuple[str, ...]:
        return ()

    def narrowed(
        self,
        config: TodericiConfig,
        widths: Mapping[str, int],
        blocks: Sequence[int] | None = None,
        full_norms: bool = True,
    ) -> TodericiConfig:
        return narrowed(config, widths, blocks, full_norms)

    def rescalings(self, config: TodericiConfig) -> list[Rescaling]:
        return rescalings(layers(config))

    def picture_layers(self, config: TodericiConfig) -> PictureLayers:
        # A constant would be added as often as there are iterations, and the filter hands the
        # picture on beside its layers. Colours that are off are in the residual that is coded next.
        return PictureLayers((), hindrance="a picture is a sum over iterations")

    def integer_sums(self, config: TodericiConfig) -> list[IntegerSum]:
        return integer_sums(config)

    def coding(
        self,
        config: TodericiConfig,
        weights: Mapping[str, NDArray[np.float32]],
        quantization: Quantization,
        frozen: Mapping[str, NDArray[np.generic]],
    ) -> Coding:
        return Coding.of(config, weights, quantization, frozen)

    def stream_id(self, coding: Coding) -> bytes:
        return coding.stream_id

    def codec(
        self,
        config: TodericiConfig,
        graphs: Mapping[str, Callable[..., Any]],
        coding: Coding,
        **identity: Any,
    ) -> TodericiCodec:
        return TodericiCodec(config, graphs, coding, **identity)

    @naming_extra("reading a checkpoint", "torch")
    def read_checkpoint(
        self, paths: Sequence[Path], answers: Mapping[str, str] = MappingProxyType({})
    ) -> Imported:
        """Three published checkpoints as a network; see ``checkpoint``."""
        from slimcodec.codecs.toderici.checkpoint import read_published

        check_answers(self.name, self.checkpoint_questions, answers)
        return read_published(paths)

    def coded_symbols(self, codec: TodericiCodec, stream: bytes) -> NDArray[np.int8]:
        return codec.read(stream).ravel()


def _states(widths: Sequence[int], sides: Sequence[int]) -> dict[str, Shape]:
    """Hidden and cell of each ConvLSTM, so many positions on a side for one of the code."""
    return {
        f"{kind}_{number}": (1, width, *("h w" if side == 1 else f"{side}h {side}w").split())
        for number, (width, side) in enumerate(zip(widths, sides, strict=True))
        for kind in ("hidden", "cell")
    }


def _after(state: Mapping[str, Shape]) -> list[str]:
    return [f"next_{name}" for name in state]
