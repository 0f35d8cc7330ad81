"""Freezing: a trained probability model becomes integers, once.

Tables come from the network's densities in float64; thresholds and shifts from its last
non-linearity and its gains. Layers of scale net and context are integers already in a network that
is settled (``quantization.settling``); the integer prior is made from those by exact operations.
"""

from __future__ import annotations

import copy
import math
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from slimcodec.codecs.latents.density import FactorizedDensity
from slimcodec.codecs.latents.scales import (
    SHIFT_STEPS,
    SHIFT_TABLES,
    TABLE_SCALES,
    ScaleGrid,
    Units,
)
from slimcodec.errors import ModelFileError
from slimcodec.stream import Tables

__all__ = ["freeze"]

_TAIL, _FAR_TAIL = 2.0**-22, 2.0**-31
"""Probability left to the escape on either side of a table; the second where symbols have a least
probability, so that a far one costs no more than an escape would."""
_WIDEST = 4096


@torch.no_grad()
def freeze(network: Any) -> dict[str, NDArray[np.generic]]:
    """The frozen arrays of a network (see ``codecs.latents``) whose weights are already as the
    model file will hold them."""
    probability = network.probability
    least = network.config.structure.least_probability
    if not network.config.structure.hyperprior:
        return _density_tables(probability, least).to_arrays("latent_tables")
    log_gains = network.log_gain.double().cpu().numpy()
    if probability.latent_scale is not None:
        spread = probability.latent_scale.double().flatten().cpu().numpy()
        log_gains = np.log(spread)[None] + log_gains
    softplus = network.config.scale_activation == "softplus"
    grid = ScaleGrid.build(softplus, log_gains)
    rests = range(1)
    context: dict[str, NDArray[np.generic]] = {}
    if probability.context is not None:
        rests, context = range(SHIFT_STEPS // 2 + 1), Units.build().to_arrays()
    return {
        **grid.to_arrays(),
        **context,
        **_latent_tables(network.config.likelihood, rests, least).to_arrays("latent_tables"),
        **_density_tables(probability, least).to_arrays("hyper_tables"),
    }


@cache
def _latent_tables(likelihood: str, rests: range, least: float) -> Tables:
    """Unit bins of a Gaussian or logistic at each table scale, for each rest of a shift in eighths;
    a rest has tables of its own only up to ``SHIFT_SCALE``."""

    def cdf(x: float) -> float:
        if likelihood == "logistic":
            return 1 / (1 + math.exp(-x)) if x > -700 else 0.0
        return 0.5 * math.erfc(-x * math.sqrt(0.5))

    def bin_at(distance: float, scale: float) -> float:
        # Both ends on the negative side, where a cumulative near zero keeps its digits.
        near, far = 0.5 - abs(distance), -0.5 - abs(distance)
        return cdf(near / scale) - cdf(far / scale)

    tables = []
    for rest in rests:
        mean = rest / SHIFT_STEPS
        for scale in TABLE_SCALES[: SHIFT_TABLES if rest else None]:
            reach = 1
            while cdf(-(reach + 0.5 - mean) / scale) > (_FAR_TAIL if least else _TAIL):
                reach += max(1, reach // 16)
            tables.append(np.array([bin_at(i - mean, scale) for i in range(-reach, reach + 1)]))
    return _tables([0] * len(tables), tables, least)


def _density_tables(probability: Any, least: float) -> Tables:
    """Unit bins of each channel's density around its median, as wide as it has weight."""
    exact: FactorizedDensity = copy.deepcopy(probability.density).double()
    median: Tensor | None = probability.median
    channels = exact.biases[0].shape[0]
    edges = torch.arange(-_WIDEST, _WIDEST + 1, dtype=torch.float64) - 0.5
    around = edges.expand(channels, 1, -1)
    if median is not None:
        around = around + median.double().reshape(channels, 1, 1)
    logits = exact.logits(around)[:, 0].numpy()
    centres, tables = [], []
    for line in logits:
        below, above = _sigmoid(line), _sigmoid(-line)
        # The difference of whichever tail is the smaller keeps its digits.
        bins = np.where(line[:-1] > 0, above[:-1] - above[1:], below[1:] - below[:-1])
        inside = np.flatnonzero((below[1:] > _TAIL) & (above[:-1] > _TAIL))
        if not len(inside):
            raise ModelFileError(
                f"a channel's density lies outside ±{_WIDEST}; the model is not trained"
            )
        low, high = int(inside[0]), int(inside[-1])
        centre = (low + high) // 2
        reach = max(high - centre, centre - low, 1)
        reach = min(reach, centre, len(bins) - 1 - centre)
        centres.append(centre - _WIDEST)
        tables.append(np.maximum(bins[centre - reach : centre + reach + 1], 0.0))
    return _tables(centres, tables, least)


def _tables(centres: list[int], probabilities: list[NDArray[np.float64]], least: float) -> Tables:
    """With no symbol and no escape less likely than the least."""
    if least:
        floored = [np.maximum(p, least) for p in probabilities]
        escapes = [max(1 - float(p.sum()), least) for p in probabilities]
        probabilities = [
            p / (float(p.sum()) + escape) for p, escape in zip(floored, escapes, strict=True)
        ]
    return Tables.from_probabilities(centres, probabilities)


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    out: NDArray[np.float64] = np.exp(-np.logaddexp(0, -x))
    return out
