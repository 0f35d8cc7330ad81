"""Bits of each layer, where a variant's recipe says them layer by layer.

A recipe of mixed bits names layers, or the beginnings of several layers' names; each is a bar, in
the order of the recipe, in the colour of its part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from slimcodec.bench.summary import Summary
from slimcodec.report.figures.axes import Axis, Spot, Tick
from slimcodec.report.figures.looks import Look, part_look
from slimcodec.report.selection import by_variant
from slimcodec.report.text import plain, plural

__all__ = ["LayerBar", "LayerChart", "layer_charts"]

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 820, 150, 30, 8, 26
_GAP = 10.0
"""Between the layers of one part and those of the next."""


@dataclass(frozen=True)
class LayerBar:
    """A layer's bar; the spot is the middle of its upper edge."""

    spot: Spot
    left: float
    width: float
    height: float
    look: Look


@dataclass(frozen=True)
class LayerChart:
    """Everything a template needs to draw one variant's bits."""

    title: str
    unit: str
    width: int
    height: int
    left: float
    floor: float
    y_ticks: list[Tick]
    parts: list[Tick]
    bars: list[LayerBar]
    words: str


def layer_charts(summary: Summary) -> list[LayerChart]:
    """One for each variant whose settings name bits of layers."""
    found = []
    for variant, points in by_variant(summary.points).items():
        bits = _bits(points[0].settings)
        if bits:
            found.append(_chart(variant, bits))
    return found


def _bits(settings: Mapping[str, Any]) -> dict[str, int]:
    """Layer, or beginning of layers' names, to the bits of its weights."""
    layers = settings.get("layers")
    if not isinstance(layers, Mapping):
        return {}
    found = {name: own.get("weights") for name, own in layers.items() if isinstance(own, Mapping)}
    return {name: bits for name, bits in found.items() if isinstance(bits, int)}


def _chart(variant: str, bits: Mapping[str, int]) -> LayerChart:
    runs = [(part, list(names)) for part, names in groupby(bits, key=_part)]
    room = _WIDTH - _LEFT - _GAP * len(runs)
    width = room / len(bits)
    axis = Axis(0.0, max(bits.values()), _HEIGHT - _BOTTOM, _TOP)
    floor = axis.at(0.0)
    bars: list[LayerBar] = []
    parts: list[Tick] = []
    left = float(_LEFT)
    for part, names in runs:
        left += _GAP
        parts.append(Tick(round(left + width * len(names) / 2, 1), part))
        for name in names:
            top = axis.at(bits[name])
            bars.append(
                LayerBar(
                    Spot(round(left + width / 2, 1), top, f"{name}: {plural(bits[name], 'bit')}"),
                    round(left + 0.08 * width, 1),
                    round(0.84 * width, 1),
                    round(floor - top, 1),
                    part_look(part),
                )
            )
            left += width
    return LayerChart(
        title=variant,
        unit="bits of a weight, layer by layer",
        width=_WIDTH,
        height=_HEIGHT,
        left=_LEFT,
        floor=floor,
        y_ticks=axis.ticks(),
        parts=parts,
        bars=bars,
        words=f"Bits of the weights of {variant}: "
        + ", ".join(f"{name} {plain(each)}" for name, each in bits.items()),
    )


def _part(name: str) -> str:
    return name.partition(".")[0]
