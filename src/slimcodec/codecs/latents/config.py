"""What a codec with latents says of them, whatever its transforms are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from slimcodec.codecs.fields import later
from slimcodec.codecs.latents.nets import Structure
from slimcodec.errors import UsageError

__all__ = ["LatentsConfig", "check_range", "check_widths"]

_MOST_QUALITIES = 64
_BELOW = 0.5
"""So far below the first quality there are others: streams of that one, with fewer bits. Further
down, a smaller picture is the better one."""


@dataclass(frozen=True)
class LatentsConfig:
    """Latents, hyperprior, context and qualities. The defaults are those of the published HiFiC.

    A family's config adds its transforms, and says how far apart latents stand (``stride``), how
    far networks look (``encoder_halo``, ``decoder_halo``) and what memory they take
    (``bytes_per_pixel``); and what its probability model is made of (``structure``), where that is
    not what HiFiC's is.
    """

    latent_channels: int = 220
    hyper_channels: int = 320
    likelihood: Literal["gaussian", "logistic"] = "gaussian"
    hyper_log_input: bool = False
    """The hyper-analysis also sees ``log(|y| + 0.3)`` beside the latents in units of their usual
    spread: estimated rate after 200 steps 0.74 bpp instead of 0.88."""
    scale_activation: Literal["floor", "softplus"] = "floor"
    """From the scale net's output to a scale: as it is, as published, or by softplus, which keeps a
    gradient below the floor."""
    context_slices: tuple[int, ...] = ()
    """Latent channels in each slice of a context model (``context.py``), together all of them; none
    as published. Trained for ten minutes beside a finished codec, real bytes on Kodak fell by 20 %
    (quality 1) to 12 % (quality 5)."""
    context_channels: int = 96
    analysis_widths: tuple[int, ...] = later(())
    mean_widths: tuple[int, ...] = later(())
    scale_widths: tuple[int, ...] = later(())
    """Channels behind the first and the second layer of each of the hyperprior's nets; those of the
    published network where nothing is said."""
    context_widths: tuple[int, ...] = later(())
    """Hidden channels of each group of the context, two groups a slice; ``context_channels`` all,
    where nothing is said."""
    rate_weight: float = 0.0
    """Bits against squared rounding error when the encoder rounds (``latents/rounding.py``);
    0 is plain rounding, as published. On six held-out photographs, the trained network, BD-rate
    against plain rounding: 0.03 gives -6.4 % (PSNR) and -6.6 % (MS-SSIM), 0.06 -7.3 and -8.0,
    0.10 -6.3 and -7.7 (``benchmarks/rate_weight.py``)."""
    context_features: int = later(0)
    """Features that a layer beside the last of the scale net makes of the same activations, for the
    context alone; its scales are otherwise all that it sees of the hyperprior. With 96 of them the
    probability model, trained alone on finished latents for the same time, took 3.4 % fewer bits,
    and two slices (64, 128; width 144) as few as four (16, 32, 48, 96) in half the groups."""
    lambdas: tuple[float, ...] = (0.0,)
    """One rate-distortion trade-off per quality; more than one adds gain vectors for each, so one
    set of weights and one stream identity serve all of them."""

    def __post_init__(self) -> None:
        for name in ("latent_channels", "hyper_channels", "context_channels"):
            check_range(name, getattr(self, name), 1)
        if not 1 <= len(self.lambdas) <= _MOST_QUALITIES or min(self.lambdas) < 0:
            raise UsageError(f"lambdas must be 1 to {_MOST_QUALITIES} numbers from 0 on")
        if len(self.lambdas) > 1 and not min(self.lambdas) > 0:
            raise UsageError("lambdas of more than one quality must be above 0")
        if self.rate_weight < 0:
            raise UsageError(f"rate_weight must be 0 or more, got {self.rate_weight}")
        if min(self.context_slices, default=1) < 1:
            raise UsageError(f"context_slices must be above 0, got {self.context_slices}")
        if self.context_slices and sum(self.context_slices) != self.latent_channels:
            raise UsageError(
                f"context_slices must add up to the {self.latent_channels} latent channels, got "
                f"{self.context_slices}"
            )
        check_range("context_features", self.context_features, 0)
        if self.context_features and not self.context_slices:
            raise UsageError(
                f"context_features needs context_slices, got {self.context_features} and none"
            )
        for name, count in (
            ("analysis_widths", 2), ("mean_widths", 2), ("scale_widths", 2),
            ("context_widths", 2 * len(self.context_slices)),
        ):  # fmt: skip
            check_widths(name, getattr(self, name), count)

    @property
    def structure(self) -> Structure:
        """Of the probability model."""
        return Structure()

    @property
    def usual_synthesis(self) -> tuple[int, ...]:
        """Widths inside the nets for means and scales where nothing is said."""
        return (self.hyper_channels,) * 2

    @property
    def inner_analysis(self) -> tuple[int, ...]:
        """``analysis_widths``, said or not."""
        return self.analysis_widths or (self.hyper_channels,) * 2

    @property
    def inner_mean(self) -> tuple[int, ...]:
        """``mean_widths``, said or not."""
        return self.mean_widths or self.usual_synthesis

    @property
    def inner_scale(self) -> tuple[int, ...]:
        """``scale_widths``, said or not."""
        return self.scale_widths or self.usual_synthesis

    @property
    def inner_context(self) -> tuple[int, ...]:
        """``context_widths``, said or not."""
        return self.context_widths or (self.context_channels,) * (2 * len(self.context_slices))

    @property
    def stride(self) -> int:
        """Pixels per latent position, on a side."""
        raise NotImplementedError

    @property
    def bytes_per_pixel(self) -> float:
        """Memory that coding takes, about."""
        raise NotImplementedError

    @property
    def encoder_halo(self) -> int:
        """Positions around a window that its latents depend on."""
        raise NotImplementedError

    @property
    def decoder_halo(self) -> int:
        """Positions around a window that its pixels depend on by more than half a level."""
        raise NotImplementedError

    @property
    def qualities(self) -> tuple[float, ...]:
        """The trained quality points, 1 to n. Values in between interpolate the gains."""
        return tuple(float(i + 1) for i in range(len(self.lambdas)))

    @property
    def quality_range(self) -> tuple[float, float]:
        """See ``types.Ranged``."""
        return self.qualities[0] - _BELOW, self.qualities[-1]

    def check_quality(self, quality: float, name: str) -> None:
        """A quality that there is.

        Raises:
            UsageError: with the name of the model, when there is none such.
        """
        least, most = self.quality_range
        if not least <= quality <= most:
            raise UsageError(
                f"the quality of {name} must be {least:g} to {most:g}, got {quality:g}"
            )

    @property
    def initial_log_gains(self) -> tuple[float, ...]:
        """Where each quality's log gain starts: ½ ln(λ / λ of the middle quality)."""
        middle = self.lambdas[len(self.lambdas) // 2]
        if len(self.lambdas) == 1:
            return (0.0,)
        return tuple(0.5 * math.log(value / middle) for value in self.lambdas)


def check_range(name: str, value: int, least: int, most: int = 1 << 16) -> None:
    """Refuse a field that is out of range.

    Raises:
        UsageError: naming it.
    """
    if not least <= value <= most:
        raise UsageError(f"{name} must be {least} to {most}, got {value}")


def check_widths(name: str, widths: tuple[int, ...], count: int) -> None:
    """Refuse a field of optional widths that is neither empty nor ``count`` whole numbers from 1.

    Raises:
        UsageError: naming the field.
    """
    if widths and (len(widths) != count or not all(type(w) is int and w > 0 for w in widths)):
        raise UsageError(f"{name} must be {count} whole numbers above 0 or none, got {widths!r}")
