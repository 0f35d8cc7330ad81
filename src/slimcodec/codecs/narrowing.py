"""Fewer channels: a network of another config, with the weights of what stays.

What goes is cut out of every tensor that carries it, as the family's table says
(``codecs.layers``), so the narrowed network computes what the network with these channels at zero
computes; norms too, where they are told for how many channels they divide. Grids of layers that
coding runs in integers are cut likewise: where nothing of what streams depend on goes, streams stay
what they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from slimcodec.codecs.family import Family
from slimcodec.codecs.layers import Carrier, carriers, groups
from slimcodec.codecs.settled import settle_as
from slimcodec.errors import UnknownNameError, UsageError
from slimcodec.quantization import Quantization
from slimcodec.quantization.simulation import is_quantized, plain_state, quantization_of

__all__ = ["narrow"]

Keep = Mapping[str, Sequence[int]]


@torch.no_grad()
def narrow(
    network: Any,
    family: Family,
    keep: Keep,
    blocks: Sequence[int] | None = None,
    full_norms: bool = True,
) -> Any:
    """A narrowed copy; the given network stays as it is.

    Args:
        network: of the family; float, its integer layers settled or not.
        family: whose table says where channels are.
        keep: group of channels to the units that stay, in order; groups that are not named stay
            whole.
        blocks: numbers of the residual blocks that stay; all when not given. ``keep`` counts blocks
            as they are before.
        full_norms: whether norms of narrowed groups go on dividing for as many channels as before,
            which equals zeros in their place, or for those that are left.

    Raises:
        UnknownNameError: when there is no such group.
        UsageError: when a group would have no units, or some that it has not; when there are no
            such blocks; when the network is quantized.
    """
    if is_quantized(network):
        raise UsageError("the network is quantized already; narrow it first, then quantize")
    config = network.config
    names = family.residual_blocks(config)
    stays = range(len(names)) if blocks is None else blocks
    _check_kept(list(stays), len(names), "residual blocks")
    table = family.layers(config)
    known = groups(table)
    for name, units in keep.items():
        if name not in known:
            raise UnknownNameError("group of channels", name, known)
        _check_kept(units, known[name].units, name)
        if not len(units):
            raise UsageError(f"{name} would have no channel left")
    widths = {name: len(units) for name, units in keep.items()}
    with torch.device("meta"):
        made = family.build(family.narrowed(config, widths, stays, full_norms))
    # Behind each stage blocks are numbered from 0, so a name's place may be another's.
    moved = dict(
        zip((names[old] for old in stays), family.residual_blocks(made.config), strict=True)
    )
    gone = set(names) - set(moved)
    cuts = [
        carrier for carrier in carriers(table) if any(own.group in keep for own in carrier.channels)
    ]
    state = {
        _renamed(name, moved): _cut(tensor, name, cuts, keep)
        for name, tensor in plain_state(network).items()
        if not _inside(name, gone)
    }
    made.load_state_dict(state, assign=True)
    settle_as(made, family, _grids(quantization_of(network), cuts, keep))
    return made.train(network.training)


def _cut(tensor: Tensor, name: str, cuts: Sequence[Carrier], keep: Keep) -> Tensor:
    for carrier in cuts:
        if carrier.tensor == name:
            stays = torch.from_numpy(carrier.kept(keep)).to(tensor.device)
            tensor = tensor.index_select(carrier.axis, stays)
    return tensor.detach().clone()


def _grids(quantization: Quantization, cuts: Sequence[Carrier], keep: Keep) -> Quantization:
    weights = {}
    for name, grid in quantization.weights.items():
        integers, steps = grid.integers, grid.steps
        for carrier in cuts:
            if carrier.tensor == name:
                stays = carrier.kept(keep)
                integers = np.take(integers, stays, carrier.axis)
                steps = steps[stays] if carrier.axis == grid.axis else steps
        weights[name] = replace(grid, integers=integers, steps=steps)
    return Quantization(weights, quantization.activations)


def _check_kept(kept: Sequence[int], count: int, what: str) -> None:
    if sorted(set(kept)) != list(kept) or any(not 0 <= number < count for number in kept):
        raise UsageError(
            f"what stays of {what} must be numbers from 0 to {count - 1} in order, got {list(kept)}"
        )


def _inside(name: str, modules: set[str]) -> bool:
    return any(name.startswith(f"{module}.") for module in modules)


def _renamed(name: str, moved: Mapping[str, str]) -> str:
    for old, new in moved.items():
        if name.startswith(f"{old}."):
            return new + name[len(old) :]
    return name
