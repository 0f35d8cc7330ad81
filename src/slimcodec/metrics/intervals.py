"""How far a BD-rate would be another one on other images: intervals by resampling the images.

A mean over twenty-four pictures is a mean over *these*. The pictures are drawn again from
themselves, as many as there are, with replacement, the same for both codecs, and the BD-rate of
what was drawn is computed; where 95 % of such draws lie is the interval (Efron, "Bootstrap
methods: another look at the jackknife", 1979).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slimcodec.errors import UsageError
from slimcodec.metrics.bd_rate import bd_rate

__all__ = ["Interval", "bd_rate_interval"]

FEWEST_IMAGES = 4
"""With fewer there are too few different draws for an interval to mean anything."""

_DRAWS = 400
_LEVEL = 0.95

Curves = NDArray[np.float64]
"""``[images, points, 2]``: bits per pixel and a metric's value, of one codec."""


@dataclass(frozen=True)
class Interval:
    """A figure, and the ends between which it lies for 95 % of draws of the images.

    Attributes:
        value: of all images.
        low, high: the ends; None where there are too few images to draw from.
    """

    value: float
    low: float | None = None
    high: float | None = None


def bd_rate_interval(
    reference: Curves,
    candidate: Curves,
    quality: Callable[[float], float],
    value: float,
    *,
    draws: int = _DRAWS,
    seed: int = 0,
) -> Interval:
    """The interval of a BD-rate over the choice of images.

    Args:
        reference: curves of the codec compared with.
        candidate: of the codec in question, on the same images in the same order.
        quality: what of a mean of the metric enters a BD-rate: dB, or the sign turned.
        value: the BD-rate on all images.
        draws: how often the images are drawn again.
        seed: of the draws, so that a page made again is the same.
    """
    images = len(reference)
    if images < FEWEST_IMAGES:
        return Interval(value)
    found = []
    generator = np.random.default_rng(seed)
    for _ in range(draws):
        drawn = generator.integers(images, size=images)
        try:
            found.append(
                bd_rate(
                    _mean_curve(reference[drawn], quality), _mean_curve(candidate[drawn], quality)
                )
            )
        except UsageError:  # a draw in which the two share no range
            continue
    if len(found) < draws / 2:
        return Interval(value)
    low, high = np.quantile(found, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Interval(value, float(low), float(high))


def _mean_curve(curves: Curves, quality: Callable[[float], float]) -> list[tuple[float, float]]:
    return [(float(bpp), quality(float(value))) for bpp, value in curves.mean(axis=0)]
