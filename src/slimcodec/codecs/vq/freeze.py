"""Freezing: from logits to integer tables, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.vq.tables import FLAG_ODDS
from slimcodec.stream import Tables

if TYPE_CHECKING:
    from torch import Tensor

    from slimcodec.codecs.vq.network import VqNetwork

__all__ = ["freeze"]

_RAREST = 16
"""Least odds of either side of a flag: one that never came on photographs may come."""


def freeze(network: VqNetwork) -> dict[str, NDArray[np.generic]]:
    """The frozen arrays of a network whose weights are already as the model file will hold them."""
    frozen: dict[str, NDArray[np.generic]] = {}
    for book in network.config.books:
        flags = _array(getattr(network.probability, f"{book.name}_flags"))
        odds = np.rint(FLAG_ODDS / (1 + np.exp(-flags)))
        frozen[f"{book.name}.flags"] = np.clip(odds, _RAREST, FLAG_ODDS - _RAREST).astype(np.uint16)
        logits = _array(getattr(network.probability, f"{book.name}_numbers"))
        numbers = _softmax(logits.reshape(-1, book.codes))
        # Tables have a middle; an even number of codes leaves one place over, which never comes.
        whole = np.zeros((len(numbers), book.codes // 2 * 2 + 1))
        whole[:, : book.codes] = numbers
        frozen |= Tables.from_probabilities([book.codes // 2] * len(whole), list(whole)).to_arrays(
            f"{book.name}.numbers"
        )
    means = _array(network.probability.means)
    distances = _softmax(means.reshape(-1, means.shape[-1]))[:, :-1]
    frozen |= Tables.from_probabilities([0] * len(distances), list(distances)).to_arrays("means")
    return frozen


def _array(tensor: Tensor) -> NDArray[np.float64]:
    made: NDArray[np.float64] = tensor.detach().cpu().double().numpy()
    return made


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    made: NDArray[np.float64] = odds / odds.sum(axis=1, keepdims=True)
    return made
