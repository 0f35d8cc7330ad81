"""How many times as long: a ratio of two times with its interval, and what it says.

Two pieces of work that run in turn see the same machine, so a round has a ratio of its own in which
the machine cancels, and of all rounds' ratios the median is taken: a round in which a neighbour
woke up is one of many, however loud it was. A round has each work twice, there and back, and its
ratio is the geometric mean of those two, in which a drift cancels too.

The interval is a bootstrap: the rounds are drawn again from themselves, as many as there are, with
replacement, and 95 % of the medians of such draws lie in it (Efron, "Bootstrap methods: another
look at the jackknife", 1979).

An interval is over rounds, and no round knows that one of two equal works came to lie worse in
memory. So the first work runs a second time as its own rival, the *control*: how far its ratio's
interval reaches from 1 is the *resolution*, and no smaller ratio is believed. Where others had the
cores, wall time is mostly the share of them that one got, so there processor time must agree.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from slimcodec.metrics import Interval

__all__ = ["FEWEST_ROUNDS", "Times", "is_narrow", "ratio_of", "resolution_of", "verdict"]

FEWEST_ROUNDS = 6
"""With fewer the ends of an interval would be the smallest and the largest round."""

_DRAWS = 2000
_LEVEL = 0.95

Times = NDArray[np.float64]
"""``[rounds, 2]``: of one work, there and back, in whatever unit."""


def ratio_of(first: Times, other: Times, *, seed: int = 0) -> Interval:
    """How many times as long the other takes; without ends of fewer than ``FEWEST_ROUNDS``.

    Args:
        first: what is compared with.
        other: of the same rounds.
        seed: of the draws, so that the same times always give the same.
    """
    logarithms = np.log(np.asarray(other) / np.asarray(first)).mean(axis=1)
    value = float(np.exp(np.median(logarithms)))
    rounds = len(logarithms)
    if rounds < FEWEST_ROUNDS:
        return Interval(value)
    drawn = np.random.default_rng(seed).integers(rounds, size=(_DRAWS, rounds))
    medians = np.median(logarithms[drawn], axis=1)
    low, high = np.exp(np.quantile(medians, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]))
    return Interval(value, float(low), float(high))


def is_narrow(ratio: Interval, precision: float) -> bool:
    """Whether the ends are no further than so much of the ratio away from it."""
    if ratio.low is None or ratio.high is None:
        return False
    return max(ratio.high - ratio.value, ratio.value - ratio.low) <= precision * ratio.value


def resolution_of(control: Interval) -> float | None:
    """How far from 1, as a share, a ratio may be and mean nothing; None without an interval."""
    return _reach(control)


def verdict(ratio: Interval, resolution: float | None, processor: Interval | None = None) -> str:
    """What a ratio of times says, in words.

    Args:
        ratio: of the other's wall time to the first's.
        resolution: see ``resolution_of``.
        processor: of their processor times, which must be apart in the same direction; None where
            the machine was quiet, and wall time needs no witness.
    """
    reach = _reach(ratio)
    if reach is None or resolution is None or ratio.low is None or ratio.high is None:
        return f"too few rounds to tell; allow {FEWEST_ROUNDS} or more (--seconds, --rounds)"
    if ratio.low <= 1 <= ratio.high:
        return f"no difference; one of {100 * max(reach, resolution):.1f} % would have been seen"
    if abs(math.log(ratio.value)) <= math.log1p(resolution):
        return f"no difference; the first differs from itself by {100 * resolution:.1f} %"
    ends = sorted(abs(100 * (end - 1)) for end in (ratio.low, ratio.high))
    more = "more" if ratio.value > 1 else "less"
    percent = f"{abs(100 * (ratio.value - 1)):.1f} % {more}"
    if processor is not None and not _agree(ratio, processor):
        return f"unclear: {percent} wall time, not so processor time; needs a quiet machine"
    return f"{percent} time (95 %: {ends[0]:.1f} to {ends[1]:.1f})"


def _agree(ratio: Interval, processor: Interval) -> bool:
    """Whether the whole of the second is on the side of 1 on which the first is."""
    if processor.low is None or processor.high is None:
        return False
    return processor.low > 1 if ratio.value > 1 else processor.high < 1


def _reach(ratio: Interval) -> float | None:
    """How far from 1, as a share, the interval goes."""
    if ratio.low is None or ratio.high is None:
        return None
    return math.expm1(max(abs(math.log(ratio.low)), abs(math.log(ratio.high))))
