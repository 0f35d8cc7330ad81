"""BD-rates of measured curves, metric by metric, with intervals over the choice of images.

A curve's points are means over the images at each quality, and two curves are compared over the
images that both have at all of their qualities: after a killed run, or where a folder holds benches
of two sets of photographs, anything else would compare photographs. What of a metric enters is said
beside the metrics (`slimcodec.metrics.curve_quality`): MS-SSIM in dB, and the sign turned where
less is better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from slimcodec import registry
from slimcodec.bench.rows import Row
from slimcodec.errors import UsageError
from slimcodec.metrics import Interval, bd_rate, bd_rate_interval, curve_quality
from slimcodec.metrics.intervals import mean_curve

__all__ = ["bd_rates", "images_of_both", "rate_of_means"]

_FEWEST_POINTS = 4
"""Of a curve, as Bjontegaard asks for; with fewer, interpolation makes the shape."""

Images = Mapping[str, Row]


class HasMeans(Protocol):
    """A point of a curve, measured or published."""

    @property
    def bpp(self) -> float:
        """Bits per pixel, mean over images."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """Means over images, by the metrics' names."""


def bd_rates(reference: Sequence[Row], variant: Sequence[Row]) -> dict[str, Interval]:
    """Percent of bytes that a variant needs more than a reference, at equal quality.

    Args:
        reference: all rows of the one.
        variant: all rows of the other.

    Returns:
        By metric, of those that all rows of their common images have and that are known here.
        Nothing where either has fewer than four qualities or they have no image in common, no
        metric whose curves do not meet.
    """
    curves = _by_quality(reference), _by_quality(variant)
    images = _on_all(*curves)
    if min(map(len, curves)) < _FEWEST_POINTS or not images:
        return {}
    theirs, ours = ([[of[image] for of in curve.values()] for image in images] for curve in curves)
    every = [row for curve in (*theirs, *ours) for row in curve]
    rates = {}
    for name in every[0].metrics:
        everywhere = all(name in row.metrics for row in every)
        rate = _rate(theirs, ours, name) if everywhere and name in registry.metrics else None
        if rate is not None:
            rates[name] = rate
    return rates


def rate_of_means(
    reference: Sequence[HasMeans], candidate: Sequence[HasMeans], metric: str
) -> float | None:
    """Percent of bytes that one curve needs more than another, of points that are means already.

    Returns:
        None where fewer than four points of either have the metric, the curves do not meet, or the
        metric is not known here.
    """
    if metric not in registry.metrics:
        return None
    theirs, ours = (
        [
            (point.bpp, float(curve_quality(metric, point.metrics[metric])))
            for point in points
            if metric in point.metrics
        ]
        for points in (reference, candidate)
    )
    if min(len(theirs), len(ours)) < _FEWEST_POINTS:
        return None
    try:
        return bd_rate(theirs, ours)
    except UsageError:  # no overlap: there is no such number
        return None


def images_of_both(reference: Sequence[Row], variant: Sequence[Row]) -> list[str]:
    """Digests of the images that both have at all of their qualities, over which they compare."""
    return _on_all(_by_quality(reference), _by_quality(variant))


def _rate(
    reference: Sequence[Sequence[Row]], variant: Sequence[Sequence[Row]], metric: str
) -> Interval | None:
    """Of one metric; of each image the rows of all qualities."""
    quality = partial(curve_quality, metric)
    theirs, ours = (_image_curves(curves, metric) for curves in (reference, variant))
    try:
        value = bd_rate(mean_curve(theirs, quality), mean_curve(ours, quality))
    except UsageError:  # no overlap: there is no such number
        return None
    return bd_rate_interval(theirs, ours, quality, value)


def _by_quality(rows: Sequence[Row]) -> dict[float, dict[str, Row]]:
    """Quality to the rows of its images, by the images' digests."""
    found: dict[float, dict[str, Row]] = {}
    for row in rows:
        found.setdefault(row.quality, {})[row.image_digest] = row
    return found


def _on_all(*curves: Mapping[float, Images]) -> list[str]:
    """Images that every curve has at all of its qualities."""
    first, *others = [rows for curve in curves for rows in curve.values()] or [{}]
    return [image for image in first if all(image in rows for rows in others)]


def _image_curves(images: Sequence[Sequence[Row]], metric: str) -> NDArray[np.float64]:
    """``[images, points, 2]``: bits per pixel and the metric."""
    return np.array([[(row.bpp, row.metrics[metric]) for row in rows] for rows in images])
