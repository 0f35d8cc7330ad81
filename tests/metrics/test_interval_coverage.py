"""Intervals from twelve Kodak pictures hold what the other twelve say, in three of four splits."""

from __future__ import annotations

import csv
import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from slimcodec.metrics import bd_rate, bd_rate_interval, curve_quality

RELEASE = Path(__file__).resolve().parents[2] / "results" / "kodak" / "rows.tsv"
SPLITS = 40


def curves(variant: str, metric: str) -> np.ndarray:
    """``[24, points, 2]``, of the rows of the release."""
    found: dict[str, list[tuple[float, float]]] = {}
    with RELEASE.open(newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["variant"] == variant]
    for row in rows:
        found.setdefault(row["image"], []).append((float(row["bpp"]), float(row[metric])))
    return np.array([found[image] for image in sorted(found)])


@pytest.mark.skipif(not RELEASE.is_file(), reason="needs the rows of the release")
@pytest.mark.parametrize(
    ("variant", "metric"),
    [("hific-s", "psnr"), ("toderici-s", "ms-ssim"), ("webp", "lpips"), ("avif", "delta-e")],
)
def test_on_measured_rows(variant: str, metric: str) -> None:
    """An interval that is right about all pictures would hold five of six: the rest is a sample."""
    theirs, ours = curves("jpeg", metric), curves(variant, metric)
    quality = partial(curve_quality, metric)

    def value(images: np.ndarray) -> float:
        one, other = (
            [(bpp, float(quality(mean))) for bpp, mean in each[images].mean(axis=0).tolist()]
            for each in (theirs, ours)
        )
        return bd_rate(one, other)

    dice = np.random.default_rng(0)
    held = []
    for _ in range(SPLITS):
        one, other = np.split(dice.permutation(24), 2)
        interval = bd_rate_interval(theirs[one], ours[one], quality, value(one))
        assert interval.low is not None and interval.high is not None
        held.append(interval.low <= value(other) <= interval.high)
    assert math.fsum(held) / SPLITS >= 0.75
