"""A network whose integer layers are settled (``quantization.settling``), on photographs."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from importlib import resources
from typing import Any

import torch

from slimcodec.codecs.family import Coded, Family, sums_of
from slimcodec.images import pad_to_multiple, read_image
from slimcodec.quantization import Quantization
from slimcodec.quantization.settling import settle
from slimcodec.quantization.simulation import (
    attach_activations,
    attach_weights,
    is_settled,
)
from slimcodec.types import Image

__all__ = ["coded_layers", "settle_as", "settled", "show"]

_CROP, _MULTIPLE = 256, 64
"""Sides of what is looked at of each photograph, in pixels, and what networks need them to be
multiples of."""
_SMALLEST = 128
"""Reflection inside a hyper-analysis needs so much."""


def coded_layers(family: Family, config: Any) -> frozenset[str]:
    """The layers that coding runs in integers of its own."""
    return frozenset(name for one in sums_of(family, config) for name in one.layers)


def settled(network: Any, family: Family, photographs: Sequence[Image] = ()) -> Any:
    """The network itself where it is settled, else a settled copy.

    Args:
        network: of the family.
        family: says which layers are concerned.
        photographs: uint8 [h, w, 3] each; the middles of them are looked at. A few that come with
            the package when there are none.
    """
    if not isinstance(family, Coded):
        return network  # nothing of it is run in integers
    if is_settled(network, coded_layers(family, network.config)):
        return network
    made = copy.deepcopy(network).eval()
    sums = family.integer_sums(network.config)
    settle(made, sums, lambda: show(made, family, photographs or _brought()))
    return made


@torch.no_grad()
def show(network: Any, family: Coded, photographs: Sequence[Image]) -> None:
    """Run a network over the middles of photographs as training does, at every quality: the only
    way to let those layers see something that coding runs in integers of its own."""
    device = next(network.parameters()).device
    for photograph in photographs:
        x = torch.from_numpy(pad_to_multiple(_middle(photograph), _MULTIPLE, _SMALLEST))
        family.expect(network, x.to(device).permute(2, 0, 1)[None].float() / 255)


def settle_as(network: Any, family: Family, quantization: Quantization) -> None:
    """Give a network, in place, the grids that a model's integer layers have."""
    coded = coded_layers(family, network.config)
    for name, grid in quantization.activations.items():
        if name in coded:
            attach_activations(network, {name: grid}, coded=True)
    for name, own in quantization.weights.items():
        layer = name.removesuffix(".weight")
        if layer in coded:
            steps = torch.from_numpy(own.steps.copy())
            attach_weights(network.get_submodule(layer), steps, own.bits, own.axis, coded=True)


def _middle(photograph: Image) -> Image:
    top, left = (max(0, (side - _CROP) // 2) for side in photograph.shape[:2])
    return photograph[top : top + _CROP, left : left + _CROP]


def _brought() -> list[Image]:
    folder = resources.files("slimcodec") / "demo"
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".png"))
    with resources.as_file(folder) as path:
        return [read_image(path / name).pixels for name in names]
