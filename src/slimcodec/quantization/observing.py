"""What layers are given while something runs, and the grids that fit it.

From what a layer saw, three ways to a grid's step:

    minmax      the largest magnitude is the last level: nothing clips, outliers make it coarse
    percentile  all but one value in ten thousand lie on the grid
    mse         the step with the least squared error over the sample, clipping included
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from slimcodec.quantization.grids import (
    INTEGER_BITS,
    SUMMED_BITS,
    ActivationGrid,
    levels,
    reach,
)
from slimcodec.quantization.rounding import short
from slimcodec.quantization.simulation import convolutions, fill_slot

__all__ = ["Seen", "grid_of", "least_error", "least_error_steps", "observed"]

_SAMPLE_PER_CALL = 8192
_SAMPLE = 1 << 20
_OUTLIERS = 1e-4
_KEEP_EVERY, _KEPT = 3, 24
"""Of a layer's inputs every third is kept whole, so that all qualities are among them."""
_NO_WORSE, _LITTLE_WORSE = 1.05, 1.3
_WIDE_MARGIN = 4.0
"""A grid of two bytes has levels to spare: it reaches so much farther than what was
seen, since clipping what another photograph brings would cost more than they are worth."""


@dataclass
class Seen:
    """What a layer was given, so far.

    Attributes:
        lowest, highest: of all values.
        sample: some of them.
        calls: how often the layer ran.
        reach: [c], the largest magnitude of each channel, summed over calls.
        energy: [c], its mean square, likewise.
        kept: some of the inputs, whole, where these were asked for.
    """

    lowest: float = 0.0
    highest: float = 0.0
    sample: list[NDArray[np.float32]] = field(default_factory=list)
    calls: int = 0
    reach: Tensor | None = None
    energy: Tensor | None = None
    kept: list[Tensor] = field(default_factory=list)

    def add(self, x: Tensor) -> None:
        """Take note of one input."""
        flat = x.detach().flatten()
        self.lowest = min(self.lowest, float(flat.min()))
        self.highest = max(self.highest, float(flat.max()))
        self.calls += 1
        reach = x.detach().abs().amax(dim=(0, 2, 3))
        energy = x.detach().square().mean(dim=(0, 2, 3))
        self.reach = reach if self.reach is None else self.reach + reach
        self.energy = energy if self.energy is None else self.energy + energy
        # An odd stride: an even one might meet the same channel or column again and again.
        stride = max(1, flat.numel() // _SAMPLE_PER_CALL) | 1
        self.sample.append(flat[self.calls % stride :: stride].numpy().copy())

    def values(self) -> NDArray[np.float32]:
        """The sample, at most a million values."""
        together = np.concatenate(self.sample)
        return together[:: max(1, len(together) // _SAMPLE)]


class _Observer(nn.Module):
    def __init__(self, seen: Seen, keep: bool) -> None:
        super().__init__()
        self.seen, self.keep = seen, keep

    def forward(self, x: Tensor) -> Tensor:
        self.seen.add(x)
        if self.keep and self.seen.calls % _KEEP_EVERY == 1 and len(self.seen.kept) < _KEPT:
            self.seen.kept.append(x.detach().clone())
        return x


@contextmanager
def observed(
    network: nn.Module, keep: bool = False, names: Iterable[str] | None = None
) -> Iterator[dict[str, Seen]]:
    """While this lasts, what convolutions are given is noted, by layer name.

    Args:
        network: whose slots are taken and given back.
        keep: whether some inputs are kept whole.
        names: of the layers to look at; all of them when not given.
    """
    notes = {name: Seen() for name in (convolutions(network) if names is None else names)}
    layers = {name: network.get_submodule(name) for name in notes}
    before = {name: getattr(layer, "input_grid", nn.Identity()) for name, layer in layers.items()}
    for name, layer in layers.items():
        fill_slot(layer, _Observer(notes[name], keep))
    try:
        yield notes
    finally:
        for name, layer in layers.items():
            layer.input_grid = before[name]


def grid_of(
    seen: Seen, bits: int, method: str, between: bool = False, signed: bool = False
) -> ActivationGrid:
    """A grid for what a layer was given.

    Args:
        seen: that.
        bits: 4 to 16.
        method: see above.
        between: whether zero may lie between two levels, as it does among pixels less a half: of
            eight bits for a picture, this grid is the picture. ``hific-s``'s encoder gave as many
            bytes and as good a picture as with sixteen bits on a grid with a zero.
        signed: whether as many levels on either side of zero are worth a little error, as they are
            to a transposed convolution: OpenVINO has a kernel for those alone.
    """
    low, high = seen.lowest, seen.highest
    if low == high == 0:
        return _grid(0.0, 1.0, bits)
    if bits > SUMMED_BITS:
        return _grid(-_WIDE_MARGIN * max(-low, high), _WIDE_MARGIN * max(-low, high), bits)
    if method == "percentile":
        tail = [_OUTLIERS / 2, 1 - _OUTLIERS / 2]
        low, high = (float(q) for q in np.quantile(seen.values(), tail))
        low, high = min(low, 0.0), max(high, 0.0)
        if low == high:
            low, high = seen.lowest, seen.highest
    elif method == "mse":
        return _least_error(seen.values(), low, high, bits, between, signed)
    return _grid(low, high, bits)


def _grid(low: float, high: float, bits: int) -> ActivationGrid:
    """The finest grid that reaches from low to high, 0 on it."""
    last = reach(bits)
    lowest = -min(2 ** (bits - 1), math.ceil(last * -low / (high - low)))
    step = max(high / (last + lowest), low / lowest if lowest else 0.0)
    return ActivationGrid(float(np.float32(step)), bits, lowest)


def _least_error(
    values: NDArray[np.float32], low: float, high: float, bits: int, between: bool, signed: bool
) -> ActivationGrid:
    """The grid with the least squared error: both ends move in together, then each alone."""

    def of_grid(grid: ActivationGrid) -> float:
        step = np.float32(grid.step)
        half = np.float32(0.5 if grid.between else 0)
        rounded = np.clip(np.rint(values / step + half) - half, *grid.levels) * step
        return float(np.square(values - rounded).mean())

    def error(ends: tuple[float, float]) -> float:
        return of_grid(_grid(*ends, bits))

    ends = min(((low * share, high * share) for share in 0.93 ** np.arange(48)), key=error)
    for moved in (
        [(ends[0] * share, ends[1]) for share in 1.1 ** np.arange(-8, 9)],
        [(ends[0], ends[1] * share) for share in 1.1 ** np.arange(-4, 5)],
    ):
        ends = min([ends, *moved], key=error)
    grid = _grid(*ends, bits)
    if signed and low < 0 < high:
        reaches = max(-ends[0], ends[1]) * 1.05 ** np.arange(-6, 3)
        level = min((_grid(-reach, reach, bits) for reach in reaches), key=of_grid)
        if of_grid(level) <= _LITTLE_WORSE * of_grid(grid):
            return level
    # Zero is the same level of all integers that are summed, so that one padding pads them all.
    parts = 2 ** max(0, bits - INTEGER_BITS)
    even = replace(grid, lowest=grid.lowest // parts * parts)
    if between and low == -high:
        step = float(np.float32(2 * high / reach(bits)))
        even = ActivationGrid(step, bits, -reach(bits) / 2)
    return even if of_grid(even) <= _NO_WORSE * of_grid(grid) else grid


def least_error_steps(weight: Tensor, axis: int, bits: int) -> Tensor:
    """Per output channel, the step with the least squared error, clipping included, [c]; of eleven
    significant bits, so that every machine multiplies it alike."""
    return least_error(weight.transpose(0, axis).flatten(1), bits)


def least_error(rows: Tensor, bits: int) -> Tensor:
    """Of rows of weights [c, n]; see ``least_error_steps``."""
    lowest, highest = levels(bits)
    largest = rows.abs().amax(dim=1)
    # The finer the grid, the less there is to gain from clipping.
    shares = torch.linspace(1.0, 0.35 if bits < 5 else 0.6 if bits < 8 else 0.9, 14)
    best = torch.full_like(largest, torch.inf)
    steps = torch.ones_like(largest)
    for share in shares.tolist():
        step = short(largest * share / highest)
        step[largest == 0] = 1.0
        left = (rows / step[:, None]).round_().clamp_(lowest, highest).mul_(step[:, None])
        error = left.sub_(rows).square_().sum(dim=1)
        better = error < best
        best[better], steps[better] = error[better], step[better]
    return steps
