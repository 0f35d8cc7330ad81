"""Structural similarity, at one scale and at five.

SSIM (Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to
structural similarity", IEEE TIP 2004) compares means, variances and covariance of two images under
a Gaussian window that slides over every position where it fits completely:

    SSIM = l * cs       l  = (2 mx my + C1) / (mx^2 + my^2 + C1)
                        cs = (2 sxy + C2) / (sx^2 + sy^2 + C2)
    C1 = (0.01 * 255)^2     C2 = (0.03 * 255)^2     window: 11 taps, sigma 1.5

MS-SSIM (Wang, Simoncelli, Bovik, "Multi-scale structural similarity for image quality assessment",
Asilomar 2003) halves the images four times and multiplies, with the exponents w of that paper:

    MS-SSIM = cs_1^w1 * cs_2^w2 * cs_3^w3 * cs_4^w4 * (l_5 cs_5)^w5

where each factor is a mean over positions, and a negative one counts as 0.

**The variant.** Papers on learned compression compute both on R, G and B separately and average the
three results, as the package ``pytorch_msssim`` does; the figures here are meant to stand beside
theirs and agree with that package, including its habit at odd sizes: before halving, an odd axis is
extended by one zero *in front*, so its first pooled sample is a mean with black. That is a flaw of
one sample in hundreds, and not worth incomparable figures. (Wang's own code works on luma and
filters before it decimates.)

**Small images.** Where the usual definition stops, the nearest computable one is used:

- Five scales need a smaller side of at least 161 pixels. Below that, as many scales as hold an
  11-tap window are used, with the first weights divided by their sum.
- An axis shorter than 11 gets the longest odd window that fits, down to one tap (an average over
  nothing: no variance, and ``cs`` is 1). So any image from 1 x 1 up has a figure, but figures of
  images under 161 pixels should only be compared with images of the same size.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Literal

import numpy as np

from slimcodec.errors import UsageError
from slimcodec.metrics.pair import check_pair
from slimcodec.metrics.sliding import Plane, Window, slid, strips
from slimcodec.types import Image

__all__ = ["MsSsim", "Ssim", "to_db"]

_TAPS = 11
_SIGMA = 1.5
_C1 = (0.01 * 255) ** 2
_C2 = (0.03 * 255) ** 2
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def to_db(ms_ssim: float) -> float:
    """MS-SSIM as decibels, ``-10 log10(1 - ms_ssim)``; 1 gives ``inf``.

    Good codecs crowd between 0.95 and 1, where equal steps do not look equal. The logarithm spreads
    them out again; it is what the field plots and the scale on which a BD-rate for MS-SSIM is taken
    (see `slimcodec.metrics.bd_rate`). The same formula serves SSIM.

    Raises:
        UsageError: when the value is above 1 or not a number.
    """
    if not ms_ssim <= 1:
        raise UsageError(f"an MS-SSIM must be at most 1, got {ms_ssim}; is it in dB already?")
    return math.inf if ms_ssim == 1 else -10 * math.log10(1 - ms_ssim)


class Ssim:
    """Single-scale SSIM, mean over R, G and B; 1 for equal images, may go below 0."""

    name = "ssim"
    label = "SSIM"
    unit = ""
    better: Literal["higher", "lower"] = "higher"
    in_db = True

    def __call__(self, original: Image, decoded: Image) -> float:
        """SSIM of two ``uint8 [h, w, 3]`` images, in [-1, 1].

        Raises:
            UsageError: when the arrays are not two images of one shape.
        """
        check_pair(original, decoded)
        channels = [_similarity(x, y)[0] for x, y in _planes(original, decoded)]
        return min(1.0, sum(channels) / 3)


class MsSsim:
    """MS-SSIM over up to five scales, mean over R, G and B; 1 for equal images."""

    name = "ms-ssim"
    label = "MS-SSIM"
    unit = ""
    better: Literal["higher", "lower"] = "higher"
    in_db = True

    def __call__(self, original: Image, decoded: Image) -> float:
        """MS-SSIM of two ``uint8 [h, w, 3]`` images, in [0, 1].

        Raises:
            UsageError: when the arrays are not two images of one shape.
        """
        check_pair(original, decoded)
        weights = _weights(min(original.shape[:2]))
        channels = [_multi_scale(x, y, weights) for x, y in _planes(original, decoded)]
        return min(1.0, sum(channels) / 3)


def _planes(original: Image, decoded: Image) -> list[tuple[Plane, Plane]]:
    """The channels as pairs of contiguous ``[h, w]`` planes."""
    x, y = (
        np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float64)
        for image in (original, decoded)
    )
    return list(zip(x, y, strict=True))


def _weights(smaller_side: int) -> tuple[float, ...]:
    """One exponent for each scale that still holds a whole window."""
    sides = [smaller_side]
    while len(sides) < len(_SCALE_WEIGHTS):
        sides.append((sides[-1] + 1) // 2)
    scales = max(1, sum(side >= _TAPS for side in sides))
    if scales == len(_SCALE_WEIGHTS):
        return _SCALE_WEIGHTS  # as printed: their sum is 1.0001, and everybody uses them so
    total = sum(_SCALE_WEIGHTS[:scales])
    return tuple(weight / total for weight in _SCALE_WEIGHTS[:scales])


def _multi_scale(x: Plane, y: Plane, weights: tuple[float, ...]) -> float:
    product = 1.0
    for weight in weights[:-1]:
        _, structure = _similarity(x, y)
        product *= max(structure, 0.0) ** weight
        x, y = _halve(x), _halve(y)
    whole, _ = _similarity(x, y)
    return float(product * max(whole, 0.0) ** weights[-1])


def _halve(plane: Plane) -> Plane:
    """Means of 2 x 2 samples; an odd axis gets one zero in front (see the module's text)."""
    height, width = plane.shape
    if height % 2 or width % 2:
        plane = np.pad(plane, ((height % 2, 0), (width % 2, 0)))
    rows = plane[0::2] + plane[1::2]
    return (rows[:, 0::2] + rows[:, 1::2]) * 0.25


def _similarity(x: Plane, y: Plane) -> tuple[float, float]:
    """Means over all window positions of ``l * cs`` and of ``cs``."""
    height, width = x.shape
    down, across = _gaussian(height), _gaussian(width)
    whole = structure = 0.0
    for rows in strips(height, len(down)):
        a, b = x[rows], y[rows]
        # Only the sum of the two variances is needed, so four fields are blurred, not five.
        fields = np.stack((a, b, a * a + b * b, a * b))
        mean_a, mean_b, square, cross = slid(fields, down, across)
        means_product = mean_a * mean_b
        means_square = mean_a * mean_a + mean_b * mean_b
        cs = (2 * (cross - means_product) + _C2) / (square - means_square + _C2)
        structure += float(cs.sum())
        cs *= (2 * means_product + _C1) / (means_square + _C1)
        whole += float(cs.sum())
    positions = (height - len(down) + 1) * (width - len(across) + 1)
    return whole / positions, structure / positions


@cache
def _gaussian(side: int) -> Window:
    """The longest odd window, up to 11 taps, that fits a side of that many samples."""
    taps = min(_TAPS, side - (side + 1) % 2)
    weights = np.exp(-((np.arange(taps) - taps // 2) ** 2) / (2 * _SIGMA**2))
    return tuple((weights / weights.sum()).tolist())
