"""HiFiC's layers as a table (``codecs.layers``), and its config with other widths.

encoder.stem, encoder.stages.i      each what one convolution makes
generator.trunk                     the residual stream: what the head makes, what every block
                                    adds, and the skip around them
generator.stages.i                  each what one transposed convolution makes, and what every
                                    block behind it adds
generator.blocks.i                  what a block keeps to itself, between its convolutions; a gated
                                    one's values and what multiplies them. Numbers as of
                                    ``residual_blocks``
probability.*                       see ``codecs.latents.layers``
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from slimcodec.codecs.family import PictureLayers
from slimcodec.codecs.hific.config import HificConfig, TransformsConfig
from slimcodec.codecs.latents.layers import layers as probability_layers
from slimcodec.codecs.latents.layers import narrowed as narrowed_probability
from slimcodec.codecs.layers import Channels, Layer

__all__ = [
    "encoder_layers",
    "generator_layers",
    "layers",
    "narrowed",
    "narrowed_transforms",
    "next_to_picture",
    "picture_layers",
    "residual_blocks",
]

C = TypeVar("C", bound=TransformsConfig)

_PIXELS = Channels("pixels", 3)


def layers(config: HificConfig) -> list[Layer]:
    """One row per layer, and one per tensor beside them that has channels."""
    latents = Channels("latents", config.latent_channels)
    return [
        *encoder_layers(config, latents),
        *generator_layers(config, latents),
        *probability_layers(config),
    ]


def encoder_layers(config: TransformsConfig, latents: Channels) -> list[Layer]:
    """Of an encoder that makes these latents."""
    norms = config.norms
    found, x, places = [], _PIXELS, 1.0
    if config.stem_kernel is not None:
        stem = Channels("encoder.stem", config.stem_width)
        norm = "encoder.stem_norm" if stem.group in norms else ""
        kernel = config.stem_kernel
        found.append(Layer("encoder.stem", "conv", (x,), (stem,), kernel, places, norm=norm))
        x = stem
    for number, width in enumerate(config.encoder_widths):
        name = f"encoder.stages.{number}"
        made, places = Channels(name, width), places / 4
        norm = f"{name}.norm" if name in norms else ""
        found.append(
            Layer(f"{name}.conv", "conv", (x,), (made,), config.stage_kernel, places, norm=norm)
        )
        x = made
    found.append(Layer("encoder.head", "conv", (x,), (latents,), 3, places))
    if config.linear_path:
        found.append(Layer("encoder.linear", "conv", (_PIXELS,), (latents,), config.stride, places))
    return found


def generator_layers(config: TransformsConfig, latents: Channels) -> list[Layer]:
    """Of a generator that is given these latents."""
    trunk = Channels("generator.trunk", config.trunk_width)
    place = 1 / config.stride**2
    everywhere = config.norm == "everywhere"
    found = [Layer("generator.latent_scale", "vector", (), (latents,), axis=1)]
    if everywhere:
        found.append(Layer("generator.norm_in", "norm", (latents,), (latents,)))
    norm = "generator.norm_head" if everywhere else ""
    side = config.head_kernel
    found.append(Layer("generator.head", "conv", (latents,), (trunk,), side, place, norm=norm))
    found += _block_layers(config, range(config.residual_blocks), trunk, place)
    x, places = trunk, place
    for number, width in enumerate(config.generator_widths[: config.up_stages]):
        name = f"generator.stages.{number}"
        made, norm = Channels(name, width), f"{name}.norm" if everywhere else ""
        kernel = config.transposed_kernel
        found.append(Layer(f"{name}.conv", "transposed", (x,), (made,), kernel, places, norm=norm))
        x, places = made, 4 * places
        found += _block_layers(config, config.blocks_behind(number), x, places)
    out: dict[str, Any] = {"kind": "conv", "kernel": config.stem_kernel}
    if config.stem_kernel is None:
        out = {"kind": "transposed", "kernel": config.picture_kernel}
    found.append(Layer("generator.out", reads=(x,), makes=(_PIXELS,), places=places, **out))
    if config.linear_path:
        found.append(
            Layer("generator.linear", "transposed", (latents,), (_PIXELS,), config.stride, place)
        )
    return found


def _block_layers(
    config: TransformsConfig, numbers: range, stream: Channels, places: float
) -> list[Layer]:
    """Of the residual blocks of these numbers, which add to a stream."""
    names, found = residual_blocks(config), []
    for number in numbers:
        block = names[number]
        inner = Channels(f"generator.blocks.{number}", config.inner_widths[number])
        if config.block == "gated":
            found.append(Layer(f"{block}.add", "conv", (stream,), (stream,), 3, places))
            found.append(Layer(f"{block}.gate", "conv", (stream,), (inner, inner), 1, places))
            found.append(Layer(f"{block}.mix", "conv", (inner,), (stream,), 1, places))
            continue
        for which, (reads, makes) in enumerate(((stream, inner), (inner, stream)), 1):
            name, norm = f"{block}.conv{which}", f"{block}.norm{which}"
            found.append(Layer(name, "conv", (reads,), (makes,), 3, places, norm=norm))
    return found


def residual_blocks(config: TransformsConfig) -> tuple[str, ...]:
    """Modules that add to what they are given, and so may go one by one: the trunk's, then those
    behind each stage."""
    trunk = tuple(f"generator.trunk.{number}" for number in range(config.residual_blocks))
    behind = enumerate(config.generator_blocks)
    return trunk + tuple(f"generator.stages.{i}.blocks.{j}" for i, n in behind for j in range(n))


def next_to_picture(config: TransformsConfig) -> tuple[str, ...]:
    """The last layers that make what the picture is made of: of a residual stream those of the last
    block."""
    last = config.up_stages - 1
    if last < 0:
        return ()
    if config.blocks_behind(last):
        block = residual_blocks(config)[-1]
        return (f"{block}.add", f"{block}.mix")
    return (f"generator.stages.{last}.conv",)


def picture_layers(config: TransformsConfig) -> PictureLayers:
    """See ``codecs.family.Network``."""
    if config.bounded_output:
        return PictureLayers((), hindrance="a tanh stands behind the last layer")
    linear = ("generator.linear",) if config.linear_path else ()
    layers = ("generator.out", *linear)
    return PictureLayers(layers, config.input_scale, config.input_offset)


def narrowed(
    config: HificConfig,
    widths: Mapping[str, int],
    blocks: Sequence[int] | None = None,
    full_norms: bool = True,
) -> HificConfig:
    """The same network with fewer channels.

    Args:
        config: what it is now.
        widths: group to the units that it shall have.
        blocks: residual blocks that stay, of all when not given; ``widths`` counts them as they
            are before.
        full_norms: whether norms of narrowed groups go on dividing for as many channels as before.
    """
    shape: dict[str, Any] = narrowed_probability(config, dict(widths))
    return narrowed_transforms(replace(config, **shape), widths, blocks, full_norms)


def narrowed_transforms(
    config: C, widths: Mapping[str, int], blocks: Sequence[int] | None, full_norms: bool
) -> C:
    """As ``narrowed``, of encoder and generator alone."""
    kept = range(len(config.outer_widths)) if blocks is None else blocks

    def of(beginning: str, usual: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(widths.get(f"{beginning}.{i}", width) for i, width in enumerate(usual))

    every = of("generator.blocks", config.inner_widths)
    inner = tuple(every[i] for i in kept)
    behind = [config.blocks_behind(i) for i in range(len(config.generator_blocks))]
    counts = {name: config.counted(name) for name in config.norms}
    for name in widths.keys() & counts.keys():
        counts[name] = counts[name] if full_norms else widths[name]
    # Blocks move up to the places of those that go.
    of_blocks = [counts.pop(f"generator.blocks.{i}", None) for i in range(len(every))]
    for new, i in enumerate(kept):
        if (count := of_blocks[i]) is not None:
            counts[f"generator.blocks.{new}"] = count
    shape: dict[str, Any] = {
        "stem_width": widths.get("encoder.stem", config.stem_width),
        "encoder_widths": of("encoder.stages", config.encoder_widths),
        "trunk_width": widths.get("generator.trunk", config.trunk_width),
        "residual_blocks": sum(i < config.residual_blocks for i in kept),
        "generator_widths": of("generator.stages", config.generator_widths),
        "generator_blocks": tuple(sum(i in numbers for i in kept) for numbers in behind),
        "block_widths": (),
        "norm_counts": (),
    }
    plain = replace(config, **shape)
    plain = replace(plain, block_widths=() if inner == plain.inner_widths else inner)
    others = [(name, count) for name, count in counts.items() if count != plain.norms[name]]
    return replace(plain, norm_counts=tuple(others))
