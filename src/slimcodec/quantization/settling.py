"""Grids for layers that coding runs in integers of its own: bytes in, weights of seven bits.

A network is trained in floats; before it codes, its scale net, its context or its bit model must
be settled: what each layer is given is looked at while photographs go through, and from then on the
network runs with those roundings in place. A network that was settled once stays so: its grids are
part of what its streams mean, and training goes on through them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from slimcodec.quantization.compensation import round_layer
from slimcodec.quantization.grids import ActivationGrid, IntegerSum, levels
from slimcodec.quantization.observing import Seen, grid_of, least_error, observed
from slimcodec.quantization.simulation import (
    Convolution,
    InputGrid,
    attach_activations,
    attach_weights,
    convolutions,
    is_settled,
    output_axis,
    quantization_of,
    set_weights,
)

__all__ = ["CODED_WEIGHT_BITS", "settle"]

CODED_WEIGHT_BITS, _INPUT_BITS = 7, 8
_FINER = 128
"""How much finer the finest steps of a layer may be than its coarsest."""
_NOTHING = 2.0**-10
"""Stands for the coarsest step of a layer without weights."""


@torch.no_grad()
def settle(
    network: nn.Module,
    sums: Sequence[IntegerSum],
    run: Callable[[], object],
    bits: Callable[[str], int] = lambda name: CODED_WEIGHT_BITS,
) -> None:
    """Give layers their grids, in place; what is settled with as many bits stays as it is.

    Args:
        network: in evaluation mode.
        sums: of the family.
        run: called once where anything is to be settled, to let layers see something.
        bits: of the weights of each layer; of a sum the least counts.
    """
    layers, settled = convolutions(network), quantization_of(network)
    wanted = [min(CODED_WEIGHT_BITS, *map(bits, one.layers)) for one in sums]
    open_sums = [
        (one, most)
        for one, most in zip(sums, wanted, strict=True)
        if not is_settled(network, one.layers)
        or any(settled.weights[f"{name}.weight"].bits > most for name in one.layers)
    ]
    notes: dict[str, Seen] = {}
    if open_sums:
        names = [name for one, _ in open_sums for name in one.layers]
        with observed(network, keep=True, names=names) as notes:
            run()
    known = dict(settled.activations)
    for one, most in open_sums:
        for name, given in zip(one.layers, one.inputs, strict=True):
            if name not in known:
                same = known.get(given) if isinstance(given, str) else None
                known[name] = same or _grid(given, notes.get(name))
        grids = {name: known[name] for name in one.layers}
        attach_activations(network, grids, coded=True)
        _round([(layers[name], grids[name], notes.get(name)) for name in one.layers], most)


def _round(layers: Sequence[tuple[Convolution, ActivationGrid, Seen | None]], bits: int) -> None:
    """One step per output, in units of the sum. Where a layer is alone, what rounding one weight
    costs is made up for by the next: with the nearest levels the scale net's seven bits cost 0.8
    to 1.7 % at quality 1."""
    rows = [
        layer.weight.detach().transpose(0, output_axis(layer)).flatten(1) * grid.step
        for layer, grid, _ in layers
    ]
    together = torch.cat(rows, dim=1)
    sums = least_error(together, bits)
    # A bias is a whole number of steps, and multipliers of one layer share a shift: outputs with
    # hardly any weights get steps that are not much finer than those of the others, and those with
    # none steps that are no coarser.
    live = together.abs().amax(dim=1) > 0
    coarsest = sums[live].max() if live.any() else sums.new_tensor(_NOTHING)
    sums = torch.where(live, sums.clamp(min=coarsest / _FINER), coarsest / _FINER)
    for layer, grid, seen in layers:
        axis, steps = output_axis(layer), sums / grid.step
        if len(layers) == 1 and seen is not None and seen.kept:
            shape = [1] * layer.weight.dim()
            shape[axis] = -1
            inputs = [InputGrid(grid)(x) for x in seen.kept]
            set_weights(layer, round_layer(layer, steps.reshape(shape), levels(bits), inputs))
        attach_weights(layer, steps, bits, axis, coded=True)


def _grid(given: ActivationGrid | str, seen: Seen | None) -> ActivationGrid:
    if isinstance(given, ActivationGrid):
        return given
    assert seen is not None
    found = grid_of(seen, _INPUT_BITS, "mse")
    if given == "leaky":
        return found
    if given != "units":
        # Behind a rectifier; a layer that saw nothing but zeros may still be given something.
        return ActivationGrid(found.step, _INPUT_BITS, 0)
    half = 1 << (_INPUT_BITS - 1)
    reach = max(found.step * max(-found.levels[0], found.levels[1]), 1.0)
    return ActivationGrid(1 / max(1, int((half - 1) / reach)), _INPUT_BITS, -half)
