"""HiFiC's networks in torch (Mentzer, Toderici, Tschannen, Agustsson 2020), at any width.

    image ─► encoder ─► latents y ─► (probability: what y costs) ─► ŷ ─► generator ─► image

``HificNetwork.forward`` is the training path: quantization is noise for the rate and rounding with
a straight-through gradient for the picture (Minnen and Singh 2020), so that the generator trains
on what it will decode. The coded path, in numpy, is ``codecs.latents.codec``; it calls the same
graphs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from slimcodec.codecs.hific.blocks import (
    ChannelNorm,
    DownStage,
    ResidualBlock,
    UpStage,
    norm_of,
    residual_block,
    up_convolution,
)
from slimcodec.codecs.hific.config import HificConfig, TransformsConfig
from slimcodec.codecs.latents.hyperprior import Hyperprior, Likelihoods, gain_of
from slimcodec.quantization.simulation import output_axis

__all__ = ["Decoded", "Encoder", "Generator", "HificNetwork", "centre"]


def in_float32(module: nn.Module, x: Tensor) -> Tensor:
    """Run a module outside mixed precision: latents span three decades, bfloat16 has eight bits."""
    if not torch.is_autocast_enabled(x.device.type):
        return module(x)  # type: ignore[no-any-return]
    with torch.autocast(x.device.type, enabled=False):
        return module(x.float())  # type: ignore[no-any-return]


class Encoder(nn.Module):
    """Analysis transform: an image in [0, 1] to latents, ``stride`` times smaller on a side."""

    def __init__(self, config: TransformsConfig) -> None:
        super().__init__()
        self.offset, self.scale = config.input_offset, config.input_scale
        self.slope = config.negative_slope
        width = 3
        if config.stem_kernel is not None:
            width = config.stem_width
            pad = config.stem_kernel // 2
            self.stem = nn.Conv2d(3, width, config.stem_kernel, padding=pad, padding_mode="reflect")
            self.stem_norm = norm_of(config, "encoder.stem")
        self.has_stem = config.stem_kernel is not None
        self.stages = nn.ModuleList()
        for number, outputs in enumerate(config.encoder_widths):
            norm = norm_of(config, f"encoder.stages.{number}")
            self.stages.append(DownStage(config, width, outputs, norm))
            width = outputs
        self.head = nn.Conv2d(width, config.latent_channels, 3, padding=1, padding_mode="reflect")
        self.linear = (
            nn.Conv2d(3, config.latent_channels, config.stride, stride=config.stride)
            if config.linear_path
            else None
        )

    def forward(
        self, image: Float[Tensor, "b 3 h w"], learned: bool = True
    ) -> Float[Tensor, "b m h16 w16"]:
        """Latents; ``learned=False`` leaves the linear path alone."""
        x = (image - self.offset) * self.scale
        if self.linear is None:
            return self.learned(x)
        y = in_float32(self.linear, x)
        return y + self.learned(x) if learned else y

    def normed(self) -> Iterator[tuple[Any, Any]]:
        """Convolutions, each with the norm that reads it."""
        if self.has_stem:
            yield self.stem, self.stem_norm
        for stage in self.stages:
            yield stage.conv, stage.norm

    def learned(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b m h16 w16"]:
        """The network beside the linear path, on the scaled image."""
        if self.has_stem:
            x = F.leaky_relu(self.stem_norm(self.stem(x)), self.slope)
        for stage in self.stages:
            x = stage(x)
        out: Tensor = self.head(x)
        return out


class Generator(nn.Module):
    """Synthesis transform: decoded latents to an image, [0, 1] up to what clipping must mend."""

    latent_scale: Tensor

    def __init__(self, config: TransformsConfig) -> None:
        super().__init__()
        everywhere = config.norm == "everywhere"
        self.offset, self.scale = config.input_offset, config.input_scale
        self.bounded, self.slope = config.bounded_output, config.negative_slope
        latents, width = config.latent_channels, config.trunk_width
        self.register_buffer("latent_scale", torch.ones(1, latents, 1, 1))
        self.norm_in: nn.Module = ChannelNorm(latents) if everywhere else nn.Identity()
        side = config.head_kernel
        self.head = nn.Conv2d(latents, width, side, padding=side // 2, padding_mode="reflect")
        self.norm_head = norm_of(config, "generator.trunk") if everywhere else nn.Identity()
        self.trunk = nn.ModuleList(
            residual_block(config, number) for number in range(config.residual_blocks)
        )
        self.skips_trunk = config.block == "normed"
        self.stages = nn.ModuleList()
        for number, outputs in enumerate(config.generator_widths[: config.up_stages]):
            self.stages.append(UpStage(config, width, number))
            width = outputs
        self.out: nn.Module
        if config.stem_kernel is not None:
            pad = config.stem_kernel // 2
            self.out = nn.Conv2d(width, 3, config.stem_kernel, padding=pad, padding_mode="reflect")
        else:
            self.out = up_convolution(width, 3, config.picture_kernel, config.picture_stride)
        self.linear = (
            nn.ConvTranspose2d(latents, 3, config.stride, stride=config.stride)
            if config.linear_path
            else None
        )

    def forward(
        self, y_hat: Float[Tensor, "b m h16 w16"], learned: bool = True
    ) -> Float[Tensor, "b 3 h w"]:
        """The picture; ``learned=False`` leaves the linear path alone."""
        if self.linear is None:
            out = self.learned(y_hat / self.latent_scale)
        else:
            out = in_float32(self.linear, y_hat)
            if learned:
                out = out + self.learned(y_hat / self.latent_scale)
        if self.bounded:
            out = torch.tanh(out)
        return out / self.scale + self.offset

    def normed(self) -> Iterator[tuple[Any, Any]]:
        """Convolutions, each with the norm that reads it."""
        yield self.head, self.norm_head
        for block in self.trunk:
            if isinstance(block, ResidualBlock):
                yield block.conv1, block.norm1
                yield block.conv2, block.norm2
        for stage in self.stages:
            yield stage.conv, stage.norm

    def learned(self, features: Float[Tensor, "b m h16 w16"]) -> Float[Tensor, "b 3 h w"]:
        """The network beside the linear path, on latents in units of their usual spread."""
        head = self.norm_head(self.head(self.norm_in(features)))
        x = head
        for block in self.trunk:
            x = block(x)
        x = x + head if self.skips_trunk else x
        for stage in self.stages:
            x = stage(x)
        out: Tensor = self.out(x)
        return out


@torch.no_grad()
def centre(network: Any, part: str) -> None:
    """Take off the weights in front of a part's norms what these take off what the layers make, in
    place; the network computes what it did, and its config says so. Pruned weights stay."""
    normed = network.get_submodule(part).normed()
    found = [(layer, norm) for layer, norm in normed if isinstance(norm, ChannelNorm)]
    # Trained weights that half precision holds as zero are few.
    pruned = any(float((layer.weight == 0).float().mean()) > 0.01 for layer, _ in found)
    # A norm that counts channels that are gone takes off less than their mean.
    narrowed = any(norm.counted != norm.gamma.shape[1] for _, norm in found)
    if pruned or narrowed or not found:
        return
    for layer, norm in found:
        layer.weight -= layer.weight.mean(dim=output_axis(layer), keepdim=True)
        layer.bias -= layer.bias.mean()
        norm.centred = True
    network.config = replace(network.config, centred=(*network.config.centred, part))


class Decoded(NamedTuple):
    """What training sees of a batch.

    Shapes: ``image`` [b, 3, h, w]; ``features`` [b, m, h/16, w/16], the decoded latents in units of
    their usual spread.
    """

    image: Tensor
    likelihoods: Likelihoods
    features: Tensor


class HificNetwork(nn.Module):
    """The whole codec as one module with the parts ``encoder``, ``generator``, ``probability``.

    ``log_gain`` and ``log_degain`` [qualities, m] scale the latents before rounding and after:
    a quality with small gains rounds coarsely.

    While ``linear_only`` is set, the linear path and the probability model run alone: a cheap first
    stage of training.
    """

    def __init__(self, config: HificConfig) -> None:
        super().__init__()
        self.config = config
        self.linear_only = False
        self.encoder = Encoder(config)
        self.generator = Generator(config)
        self.probability = Hyperprior(config)
        gains = torch.tensor(config.initial_log_gains)[:, None].repeat(1, config.latent_channels)
        self.log_gain = nn.Parameter(gains.clone())
        self.log_degain = nn.Parameter(-gains)

    def forward(
        self,
        image: Float[Tensor, "b 3 h w"],
        quality: Float[Tensor, " b"] | None = None,
    ) -> Decoded:
        """Reconstruction, likelihoods and latents as in training.

        Args:
            image: values in [0, 1]; sides are multiples of four latent strides.
            quality: index into the trained qualities, 0 first; fractions interpolate.
        """
        if quality is None:
            quality = torch.zeros(image.shape[0], device=image.device)
        y = self.encoder(image, not self.linear_only)
        gain = gain_of(self.log_gain, quality)
        y_hat, likelihoods = self.probability(y, gain)
        y_hat = y_hat * gain_of(self.log_degain, quality)
        picture = self.generator(y_hat, not self.linear_only)
        return Decoded(picture, likelihoods, y_hat / self.generator.latent_scale)

    def picture(self, features: Float[Tensor, "b m h16 w16"]) -> Float[Tensor, "b 3 h w"]:
        """The generator alone, on latents that are decoded already, in units of their usual
        spread."""
        out: Tensor = self.generator(features * self.generator.latent_scale)
        return out

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Optimizer groups. The hyperprior learns twice as fast and the factorized density five
        times, or the networks train against a rate that is not yet true."""
        density = list(self.probability.density.parameters())
        inside = {id(p) for p in density}
        hyper = [p for p in self.probability.parameters() if id(p) not in inside]
        inside |= {id(p) for p in hyper}
        rest = [p for p in self.parameters() if id(p) not in inside]
        return [
            {"params": rest, "lr": learning_rate},
            {"params": hyper, "lr": 2 * learning_rate},
            {"params": density, "lr": 5 * learning_rate},
        ]
