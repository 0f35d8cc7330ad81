"""The probability model: a mean-scale hyperprior over latents (Minnen, Ballé, Toderici 2018).

    y ─► analysis ─► z ─► round ─► synthesis (mean, scale) ─► p(y | z) = N or logistic, unit bins
                       └► factorized density (Ballé et al. 2018, appendix 6.1) ─► p(z)

Where the context sees features (``LatentsConfig.context_features``), a layer beside the scale net's
last makes them of the same activations.

The analysis and the mean net are float parts. The scale net decides table indexes, so what codes
with it is its integer twin in ``prior.py``; the torch one below is for training and for the ideal
code length.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from slimcodec.codecs.latents.config import LatentsConfig
from slimcodec.codecs.latents.context import Context
from slimcodec.codecs.latents.density import FactorizedDensity
from slimcodec.codecs.latents.nets import Net, NetLayer
from slimcodec.quantization.simulation import convolved

__all__ = ["Hyperprior", "Likelihoods", "gain_of", "lower_bound", "noisy", "round_through"]

SCALE_FLOOR = 0.11
LIKELIHOOD_FLOOR = 1e-9
LOG_OFFSET = 0.3


class Likelihoods(NamedTuple):
    """Probability of each symbol; bits are ``-log2`` of it.

    Shapes: ``latents`` [b, m, h, w], ``hyper_latents`` [b, n, h/4, w/4].
    """

    latents: Tensor
    hyper_latents: Tensor

    def bits(self) -> Float[Tensor, " b"]:
        """Ideal code length of each image, in bits."""
        latents, hyper_latents = (p.log2().flatten(1).sum(dim=1) for p in self)
        return -(latents + hyper_latents)


class _RoundThrough(torch.autograd.Function):
    """Rounding whose gradient is one."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.round()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0]


class _LowerBound(torch.autograd.Function):
    """``max(x, bound)``, with a gradient wherever following it would raise x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bound: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.bound = bound
        return x.clamp(min=bound)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        passes = (x >= ctx.bound) | (grads[0] < 0)
        return grads[0] * passes, None


def round_through(x: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    """Round, with a straight-through gradient."""
    out: Tensor = _RoundThrough.apply(x)  # type: ignore[no-untyped-call]
    return out


def noisy(x: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    """What stands for rounding while a network learns."""
    return x + torch.rand_like(x) - 0.5


def gain_of(table: Float[Tensor, "q m"], quality: Float[Tensor, " b"]) -> Float[Tensor, "b m 1 1"]:
    """Gains for fractional qualities, interpolated in the logarithm."""
    low = quality.floor().long().clamp(0, table.shape[0] - 1)
    high = (low + 1).clamp(max=table.shape[0] - 1)
    fraction = (quality - low)[:, None].to(table.dtype)
    near, far = table.index_select(0, low), table.index_select(0, high)
    return torch.exp(torch.lerp(near, far, fraction))[:, :, None, None]


class HyperNet(nn.Module):
    """A net of a hyperprior, as its description says.

    Args:
        net: what it is.
        widths: channels that come in, behind each inner layer, and that come out.
    """

    def __init__(self, net: Net, widths: Sequence[int]) -> None:
        super().__init__()
        self.slope = net.slope
        self.layers = nn.ModuleList(
            _layer(own, *sides) for own, sides in zip(net.layers, pairwise(widths), strict=True)
        )

    def forward(
        self, x: Float[Tensor, "b c h w"], offset: Float[Tensor, "1 c 1 1"] | None = None
    ) -> Float[Tensor, "b d h2 w2"]:
        """See ``inner`` for what it is given."""
        out: Tensor = self.layers[-1](self.inner(x, offset))
        return out

    def inner(
        self, x: Float[Tensor, "b c h w"], offset: Float[Tensor, "1 c 1 1"] | None = None
    ) -> Float[Tensor, "b d h2 w2"]:
        """What the last layer is given.

        Args:
            x: what comes in, less an offset where there is one.
            offset: added to it, in the first layer's sums: around x are zeros nevertheless.
        """
        for number, layer in enumerate(self.layers[:-1]):
            assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
            made = layer(x)
            if number == 0 and offset is not None:
                made = made + convolved(layer, offset.expand_as(x[:1]), layer.weight)
            x = self._rectified(made)
        return x

    def _rectified(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x, self.slope) if self.slope else F.relu(x)


class _Added(nn.Module):
    """A layer that a network may get after it has learned, with a rectifier behind it."""

    @torch.no_grad()
    def reset(self) -> None:
        """Weights that keep the variance of what they are given."""
        assert isinstance(self, nn.Conv2d | nn.ConvTranspose2d)
        strides = self.stride[0] * self.stride[1] if self.transposed else 1
        taps = self.weight[0, 0].numel() / strides
        nn.init.normal_(self.weight, std=math.sqrt(2 / (self.in_channels * taps)))
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class _AddedConv(_Added, nn.Conv2d):
    pass


class _AddedTransposed(_Added, nn.ConvTranspose2d):
    pass


def _layer(
    own: NetLayer, inputs: int, outputs: int, added: bool = False
) -> nn.Conv2d | nn.ConvTranspose2d:
    kernel, stride, padding = own.kernel, own.stride, own.kernel // 2
    if own.kind == "transposed":
        transposed = _AddedTransposed if added else nn.ConvTranspose2d
        return transposed(inputs, outputs, kernel, stride, padding, output_padding=stride - 1)
    mode: Literal["reflect", "zeros"] = "reflect" if own.reflected else "zeros"
    conv = _AddedConv if added else nn.Conv2d
    return conv(inputs, outputs, kernel, stride, padding, padding_mode=mode)


class Hyperprior(nn.Module):
    """The part ``probability``.

    Attributes:
        latent_scale: each latent's usual spread (1 as published), where the structure knows it.
        median: of each hyper-latent, where hyper-latents are rounded around it.
    """

    latent_scale: Tensor | None
    median: Tensor | None

    def __init__(self, config: LatentsConfig) -> None:
        super().__init__()
        latents, hyper = config.latent_channels, config.hyper_channels
        structure = config.structure
        self.magnitudes = structure.magnitudes
        self.likelihood = config.likelihood
        self.log_input = config.hyper_log_input
        self.rate_weight = config.rate_weight
        self.softplus_scale = config.scale_activation == "softplus"
        units = torch.ones(1, latents, 1, 1) if structure.latent_units else None
        self.register_buffer("latent_scale", units)
        self.register_buffer("median", torch.zeros(1, hyper, 1, 1) if structure.medians else None)
        inputs = latents * (2 if self.log_input else 1)
        self.analysis = HyperNet(structure.analysis, (inputs, *config.inner_analysis, hyper))
        self.mean = (
            HyperNet(structure.mean, (hyper, *config.inner_mean, latents))
            if structure.mean
            else None
        )
        self.scale = HyperNet(structure.scale, (hyper, *config.inner_scale, latents))
        last, made = structure.scale.layers[-1], config.context_features
        self.features = _layer(last, config.inner_scale[-1], made, added=True) if made else None
        self.density = FactorizedDensity(hyper, structure.density_filters)
        self.context = Context(config) if config.context_slices else None

    def forward(
        self, y: Float[Tensor, "b m h w"], gain: Float[Tensor, "b m 1 1"]
    ) -> tuple[Float[Tensor, "b m h w"], Likelihoods]:
        """Decoded latents (still gained) and the likelihoods of their symbols.

        In training mode the gradient comes from two places. The scale learns from the symbols that
        will be coded, the latents from noisy ones, whose expectation is smooth: a product whose
        second factor is one in value and carries only a gradient.

        All of it in full precision: a mean in bfloat16 is off by a symbol where latents are in the
        hundreds, and a likelihood is a difference of two nearly equal numbers.
        """
        with torch.autocast(y.device.type, enabled=False):
            return self._forward(y.float(), gain.float())

    def _forward(
        self, y: Float[Tensor, "b m h w"], gain: Float[Tensor, "b m 1 1"]
    ) -> tuple[Float[Tensor, "b m h w"], Likelihoods]:
        z = self.hyper_latents(y)
        z_hat = round_through(z)
        mean = self.latent_means(z_hat) * gain
        scale, features = self.scales_and_features(z_hat)
        scale = scale * gain
        centred = y * gain - mean
        symbols = self.symbols(centred.detach(), scale.detach())
        shift: Tensor | float = 0.0
        if self.context is not None:
            shift, scale = self.context(symbols, scale, features)
        likelihoods = self.likelihoods(symbols - shift, scale, noisy(z) if self.training else z_hat)
        if self.training:
            known = shift.detach() if isinstance(shift, Tensor) else shift
            near = self.likelihoods(noisy(centred) - known, scale.detach(), z_hat).latents
            likelihoods = likelihoods._replace(latents=likelihoods.latents * (near / near.detach()))
        # Straight through: the generator sees the symbols, the encoder learns as if unrounded.
        return symbols + (centred - centred.detach()) + mean, likelihoods

    @torch.no_grad()
    def symbols(
        self, centred: Float[Tensor, "b m h w"], scale: Float[Tensor, "b m h w"]
    ) -> Float[Tensor, "b m h w"]:
        """Integers as the encoder will choose them; ``rounding`` says how."""
        nearest = centred.round()
        if not self.rate_weight:
            return nearest
        magnitude, far = centred.abs(), nearest.abs()
        near = (far - 1).clamp(min=0)
        floored = scale.float().clamp(min=SCALE_FLOOR)
        saved = (self._bin(near, floored) / self._bin(far, floored)).log2()
        moved = (magnitude - near).square() - (magnitude - far).square()
        return torch.where(moved < self.rate_weight * saved, near, far).copysign(centred)

    def hyper_latents(self, y: Float[Tensor, "b m h w"]) -> Float[Tensor, "b n h4 w4"]:
        """Unrounded hyper-latents, less their medians. They see latents before any gain, so one z
        serves all qualities."""
        features = y if self.latent_scale is None else y / self.latent_scale
        if self.log_input:
            features = torch.cat([features, (y.abs() + LOG_OFFSET).log()], dim=1)
        out: Tensor = self.analysis(features.abs() if self.magnitudes else features)
        return out if self.median is None else out - self.median

    def latent_means(self, z_hat: Float[Tensor, "b n h w"]) -> Float[Tensor, "b m h4 w4"]:
        """Predicted means, in the units of ungained latents, [1, 1, 1, 1] where all are zero."""
        if self.mean is None:
            return z_hat.new_zeros(1, 1, 1, 1)
        out: Tensor = self.mean(z_hat if self.median is None else z_hat + self.median)
        return out if self.latent_scale is None else out * self.latent_scale

    def latent_scales(self, z_hat: Float[Tensor, "b n h w"]) -> Float[Tensor, "b m h4 w4"]:
        """Predicted scales, in the units of ungained latents, not yet floored."""
        return self.scales_and_features(z_hat)[0]

    def scales_and_features(
        self, z_hat: Float[Tensor, "b n h w"]
    ) -> tuple[Float[Tensor, "b m h4 w4"], Float[Tensor, "b f h4 w4"] | None]:
        """``latent_scales``, and what the context sees beside them, where it does."""
        inner = self.scale.inner(z_hat, self.median)
        out: Tensor = self.scale.layers[-1](inner)
        out = F.softplus(out.float()) if self.softplus_scale else out
        scales = out if self.latent_scale is None else out * self.latent_scale
        return scales, None if self.features is None else F.relu(self.features(inner))

    def likelihoods(
        self,
        centred: Float[Tensor, "b m h w"],
        scale: Float[Tensor, "b m h w"],
        z: Float[Tensor, "b n h4 w4"],
    ) -> Likelihoods:
        """Unit-bin probabilities of centred latents and of hyper-latents less their medians."""
        z = z if self.median is None else z + self.median
        latents = self._bin(centred.float().abs(), lower_bound(scale.float(), SCALE_FLOOR))
        return Likelihoods(
            latents,
            lower_bound(self.density(z.float()), LIKELIHOOD_FLOOR),
        )

    def _bin(self, distance: Tensor, scale: Tensor) -> Tensor:
        """Probability of the unit bin at a distance from the mean."""
        inside = self._cdf((0.5 - distance) / scale) - self._cdf((-0.5 - distance) / scale)
        return lower_bound(inside, LIKELIHOOD_FLOOR)

    def _cdf(self, x: Tensor) -> Tensor:
        if self.likelihood == "logistic":
            return torch.sigmoid(x)
        return 0.5 * torch.erfc(-x * math.sqrt(0.5))


def lower_bound(x: Float[Tensor, "*s"], bound: float) -> Float[Tensor, "*s"]:
    """``max(x, bound)`` that can still learn its way up from below."""
    out: Tensor = _LowerBound.apply(x, bound)  # type: ignore[no-untyped-call]
    return out
