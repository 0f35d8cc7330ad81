"""The graphs of the part ``probability``, operator by operator."""

from __future__ import annotations

from slimcodec.codecs.latents.config import LatentsConfig
from slimcodec.codecs.latents.nets import Net
from slimcodec.graphs.building import Builder
from slimcodec.graphs.ir import Value

__all__ = ["hyper_analysis", "hyper_mean"]

LOG_OFFSET = 0.3
"""As ``hyperprior.LOG_OFFSET``."""


def hyper_analysis(build: Builder, config: LatentsConfig) -> Value:
    """Latents to unrounded hyper-latents, less their medians."""
    structure, y = config.structure, build["latents"]
    x = build.div(y, build.weight("probability.latent_scale")) if structure.latent_units else y
    if config.hyper_log_input:
        x = build.concat([x, build.log(build.add(build.absolute(y), LOG_OFFSET))])
    x = build.absolute(x) if structure.magnitudes else x
    z = _net(build, "probability.analysis", structure.analysis, x)
    return build.sub(z, build.weight("probability.median")) if structure.medians else z


def hyper_mean(build: Builder, config: LatentsConfig) -> Value:
    """Hyper-latents less their medians to means."""
    structure, x = config.structure, build["hyper_latents"]
    assert structure.mean is not None
    x = build.add(x, build.weight("probability.median")) if structure.medians else x
    means = _net(build, "probability.mean", structure.mean, x)
    if not structure.latent_units:
        return means
    return build.mul(means, build.weight("probability.latent_scale"))


def _net(build: Builder, name: str, net: Net, x: Value) -> Value:
    for number, own in enumerate(net.layers):
        layer, reach = f"{name}.layers.{number}", own.kernel // 2
        if own.kind == "transposed":
            x = build.transposed(layer, x, stride=own.stride, padding=reach, extra=own.stride - 1)
        elif own.reflected:
            around = build.reflected(x, reach, reach, reach, reach)
            x = build.conv(layer, around, stride=own.stride)
        else:
            x = build.conv(layer, x, stride=own.stride, padding=reach)
        if number + 1 < len(net.layers):
            x = build.relu(x, net.slope)
    return x
