"""BD-rate: how many percent more bits one codec needs than another, at equal quality.

Bjontegaard ("Calculation of average PSNR differences between RD-curves", VCEG-M33, 2001) takes the
logarithm of the rate as a function of quality for both codecs, and averages the gap between the two
over the qualities that both reach:

    BD-rate = 100 * (exp( mean over q of [ ln R_candidate(q) - ln R_reference(q) ] ) - 1)

Negative is good: the candidate saves bits. Quality is any number that grows as images get better:
PSNR in dB, MS-SSIM **in dB** (`slimcodec.metrics.to_db`; on the raw scale the crowd near 1 would
hardly count), or LPIPS and delta E with the sign turned. BD-rates on different qualities are
different figures.

Between measured points the curve is a monotone piecewise cubic (PCHIP: Fritsch and Carlson 1980,
with the slopes of Fritsch and Butland 1984), as in later JCT-VC practice. The original's single
cubic through four points is free to overshoot between them, and then invents savings; this one
never leaves the range of its two neighbours. The price is that it knows no curvature: from two
points on it works, and two points make a straight line. The integral is exact, no sampling.

A point that costs at least as many bits as another without being better is *dominated*: nobody
would use it, and no function of quality passes through both. Dominated points are dropped, so a
noisy curve is judged by its front. Curves that share no range of quality are an error, because any
number would be an extrapolation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slimcodec.errors import UsageError

__all__ = ["Curve", "bd_rate", "crossing"]

_PLACES = 1025
"""Of a range, where two curves are compared."""


@dataclass(frozen=True, eq=False)
class Curve:
    """A rate-quality curve without dominated points, and its monotone interpolation.

    Build it with `from_points`; both arrays are then finite, strictly increasing and equally long.

    Attributes:
        quality: ``[n]``, n >= 2, higher is better.
        log_bpp: ``[n]``, natural logarithm of the bits per pixel.
    """

    quality: NDArray[np.float64]
    log_bpp: NDArray[np.float64]

    @classmethod
    def from_points(cls, points: Sequence[tuple[float, float]]) -> Curve:
        """The curve through ``(bpp, quality)`` points, in any order.

        Raises:
            UsageError: for a rate that is not positive and finite, a quality that is not finite, or
                fewer than two points after the dominated ones are dropped.
        """
        for bpp, quality in points:
            if not (math.isfinite(bpp) and bpp > 0 and math.isfinite(quality)):
                raise UsageError(
                    "a curve's points must be (bpp > 0, finite quality), got "
                    f"({bpp}, {quality}); leave lossless or failed points out"
                )
        front: list[tuple[float, float]] = []
        for bpp, quality in sorted(points, key=lambda point: (point[0], -point[1])):
            if not front or quality > front[-1][1]:
                front.append((bpp, quality))
        if len(front) < 2:
            raise UsageError(
                "a curve must have at least two points of which each costs more and is better "
                f"than the one before, got {len(front)} of {len(points)}; measure more qualities"
            )
        return cls(
            quality=np.array([quality for _, quality in front]),
            log_bpp=np.log([bpp for bpp, _ in front]),
        )

    def integral(self, low: float, high: float) -> float:
        """Integral of the log-rate over quality; the curve must reach from `low` to `high`."""
        x, y = self.quality, self.log_bpp
        width = np.diff(x)
        left, square, cube = self._coefficients()

        def from_left_end(t: NDArray[np.float64]) -> NDArray[np.float64]:
            return t * (y[:-1] + t * (left / 2 + t * (square / 3 + t * cube / 4)))

        # Pieces outside [low, high] shrink to nothing at one of their ends.
        start = np.clip(low - x[:-1], 0, width)
        stop = np.clip(high - x[:-1], 0, width)
        return float((from_left_end(stop) - from_left_end(start)).sum())

    def at(self, quality: NDArray[np.float64]) -> NDArray[np.float64]:
        """The log-rate at qualities inside the curve's range."""
        x, y = self.quality, self.log_bpp
        piece = np.clip(np.searchsorted(x, quality, side="right") - 1, 0, len(x) - 2)
        left, square, cube = (own[piece] for own in self._coefficients())
        t = quality - x[piece]
        found: NDArray[np.float64] = y[piece] + t * (left + t * (square + t * cube))
        return found

    def _coefficients(self) -> tuple[NDArray[np.float64], ...]:
        """Of each piece, from its left end: slope, square, cube."""
        width = np.diff(self.quality)
        secant = np.diff(self.log_bpp) / width
        slope = _monotone_slopes(width, secant)
        left, right = slope[:-1], slope[1:]
        square = (3 * secant - 2 * left - right) / width
        return left, square, (left + right - 2 * secant) / width**2


def bd_rate(
    reference: Sequence[tuple[float, float]], candidate: Sequence[tuple[float, float]]
) -> float:
    """Average change of rate at equal quality, in percent; negative when the candidate saves bits.

    Args:
        reference: ``(bpp, quality)`` points of the codec compared with, in any order.
        candidate: the same for the codec in question. The two need not have equally many points.

    Raises:
        UsageError: when a curve is not one (see `Curve.from_points`), or when the two share no
            range of quality.
    """
    first, second = Curve.from_points(reference), Curve.from_points(candidate)
    low, high = _shared(first, second)
    gap = (second.integral(low, high) - first.integral(low, high)) / (high - low)
    return 100 * math.expm1(gap)


def crossing(
    reference: Sequence[tuple[float, float]], candidate: Sequence[tuple[float, float]]
) -> float | None:
    """The rate from which on the reference is the better one, in bits per pixel.

    It is where the candidate saves bits for the last time, going up. None where it still does at
    the end of the qualities that both reach, and where it never did.

    Args:
        reference: ``(bpp, quality)`` points, in any order.
        candidate: the same.

    Raises:
        UsageError: as ``bd_rate``.
    """
    first, second = Curve.from_points(reference), Curve.from_points(candidate)
    low, high = _shared(first, second)
    quality = np.linspace(low, high, _PLACES)
    saves = second.at(quality) < first.at(quality)
    if saves[-1] or not saves.any():
        return None
    return float(np.exp(first.at(quality[np.flatnonzero(saves)[-1:] + 1])[0]))


def _shared(first: Curve, second: Curve) -> tuple[float, float]:
    """The qualities that both curves reach.

    Raises:
        UsageError: when there are none.
    """
    low = float(max(first.quality[0], second.quality[0]))
    high = float(min(first.quality[-1], second.quality[-1]))
    if low >= high:
        raise UsageError(
            "the two curves must share a range of quality, but the reference spans "
            f"{_span(first)} and the candidate {_span(second)}; measure qualities that overlap"
        )
    return low, high


def _monotone_slopes(
    width: NDArray[np.float64], secant: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Slopes at the points of an increasing curve, such that no piece overshoots.

    Args:
        width: ``[n - 1]``, distances between points.
        secant: ``[n - 1]``, slopes of the straight lines between points, all positive.

    Returns:
        ``[n]``: harmonic means of the neighbouring secants inside, the larger interval's neighbour
        weighing less; at the ends the slope of a parabola through three points, not below 0.
    """
    if len(width) == 1:
        return np.repeat(secant, 2)
    to_left = 2 * width[1:] + width[:-1]
    to_right = width[1:] + 2 * width[:-1]
    inner = (to_left + to_right) / (to_left / secant[:-1] + to_right / secant[1:])
    first = _end_slope(width[0], width[1], secant[0], secant[1])
    last = _end_slope(width[-1], width[-2], secant[-1], secant[-2])
    return np.concatenate(([first], inner, [last]))


def _end_slope(near: float, far: float, near_secant: float, far_secant: float) -> float:
    slope = ((2 * near + far) * near_secant - near * far_secant) / (near + far)
    return max(slope, 0.0)


def _span(curve: Curve) -> str:
    return f"{curve.quality[0]:.6g} to {curve.quality[-1]:.6g}"
