"""The layers of the part ``probability``, as a table (``codecs.layers``).

Inner widths of the three nets and of the context may go. Latents and hyper-latents stay: they are
what tables and gains are made for.
"""

from __future__ import annotations

from itertools import pairwise

from slimcodec.codecs.latents.config import LatentsConfig
from slimcodec.codecs.layers import Channels, Layer

__all__ = ["layers", "narrowed"]

_COLOUR = 0.5
"""Share of the positions in one colour of a checkerboard."""
_DENSITY = ("matrices", "gates", "biases")
_DENSITY_LAYERS = 4


def layers(config: LatentsConfig) -> list[Layer]:
    """Analysis, means, scales, density, context, and what scales the latents."""
    latents = Channels("latents", config.latent_channels)
    hyper = Channels("hyper_latents", config.hyper_channels)
    place = 1 / config.stride**2
    seen = (latents, latents) if config.hyper_log_input else (latents,)
    found = [
        Layer("probability.latent_scale", "vector", (), (latents,), axis=1, streams=True),
        Layer("log_gain", "vector", (), (latents,), axis=1, streams=True),
        Layer("log_degain", "vector", (), (latents,), axis=1, streams=True),
    ]
    widths = [Channels(f"probability.analysis.{i}", w) for i, w in enumerate(config.inner_analysis)]
    sides = list(pairwise([seen, *((w,) for w in widths), (hyper,)]))
    for number, ((reads, makes), kernel) in enumerate(zip(sides, (3, 5, 5), strict=True)):
        name = f"probability.analysis.layers.{number}"
        found.append(Layer(name, "conv", reads, makes, kernel, place / 4**number))
    for net, inner in (("mean", config.inner_mean), ("scale", config.inner_scale)):
        widths = [Channels(f"probability.{net}.{i}", w) for i, w in enumerate(inner)]
        sides = list(pairwise([(hyper,), *((w,) for w in widths), (latents,)]))
        for number, ((reads, makes), kernel) in enumerate(zip(sides, (5, 5, 3), strict=True)):
            name = f"probability.{net}.layers.{number}"
            # A transposed convolution lays its kernel on what it reads.
            places = place / (16, 4, 1)[number]
            coded = net == "scale"
            found.append(
                Layer(name, "transposed", reads, makes, kernel, places, coded=coded, streams=True)
            )
    found += [
        Layer(f"probability.density.{kind}.{number}", "vector", (), (hyper,), streams=True)
        for kind in _DENSITY
        for number in range(_DENSITY_LAYERS)
    ]
    return [*found, *_context(config, latents, place)]


def _context(config: LatentsConfig, latents: Channels, place: float) -> list[Layer]:
    if not config.context_slices:
        return []
    base = Channels("probability.context.base", config.context_channels)
    found = [
        Layer(
            "probability.context.hyper", "conv", (latents,), (base,), 1, place,
            coded=True, streams=True,
        )
    ]  # fmt: skip
    starts = [sum(config.context_slices[:i]) for i in range(len(config.context_slices))]
    sizes = [
        (start + (size if second else 0), size)
        for start, size in zip(starts, config.context_slices, strict=True)
        for second in (False, True)
    ]
    for number, (known, size) in enumerate(sizes):
        name = f"probability.context.groups.{number}"
        hidden = Channels(name, config.inner_context[number])
        half = _COLOUR * place

        def coded(
            layer: str, reads: Channels, makes: Channels, kernel: int = 1, bias: bool = True,
            *, name: str = name, half: float = half,
        ) -> Layer:  # fmt: skip
            return Layer(
                f"{name}.{layer}", "conv", (reads,), (makes,), kernel, half, bias,
                coded=True, streams=True,
            )  # fmt: skip

        found.append(coded("mix", base, hidden))
        if known:
            # Symbols and their magnitudes.
            found.append(coded("seen", Channels("symbols", 2 * known), hidden, 3, False))
        found.append(coded("out", hidden, Channels("guesses", 2 * size)))
    return found


def narrowed(config: LatentsConfig, widths: dict[str, int]) -> dict[str, object]:
    """Fields of a config whose named groups have so many units; groups that are not named, and
    those of other parts, stay."""

    def of(beginning: str, usual: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(widths.get(f"{beginning}.{i}", width) for i, width in enumerate(usual))

    inner = {
        "analysis_widths": of("probability.analysis", config.inner_analysis),
        "mean_widths": of("probability.mean", config.inner_mean),
        "scale_widths": of("probability.scale", config.inner_scale),
    }
    usual = (config.hyper_channels,) * 2
    fields: dict[str, object] = {k: () if own == usual else own for k, own in inner.items()}
    base = widths.get("probability.context.base", config.context_channels)
    hidden = of("probability.context.groups", config.inner_context)
    fields["context_channels"] = base
    fields["context_widths"] = () if set(hidden) <= {base} else hidden
    return fields
