"""The layers of the part ``probability``, as a table (``codecs.layers``).

Inner widths of the three nets and of the context may go. Latents and hyper-latents stay: they are
what tables and gains are made for.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from slimcodec.codecs.latents.config import LatentsConfig
from slimcodec.codecs.latents.nets import Net
from slimcodec.codecs.layers import Channels, Layer

__all__ = ["layers", "narrowed"]

_COLOUR = 0.5
"""Share of the positions in one colour of a checkerboard."""
_DENSITY = ("matrices", "gates", "biases")


def layers(config: LatentsConfig) -> list[Layer]:
    """Analysis, means, scales, density, context, and what scales the latents; of a codec without a
    hyperprior the density alone."""
    latents = Channels("latents", config.latent_channels)
    structure = config.structure
    if not structure.hyperprior:
        return _density(config, latents)
    hyper = Channels("hyper_latents", config.hyper_channels)
    place = 1 / config.stride**2
    seen = (latents, latents) if config.hyper_log_input else (latents,)
    units = ["probability.latent_scale"] if structure.latent_units else []
    found = [
        Layer(name, "vector", (), (latents,), axis=1, streams=True)
        for name in (*units, "log_gain", "log_degain")
    ]
    nets = [("analysis", structure.analysis, config.inner_analysis, seen, hyper)]
    if structure.mean is not None:
        nets.append(("mean", structure.mean, config.inner_mean, (hyper,), latents))
    nets.append(("scale", structure.scale, config.inner_scale, (hyper,), latents))
    for name, net, inner, reads, makes in nets:
        places = place if name == "analysis" else place / 16
        found += _net(f"probability.{name}", net, inner, reads, makes, places)
    if config.context_features:
        made = (_features(config),)
        found.append(replace(found[-1], module="probability.features", makes=made))
    return [*found, *_density(config, hyper), *_context(config, latents, place)]


def _net(
    name: str,
    net: Net,
    inner: tuple[int, ...],
    reads: tuple[Channels, ...],
    makes: Channels,
    places: float,
) -> list[Layer]:
    """The layers of a net that reads so many positions per pixel."""
    coded, streams = name == "probability.scale", name != "probability.analysis"
    widths = [Channels(f"{name}.{i}", width) for i, width in enumerate(inner)]
    found = []
    for number, (own, (x, made)) in enumerate(
        zip(net.layers, pairwise([reads, *((w,) for w in widths), (makes,)]), strict=True)
    ):
        # A transposed convolution lays its kernel on what it reads, others on what they make.
        laid = places if own.kind == "transposed" else places / own.stride**2
        found.append(
            Layer(
                f"{name}.layers.{number}", own.kind, x, made, own.kernel, laid,
                coded=coded, streams=streams,
            )
        )  # fmt: skip
        places = places * own.stride**2 if own.kind == "transposed" else laid
    return found


def _features(config: LatentsConfig) -> Channels:
    return Channels("probability.context.features", config.context_features)


def _density(config: LatentsConfig, channels: Channels) -> list[Layer]:
    """Tensors of the factorized density of these channels."""
    structure = config.structure
    found = [
        Layer(f"probability.density.{kind}.{number}", "vector", (), (channels,), streams=True)
        for kind in _DENSITY
        for number in range(len(structure.density_filters) + 1)
    ]
    if structure.medians:
        found.append(Layer("probability.median", "vector", (), (channels,), axis=1, streams=True))
    return found


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
    if config.context_features:
        found.append(
            Layer(
                "probability.context.features", "conv", (_features(config),), (base,), 1, place,
                bias=False, coded=True, streams=True,
            )
        )  # fmt: skip
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

    if not config.structure.hyperprior:
        return {}
    hyper = (config.hyper_channels,) * 2
    inner = {
        "analysis_widths": (of("probability.analysis", config.inner_analysis), hyper),
        "mean_widths": (of("probability.mean", config.inner_mean), config.usual_synthesis),
        "scale_widths": (of("probability.scale", config.inner_scale), config.usual_synthesis),
    }
    fields: dict[str, object] = {
        k: () if own == usual else own for k, (own, usual) in inner.items()
    }
    base = widths.get("probability.context.base", config.context_channels)
    hidden = of("probability.context.groups", config.inner_context)
    features = _features(config)
    fields["context_features"] = widths.get(features.group, features.count)
    fields["context_channels"] = base
    fields["context_widths"] = () if set(hidden) <= {base} else hidden
    return fields
