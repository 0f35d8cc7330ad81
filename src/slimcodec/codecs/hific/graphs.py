"""HiFiC's graphs, operator by operator, from the config and the weights; no torch.

They compute what the modules in ``network.py`` and ``hyperprior.py`` compute, up to the rounding of
float32 sums, in the form that runtimes are fast at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from slimcodec.codecs.family import Signature
from slimcodec.codecs.hific.config import HificConfig, TransformsConfig
from slimcodec.codecs.latents.graphs import hyper_analysis, hyper_mean
from slimcodec.graphs.building import Builder
from slimcodec.graphs.ir import Model, Value

__all__ = ["around", "encoder", "generator", "written"]


def written(
    config: HificConfig, weights: Mapping[str, NDArray[Any]], name: str, way: Signature
) -> Model:
    """See ``codecs.family.Family.written``."""
    build = Builder(weights, way.inputs)
    (output,) = way.outputs
    return build.finished({output: _GRAPHS[name](build, config)})


def encoder(build: Builder, config: TransformsConfig) -> Value:
    """What an encoder makes of the input ``image``."""
    image = build["image"]
    x = build.sub(image, config.input_offset) if config.input_offset else image
    x = build.mul(x, config.input_scale) if config.input_scale != 1 else x
    linear = build.conv("encoder.linear", x, stride=config.stride) if config.linear_path else None
    normed = config.norm == "everywhere"

    def activated(x: Value, norm: str, group: str) -> Value:
        centred = "encoder" in config.centred
        x = build.channel_norm(norm, x, config.counted(group), centred) if normed else x
        return build.relu(x, config.negative_slope)

    if config.stem_kernel is not None:
        x = build.conv("encoder.stem", around(build, x, config.stem_kernel // 2))
        x = activated(x, "encoder.stem_norm", "encoder.stem")
    room = config.stage_kernel - 2
    small, large = room // 2, room - room // 2
    for number in range(len(config.encoder_widths)):
        stage = f"encoder.stages.{number}"
        # So that stride 2 halves an even side.
        x = build.reflected(x, left=small, right=large, top=large, bottom=small)
        x = activated(build.conv(f"{stage}.conv", x, stride=2), f"{stage}.norm", stage)
    y = build.conv("encoder.head", around(build, x, 1))
    return y if linear is None else build.add(linear, y)


def generator(build: Builder, config: TransformsConfig, latents: Value) -> Value:
    """The picture that a generator makes of latents."""
    normed, slope = config.norm == "everywhere", config.negative_slope

    def norm(x: Value, name: str, group: str) -> Value:
        centred = "generator" in config.centred
        return build.channel_norm(f"generator.{name}", x, config.counted(group), centred)

    def up(layer: str, x: Value, kernel: int, stride: int = 2) -> Value:
        padding = (kernel - stride + 1) // 2
        extra = 2 * padding - kernel + stride
        name = f"generator.{layer}"
        return build.transposed(name, x, stride=stride, padding=padding, extra=extra)

    features = build.div(latents, build.weight("generator.latent_scale"))
    x = build.channel_norm("generator.norm_in", features) if normed else features
    x = build.conv("generator.head", around(build, x, config.head_kernel // 2))
    x = head = norm(x, "norm_head", "generator.trunk") if normed else x
    for number in range(config.residual_blocks):
        block = f"trunk.{number}"
        if config.block == "gated":
            x = _gated(build, f"generator.{block}", x, slope)
            continue
        inner = build.conv(f"generator.{block}.conv1", around(build, x, 1))
        inner = norm(inner, f"{block}.norm1", f"generator.blocks.{number}")
        inner = build.relu(inner, slope)
        inner = build.conv(f"generator.{block}.conv2", around(build, inner, 1))
        x = build.add(x, norm(inner, f"{block}.norm2", "generator.trunk"))
    x = build.add(x, head) if config.block == "normed" else x
    for number in range(config.up_stages):
        stage = f"stages.{number}"
        x = up(f"{stage}.conv", x, config.transposed_kernel)
        x = norm(x, f"{stage}.norm", f"generator.{stage}") if normed else x
        x = x if config.generator_blocks else build.relu(x, slope)
        for block_number in range(len(config.blocks_behind(number))):
            x = _gated(build, f"generator.{stage}.blocks.{block_number}", x, slope)
    if config.stem_kernel is None:
        out = up("out", x, config.picture_kernel, config.picture_stride)
    else:
        out = build.conv("generator.out", around(build, x, config.stem_kernel // 2))
    if config.linear_path:
        out = build.add(build.transposed("generator.linear", latents, stride=config.stride), out)
    if config.bounded_output:
        out = build.tanh(out)
    out = build.div(out, config.input_scale) if config.input_scale != 1 else out
    return build.add(out, config.input_offset) if config.input_offset else out


def _gated(build: Builder, block: str, x: Value, slope: float) -> Value:
    """``blocks.GatedBlock``."""
    x = build.add(x, build.conv(f"{block}.add", around(build, build.relu(x, slope), 1)))
    values, gates = build.split(build.conv(f"{block}.gate", x), 2)
    return build.add(x, build.conv(f"{block}.mix", build.mul(values, build.sigmoid(gates))))


def around(build: Builder, x: Value, reach: int) -> Value:
    """With so much of its mirror image on every side."""
    if not reach:
        return x
    return build.reflected(x, reach, reach, reach, reach)


_GRAPHS: dict[str, Callable[[Builder, HificConfig], Value]] = {
    "encoder": encoder,
    "hyper_analysis": hyper_analysis,
    "hyper_mean": hyper_mean,
    "generator": lambda build, config: generator(build, config, build["latents"]),
}
