"""What HiFiC's encoder and generator are built of: norms, residual blocks, strided layers."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from slimcodec.codecs.hific.config import TransformsConfig

__all__ = [
    "ChannelNorm",
    "DownStage",
    "GatedBlock",
    "ResidualBlock",
    "UpStage",
    "norm_of",
    "residual_block",
    "up_convolution",
]


class ChannelNorm(nn.Module):
    """Normalise each position over its channels: unbiased variance, eps 1e-3.

    Args:
        channels: there are.
        counted: as many as sums are divided for; what is not there counts as zeros.
        centred: whether what it is given has a mean of zero.

    Attributes:
        shares: [1, c, 1, 1], how much of each channel is there, while some fade; ``counted`` is
            then how many they and what is not there come to. All are, when None.
    """

    shares: Tensor | None

    def __init__(self, channels: int, counted: int | None = None, centred: bool = False) -> None:
        super().__init__()
        self.counted: float = channels if counted is None else counted
        self.centred = centred
        self.gamma = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.register_buffer("shares", None, persistent=False)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        if self.shares is not None:
            return self._of_shares(x, self.shares)
        missing = self.counted - x.shape[1]
        centred = x
        if not self.centred:
            mean = x.mean(dim=1, keepdim=True)
            if missing:
                mean = mean * (x.shape[1] / self.counted)
            centred = x - mean
        squares = centred.square().sum(dim=1, keepdim=True)
        if missing and not self.centred:
            squares = squares + missing * mean.square()
        return self._scaled(centred, squares)

    def _of_shares(self, x: Tensor, shares: Tensor) -> Tensor:
        mean = (x * shares).sum(dim=1, keepdim=True) / self.counted
        if self.centred:
            mean = torch.zeros_like(mean)
        centred = x - mean
        squares = (centred.square() * shares).sum(dim=1, keepdim=True)
        return self._scaled(centred, squares + (self.counted - shares.sum()) * mean.square())

    def _scaled(self, centred: Tensor, squares: Tensor) -> Tensor:
        variance = squares / (self.counted - 1)
        out: Tensor = centred * torch.rsqrt(variance + 1e-3) * self.gamma + self.beta
        return out


def norm_of(config: TransformsConfig, group: str) -> nn.Module:
    """What a group is normalised by, where it is."""
    if group not in config.norms:
        return nn.Identity()
    centred = group.split(".")[0] in config.centred
    return ChannelNorm(config.norms[group], config.counted(group), centred)


class PhasedConvolution(nn.ConvTranspose2d):
    """A transposed convolution whose kernel is three strides wide, as a 3x3 convolution to blocks
    of pixels on the same weights: forward and backward of a generator that makes pictures from an
    eighth, eight crops of 256 pixels in bfloat16 on one core, 240 ms for 286."""

    def forward(
        self, x: Float[Tensor, "b c h w"], output_size: list[int] | None = None
    ) -> Float[Tensor, "b d h8 w8"]:
        assert output_size is None and self.bias is not None
        (stride, _), (inputs, outputs) = self.stride, self.weight.shape[:2]
        taps = self.weight.reshape(inputs, outputs, 3, stride, 3, stride).flip(2, 4)
        phases = taps.permute(1, 3, 5, 0, 2, 4).reshape(outputs * stride**2, inputs, 3, 3)
        bias = self.bias.repeat_interleave(stride**2)
        return F.pixel_shuffle(F.conv2d(x, phases, bias, padding=1), stride)


def up_convolution(inputs: int, outputs: int, kernel: int, stride: int) -> nn.ConvTranspose2d:
    """Transposed, to exactly ``stride`` times the sides."""
    padding = (kernel - stride + 1) // 2
    more = 2 * padding - kernel + stride
    kind = PhasedConvolution if kernel == 3 * stride else nn.ConvTranspose2d
    return kind(inputs, outputs, kernel, stride=stride, padding=padding, output_padding=more)


def _down_padding(kernel: int) -> tuple[int, int, int, int]:
    """Left, right, top, bottom, so that stride 2 halves an even side (published: 0, 1, 1, 0)."""
    small, large = (kernel - 2) // 2, kernel - 2 - (kernel - 2) // 2
    return small, large, large, small


class ResidualBlock(nn.Module):
    """conv, norm, relu, conv, norm; identity added. Reflection-padded 3x3."""

    def __init__(self, config: TransformsConfig, number: int) -> None:
        super().__init__()
        width, inner = config.trunk_width, config.inner_widths[number]
        self.conv1 = nn.Conv2d(width, inner, 3, padding=1, padding_mode="reflect")
        self.norm1 = norm_of(config, f"generator.blocks.{number}")
        self.conv2 = nn.Conv2d(inner, width, 3, padding=1, padding_mode="reflect")
        self.norm2 = norm_of(config, "generator.trunk")
        self.slope = config.negative_slope

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        inner = F.leaky_relu(self.norm1(self.conv1(x)), self.slope)
        out: Tensor = x + self.norm2(self.conv2(inner))
        return out


class GatedBlock(nn.Module):
    """A reflection-padded 3x3 convolution of what a rectifier lets through, added; then a pair of
    1x1 convolutions, of which one, a gate from 0 to 1, multiplies the other, mixed and added. No
    norms: where the gate was a rectifier, what is added could grow with the square of what is
    there, and a learning rate of 1e-3 diverged.

    Args:
        outer: channels around it.
        inner: of each half of the pair.
        slope: of the rectifier.
    """

    def __init__(self, outer: int, inner: int, slope: float) -> None:
        super().__init__()
        self.add = nn.Conv2d(outer, outer, 3, padding=1, padding_mode="reflect")
        self.gate = nn.Conv2d(outer, 2 * inner, 1)
        self.mix = nn.Conv2d(inner, outer, 1)
        self.slope = slope

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        x = x + self.add(F.leaky_relu(x, self.slope))
        values, gates = self.gate(x).chunk(2, dim=1)
        out: Tensor = x + self.mix(values * torch.sigmoid(gates))
        return out


def residual_block(config: TransformsConfig, number: int) -> ResidualBlock | GatedBlock:
    """The block of a number among all."""
    if config.block == "normed":
        return ResidualBlock(config, number)
    outer, inner = config.outer_widths[number], config.inner_widths[number]
    return GatedBlock(outer, inner, config.negative_slope)


class DownStage(nn.Module):
    """Reflection padding, a strided convolution, norm, rectifier."""

    def __init__(
        self, config: TransformsConfig, inputs: int, outputs: int, norm: nn.Module
    ) -> None:
        super().__init__()
        self.padding = _down_padding(config.stage_kernel)
        self.conv = nn.Conv2d(inputs, outputs, config.stage_kernel, stride=2)
        self.norm = norm
        self.slope = config.negative_slope

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        x = self.conv(F.pad(x, self.padding, mode="reflect"))
        out: Tensor = F.leaky_relu(self.norm(x), self.slope)
        return out


class UpStage(nn.Module):
    """A transposed convolution of stride 2; behind it norm and rectifier, or residual blocks."""

    def __init__(self, config: TransformsConfig, inputs: int, number: int) -> None:
        super().__init__()
        outputs = config.generator_widths[number]
        self.conv = up_convolution(inputs, outputs, config.transposed_kernel, 2)
        self.norm = norm_of(config, f"generator.stages.{number}")
        self.blocks = nn.ModuleList(
            residual_block(config, block) for block in config.blocks_behind(number)
        )
        self.rectified, self.slope = not config.generator_blocks, config.negative_slope

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        x = self.norm(self.conv(x))
        x = F.leaky_relu(x, self.slope) if self.rectified else x
        for block in self.blocks:
            x = block(x)
        return x
