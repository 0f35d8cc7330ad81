"""What layers are given when real photographs are coded.

A codec's own glue runs over its float network, so every layer sees exactly what it will see in use:
latents that were rounded, hyper-latents, the recurrent state of every iteration, at every quality.
Layers that coding runs in integers of its own (a scale net, a bit model) see nothing here and get
no grid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from slimcodec.codecs.family import frozen_of
from slimcodec.codecs.graphs import on_arrays
from slimcodec.images import find_images, read_image, spread
from slimcodec.quantization.observing import Seen
from slimcodec.quantization.simulation import (
    convolutions,
    convolved,
    output_axis,
    plain_weights,
    quantization_of,
)
from slimcodec.types import Image, Progressive

if TYPE_CHECKING:
    from slimcodec.codecs.family import Family, Rescaling

__all__ = [
    "Affine",
    "CodedPath",
    "Correction",
    "Pictures",
    "affine_maps",
    "correct_biases",
    "crops_of",
    "equalise",
    "middle_of",
]

Pictures = list[list[Image]]
"""What crops were decoded to, a list for each crop; one picture for each quality that is coded, in
order, and of a progressive codec the last one alone."""

_MOST_QUALITIES = 6
"""Of a ladder, evenly spread: an image format's has twice as many."""
CROP = 256
"""Side of what is coded of each photograph, in pixels."""

_LEAST_REACH = 0.02


def crops_of(folder: Path, count: int) -> list[Image]:
    """The middles of so many photographs, spread evenly over a folder.

    Raises:
        ImageError: when the folder is missing or empty, or one of them cannot be read.
    """
    return [middle_of(path) for path in spread(find_images(folder), count)]


def middle_of(path: Path) -> Image:
    """The middle of a photograph, uint8 [h, w, 3].

    Raises:
        ImageError: when it cannot be read.
    """
    pixels = read_image(path).pixels
    top, left = (max(0, (side - CROP) // 2) for side in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top : top + CROP, left : left + CROP])


@dataclass(frozen=True)
class CodedPath:
    """A float network's own coding: what is not run by its graphs is taken from it once, and stays
    as it was while the graphs are quantized.

    Attributes:
        family: the network's.
        crops: what is coded, uint8 [h, w, 3] each.
        coding: what the glue computes with.
    """

    family: Family
    crops: Sequence[Image]
    coding: Any

    @classmethod
    def of(cls, network: nn.Module, family: Family, crops: Sequence[Image]) -> CodedPath:
        """Of a settled network that is not quantized yet."""
        coding = family.coding(
            network.config,
            plain_weights(network),
            quantization_of(network),
            frozen_of(family, network),
        )
        return cls(family, crops, coding)

    def run(
        self, network: Any, on_progress: Callable[[int, int], None] = lambda done, total: None
    ) -> Pictures:
        """Encode and decode the crops, every layer called as a layer.

        Args:
            network: in evaluation mode; what it is given goes through its slots and hooks.
            on_progress: called with (crops coded, crops).

        Returns:
            The decoded crops.
        """
        codec = self.family.codec(
            network.config,
            on_arrays(self.family.graphs(network), inference=False),
            self.coding,
            name=self.family.name,
            digest="",
            model_bytes=0,
        )
        qualities = spread(codec.qualities, _MOST_QUALITIES)
        if isinstance(codec, Progressive):
            qualities = [codec.qualities[-1]]  # one stream has all its steps
        pictures: Pictures = []
        for number, crop in enumerate(self.crops):
            on_progress(number, len(self.crops))
            pictures.append([codec.decode(codec.encode(crop, quality)) for quality in qualities])
        on_progress(len(self.crops), len(self.crops))
        return pictures


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
            own = units.reciprocal() if rescaling.divided else units
            tensors[name].div_(_along(own, axis, tensors[name].dim()))
        layer = network.get_submodule(rescaling.layer)
        assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
        layer.weight.mul_(_along(units, 1 - output_axis(layer), layer.weight.dim()))
        changed += 1
    return changed


def _along(values: Tensor, axis: int, dimensions: int) -> Tensor:
    shape = [1] * dimensions
    shape[axis] = -1
    return values.reshape(shape)


class Affine(NamedTuple):
    """What a layer does to its input.

    Shapes: ``weight`` as of the layer, ``bias`` [c].
    """

    weight: Tensor
    bias: Tensor


class Correction(NamedTuple):
    """What became of biases.

    Attributes:
        moves: [c] each, what was added to a bias, by layer name.
        pictures: what the path's crops were decoded to before.
    """

    moves: dict[str, Tensor]
    pictures: Pictures


def affine_maps(network: nn.Module) -> dict[str, Affine]:
    """Copies of weights, as layers see them, and biases of all layers that have both, by name."""
    return {
        name: Affine(layer.weight.detach().clone(), layer.bias.detach().clone())
        for name, layer in convolutions(network).items()
        if layer.bias is not None
    }


def correct_biases(
    network: nn.Module,
    path: CodedPath,
    wanted: Mapping[str, Affine],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Correction:
    """Choose biases so that layers' outputs have the means that other weights would give them:

        bias[c] = bias'[c] + E[((weight' - weight) * x)[c]]

    over what a layer is given, x, when the network as it is codes photographs. Means that shift
    because earlier layers shift are those layers' to correct.

    Args:
        network: changed weights; its biases change in place.
        path: what it codes meanwhile.
        wanted: weight' and bias' by layer name; other layers stay as they are, and so do those
            whose weights have another shape.
        on_progress: as ``CodedPath.run``.
    """
    layers = {n: layer for n, layer in convolutions(network).items() if n in wanted}
    sums: dict[str, Tensor] = {}
    counts: dict[str, int] = {}
    handles = []
    for name, layer in layers.items():
        if layer.bias is None or layer.weight.shape != wanted[name].weight.shape:
            continue
        lacking = wanted[name].weight - layer.weight.detach()
        if not lacking.any() and torch.equal(wanted[name].bias, layer.bias):
            continue

        def note(
            layer: nn.Module,
            given: tuple[Tensor, ...],
            out: Tensor,
            name: str = name,
            lacking: Tensor = lacking,
        ) -> None:
            assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
            lacks = convolved(layer, given[0], lacking).mean(dim=(0, 2, 3), dtype=torch.float64)
            sums[name] = sums.get(name, torch.zeros_like(lacks)) + lacks
            counts[name] = counts.get(name, 0) + 1

        # The slot's hook came first, so this one is given what the layer really sees.
        handles.append(layer.register_forward_hook(note))
    try:
        pictures = path.run(network, on_progress)
    finally:
        for handle in handles:
            handle.remove()
    moves = {}
    with torch.no_grad():
        for name, total in sums.items():
            bias = layers[name].bias
            assert bias is not None
            before = bias.clone()
            bias.copy_(wanted[name].bias + (total / counts[name]).to(bias.dtype))
            moves[name] = bias - before
    return Correction(moves, pictures)
