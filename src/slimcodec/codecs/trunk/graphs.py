"""A trunk operator by operator; no torch. It computes what ``network.Trunk`` computes, up to the
rounding of float32 sums."""

from __future__ import annotations

from slimcodec.codecs.trunk.config import TrunkConfig
from slimcodec.graphs.building import Builder
from slimcodec.graphs.ir import Value

__all__ = ["correction"]


def correction(build: Builder, config: TrunkConfig, part: str, x: Value) -> Value:
    """See ``network.Trunk.correction``; the graph has an input ``modulation``.

    Args:
        build: the graph.
        config: widths.
        part: beginning of the layers' names.
        x: what the trunk is given.
    """
    modulation, half = build["modulation"], config.scales_and_shifts // 2
    starts = [sum(config.inner_widths[:i]) for i in range(len(config.inner_widths))]

    def block(x: Value, number: int) -> Value:
        name, first = f"{part}.blocks.{number}", starts[number]
        last = first + config.inner_widths[number]
        scale = build.add(build.slice(modulation, 1, first, last), 1.0)
        shift = build.slice(modulation, 1, half + first, half + last)
        inner = build.conv(f"{name}.conv1", x, padding=1)
        inner = build.relu(build.add(build.mul(inner, scale), shift))
        return build.add(x, build.conv(f"{name}.conv2", inner, padding=1))

    x = build.conv(f"{part}.conv_in", x, padding=1)
    inside = config.blocks_before + config.blocks_inside
    for number in range(config.blocks_before):
        x = block(x, number)
    skip, x = x, build.relu(build.conv(f"{part}.down", x, stride=2, padding=1))
    for number in range(config.blocks_before, inside):
        x = block(x, number)
    x = build.add(skip, build.pixel_shuffle(build.conv(f"{part}.up", x), 2))
    for number in range(inside, len(config.inner_widths)):
        x = block(x, number)
    return build.pixel_shuffle(build.conv(f"{part}.conv_out", x, padding=1), 4)
