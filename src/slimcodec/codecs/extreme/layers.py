"""The network's layers as a table (``codecs.layers``), and its config with other widths.

encoder.inner       what levels are made of; all else is as HiFiC's encoder and generator have it
probability.*       what is expected of a symbol, from its neighbours; nothing of it may go
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from slimcodec.codecs.extreme.config import TAPS, ExtremeConfig
from slimcodec.codecs.hific.layers import encoder_layers, generator_layers, narrowed_transforms
from slimcodec.codecs.layers import Channels, Layer

__all__ = ["layers", "narrowed"]


def layers(config: ExtremeConfig) -> list[Layer]:
    """One row per layer, and one per tensor beside them that has channels."""
    inner = Channels("encoder.inner", config.inner_channels)
    code = Channels("code", config.latent_channels)
    neighbours = Channels("neighbours", len(TAPS) * config.latent_channels)
    place = 1 / config.stride**2
    return [
        *encoder_layers(config, inner),
        Layer("encoder.to_code", "conv", (inner,), (code,), 3, place),
        *generator_layers(config, code),
        Layer("probability.expected", "conv", (neighbours,), (code,), 1, place, streams=True),
        Layer("probability.logits", "vector", (), (code,), streams=True),
    ]


def narrowed(
    config: ExtremeConfig,
    widths: Mapping[str, int],
    blocks: Sequence[int] | None,
    full_norms: bool,
) -> ExtremeConfig:
    """The same network with fewer channels; see ``hific.layers.narrowed``."""
    made = narrowed_transforms(config, widths, blocks, full_norms)
    return replace(made, inner_channels=widths.get("encoder.inner", config.inner_channels))
