"""Quantization as something that a torch network runs with and learns through.

A quantized layer computes ``conv(Q(x), Q(w))``: its input rounded to one grid, its weights to one
grid per output channel, sums in floats. That is what an integer kernel computes, up to the last
bits of a float: its products and sums are exact integers, and the two steps multiply outside. So a
graph exported with the same grids (``runtime.graphs``) runs the numbers that were simulated here.

    weight      a parametrization of ``layer.weight``: whoever reads the weight gets it rounded
    activation  a module in the slot ``layer.input_grid``, run before the layer
    mask        another parametrization of ``layer.weight``: what is zero stays so

Both roundings have a straight-through gradient: one inside the grid, zero beyond its ends, where a
value clips. Parameters keep their full precision underneath, so the one training loop can go on
with a quantized network as with any other, and grids of weights may learn with it
(``quantization.rounding``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import parametrize

from slimcodec.quantization.grids import ActivationGrid, Quantization, WeightGrid
from slimcodec.quantization.rounding import WeightRounding, rounded

__all__ = [
    "Convolution",
    "InputGrid",
    "Mask",
    "attach_activations",
    "attach_mask",
    "attach_weights",
    "clear_slots",
    "convolutions",
    "convolved",
    "fill_slot",
    "hold_grids",
    "hold_zeros",
    "is_quantized",
    "is_settled",
    "let_go_of_zeros",
    "let_grids_learn",
    "masked",
    "output_axis",
    "pads_zeros",
    "plain_state",
    "plain_weights",
    "quantization_of",
    "seen_by",
    "set_weights",
    "underneath",
    "weight_grids",
]

Convolution = nn.Conv2d | nn.ConvTranspose2d


def convolutions(module: nn.Module) -> dict[str, Convolution]:
    """Every layer that passes work on, by name."""
    kinds = (nn.Conv2d, nn.ConvTranspose2d)
    return {name: layer for name, layer in module.named_modules() if isinstance(layer, kinds)}


def output_axis(layer: Convolution) -> int:
    """The axis of output channels in a layer's weights; groups lie along the other one."""
    return 1 if isinstance(layer, nn.ConvTranspose2d) else 0


def pads_zeros(layer: Convolution) -> bool:
    """Whether zeros are among what a layer sees, whatever it is given."""
    if isinstance(layer, nn.ConvTranspose2d):
        return True
    return layer.padding_mode == "zeros" and any(layer._reversed_padding_repeated_twice)


class InputGrid(nn.Module):
    """What fills the slot of a layer whose input is rounded; ``coded`` as of ``WeightRounding``."""

    def __init__(self, grid: ActivationGrid, *, coded: bool = False) -> None:
        super().__init__()
        self.grid, self.coded = grid, coded

    def forward(self, x: Tensor) -> Tensor:
        step, (lowest, highest) = self.grid.step, self.grid.levels
        if not self.grid.between:
            return rounded(x.float(), step, lowest, highest)
        half = step / 2
        return rounded(x.float() + half, step, lowest + 0.5, highest + 0.5) - half


class Mask(nn.Module):
    """The parametrization of weights of which some are pruned, and stay so while others learn.

    Zeros lie underneath as well, and get no gradient: a model file, a moving average and a state
    that a run goes on from see what the layer sees.

    Args:
        mask: zeros and ones, of the weights' shape or broadcast to it.
    """

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.mask


def fill_slot(layer: nn.Module, module: nn.Module) -> None:
    """Put a module before a layer: it is given the layer's input and returns what the layer sees.

    A slot that was filled is filled anew.
    """
    if not hasattr(layer, "input_grid"):
        layer.register_forward_pre_hook(_through_slot)
    layer.input_grid = module


def _through_slot(layer: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (seen_by(layer, arguments[0]), *arguments[1:])


def seen_by(layer: nn.Module, x: Tensor) -> Tensor:
    """A layer's input as it sees it. For code that calls the convolution underneath by itself."""
    slot = getattr(layer, "input_grid", None)
    return x if slot is None else slot(x)


def clear_slots(network: nn.Module) -> None:
    """Empty every slot."""
    for layer in convolutions(network).values():
        if hasattr(layer, "input_grid"):
            layer.input_grid = nn.Identity()


def attach_activations(
    network: nn.Module, grids: Mapping[str, ActivationGrid], *, coded: bool = False
) -> None:
    """Let the named layers see their inputs rounded."""
    for name, grid in grids.items():
        fill_slot(network.get_submodule(name), InputGrid(grid, coded=coded))


@torch.no_grad()
def attach_weights(
    layer: Convolution,
    steps: Tensor,
    bits: int,
    axis: int,
    *,
    coded: bool = False,
    table: Tensor | None = None,
) -> None:
    """Round a layer's weights, now and whenever they change, with steps along an axis and levels
    from a table, where there is one. A rounding that is there makes way in its place: torch's own
    removal would take the weight from every copy of the layer too."""
    rounding = WeightRounding(steps, axis, bits, layer.weight.dim(), coded=coded, table=table)
    _parametrize(layer, rounding)


def let_grids_learn(network: nn.Module, most_bits: int, parts: Iterable[str]) -> list[str]:
    """Make steps and positions of levels parameters, of layers that coding does not run in
    integers.

    Args:
        network: changed in place.
        most_bits: of the weights; finer grids stay where they are.
        parts: whose grids learn.

    Returns:
        Names of the layers.
    """
    named = frozenset(parts)
    learning = []
    for name, layer in convolutions(network).items():
        found = _rounding(layer) if name.split(".")[0] in named else None
        if found is not None and not found[0].coded and found[0].bits <= most_bits:
            found[0].let_learn()
            learning.append(name)
    return learning


def hold_grids(network: nn.Module) -> None:
    """The inverse of ``let_grids_learn``: grids stay where they have come to."""
    for layer in convolutions(network).values():
        if found := _rounding(layer):
            rounding, original = found
            rounding.hold(original)


@torch.no_grad()
def attach_mask(layer: Convolution, mask: Tensor) -> None:
    """Set a layer's weights, rounded or not, to zero where a mask has zeros, now and while they
    learn. A mask that is there makes way."""
    underneath(layer).mul_(mask)
    _parametrize(layer, Mask(mask.to(layer.weight)))


def hold_zeros(network: nn.Module) -> None:
    """Let every weight of a convolution that is zero stay so while the network learns. A layer of
    nothing else is one that says nothing yet, not one that was pruned: it may learn to."""
    for layer in convolutions(network).values():
        kept = underneath(layer).detach() != 0
        if kept.any() and not kept.all():
            attach_mask(layer, kept)


def let_go_of_zeros(network: nn.Module) -> None:
    """The inverse of ``hold_zeros`` for layers that do not round: weights without a mask, zeros
    where they are."""
    for layer in convolutions(network).values():
        if parametrize.is_parametrized(layer, "weight"):
            chain: Any = layer.get_submodule("parametrizations.weight")
            if all(isinstance(each, Mask) for each in chain):
                parametrize.remove_parametrizations(layer, "weight")


def underneath(layer: Convolution) -> Tensor:
    """A layer's weights as they learn: before a mask and before rounding."""
    if not parametrize.is_parametrized(layer, "weight"):
        return layer.weight
    ours: Any = layer.get_submodule("parametrizations.weight")
    found: Tensor = ours.original
    return found


def _parametrize(layer: Convolution, new: nn.Module) -> None:
    if parametrize.is_parametrized(layer, "weight"):
        chain: Any = layer.get_submodule("parametrizations.weight")
        for place, each in enumerate(chain):
            if type(each) is type(new):
                chain[place] = new
                return
    parametrize.register_parametrization(layer, "weight", new)


@torch.no_grad()
def set_weights(layer: Convolution, weight: Tensor) -> None:
    """Change a layer's weights, underneath their rounding where they have one."""
    underneath(layer).copy_(weight)


@torch.no_grad()
def masked(layer: Convolution, mask: Tensor) -> None:
    """Multiply a layer's weights, rounded or not, by zeros and ones, in place; ``attach_mask``
    keeps them so."""
    underneath(layer).mul_(mask)


def weight_grids(network: nn.Module) -> dict[str, WeightGrid]:
    """Of every layer whose weights are rounded, by tensor name."""
    grids = {}
    for name, layer in convolutions(network).items():
        if found := _rounding(layer):
            rounding, original = found
            grids[f"{name}.weight"] = rounding.grid(original)
    return grids


def is_quantized(network: nn.Module) -> bool:
    """Whether any layer is, beyond those that coding runs in integers of its own."""
    for layer in convolutions(network).values():
        slot, rounding = getattr(layer, "input_grid", None), _rounding(layer)
        if isinstance(slot, InputGrid) and not slot.coded:
            return True
        if rounding is not None and not rounding[0].coded:
            return True
    return False


def is_settled(network: nn.Module, names: Iterable[str]) -> bool:
    """Whether all of these layers have grids for what they are given and for their weights."""
    layers = [network.get_submodule(name) for name in names]
    return all(
        isinstance(getattr(layer, "input_grid", None), InputGrid)
        and isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
        and _rounding(layer) is not None
        for layer in layers
    )


def quantization_of(network: nn.Module) -> Quantization:
    """Every grid that a network runs with."""
    slots = {n: getattr(layer, "input_grid", None) for n, layer in convolutions(network).items()}
    activations = {name: slot.grid for name, slot in slots.items() if isinstance(slot, InputGrid)}
    return Quantization(weight_grids(network), activations)


def plain_state(network: nn.Module) -> dict[str, Tensor]:
    """The state dict as if nothing were quantized: the names of the float network, its weights as
    they are before rounding. Of a grid that learns it has nothing."""
    named = {
        key.replace("parametrizations.weight.original", "weight"): tensor
        for key, tensor in network.state_dict().items()
    }
    return {key: tensor for key, tensor in named.items() if ".parametrizations." not in key}


def plain_weights(network: nn.Module) -> dict[str, NDArray[np.float32]]:
    """Weights as layers see them, by the names of the float network."""
    grids = {name: grid.weights() for name, grid in weight_grids(network).items()}
    return {
        name: grids[name] if name in grids else tensor.detach().cpu().numpy().copy()
        for name, tensor in plain_state(network).items()
    }


def _rounding(layer: nn.Module) -> tuple[WeightRounding, Tensor] | None:
    """What rounds a layer's weights, and those weights as they are underneath."""
    if not parametrize.is_parametrized(layer, "weight"):
        return None
    chain: Any = layer.get_submodule("parametrizations.weight")
    for each in chain:
        if isinstance(each, WeightRounding):
            return each, chain.original
    return None


def convolved(layer: Convolution, x: Tensor, weight: Tensor) -> Tensor:
    """What a layer would make of an input with other weights and no bias."""
    if isinstance(layer, nn.Conv2d):
        conv: Tensor = layer._conv_forward(x, weight, None)
        return conv
    assert isinstance(layer.padding, tuple)
    out: Tensor = nn.functional.conv_transpose2d(
        x,
        weight,
        None,
        layer.stride,
        layer.padding,
        layer.output_padding,
        layer.groups,
        layer.dilation,
    )
    return out
