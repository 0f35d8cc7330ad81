"""From a trained probability model to integers, once."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from slimcodec.codecs.extreme.contexts import FRACTION, WEIGHT_LIMIT
from slimcodec.stream.tables import TOTAL

__all__ = ["freeze"]

_LEAST = 2.0**-10
"""Probability of any level under any table: a stream says so much at least of every symbol, and no
more pixels can be claimed than its bytes speak for."""


@torch.no_grad()
def freeze(network: Any) -> dict[str, NDArray[np.generic]]:
    """The frozen arrays of a network whose weights are already as the model file will hold
    them."""
    probability = network.probability
    known = probability.known()[:, :, 0, 0].double().cpu().numpy()
    bias = probability.expected.bias.double().cpu().numpy()
    weights = np.rint(known * 2**FRACTION).clip(-WEIGHT_LIMIT, WEIGHT_LIMIT)
    offsets = np.rint(bias * 2**FRACTION).clip(-WEIGHT_LIMIT, WEIGHT_LIMIT)
    likely = torch.softmax(probability.logits.double().cpu(), dim=-1).numpy()
    levels = likely.shape[-1]
    counts = np.floor((_LEAST + likely * (1 - levels * _LEAST)) * (TOTAL - levels)) + 1
    counts = counts.astype(np.int64).reshape(-1, levels)
    counts[np.arange(len(counts)), counts.argmax(axis=1)] += TOTAL - counts.sum(axis=1)
    return {
        "expected.weights": weights.astype(np.int16),
        "expected.offsets": offsets.astype(np.int16),
        "frequencies": counts.reshape(likely.shape).astype(np.uint32),
    }
