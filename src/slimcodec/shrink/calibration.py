"""What layers are given when real photographs are coded.

A codec's own glue runs over its float network, so every layer sees exactly what it will see in use:
latents that were rounded, hyper-latents, the recurrent state of every iteration, at every quality.
Layers that coding runs in integers of its own (a scale net, a bit model) see nothing here and get
no grid.

From what a layer saw, three ways to a grid's step:

    minmax      the largest magnitude is the last level: nothing clips, outliers make it coarse
    percentile  all but one value in ten thousand lie on the grid
    mse         the step with the least squared error over the sample, clipping included
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from slimcodec.codecs.graphs import on_arrays
from slimcodec.images import find_images, pad_to_multiple, read_image
from slimcodec.quantization import INTEGER_BITS, SUMMED_BITS, ActivationGrid, reach
from slimcodec.quantization.simulation import (
    clear_slots,
    convolutions,
    convolved,
    fill_slot,
    output_axis,
)
from slimcodec.types import Image, Progressive

if TYPE_CHECKING:
    from slimcodec.codecs.family import Family, Rescaling

__all__ = ["CodedPath", "Seen", "correct_biases", "crops_of", "equalise", "grid_of", "observed"]

CROP = 256
"""Side of what is coded of each photograph, in pixels."""

_WHOLE, _SMALLEST = 64, 128
"""Sides of what a network is given whole must be multiples of the one and no less than the other:
reflection inside a hyper-analysis needs that much."""
_SAMPLE_PER_CALL = 8192
_SAMPLE = 1 << 20
_OUTLIERS = 1e-4
_KEEP_EVERY, _KEPT = 3, 24
"""Of a layer's inputs every third is kept whole, so that all qualities are among them."""
_LEAST_REACH = 0.02
_NO_WORSE = 1.05
_WIDE_MARGIN = 4.0
"""A grid of two bytes has levels to spare: it reaches so much farther than what was
seen, since clipping what another photograph brings would cost more than they are worth."""


def crops_of(folder: Path, count: int) -> list[Image]:
    """The middles of so many photographs, spread evenly over a folder.

    Raises:
        ImageError: when the folder is missing or empty, or one of them cannot be read.
    """
    paths = find_images(folder)
    chosen = [paths[i * len(paths) // count] for i in range(min(count, len(paths)))]
    return [_middle(read_image(path).pixels) for path in chosen]


def _middle(pixels: Image) -> Image:
    top, left = (max(0, (side - CROP) // 2) for side in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top : top + CROP, left : left + CROP])


@dataclass(frozen=True)
class CodedPath:
    """A float network's own coding: what is not run by its graphs is taken from it once, and stays
    as it was while the graphs are quantized.

    Attributes:
        family: the network's.
        crops: what is coded, uint8 [h, w, 3] each.
        weights, frozen: what the glue computes with.
    """

    family: Family
    crops: Sequence[Image]
    weights: Mapping[str, NDArray[Any]]
    frozen: Mapping[str, NDArray[Any]]

    @classmethod
    def of(cls, network: nn.Module, family: Family, crops: Sequence[Image]) -> CodedPath:
        """Of a network that is not quantized yet."""
        weights = {name: t.detach().numpy().copy() for name, t in network.state_dict().items()}
        return cls(family, crops, weights, family.freeze(network))

    def run(
        self, network: Any, on_progress: Callable[[int, int], None] = lambda done, total: None
    ) -> None:
        """Encode and decode the crops, every layer called as a layer.

        Args:
            network: in evaluation mode; what it is given goes through its slots and hooks.
            on_progress: called with (crops coded, crops).
        """
        codec = self.family.codec(
            network.config,
            on_arrays(self.family.graphs(network), inference=False),
            self.weights,
            self.frozen,
            name=self.family.name,
            digest="",
            model_bytes=0,
        )
        # One stream of a progressive codec has all its steps.
        last = slice(-1, None) if isinstance(codec, Progressive) else slice(None)
        for number, crop in enumerate(self.crops):
            on_progress(number, len(self.crops))
            for quality in codec.qualities[last]:
                codec.decode(codec.encode(crop, quality))
        on_progress(len(self.crops), len(self.crops))

    @torch.no_grad()
    def expect(
        self, network: Any, on_progress: Callable[[int, int], None] = lambda done, total: None
    ) -> None:
        """Run the network as training does, which also calls those layers that ``run`` does not
        because coding runs them in integers of its own."""
        for number, crop in enumerate(self.crops):
            on_progress(number, len(self.crops))
            pixels = torch.from_numpy(pad_to_multiple(crop, _WHOLE, _SMALLEST))
            self.family.expect(network, pixels.permute(2, 0, 1)[None].float() / 255)
        on_progress(len(self.crops), len(self.crops))


@dataclass
class Seen:
    """What a layer was given, so far.

    Attributes:
        lowest, highest: of all values.
        sample: some of them.
        calls: how often the layer ran.
        reach: [c], the largest magnitude of each channel, averaged over calls once that is done.
        kept: some of the inputs, whole, where these were asked for.
    """

    lowest: float = 0.0
    highest: float = 0.0
    sample: list[NDArray[np.float32]] = field(default_factory=list)
    calls: int = 0
    reach: Tensor | None = None
    kept: list[Tensor] = field(default_factory=list)

    def add(self, x: Tensor) -> None:
        """Take note of one input."""
        flat = x.detach().flatten()
        self.lowest = min(self.lowest, float(flat.min()))
        self.highest = max(self.highest, float(flat.max()))
        self.calls += 1
        reach = x.detach().abs().amax(dim=(0, 2, 3))
        self.reach = reach if self.reach is None else self.reach + reach
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
def observed(network: nn.Module, keep: bool = False) -> Iterator[dict[str, Seen]]:
    """While this lasts, what every convolution is given is noted, by layer name.

    Args:
        network: whose slots are empty.
        keep: whether some inputs are kept whole.
    """
    notes = {name: Seen() for name in convolutions(network)}
    for name, seen in notes.items():
        fill_slot(network.get_submodule(name), _Observer(seen, keep))
    try:
        yield notes
    finally:
        clear_slots(network)


@torch.no_grad()
def equalise(network: nn.Module, rescalings: Sequence[Rescaling], notes: Mapping[str, Seen]) -> int:
    """Choose units in which every channel reaches equally far, so that one step fits all.

    A layer has one step for all channels of its input. Where one channel reaches ten times as far
    as another, that one gets a tenth of the levels, whatever it is worth. What a layer computes
    stays as it was.

    Args:
        network: not quantized yet; changed in place.
        rescalings: where that is possible.
        notes: what layers saw.

    Returns:
        How many layers were changed.
    """
    tensors = dict(network.named_parameters())
    changed = 0
    for rescaling in rescalings:
        seen = notes.get(rescaling.layer)
        if seen is None or seen.reach is None or not seen.reach.any():
            continue
        reach = seen.reach / seen.calls
        # A channel that is hardly there stays small: its weights would become outliers.
        reach = reach.clamp(min=float(reach.max()) * _LEAST_REACH)
        units = reach / reach.log().mean().exp()
        for name, axis in rescaling.made_by:
            tensors[name].div_(_along(units, axis, tensors[name].dim()))
        layer = network.get_submodule(rescaling.layer)
        assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
        layer.weight.mul_(_along(units, 1 - output_axis(layer), layer.weight.dim()))
        changed += 1
    return changed


def _along(values: Tensor, axis: int, dimensions: int) -> Tensor:
    shape = [1] * dimensions
    shape[axis] = -1
    return values.reshape(shape)


def grid_of(seen: Seen, bits: int, method: str, between: bool = False) -> ActivationGrid:
    """A grid for what a layer was given.

    Args:
        seen: that.
        bits: 4 to 16.
        method: see above.
        between: whether zero may lie between two levels, as it does among pixels less a half: of
            eight bits for a picture, this grid is the picture. ``hific-s``'s encoder gave as many
            bytes and as good a picture as with sixteen bits on a grid with a zero.
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
        return _least_error(seen.values(), low, high, bits, between)
    return _grid(low, high, bits)


def _grid(low: float, high: float, bits: int) -> ActivationGrid:
    """The finest grid that reaches from low to high, 0 on it."""
    last = reach(bits)
    lowest = -min(2 ** (bits - 1), math.ceil(last * -low / (high - low)))
    step = max(high / (last + lowest), low / lowest if lowest else 0.0)
    return ActivationGrid(float(np.float32(step)), bits, lowest)


def _least_error(
    values: NDArray[np.float32], low: float, high: float, bits: int, between: bool
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
    # Zero is the same level of all integers that are summed, so that one padding pads them all.
    parts = 2 ** max(0, bits - INTEGER_BITS)
    even = replace(grid, lowest=grid.lowest // parts * parts)
    if between and low == -high:
        step = float(np.float32(2 * high / reach(bits)))
        even = ActivationGrid(step, bits, -reach(bits) / 2)
    return even if of_grid(even) <= _NO_WORSE * of_grid(grid) else grid


def correct_biases(
    network: nn.Module,
    path: CodedPath,
    floats: Mapping[str, Tensor],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Take off each bias what rounding the weights adds to the mean of the layer's output.

    Args:
        network: quantized; its biases change.
        path: what it codes meanwhile.
        floats: weights before rounding, by layer name.
        on_progress: as ``CodedPath.run``.
    """
    sums: dict[str, Tensor] = {}
    counts: dict[str, int] = {}
    handles = []
    for name, layer in convolutions(network).items():
        if layer.bias is None or name not in floats:
            continue
        moved = layer.weight.detach() - floats[name]
        if not moved.any():
            continue

        def note(
            layer: nn.Module,
            given: tuple[Tensor, ...],
            out: Tensor,
            name: str = name,
            moved: Tensor = moved,
        ) -> None:
            assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
            added = convolved(layer, given[0], moved).mean(dim=(0, 2, 3), dtype=torch.float64)
            sums[name] = sums.get(name, torch.zeros_like(added)) + added
            counts[name] = counts.get(name, 0) + 1

        # The slot's hook came first, so this one is given what the layer really sees.
        handles.append(layer.register_forward_hook(note))
    try:
        path.run(network, on_progress)
    finally:
        for handle in handles:
            handle.remove()
    layers = convolutions(network)
    with torch.no_grad():
        for name, total in sums.items():
            bias = layers[name].bias
            assert bias is not None
            bias -= (total / counts[name]).to(bias.dtype)
