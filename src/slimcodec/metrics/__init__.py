"""How much a decoded image lost, and what that cost in bits.

One file a metric. Each metric is a small class with the shape of `Metric`: a callable from two
images to one float, plus the words that tables and plots need (label, unit, direction). The bench
takes them from the registry by name and knows none of them.

Five metrics, because no single one can be trusted alone: PSNR counts squared errors, SSIM and
MS-SSIM compare local structure, LPIPS asks a trained network, and delta E sees what the others are
nearly blind to: a shift of tone. `bits_per_pixel` is the other axis of every plot, and `bd_rate`
says in one percentage how far apart two curves lie.

Importing this package imports numpy and nothing heavier; LPIPS brings torch in when constructed.
"""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

from slimcodec.metrics.bd_rate import Curve, bd_rate
from slimcodec.metrics.delta_e import DeltaE, delta_e_2000, srgb_to_lab
from slimcodec.metrics.intervals import Interval, bd_rate_interval
from slimcodec.metrics.lpips import Lpips
from slimcodec.metrics.psnr import Psnr
from slimcodec.metrics.rate import bits_per_pixel, bytes_at
from slimcodec.metrics.ssim import MsSsim, Ssim, to_db
from slimcodec.types import Image

__all__ = [
    "Curve",
    "DeltaE",
    "Interval",
    "Lpips",
    "Metric",
    "MsSsim",
    "Psnr",
    "Ssim",
    "bd_rate",
    "bd_rate_interval",
    "bits_per_pixel",
    "bytes_at",
    "delta_e_2000",
    "srgb_to_lab",
    "to_db",
]


@runtime_checkable
class Metric(Protocol):
    """What the bench knows of a metric. The class is constructed without arguments."""

    @property
    def name(self) -> str:
        """The name in the registry, for rows and command lines."""

    @property
    def label(self) -> str:
        """The name in a table's head or on an axis."""

    @property
    def unit(self) -> str:
        """``"dB"``, or ``""`` for a bare number."""

    @property
    def better(self) -> Literal["higher", "lower"]:
        """Which direction is an improvement."""

    def __call__(self, original: Image, decoded: Image) -> float:
        """Compare two images, ``uint8 [h, w, 3]`` of one shape; any size from 1 x 1 up.

        Raises:
            UsageError: when the arrays are not two images of one shape.
        """
