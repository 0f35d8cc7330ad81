"""Peak signal-to-noise ratio: squared error on a logarithmic scale.

    PSNR = 10 * log10(255^2 / MSE)        MSE = mean over all rows, columns and channels

This is the RGB form that the learned-compression literature prints (Balle et al., "End-to-end
optimized image compression", 2017, and everything after it): one mean over all samples, not a mean
of three channels' PSNR and not luma alone as in video standards, which reads 1 to 2 dB higher.
Averages over a set of images are means of the per-image decibels.

It is exact, fast and blind: it prefers a blur to a plausible texture, so a generative codec such as
HiFiC looks bad in it by design. Read it beside LPIPS. Identical images give infinity.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from slimcodec.metrics.pair import check_pair
from slimcodec.types import Image

__all__ = ["Psnr"]


class Psnr:
    """PSNR over RGB, in decibels."""

    name = "psnr"
    label = "PSNR"
    unit = "dB"
    better: Literal["higher", "lower"] = "higher"
    in_db = False

    def __call__(self, original: Image, decoded: Image) -> float:
        """PSNR in dB of two ``uint8 [h, w, 3]`` images; ``inf`` when they are equal.

        Raises:
            UsageError: when the arrays are not two images of one shape.
        """
        check_pair(original, decoded)
        difference = np.subtract(original, decoded, dtype=np.int32)
        # Integers, so that the sum is exact and the same on every machine and thread count.
        squares = int(np.square(difference).sum(dtype=np.int64))
        if squares == 0:
            return math.inf
        return 10 * math.log10(255**2 * difference.size / squares)
