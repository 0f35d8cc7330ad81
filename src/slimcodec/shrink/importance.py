"""How much a network would miss a channel, from weights alone.

    score(channel) = Σ made · Σ read

made is the squared weights that make it, or, behind a norm, which undoes their size, the squared
gains of the norm; read is the squared weights that read it. Where several layers make or read a
channel, as on a residual stream, each counts for what it has. The product is what the channel's
energy comes to behind the next layer, if what is given to layers were white (weight energy as in
``l2`` filter pruning, Li et al. 2017, on both sides of a channel). A residual block's score is the
energy of what it adds: the squared gains of its last norm.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from slimcodec.codecs.layers import Carrier, Group, Layer

__all__ = ["block_scores", "channel_scores", "strongest"]

Scores = NDArray[np.float64]
State = Mapping[str, "Tensor"]


def channel_scores(state: State, group: Group) -> Scores:
    """One for each unit of a group.

    Args:
        state: the network's tensors by name.
        group: of its table of layers.
    """
    made: Scores = np.zeros(group.units)
    read: Scores = np.zeros(group.units)
    for layer in group.made_by:
        # Not biases: a constant goes on into the next layer's.
        for carrier in layer.makers():
            if not carrier.tensor.endswith((".bias", ".beta")):
                made += _energy(state, carrier, group)
    for layer in group.read_by:
        for carrier in layer.readers():
            read += _energy(state, carrier, group)
    scores: Scores = made * read
    return scores


def block_scores(state: State, blocks: Mapping[str, Layer]) -> Scores:
    """One for each residual block, from the layer by which it ends."""
    return np.array([
        sum(
            float(state[carrier.tensor].double().square().sum())
            for carrier in last.makers()
            if not carrier.tensor.endswith((".bias", ".beta"))
        )
        for last in blocks.values()
    ])  # fmt: skip


def strongest(scores: Scores, count: int) -> list[int]:
    """So many places of the highest scores, in order; of equal ones the first."""
    return sorted(int(i) for i in np.argsort(-scores, kind="stable")[:count])


def _energy(state: State, carrier: Carrier, group: Group) -> Scores:
    """Squares of a tensor by the unit that they belong to."""
    tensor = state[carrier.tensor].detach().double()
    others = [axis for axis in range(tensor.dim()) if axis != carrier.axis]
    along = tensor.square().sum(dim=others).cpu().numpy() if others else tensor.square().numpy()
    total: Scores = np.zeros(group.units)
    for where in carrier.where(group.name):
        total += along[where].reshape(group.units, -1).sum(axis=1)
    return total
