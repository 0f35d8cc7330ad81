"""The networks' layers as a table (``codecs.layers``), and the config with other widths.

compactor.trunk         what conv_in makes and the residual block adds to
compactor.inner         what that block keeps to itself

beside those of a trunk (``codecs.trunk.layers``), and of ``published`` each what one layer makes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from slimcodec.codecs.compact.config import COMPACTING, FACTS, CompactConfig
from slimcodec.codecs.layers import Channels, Layer
from slimcodec.codecs.trunk.layers import condition_layers, narrowed_trunk, trunk_layers

__all__ = ["layers", "narrowed"]

_FULL, _HALF, _QUARTER = 1.0, 1 / 4, 1 / 16
"""Positions per pixel."""


def layers(config: CompactConfig) -> list[Layer]:
    """One row per layer."""
    if not config.folded:
        return _published(config)
    return [
        *_compactor(config),
        *trunk_layers(config, "reconstructor", (Channels("small", 3, 4),)),
        *condition_layers(config, "reconstructor", FACTS),
    ]


def _compactor(config: CompactConfig) -> list[Layer]:
    trunk = Channels("compactor.trunk", config.compactor_width)
    inner = Channels("compactor.inner", config.compactor_inner)
    sides = {
        "conv_in": (Channels("pixels", 3, 16), trunk),
        "conv1": (trunk, inner),
        "conv2": (inner, trunk),
        "conv_out": (trunk, Channels("small", 3, 4)),
    }
    return [
        Layer(f"compactor.{name}", "conv", (reads,), (makes,), 3, _QUARTER)
        for name, (reads, makes) in sides.items()
    ]


def _published(config: CompactConfig) -> list[Layer]:
    widths, count = config.published_widths, len(config.published_widths)
    compacting = ("at_full", "at_half", "conv_out")
    inner = (f"layers.{i}" for i in range(count - COMPACTING - 1))
    reconstructing = ("conv_in", *inner, "conv_out")
    found = []
    for part, names, own, places in (
        ("compactor", compacting, widths[:COMPACTING], (_FULL, _HALF, _HALF)),
        ("reconstructor", reconstructing, widths[COMPACTING:], (_FULL,) * len(reconstructing)),
    ):
        ends = (Channels("pixels", 3), Channels("small" if part == "compactor" else "pixels", 3))
        inside = [Channels(f"{part}.{n}", w) for n, w in zip(names[:-1], own, strict=True)]
        sides = zip((ends[0], *inside), (*inside, ends[1]), strict=True)
        found += [
            Layer(f"{part}.{name}", "conv", (reads,), (makes,), 3, where)
            for name, (reads, makes), where in zip(names, sides, places, strict=True)
        ]
    return found


def narrowed(config: CompactConfig, widths: Mapping[str, int]) -> CompactConfig:
    """The same network with fewer channels.

    Args:
        config: what it is now.
        widths: group to the units that it shall have.
    """
    if not config.folded:
        groups = [own.group for layer in _published(config) for own in layer.makes if own.inner]
        pairs = zip(groups, config.published_widths, strict=True)
        own = tuple(widths.get(group, width) for group, width in pairs)
        return replace(config, published_widths=own)
    made = replace(
        config,
        compactor_width=widths.get("compactor.trunk", config.compactor_width),
        compactor_inner=widths.get("compactor.inner", config.compactor_inner),
    )
    return narrowed_trunk(made, "reconstructor", widths)
