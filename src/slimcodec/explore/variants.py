"""A network with one change, and what that saves: one layer with other weights, or a narrowed
copy."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from slimcodec.codecs.layers import groups
from slimcodec.codecs.narrowing import narrow
from slimcodec.codecs.settled import coded_layers
from slimcodec.explore.recall import with_ancestors, without_equals
from slimcodec.explore.sensitivity_rows import Change
from slimcodec.quantization.settling import CODED_WEIGHT_BITS
from slimcodec.quantization.simulation import (
    Convolution,
    attach_mask,
    attach_weights,
    convolutions,
    plain_state,
)
from slimcodec.shrink.importance import Energy, strongest
from slimcodec.shrink.prune import largest
from slimcodec.shrink.rounding import weight_steps

if TYPE_CHECKING:
    from slimcodec.codecs.family import Family

__all__ = ["FLOAT_BITS", "Variant", "Variants", "left"]

FLOAT_BITS = 16
"""Of weights that are on no grid: model files hold them in half precision."""


@dataclass(frozen=True)
class Variant:
    """A network with one change.

    Attributes:
        network: it.
        changed: modules that may make something else of the same.
        saved_bytes: of weights, before entropy coding.
        saved_kmac: per pixel.
    """

    network: Any
    changed: frozenset[str]
    saved_bytes: float
    saved_kmac: float = 0.0


class Variants:
    """A network with one change after another. What a change needs to know of the weights is found
    out once, and is small: steps, or a bit for each weight."""

    def __init__(self, network: Any, family: Family) -> None:
        self._network, self._family = network, family
        self._coded = coded_layers(family, network.config)
        self._layers = convolutions(network)
        self._groups = groups(family.layers(network.config))
        self._blocks = list(family.residual_blocks(network.config))
        self._energy = Energy(plain_state(network), len(self._blocks))
        self._tensors = _tensors(network)
        self._bytes, self._kmac = self._weighed(network)
        self._steps: dict[Change, tuple[int, Tensor]] = {}
        self._masks: dict[Change, Tensor] = {}

    @property
    def units(self) -> dict[str, int]:
        """How many channels each group has to keep or to drop."""
        return {name: group.units for name, group in self._groups.items()}

    @contextmanager
    def of(self, change: Change) -> Iterator[Variant]:
        """The network with a change, while the block runs."""
        if change.kind in ("bits", "zeros"):
            with self._with_layer(change) as made:
                yield made
        else:
            yield self._narrowed(change)

    @contextmanager
    def _with_layer(self, change: Change) -> Iterator[Variant]:
        own = self._layers[change.name]
        changed: Convolution = copy.deepcopy(own)
        count = own.weight.numel()
        bits = CODED_WEIGHT_BITS if change.name in self._coded else FLOAT_BITS
        if change.kind == "bits":
            self._round(changed, change)
            saved = count * (bits - change.setting) / 8
        else:
            self._zero(changed, change)
            saved = count * max(0.0, bits * change.setting - _entropy(change.setting)) / 8
        self._network.set_submodule(change.name, changed)
        try:
            # What rounds the weights is a module inside the layer.
            inside = [f"{change.name}.{name}" for name, _ in changed.named_modules() if name]
            yield Variant(self._network, with_ancestors([change.name, *inside]), saved)
        finally:
            self._network.set_submodule(change.name, own)

    def _round(self, layer: Convolution, change: Change) -> None:
        bits, coded = int(change.setting), change.name in self._coded
        if change not in self._steps:
            self._steps[change] = weight_steps(layer, bits, either_axis=not coded)
        axis, steps = self._steps[change]
        attach_weights(layer, steps, bits, axis, coded=coded)

    def _zero(self, layer: Convolution, change: Change) -> None:
        if change not in self._masks:
            scores = layer.weight.detach().abs()
            self._masks[change] = largest(scores.flatten(), change.setting).view_as(scores).bool()
        attach_mask(layer, self._masks[change])

    def _narrowed(self, change: Change) -> Variant:
        blocks, keep = None, dict[str, list[int]]()
        if change.kind == "block":
            blocks = [n for n, name in enumerate(self._blocks) if name != change.name]
        else:
            group = self._groups[change.name]
            stays = left(group.units, change.setting)
            keep = {group.name: strongest(self._energy.channels(group), stays)}
        made = narrow(self._network, self._family, keep, blocks, full_norms=False)
        size, kmac = self._weighed(made)
        different = without_equals(self._tensors, _tensors(made))
        return Variant(
            made, with_ancestors(different), self._bytes - size, round(self._kmac - kmac, 6)
        )

    def _weighed(self, network: Any) -> tuple[float, float]:
        """Bytes of the weights before entropy coding, and kMAC per pixel."""
        coded = {f"{name}.weight" for name in self._coded}
        bits = sum(
            tensor.numel() * (CODED_WEIGHT_BITS if name in coded else FLOAT_BITS)
            for name, tensor in plain_state(network).items()
        )
        table = self._family.layers(network.config)
        return bits / 8, sum(layer.multiplications for layer in table) / 1000


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    """By name, steps of grids among them."""
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def left(units: int, share: float) -> int:
    """Units of a group that stay where a share goes, to the unit."""
    return round((1 - share) * units)


def _entropy(share: float) -> float:
    """Bits to say of one weight whether it is among the zeros."""
    return -sum(p * math.log2(p) for p in (share, 1 - share) if p > 0)
