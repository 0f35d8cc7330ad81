"""What a codec with latents says of them, whatever its transforms are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from slimcodec.errors import UsageError

__all__ = ["LatentsConfig"]


@dataclass(frozen=True)
class LatentsConfig:
    """Latents, hyperprior, context and qualities. The defaults are those of the published HiFiC.

    A family's config adds its transforms, and says how far apart latents stand (``stride``) and
    what memory coding takes (``bytes_per_pixel``).
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
    rate_weight: float = 0.0
    """Bits against squared rounding error when the encoder rounds (``codec.MeanScaleCodec``);
    0 is plain rounding, as published. On six held-out photographs, the trained network, BD-rate
    against plain rounding: 0.03 gives -6.4 % (PSNR) and -6.6 % (MS-SSIM), 0.06 -7.3 and -8.0,
    0.10 -6.3 and -7.7 (``benchmarks/rate_weight.py``)."""
    lambdas: tuple[float, ...] = (0.0,)
    """One rate-distortion trade-off per quality; more than one adds gain vectors for each, so one
    set of weights and one stream identity serve all of them."""

    def __post_init__(self) -> None:
        if self.context_slices and sum(self.context_slices) != self.latent_channels:
            raise UsageError(
                f"context_slices must add up to the {self.latent_channels} latent channels, got "
                f"{self.context_slices}"
            )

    @property
    def stride(self) -> int:
        """Pixels per latent position, on a side."""
        raise NotImplementedError

    @property
    def bytes_per_pixel(self) -> float:
        """Memory that coding takes, about."""
        raise NotImplementedError

    @property
    def qualities(self) -> tuple[float, ...]:
        """The trained quality points, 1 to n. Values in between interpolate the gains."""
        return tuple(float(i + 1) for i in range(len(self.lambdas)))

    @property
    def initial_log_gains(self) -> tuple[float, ...]:
        """Where each quality's log gain starts: ½ ln(λ / λ of the middle quality)."""
        middle = self.lambdas[len(self.lambdas) // 2]
        if len(self.lambdas) == 1:
            return (0.0,)
        return tuple(0.5 * math.log(value / middle) for value in self.lambdas)
