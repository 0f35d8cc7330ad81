"""The networks' layers as a table (``codecs.layers``), and the config with other widths.

restorer.trunk          the stream at a quarter of the resolution: what conv_in makes, what every
                        block there adds, what comes up from an eighth
restorer.deep           the stream at an eighth
restorer.blocks.i       what a block keeps to itself, and the scale and shift that it has of a file
condition.hidden.i      each what one layer makes

and of ``cas`` each what one layer makes. No block may go by itself: its scales and shifts are made
by the condition's last layer, together with the others'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from slimcodec.codecs.layers import Channels, Layer
from slimcodec.codecs.restore.config import CONDITION, RestoreConfig

__all__ = ["layers", "narrowed"]

_QUARTER, _EIGHTH = 1 / 16, 1 / 64
"""Positions per pixel."""


def layers(config: RestoreConfig) -> list[Layer]:
    """One row per layer."""
    return _cas(config) if config.structure == "cas" else [*_folded(config), *_condition(config)]


def _folded(config: RestoreConfig) -> list[Layer]:
    pixels, phases = Channels("pixels", 3, 16), Channels("phases", 4)
    trunk = Channels("restorer.trunk", config.width)
    deep = Channels("restorer.deep", config.deep_width)
    found = [Layer("restorer.conv_in", "conv", (pixels, phases), (trunk,), 3, _QUARTER)]
    inside = range(config.blocks_before, config.blocks_before + config.blocks_inside)
    for number, inner in enumerate(_inner(config)):
        stream, places = (deep, _EIGHTH) if number in inside else (trunk, _QUARTER)
        name = f"restorer.blocks.{number}"
        found.append(Layer(f"{name}.conv1", "conv", (stream,), (inner,), 3, places))
        found.append(Layer(f"{name}.conv2", "conv", (inner,), (stream,), 3, places))
    shuffled = replace(trunk, size=4)
    return [
        *found,
        Layer("restorer.down", "conv", (trunk,), (deep,), 3, _EIGHTH),
        Layer("restorer.up", "conv", (deep,), (shuffled,), 1, _EIGHTH),
        Layer("restorer.conv_out", "conv", (trunk,), (pixels,), 3, _QUARTER),
    ]


def _inner(config: RestoreConfig) -> list[Channels]:
    return [Channels(f"restorer.blocks.{i}", width) for i, width in enumerate(config.inner_widths)]


def _condition(config: RestoreConfig) -> list[Layer]:
    first, second = (
        Channels(f"condition.hidden.{i}", width) for i, width in enumerate(config.hidden_widths)
    )
    facts, inner = Channels("facts", CONDITION), _inner(config)
    # Scales of all blocks, then shifts of all.
    sides = [((facts,), (first,)), ((first,), (second,)), ((second,), (*inner, *inner))]
    return [
        Layer(f"condition.layers.{i}", "conv", reads, makes)
        for i, (reads, makes) in enumerate(sides)
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
    inner = tuple(
        widths.get(f"restorer.blocks.{i}", width) for i, width in enumerate(config.inner_widths)
    )
    hidden = tuple(
        widths.get(f"condition.hidden.{i}", width) for i, width in enumerate(config.hidden_widths)
    )
    made = replace(
        config,
        width=widths.get("restorer.trunk", config.width),
        deep_width=widths.get("restorer.deep", config.deep_width),
        block_widths=inner,
        hidden_widths=hidden,
    )
    return replace(made, block_widths=() if inner == made.outer_widths else inner)
