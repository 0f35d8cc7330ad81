"""HiFiC's layers as a table (``codecs.layers``), and its config with other widths.

encoder.stem, encoder.stages.i      each what one convolution makes
generator.trunk                     the residual stream: what the head makes, what every block
                                    adds, and the skip around them
generator.blocks.i                  what a block keeps to itself, between its convolutions
generator.stages.i                  each what one transposed convolution makes
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
    found.append(Layer("generator.head", "conv", (latents,), (trunk,), 3, place, norm=norm))
    for number, width in enumerate(config.inner_widths):
        block, inner = f"generator.trunk.{number}", Channels(f"generator.blocks.{number}", width)
        for which, (reads, makes) in enumerate(((trunk, inner), (inner, trunk)), 1):
            name, norm = f"{block}.conv{which}", f"{block}.norm{which}"
            found.append(Layer(name, "conv", (reads,), (makes,), 3, place, norm=norm))
    x, places = trunk, place
    for number, width in enumerate(config.generator_widths[: config.up_stages]):
        name = f"generator.stages.{number}"
        made, norm = Channels(name, width), f"{name}.norm" if everywhere else ""
        kernel = config.stage_kernel
        found.append(Layer(f"{name}.conv", "transposed", (x,), (made,), kernel, places, norm=norm))
        x, places = made, 4 * places
    out: dict[str, Any] = {"kind": "conv", "kernel": config.stem_kernel}
    if config.stem_kernel is None:
        out = {"kind": "transposed", "kernel": config.picture_kernel}
    found.append(Layer("generator.out", reads=(x,), makes=(_PIXELS,), places=places, **out))
    if config.linear_path:
        found.append(
            Layer("generator.linear", "transposed", (latents,), (_PIXELS,), config.stride, place)
        )
    return found


def residual_blocks(config: TransformsConfig) -> tuple[str, ...]:
    """Modules that add to what they are given, and so may go one by one."""
    return tuple(f"generator.trunk.{number}" for number in range(config.residual_blocks))


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
    kept = range(config.residual_blocks) if blocks is None else blocks
    inner = [widths.get(f"generator.blocks.{i}", config.inner_widths[i]) for i in kept]
    trunk = widths.get("generator.trunk", config.trunk_width)

    def of(beginning: str, usual: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(widths.get(f"{beginning}.{i}", width) for i, width in enumerate(usual))

    counts = {name: config.counted(name) for name in config.norms}
    for name in widths.keys() & counts.keys():
        counts[name] = counts[name] if full_norms else widths[name]
    # Blocks move up to the places of those that go.
    gone = {f"generator.blocks.{i}" for i in range(config.residual_blocks)}
    moved = {
        f"generator.blocks.{new}": counts[f"generator.blocks.{i}"] for new, i in enumerate(kept)
    }
    counts = {name: count for name, count in counts.items() if name not in gone} | moved
    shape: dict[str, Any] = {
        "stem_width": widths.get("encoder.stem", config.stem_width),
        "encoder_widths": of("encoder.stages", config.encoder_widths),
        "trunk_width": trunk,
        "residual_blocks": len(kept),
        "block_widths": () if set(inner) <= {trunk} else tuple(inner),
        "generator_widths": of("generator.stages", config.generator_widths),
        "norm_counts": (),
    }
    plain = replace(config, **shape)
    others = [(name, count) for name, count in counts.items() if count != plain.norms[name]]
    return replace(plain, norm_counts=tuple(others))
