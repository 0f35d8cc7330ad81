"""The networks' layers as a table (``codecs.layers``), and the config with other widths: those of a
trunk (``codecs.trunk.layers``), or of ``cas`` each what one layer makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from slimcodec.codecs.layers import Channels, Layer
from slimcodec.codecs.restore.config import CONDITION, RestoreConfig
from slimcodec.codecs.trunk.layers import condition_layers, narrowed_trunk, trunk_layers

__all__ = ["layers", "narrowed"]


def layers(config: RestoreConfig) -> list[Layer]:
    """One row per layer."""
    if config.structure == "cas":
        return _cas(config)
    reads = (Channels("pixels", 3, 16), Channels("phases", 4))
    return [
        *trunk_layers(config, "restorer", reads),
        *condition_layers(config, "restorer", CONDITION),
    ]


_CAS = (
    "at_full.0", "at_full.1", "at_half.0", "at_half.1", "at_quarter.0", "at_quarter.1",
    "at_quarter.2", "up_half", "half_again", "up", "last",
)  # fmt: skip
_CAS_PLACES = (1, 1, 1 / 4, 1 / 4, 1 / 16, 1 / 16, 1 / 16, 1 / 16, 1 / 4, 1 / 4, 1)
"""How often each kernel is laid on, per pixel; of transposed ones, on what they read."""
_CAS_SKIPS = {"half_again": "at_half.1", "last": "at_full.1"}
"""What else a layer reads besides what the one before makes."""


def _cas(config: RestoreConfig) -> list[Layer]:
    pixels = Channels("pixels", 1)
    made = {
        name: Channels(f"restorer.{name}", width)
        for name, width in zip(_CAS, config.cas_widths, strict=True)
    }
    found, x = [], pixels
    for name, places in zip(_CAS, _CAS_PLACES, strict=True):
        reads = (x, made[_CAS_SKIPS[name]]) if name in _CAS_SKIPS else (x,)
        x = made[name]
        if name.startswith("up"):
            found.append(Layer(f"restorer.{name}", "transposed", reads, (x,), 4, places))
        else:
            found.append(Layer(f"restorer.{name}", "conv", reads, (x,), 3, places))
    return [*found, Layer("restorer.conv_out", "conv", (x,), (pixels,), 3, 1.0)]


def narrowed(config: RestoreConfig, widths: Mapping[str, int]) -> RestoreConfig:
    """The same network with fewer channels.

    Args:
        config: what it is now.
        widths: group to the units that it shall have.
    """
    if config.structure == "cas":
        own = zip(_CAS, config.cas_widths, strict=True)
        cas = tuple(widths.get(f"restorer.{name}", width) for name, width in own)
        return replace(config, cas_widths=cas)
    return narrowed_trunk(config, "restorer", widths)
