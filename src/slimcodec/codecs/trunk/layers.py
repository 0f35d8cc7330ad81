"""A trunk's layers as rows of a table (``codecs.layers``), and a trunk with other widths.

PART.trunk              the stream at a quarter of the resolution: what conv_in makes, what every
                        block there adds, what comes up from an eighth
PART.deep               the stream at an eighth
PART.blocks.i           what a block keeps to itself, and its scale and shift
condition.hidden.i      each what one layer makes

No block may go by itself: its scales and shifts are made by the condition's last layer, together
with the others'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from slimcodec.codecs.layers import Channels, Layer
from slimcodec.codecs.trunk.config import TrunkConfig

__all__ = ["condition_layers", "narrowed_trunk", "trunk_layers"]

C = TypeVar("C", bound=TrunkConfig)

_QUARTER, _EIGHTH = 1 / 16, 1 / 64
"""Positions per pixel."""


def trunk_layers(config: TrunkConfig, part: str, reads: tuple[Channels, ...]) -> list[Layer]:
    """One row per layer of ``network.Trunk``.

    Args:
        config: widths.
        part: beginning of the layers' names.
        reads: what the trunk is given.
    """
    trunk = Channels(f"{part}.trunk", config.width)
    deep = Channels(f"{part}.deep", config.deep_width)
    found = [Layer(f"{part}.conv_in", "conv", reads, (trunk,), 3, _QUARTER)]
    inside = range(config.blocks_before, config.blocks_before + config.blocks_inside)
    for number, inner in enumerate(_inner(config, part)):
        stream, places = (deep, _EIGHTH) if number in inside else (trunk, _QUARTER)
        name = f"{part}.blocks.{number}"
        found.append(Layer(f"{name}.conv1", "conv", (stream,), (inner,), 3, places))
        found.append(Layer(f"{name}.conv2", "conv", (inner,), (stream,), 3, places))
    return [
        *found,
        Layer(f"{part}.down", "conv", (trunk,), (deep,), 3, _EIGHTH),
        Layer(f"{part}.up", "conv", (deep,), (replace(trunk, size=4),), 1, _EIGHTH),
        Layer(f"{part}.conv_out", "conv", (trunk,), (Channels("pixels", 3, 16),), 3, _QUARTER),
    ]


def condition_layers(config: TrunkConfig, part: str, facts: int) -> list[Layer]:
    """One row per layer of ``network.Condition``, of the trunk of a part."""
    first, second = (
        Channels(f"condition.hidden.{i}", width) for i, width in enumerate(config.hidden_widths)
    )
    known, inner = Channels("facts", facts), _inner(config, part)
    # Scales of all blocks, then shifts of all.
    sides = [((known,), (first,)), ((first,), (second,)), ((second,), (*inner, *inner))]
    return [
        Layer(f"condition.layers.{i}", "conv", reads, makes)
        for i, (reads, makes) in enumerate(sides)
    ]


def narrowed_trunk(config: C, part: str, widths: Mapping[str, int]) -> C:
    """The same trunk with fewer channels.

    Args:
        config: what it is now.
        part: that the trunk belongs to.
        widths: group to the units that it shall have.
    """
    inner = tuple(
        widths.get(f"{part}.blocks.{i}", width) for i, width in enumerate(config.inner_widths)
    )
    hidden = tuple(
        widths.get(f"condition.hidden.{i}", width) for i, width in enumerate(config.hidden_widths)
    )
    made = replace(
        config,
        width=widths.get(f"{part}.trunk", config.width),
        deep_width=widths.get(f"{part}.deep", config.deep_width),
        block_widths=inner,
        hidden_widths=hidden,
    )
    return replace(made, block_widths=() if inner == made.outer_widths else inner)


def _inner(config: TrunkConfig, part: str) -> list[Channels]:
    return [Channels(f"{part}.blocks.{i}", width) for i, width in enumerate(config.inner_widths)]
