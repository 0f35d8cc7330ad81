"""Learned rounding: which way each weight of one layer goes (AdaRound, Nagel et al. 2020).

Rounding every weight to its nearest level treats errors as if they were independent. What counts is
the error of the layer's output on real inputs, in which errors of weights that see like inputs can
cancel:

    minimise over v   |conv(x, w) - conv(x, s · (floor(w / s) + h(v)))|²
                      + λ · Σ (1 - |2 h(v) - 1|^β)

with h a stretched sigmoid clipped to [0, 1]. β falls from 20 to 2, so that at first h may lie
anywhere and at last every weight has chosen. It steps an optimizer, so it lives beside the training
loop; it trains no codec, only this choice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

__all__ = ["learn_rounding"]

_STRETCH_LOW, _STRETCH_HIGH = -0.1, 1.1
_WARM_UP = 0.2
"""Share of the steps without the term that forces a choice."""
_LEARNING_RATE = 0.1
_CHOICE_WEIGHT = 1.0
_BATCH = 4


def learn_rounding(
    convolve: Callable[[Tensor, Tensor], Tensor],
    weight: Tensor,
    steps: Tensor,
    levels: tuple[int, int],
    inputs: Sequence[Tensor],
    *,
    iterations: int = 400,
    seed: int = 0,
) -> Tensor:
    """The weights, each on one of the two levels beside it; nearest ones where that is no worse.

    Args:
        convolve: (input, weights) to the layer's output without a bias.
        weight: as trained.
        steps: distance between levels, broadcastable to the weights.
        levels: lowest and highest integer.
        inputs: what the layer is given, [1, c, h, w] each; at least one.
        iterations: of the optimizer.
        seed: of the choice of inputs in each.
    """
    scaled = (weight / steps).clamp(*levels)
    floor = scaled.floor()
    # Where h starts so that the soft weight is the trained one.
    rest = ((scaled - floor) - _STRETCH_LOW) / (_STRETCH_HIGH - _STRETCH_LOW)
    chosen = torch.logit(rest.clamp(0.01, 0.99)).requires_grad_()
    optimizer = torch.optim.Adam([chosen], lr=_LEARNING_RATE)
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        wanted = [convolve(x, weight) for x in inputs]
        nearest = scaled.round() * steps

        def error(rounded: Tensor) -> Tensor:
            pairs = zip(inputs, wanted, strict=True)
            return torch.stack(
                [(convolve(x, rounded) - y).square().mean() for x, y in pairs]
            ).mean()

        # Relative to what nearest rounding leaves: then one weight of the other term serves all.
        unit = error(nearest)
    if float(unit) == 0:
        return nearest
    for step in range(iterations):
        soft = (torch.sigmoid(chosen) * (_STRETCH_HIGH - _STRETCH_LOW) + _STRETCH_LOW).clamp(0, 1)
        rounded = (floor + soft).clamp(*levels) * steps
        picks = torch.randint(len(inputs), (min(_BATCH, len(inputs)),), generator=draw)
        loss = torch.stack(
            [(convolve(inputs[i], rounded) - wanted[i]).square().mean() for i in picks.tolist()]
        ).mean()
        loss = loss / unit
        passed = (step / iterations - _WARM_UP) / (1 - _WARM_UP)
        if passed > 0:
            sharpness = 2 + 18 * (1 - passed)
            undecided = 1 - (2 * soft - 1).abs().pow(sharpness)
            loss = loss + _CHOICE_WEIGHT * undecided.mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        learned = (floor + (chosen > 0)).clamp(*levels) * steps
        learned[weight == 0] = 0  # What was pruned stays so.
        return learned if error(learned) < unit else nearest
