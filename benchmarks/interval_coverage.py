"""How often an interval from half of the images holds what the other half says.

    python benchmarks/interval_coverage.py results/kodak [--splits 300] [--draws 400]

Splits the images in two at random, computes every BD-rate's interval from one half and its value
from the other, and prints the share of splits in which the one holds the other. With ``--draws``
the same is printed for bootstraps of so many draws (400 take ten minutes for 100 splits of eight
codecs): percentiles, basic, percentiles widened by sqrt(n / (n - 1)), and BCa.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from math import expm1, log1p
from pathlib import Path
from statistics import NormalDist, fmean

import numpy as np

from slimcodec import registry
from slimcodec.bench import Row, read_rows
from slimcodec.errors import UsageError
from slimcodec.metrics import bd_rate, bd_rate_interval, curve_quality

_TAIL = 0.025
_NORMAL = NormalDist()

Ends = dict[str, tuple[float, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rows", type=Path)
    parser.add_argument("--splits", type=int, default=300)
    parser.add_argument("--draws", type=int, default=0)
    parser.add_argument("--against", default="jpeg")
    options = parser.parse_args()
    rows = read_rows(options.rows)
    all_shares: dict[str, list[float]] = {}
    metrics = [name for name in registry.metrics if name in rows[0].metrics]
    variants = dict.fromkeys(row.variant for row in rows)
    for variant in [name for name in variants if name != options.against]:
        for metric in metrics:
            theirs, ours = (curves(rows, name, metric) for name in (options.against, variant))
            held = coverage(theirs, ours, metric, options.splits, options.draws)
            for method, share in held.items():
                all_shares.setdefault(method, []).append(share)
            words = "   ".join(f"{method} {100 * share:.0f} %" for method, share in held.items())
            print(f"{variant:24} {metric:12} {words}", flush=True)
    for method, shares in all_shares.items():
        print(f"{method:12} mean {100 * fmean(shares):.1f} %, least {100 * min(shares):.0f} %")


def curves(rows: Sequence[Row], variant: str, metric: str) -> np.ndarray:
    """``[images, points, 2]``: bits per pixel and the metric."""
    found: dict[str, list[tuple[float, float]]] = {}
    own = [row for row in rows if row.variant == variant]
    for row in sorted(own, key=lambda row: row.quality):
        found.setdefault(row.image, []).append((row.bpp, row.metrics[metric]))
    return np.array([found[image] for image in sorted(found)])


def coverage(
    reference: np.ndarray, candidate: np.ndarray, metric: str, splits: int, draws: int
) -> dict[str, float]:
    """By method, the share of splits in which the other half's value lay between the ends."""
    dice = np.random.default_rng(0)
    half = len(reference) // 2
    held: dict[str, list[bool]] = {}
    for _ in range(splits):
        order = dice.permutation(len(reference))
        one, other = order[:half], order[half:]
        theirs, ours = reference[one], candidate[one]
        value, said = rate(theirs, ours, metric), rate(reference[other], candidate[other], metric)
        interval = bd_rate_interval(
            theirs, ours, partial(curve_quality, metric), 100 * expm1(value)
        )
        if interval.low is None or interval.high is None:
            continue
        ends = {"ours": (log1p(interval.low / 100), log1p(interval.high / 100))}
        if draws:
            ends |= bootstraps(theirs, ours, metric, value, draws, dice)
        for method, (low, high) in ends.items():
            held.setdefault(method, []).append(low <= said <= high)
    return {method: fmean(each) for method, each in held.items()}


def rate(reference: np.ndarray, candidate: np.ndarray, metric: str) -> float:
    """ln(1 + BD-rate / 100) of the means over images."""
    points = [
        [(bpp, float(curve_quality(metric, value))) for bpp, value in each.mean(axis=0).tolist()]
        for each in (reference, candidate)
    ]
    return log1p(bd_rate(*points) / 100)


def bootstraps(
    reference: np.ndarray,
    candidate: np.ndarray,
    metric: str,
    value: float,
    draws: int,
    dice: np.random.Generator,
) -> Ends:
    """The ends that textbooks make of the same draws."""
    images = len(reference)

    def of(choices: Iterator[np.ndarray]) -> Iterator[float]:
        for drawn in choices:
            try:
                yield rate(reference[drawn], candidate[drawn], metric)
            except UsageError:  # a draw in which the two share no range
                continue

    found = np.array(list(of(dice.integers(images, size=images) for _ in range(draws))))
    without = np.array(list(of(np.delete(np.arange(images), n) for n in range(images))))
    low, high = np.quantile(found, [_TAIL, 1 - _TAIL])
    wide = (images / (images - 1)) ** 0.5
    return {
        "percentiles": (low, high),
        "basic": (2 * value - high, 2 * value - low),
        "widened": (value + wide * (low - value), value + wide * (high - value)),
        "BCa": bias_corrected(found, without, value),
    }


def bias_corrected(found: np.ndarray, without: np.ndarray, value: float) -> tuple[float, float]:
    """Percentiles at levels moved for bias and skewness (Efron 1987)."""
    shift = _NORMAL.inv_cdf(float(np.clip((found < value).mean(), 1e-3, 1 - 1e-3)))
    pull = without.mean() - without
    skew = float((pull**3).sum() / (6 * (pull**2).sum() ** 1.5))
    ends = []
    for level in (_TAIL, 1 - _TAIL):
        moved = shift + _NORMAL.inv_cdf(level)
        ends.append(float(np.quantile(found, _NORMAL.cdf(shift + moved / (1 - skew * moved)))))
    return ends[0], ends[1]


if __name__ == "__main__":
    main()
