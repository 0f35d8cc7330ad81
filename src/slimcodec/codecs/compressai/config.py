"""The shape of a CompressAI network.

    image ─► 4 convolutions 5x5, stride 2, GDN between ─► y ─► ŷ ─► the same transposed ─► image

    bmshj2018-factorized    y coded by the factorized density of its channels
    bmshj2018-hyperprior    |y| ─► z ─► scales; rectifiers; means are zero
    mbt2018-mean            y ─► z ─► scales and means; leaky rectifiers

N is the width of everything, M that of the latents: 128 and 192 for the lower published qualities,
192 and 320 for the upper. Padding is zeros everywhere.

``mbt2018-mean-elic`` is the last of them with the layout of ELIC's context (He et al. 2022): a few
channels first, in slices of 16, 16, 32, 64 and the rest, each in the two colours of a checkerboard,
all in parallel. What the slices say is said by the context that all codecs with latents share
(``codecs.latents.context``), not by ELIC's networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from slimcodec.codecs.fields import from_plain, to_plain
from slimcodec.codecs.latents.config import LatentsConfig, check_range
from slimcodec.codecs.latents.nets import Net, NetLayer, Structure
from slimcodec.errors import UnknownNameError, UsageError

__all__ = ["ARCHITECTURES", "Architecture", "CompressaiConfig", "compressai", "elic"]

Architecture = Literal["bmshj2018-factorized", "bmshj2018-hyperprior", "mbt2018-mean"]
ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)

_STAGES = 3
"""Convolutions with a GDN behind them, on either side; one more makes latents or pixels."""
_SLOPE = 0.01
"""Of leaky rectifiers."""
_WIDE = 192
"""N of the upper published qualities."""
_LAMBDA, _WIDE_LAMBDA = 0.013, 0.0932
"""Published ones of quality 4, and of quality 7, which is wide in all three."""
_ELIC_SLICES = (16, 16, 32, 64)
"""Latent channels in each slice but the last, which has all others."""

_DOWN, _UP, _FLAT = NetLayer("conv", 5, 2), NetLayer("transposed", 5, 2), NetLayer("conv", 3)


def _structure(slope: float, **more: Any) -> Structure:
    """With a hyperprior whose rectifiers have that slope."""
    analysis, synthesis = Net((_FLAT, _DOWN, _DOWN), slope), Net((_UP, _UP, _FLAT), slope)
    fields: dict[str, Any] = {"mean": synthesis, **more, **_COMMON}
    return Structure(analysis=analysis, scale=synthesis, **fields)


_COMMON: dict[str, Any] = {
    "medians": True,
    "latent_units": False,
    "density_filters": (3, 3, 3, 3),
    "least_probability": 2.0**-15,
}
"""Where symbols are as likely as the network says, the least probability takes 5 to 7 bytes of a
picture of 768x512; where they are not, after 1,000 steps of training, it saves 4 %."""
_STRUCTURES: dict[Architecture, Structure] = {
    "bmshj2018-factorized": Structure(hyperprior=False, **_COMMON),
    "bmshj2018-hyperprior": _structure(0.0, magnitudes=True, mean=None),
    "mbt2018-mean": _structure(_SLOPE),
}


@dataclass(frozen=True)
class CompressaiConfig(LatentsConfig):
    """Architecture and widths; see the head of this file."""

    latent_channels: int = 192
    hyper_channels: int = 128
    lambdas: tuple[float, ...] = (_LAMBDA,)
    architecture: Architecture = "mbt2018-mean"
    encoder_widths: tuple[int, ...] = (128,) * _STAGES
    """Channels behind each convolution of the encoder but the last."""
    generator_widths: tuple[int, ...] = (128,) * _STAGES
    """Likewise of the generator."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.architecture not in ARCHITECTURES:
            raise UnknownNameError("architecture", self.architecture, ARCHITECTURES)
        for name in ("encoder_widths", "generator_widths"):
            widths = getattr(self, name)
            if len(widths) != _STAGES:
                raise UsageError(f"{name} must be {_STAGES} whole numbers, got {widths}")
            for width in widths:
                check_range(f"each of {name}", width, 1)
        if self.hyper_log_input:
            raise UsageError("hyper_log_input is for networks that know their latents' units")
        if not self.structure.hyperprior and (self.context_slices or len(self.lambdas) > 1):
            raise UsageError(
                f"{self.architecture} has one quality and no context: its tables are those of "
                "each channel"
            )

    @property
    def structure(self) -> Structure:
        """Of the probability model."""
        return _STRUCTURES[self.architecture]

    @property
    def usual_synthesis(self) -> tuple[int, ...]:
        """Widths inside the nets for means and scales: N, or M and half as much again."""
        if self.architecture == "mbt2018-mean":
            return self.latent_channels, self.latent_channels * 3 // 2
        return (self.hyper_channels,) * 2

    @property
    def block_size(self) -> int:
        """Side of the pixel blocks that starting weights are offered."""
        return self.stride

    @property
    def stride(self) -> int:
        """Pixels per latent position, on a side."""
        return 16

    @property
    def bytes_per_pixel(self) -> float:
        """Memory that coding takes, about: at half resolution what a convolution makes, its
        squares, what they are divided by and what comes out, four bytes each."""
        return 4 * (4 * max(self.encoder_widths[0], self.generator_widths[-1]) / 4 + 9)

    @property
    def encoder_halo(self) -> int:
        """All that an encoder sees: 30 pixels."""
        return 3

    @property
    def decoder_halo(self) -> int:
        """All that a generator sees is less than two positions; three as of an encoder, so that
        what decodes a picture in little memory encodes it too."""
        return 3

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a manifest."""
        return to_plain(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CompressaiConfig:
        """The inverse of ``to_dict``.

        Raises:
            UsageError: on a key that is not a field.
        """
        return from_plain(cls, values, "CompressAI")


def compressai(architecture: Architecture, n: int = 128, m: int = 192) -> CompressaiConfig:
    """A published network.

    Args:
        architecture: which.
        n: width of everything.
        m: width of the latents.
    """
    return CompressaiConfig(
        architecture=architecture,
        latent_channels=m,
        hyper_channels=n,
        encoder_widths=(n,) * _STAGES,
        generator_widths=(n,) * _STAGES,
        lambdas=(_WIDE_LAMBDA if n >= _WIDE else _LAMBDA,),
    )


def elic(n: int = 128, m: int = 192) -> CompressaiConfig:
    """``mbt2018-mean`` with a context in ELIC's slices.

    Args:
        n: width of everything.
        m: width of the latents, more than 128. ELIC's own 320 leaves 192 for the last slice.
    """
    slices = (*_ELIC_SLICES, m - sum(_ELIC_SLICES))
    return replace(compressai("mbt2018-mean", n, m), context_slices=slices)
