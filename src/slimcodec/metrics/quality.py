"""What of a metric's value a curve takes: the one place for decibels and for the sign.

SSIM and MS-SSIM crowd between 0.95 and 1, where equal steps do not look equal, so curves are
drawn and compared in dB, ``-10 log10(1 - value)``; a metric says so of itself (`Metric.in_db`).
Where less is better, axes are turned and a BD-rate takes the value with the sign turned
(`Metric.better`). Both go by names, as rows have them, and take arrays or one number.

Rows may hold a metric that is not installed here. It is drawn as it is; what direction is better
nobody knows, so it enters no BD-rate.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slimcodec.metrics.contract import Metric
from slimcodec.registry import metrics

__all__ = ["curve_quality", "curve_unit", "curve_value"]


def curve_value(metric: str, value: ArrayLike) -> NDArray[np.float64]:
    """What an axis shows: dB where the metric wants it, else the value as it is.

    Args:
        metric: name in the registry.
        value: ``[...]``, in the metric's own unit; means over images are taken before.

    Returns:
        ``[...]``; ``inf`` for a value of 1 in dB.
    """
    plain = np.asarray(value, np.float64)
    known = _metric(metric)
    if known is None or not known.in_db:
        return plain
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(-10 * np.log10(1 - plain))


def curve_unit(metric: str) -> str:
    """The unit of `curve_value`: ``"dB"``, or ``""`` for a bare number."""
    known = _metric(metric)
    if known is None:
        return ""
    return "dB" if known.in_db else known.unit


def curve_quality(metric: str, value: ArrayLike) -> NDArray[np.float64]:
    """What a BD-rate takes: `curve_value`, with the sign turned where less is better.

    Args:
        metric: name in the registry.
        value: ``[...]``, in the metric's own unit; means over images are taken before.

    Raises:
        UnknownNameError: when there is no such metric.
    """
    better = metrics.get(metric).better
    drawn = curve_value(metric, value)
    return -drawn if better == "lower" else drawn


def _metric(name: str) -> Metric | None:
    """The class, which says of itself what its instances do; no weights are loaded."""
    return cast("Metric", metrics.get(name)) if name in metrics else None
