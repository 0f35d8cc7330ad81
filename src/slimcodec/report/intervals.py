"""How far a mean over these images would be another one on others.

As for BD-rates (`slimcodec.metrics.intervals`), each image is left out once: for a mean that gives
the standard error of the mean times Student's t. Where two codecs are compared, the values are
differences or ratios on the same images, so that what makes an image hard for both is in neither.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from slimcodec.metrics import Interval
from slimcodec.metrics.intervals import FEWEST_IMAGES, jackknife_reach

__all__ = ["mean_interval", "ratio_interval"]


def mean_interval(values: Sequence[float]) -> Interval:
    """The mean, and its interval over the choice of images.

    Args:
        values: finite, one for each image; at least one.

    Returns:
        Without ends where there are fewer images than `FEWEST_IMAGES`.
    """
    array = np.asarray(values, dtype=np.float64)
    mean = float(array.mean())
    if len(array) < FEWEST_IMAGES:
        return Interval(mean)
    reach = jackknife_reach((array.sum() - array) / (len(array) - 1))
    return Interval(mean, mean - reach, mean + reach)


def ratio_interval(values: Sequence[float], bases: Sequence[float]) -> Interval:
    """By how many percent the mean of values is above that of their bases, and the interval.

    Args:
        values: positive, one for each image; at least one.
        bases: positive, of the same images in the same order.

    Returns:
        Without ends where there are fewer images than `FEWEST_IMAGES`.
    """
    above, below = (np.asarray(each, dtype=np.float64) for each in (values, bases))
    middle = math.log(above.sum() / below.sum())
    value = 100 * math.expm1(middle)
    if len(above) < FEWEST_IMAGES:
        return Interval(value)
    reach = jackknife_reach(np.log((above.sum() - above) / (below.sum() - below)))
    low, high = (100 * math.expm1(end) for end in (middle - reach, middle + reach))
    return Interval(value, low, high)
