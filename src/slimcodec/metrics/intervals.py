"""How far a BD-rate would be another one on other images: intervals by leaving images out.

A mean over twenty-four pictures is a mean over *these*. Each picture is left out once, of both
codecs, and the BD-rate of the others is computed: the jackknife (Tukey, "Bias and confidence in
not-quite large samples", 1958). With r_i = ln(1 + BD-rate / 100) without picture i, of n,

    variance = (n - 1) / n * sum_i (r_i - mean of r)^2        ends: r -+ t * sqrt(variance)

where t is Student's for n - 1 degrees of freedom. Logarithms, because a rate is a ratio: half the
bytes and twice the bytes are as far from none.

The bootstrap, which one would reach for first, says too little of few pictures. In splits of Kodak
into two halves (`benchmarks/interval_coverage.py`: seven codecs, five metrics, a hundred splits
each), intervals of 95 % from twelve pictures held the other twelve's value this often, on average
and for the worst pair of codec and metric: percentiles of draws 78 and 72 %, basic 76 and 69, BCa
78 and 69, percentiles widened by sqrt(n / (n - 1)) 80 and 74; this one 85 and 80. What is right
about a whole population would hold 83 to 88 %, for the other half is only a sample as well. And it
takes n BD-rates instead of hundreds, and no dice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from slimcodec.errors import UsageError
from slimcodec.metrics.bd_rate import bd_rate

__all__ = ["FEWEST_IMAGES", "Interval", "bd_rate_interval", "jackknife_reach", "mean_curve"]

FEWEST_IMAGES = 4
"""With fewer, Student's t is so large that the ends say nothing."""

_LEVEL = 0.95

Array = NDArray[np.float64]
Curves = Array
"""``[images, points, 2]``: bits per pixel and a metric's value, of one codec."""


@dataclass(frozen=True)
class Interval:
    """A figure, and the ends between which it lies for 95 % of choices of the images.

    Attributes:
        value: of all images.
        low, high: the ends; None where there are too few images to tell.
    """

    value: float
    low: float | None = None
    high: float | None = None


def bd_rate_interval(
    reference: Curves, candidate: Curves, quality: Callable[[Array], Array], value: float
) -> Interval:
    """The interval of a BD-rate over the choice of images.

    Args:
        reference: curves of the codec compared with.
        candidate: of the codec in question, on the same images in the same order.
        quality: what of means of the metric enters a BD-rate (`slimcodec.metrics.curve_quality`).
        value: the BD-rate on all images, in percent.

    Returns:
        No ends for fewer than four images, or where the curves meet no more without one of them.
    """
    images = len(reference)
    if images < FEWEST_IMAGES:
        return Interval(value)
    try:
        without = np.array([_log_rate(reference, candidate, quality, n) for n in range(images)])
    except UsageError:
        return Interval(value)
    reach = jackknife_reach(without)
    middle = math.log1p(value / 100)
    low, high = (100 * math.expm1(end) for end in (middle - reach, middle + reach))
    return Interval(value, low, high)


def jackknife_reach(without: Array) -> float:
    """How far the interval of a figure reaches to both sides of it.

    Args:
        without: ``[images]``, the figure without each image; at least two.
    """
    images = len(without)
    return _students_t(images - 1) * math.sqrt((images - 1) * float(without.var()))


def _log_rate(
    reference: Curves, candidate: Curves, quality: Callable[[Array], Array], left_out: int
) -> float:
    first, second = (
        mean_curve(np.delete(curves, left_out, axis=0), quality)
        for curves in (reference, candidate)
    )
    return math.log1p(bd_rate(first, second) / 100)


def mean_curve(curves: Curves, quality: Callable[[Array], Array]) -> list[tuple[float, float]]:
    """Points of the means over the images, as `bd_rate` takes them."""
    bpp, means = curves.mean(axis=0).T
    return list(zip(bpp.tolist(), quality(means).tolist(), strict=True))


def _students_t(freedom: int) -> float:
    """Quantile that 95 % of Student's distribution lie within, to 1 % from three degrees on.

    By the normal quantile and powers of 1 / freedom (Abramowitz and Stegun, 26.7.5).
    """
    z = NormalDist().inv_cdf((1 + _LEVEL) / 2)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3
