"""How much a decoded image lost, and what that cost in bits.

One file a metric. Each metric is a small class with the shape of `Metric`: a callable from two
images to one float, plus the words that tables and plots need (label, unit, direction). The bench
takes them from the registry by name and knows none of them.

Six metrics, because no single one can be trusted alone: PSNR counts squared errors, SSIM and
MS-SSIM compare local structure, SSIMULACRA 2 looks for the artefacts that people mind, LPIPS asks a
trained network, and delta E sees what the others are nearly blind to: a shift of tone.
`bits_per_pixel` is the other axis of every plot, and `bd_rate` says in one percentage how far apart
two curves lie.

Importing this package imports numpy and nothing heavier; LPIPS brings torch in when constructed.
"""

from __future__ import annotations

from slimcodec.metrics.bd_rate import Curve, bd_rate, crossing
from slimcodec.metrics.contract import Metric
from slimcodec.metrics.delta_e import DeltaE, delta_e_2000, srgb_to_lab
from slimcodec.metrics.intervals import Interval, bd_rate_interval
from slimcodec.metrics.lpips import Lpips
from slimcodec.metrics.psnr import Psnr
from slimcodec.metrics.quality import curve_quality, curve_unit, curve_value
from slimcodec.metrics.rate import bits_per_pixel, bytes_at
from slimcodec.metrics.ssim import MsSsim, Ssim, to_db
from slimcodec.metrics.ssimulacra2 import Ssimulacra2

__all__ = [
    "Curve",
    "DeltaE",
    "Interval",
    "Lpips",
    "Metric",
    "MsSsim",
    "Psnr",
    "Ssim",
    "Ssimulacra2",
    "bd_rate",
    "bd_rate_interval",
    "bits_per_pixel",
    "bytes_at",
    "crossing",
    "curve_quality",
    "curve_unit",
    "curve_value",
    "delta_e_2000",
    "srgb_to_lab",
    "to_db",
]
