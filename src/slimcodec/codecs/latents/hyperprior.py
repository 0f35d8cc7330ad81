"""The probability model: a mean-scale hyperprior over latents (Minnen, Ballé, Toderici 2018).

    y ─► analysis ─► z ─► round ─► synthesis (mean, scale) ─► p(y | z) = N or logistic, unit bins
                       └► factorized density (Ballé et al. 2018, appendix 6.1) ─► p(z)

The analysis and the mean net are float parts. The scale net decides table indexes, so what codes
with it is its integer twin in ``prior.py``; the torch one below is for training and for the ideal
code length.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from slimcodec.codecs.latents.config import LatentsConfig
from slimcodec.codecs.latents.context import Context
from slimcodec.codecs.latents.density import FactorizedDensity

__all__ = ["Hyperprior", "Likelihoods", "Synthesis", "round_through"]

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


def _noise(x: Tensor) -> Tensor:
    return x + torch.rand_like(x) - 0.5


class Synthesis(nn.Module):
    """Three transposed convolutions from hyper-latents to one value per latent."""

    def __init__(self, hyper: int, inner: tuple[int, ...], latents: int) -> None:
        super().__init__()
        one, two = inner
        self.layers = nn.ModuleList(
            [
                nn.ConvTranspose2d(hyper, one, 5, stride=2, padding=2, output_padding=1),
                nn.ConvTranspose2d(one, two, 5, stride=2, padding=2, output_padding=1),
                nn.ConvTranspose2d(two, latents, 3, stride=1, padding=1),
            ]
        )

    def forward(self, z_hat: Float[Tensor, "b n h w"]) -> Float[Tensor, "b m h4 w4"]:
        first, second, last = self.layers
        out: Tensor = last(F.relu(second(F.relu(first(z_hat)))))
        return out


class Analysis(nn.Module):
    """Latents to hyper-latents, four times smaller on a side."""

    def __init__(self, inputs: int, inner: tuple[int, ...], hyper: int) -> None:
        super().__init__()
        one, two = inner
        self.layers = nn.ModuleList(
            [
                nn.Conv2d(inputs, one, 3, padding=1),
                nn.Conv2d(one, two, 5, stride=2, padding=2, padding_mode="reflect"),
                nn.Conv2d(two, hyper, 5, stride=2, padding=2, padding_mode="reflect"),
            ]
        )

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b n h4 w4"]:
        first, second, last = self.layers
        out: Tensor = last(F.relu(second(F.relu(first(features)))))
        return out


class Hyperprior(nn.Module):
    """The part ``probability``. ``latent_scale`` is each latent's usual spread (1 as published)."""

    latent_scale: Tensor

    def __init__(self, config: LatentsConfig) -> None:
        super().__init__()
        latents, hyper = config.latent_channels, config.hyper_channels
        self.likelihood = config.likelihood
        self.log_input = config.hyper_log_input
        self.rate_weight = config.rate_weight
        self.softplus_scale = config.scale_activation == "softplus"
        self.register_buffer("latent_scale", torch.ones(1, latents, 1, 1))
        self.analysis = Analysis(
            latents * (2 if self.log_input else 1), config.inner_analysis, hyper
        )
        self.mean = Synthesis(hyper, config.inner_mean, latents)
        self.scale = Synthesis(hyper, config.inner_scale, latents)
        self.density = FactorizedDensity(hyper)
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
        scale = self.latent_scales(z_hat) * gain
        centred = y * gain - mean
        symbols = self.symbols(centred.detach(), scale.detach())
        shift: Tensor | float = 0.0
        if self.context is not None:
            shift, scale = self.context(symbols, scale)
        likelihoods = self.likelihoods(
            symbols - shift, scale, _noise(z) if self.training else z_hat
        )
        if self.training:
            known = shift.detach() if isinstance(shift, Tensor) else shift
            noisy = self.likelihoods(_noise(centred) - known, scale.detach(), z_hat).latents
            likelihoods = likelihoods._replace(
                latents=likelihoods.latents * (noisy / noisy.detach())
            )
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
        """Unrounded hyper-latents. They see latents before any gain, so one z serves all
        qualities."""
        features = y / self.latent_scale
        if self.log_input:
            features = torch.cat([features, (y.abs() + LOG_OFFSET).log()], dim=1)
        out: Tensor = self.analysis(features)
        return out

    def latent_means(self, z_hat: Float[Tensor, "b n h w"]) -> Float[Tensor, "b m h4 w4"]:
        """Predicted means, in the units of ungained latents."""
        out: Tensor = self.mean(z_hat) * self.latent_scale
        return out

    def latent_scales(self, z_hat: Float[Tensor, "b n h w"]) -> Float[Tensor, "b m h4 w4"]:
        """Predicted scales, in the units of ungained latents, not yet floored."""
        out: Tensor = self.scale(z_hat)
        return (F.softplus(out.float()) if self.softplus_scale else out) * self.latent_scale

    def likelihoods(
        self,
        centred: Float[Tensor, "b m h w"],
        scale: Float[Tensor, "b m h w"],
        z: Float[Tensor, "b n h4 w4"],
    ) -> Likelihoods:
        """Unit-bin probabilities of centred latents and of hyper-latents."""
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
