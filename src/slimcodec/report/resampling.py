"""How far a mean over these images would be another one on others: intervals of plain means.

As for BD-rates (`slimcodec.metrics.intervals`), the images are drawn again from themselves, as many
as there are, with replacement, and where 95 % of the means of such draws lie is the interval.
Where two codecs are compared, the values are differences on the same image, so that what makes an
image hard for both is in neither.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from slimcodec.metrics import Interval
from slimcodec.metrics.intervals import FEWEST_IMAGES

__all__ = ["mean_interval", "ratio_interval"]

_DRAWS = 1000
_LEVEL = 0.95

Array = NDArray[np.float64]


def mean_interval(values: Sequence[float]) -> Interval:
    """The mean, and its interval over the choice of images.

    Args:
        values: finite, one for each image; at least one.

    Returns:
        Without ends where there are fewer images than `FEWEST_IMAGES`.
    """
    array = np.asarray(values, dtype=np.float64)
    return _interval(len(array), lambda drawn: array[drawn].mean(axis=-1))


def ratio_interval(values: Sequence[float], bases: Sequence[float]) -> Interval:
    """By how many percent the mean of values is above that of their bases, and the interval.

    Args:
        values: finite, one for each image; at least one.
        bases: positive, of the same images in the same order.

    Returns:
        Without ends where there are fewer images than `FEWEST_IMAGES`.
    """
    above, below = (np.asarray(each, dtype=np.float64) for each in (values, bases))
    return _interval(
        len(above),
        lambda drawn: 100 * (above[drawn].mean(axis=-1) / below[drawn].mean(axis=-1) - 1),
    )


def _interval(images: int, statistic: Callable[[NDArray[np.int64]], Array]) -> Interval:
    """Of a statistic of drawn images: indices ``[..., images]`` in, figures ``[...]`` out."""
    value = float(statistic(np.arange(images)))
    if images < FEWEST_IMAGES:
        return Interval(value)
    drawn = np.random.default_rng(0).integers(images, size=(_DRAWS, images))
    low, high = np.quantile(statistic(drawn), [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Interval(value, float(low), float(high))
