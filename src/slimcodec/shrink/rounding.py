"""A layer's weights on a grid: which step, along which axis, which levels, and where each weight
goes."""

from __future__ import annotations

import torch
from torch import Tensor

from slimcodec.quantization import ActivationGrid, levels
from slimcodec.quantization.compensation import round_layer
from slimcodec.quantization.observing import Seen, least_error_steps
from slimcodec.quantization.rounding import WeightRounding, near_levels
from slimcodec.quantization.simulation import (
    Convolution,
    InputGrid,
    attach_weights,
    convolved,
    output_axis,
)
from slimcodec.quantization.tables import placed_levels
from slimcodec.training.rounding import learn_rounding

__all__ = ["round_weights", "weight_steps"]

_UNSEEN = 0.01
"""Added to every input's energy, as a share of the mean."""


def round_weights(
    layer: Convolution,
    bits: int,
    seen: Seen | None,
    grid: ActivationGrid | None,
    rounding: str,
    *,
    placed: bool = False,
) -> None:
    """Round a layer's weights, now and whenever they change.

    Args:
        layer: changed in place.
        bits: of the weights.
        seen: what the layer is given, with some inputs kept whole; None where that is not known.
        grid: of its input; None where it stays a float.
        rounding: see ``quantize.Quantize``.
        placed: whether levels are placed (``quantization.tables``).
    """
    axis, steps = weight_steps(layer, bits, either_axis=grid is None)
    shape = [1] * layer.weight.dim()
    shape[axis] = -1
    along = steps.reshape(shape)
    table: Tensor | None = None
    if placed:
        along, table = placed_levels(layer.weight.detach(), along, bits, _importance(layer, seen))
    choices = levels(bits) if table is None else table
    compensates = layer.groups == 1 and set(layer.dilation) == {1}
    if rounding == "compensated" and not compensates:
        rounding = "nearest"
    if rounding != "nearest" and seen is not None and seen.kept:
        with torch.no_grad():
            inputs = [x if grid is None else InputGrid(grid)(x) for x in seen.kept]
        if rounding == "compensated":
            rounded = round_layer(layer, along, choices, inputs)
        else:
            rounded = learn_rounding(
                lambda x, weight: convolved(layer, x, weight),
                layer.weight.detach(),
                along,
                levels(bits),
                inputs,
            )
        with torch.no_grad():
            layer.weight.copy_(near_levels(layer.weight, rounded, along, table))
    attach_weights(layer, along.flatten(), bits, axis, table=table)


def _importance(layer: Convolution, seen: Seen | None) -> Tensor:
    """How much a squared error of each weight counts: as much as the input that it multiplies has
    of energy; all alike where that is not known."""
    if seen is None or not seen.kept or layer.groups != 1:
        return torch.ones_like(layer.weight)
    shape = [1] * layer.weight.dim()
    shape[1 - output_axis(layer)] = -1
    energy = torch.stack([x.square().mean(dim=(0, 2, 3)) for x in seen.kept]).mean(dim=0)
    # What was not seen may still come.
    return (energy + _UNSEEN * energy.mean() + torch.finfo().tiny).reshape(shape)


def weight_steps(layer: Convolution, bits: int, *, either_axis: bool) -> tuple[int, Tensor]:
    """The steps [c] with the least squared error of a layer's weights, and their axis.

    Args:
        layer: its weights as it sees them.
        bits: of the weights.
        either_axis: whether steps may lie along the inputs too. Weights that are floats again
            before they are multiplied allow it. (Latents of a linear path differ a hundredfold in
            size, and so do the weights that belong to them: one step for all of them cost 1.2 dB.)
    """
    axis = output_axis(layer)
    steps = least_error_steps(layer.weight.detach(), axis, bits)
    if either_axis:
        other = least_error_steps(layer.weight.detach(), 1 - axis, bits)
        if _error(layer.weight, other, 1 - axis, bits) < _error(layer.weight, steps, axis, bits):
            return 1 - axis, other
    return axis, steps


def _error(weight: Tensor, steps: Tensor, axis: int, bits: int) -> float:
    """Squared error of weights rounded with these steps."""
    rounded = WeightRounding(steps, axis, bits, weight.dim())(weight.detach())
    return float((rounded - weight.detach()).square().sum())
