"""CompressAI's layers as a table (``codecs.layers``), and its config with other widths.

encoder.stages.i, generator.stages.i    each what one convolution makes and its GDN goes on with
probability.*                           see ``codecs.latents.layers``
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from slimcodec.codecs.compressai.config import CompressaiConfig
from slimcodec.codecs.family import Rescaling
from slimcodec.codecs.latents.layers import layers as probability_layers
from slimcodec.codecs.latents.layers import narrowed as narrowed_probability
from slimcodec.codecs.layers import Channels, Layer

__all__ = ["layers", "narrowed", "normalized"]

_KERNEL = 5


def layers(config: CompressaiConfig) -> list[Layer]:
    """One row per layer, and one per tensor beside them that has channels."""
    pixels, latents = Channels("pixels", 3), Channels("latents", config.latent_channels)
    place = 1 / config.stride**2
    return [
        *_transform("encoder", config.encoder_widths, pixels, latents, 1.0),
        *_transform("generator", config.generator_widths, latents, pixels, place),
        *probability_layers(config),
    ]


def _transform(
    part: str, widths: Sequence[int], reads: Channels, makes: Channels, places: float
) -> list[Layer]:
    """A part that reads so many positions per pixel."""
    kind: Literal["conv", "transposed"] = "conv" if part == "encoder" else "transposed"
    scaling = 0.25 if part == "encoder" else 4.0
    found, x = [], reads
    for number, width in enumerate(widths):
        name = f"{part}.stages.{number}"
        made, after = Channels(name, width), places * scaling
        # A transposed convolution lays its kernel on what it reads.
        laid = min(places, after)
        found.append(Layer(f"{name}.conv", kind, (x,), (made,), _KERNEL, laid))
        found.append(Layer(f"{name}.gdn", "gdn", (made,), (made,), places=after))
        x, places = made, after
    last = "encoder.head" if part == "encoder" else "generator.out"
    return [*found, Layer(last, kind, (x,), (makes,), _KERNEL, min(places, places * scaling))]


def normalized(config: CompressaiConfig) -> list[Rescaling]:
    """What normalizations make: each channel is times a root over its row, or by one."""
    found = []
    for part, last in (("encoder", "head"), ("generator", "out")):
        names = [f"{part}.stages.{number}" for number in range(len(config.encoder_widths))]
        readers = [*(f"{name}.conv" for name in names[1:]), f"{part}.{last}"]
        for name, reader in zip(names, readers, strict=True):
            roots = ((f"{name}.gdn.beta_root", 0), (f"{name}.gdn.gamma_root", 0))
            found.append(Rescaling(roots, reader, divided=part == "encoder"))
    return found


def narrowed(config: CompressaiConfig, widths: Mapping[str, int]) -> CompressaiConfig:
    """The same network with fewer channels.

    Args:
        config: what it is now.
        widths: group to the units that it shall have.
    """

    def of(part: str, usual: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(widths.get(f"{part}.stages.{i}", width) for i, width in enumerate(usual))

    shape: dict[str, Any] = {
        **narrowed_probability(config, dict(widths)),
        "encoder_widths": of("encoder", config.encoder_widths),
        "generator_widths": of("generator", config.generator_widths),
    }
    return replace(config, **shape)
