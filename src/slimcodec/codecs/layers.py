"""A network's layers as data: what each reads, what it makes, and where its tensors carry that.

A family writes one table of ``Layer`` beside its modules. From the table follow

    groups       channels that must go together, wherever they are carried
    carriers     for every tensor and axis, which channels lie along it
    rescalings   channels whose units quantization may choose
    multiplications  what a pixel costs

A group is the set of channels that one name in the table stands for: what a residual stream adds up
has one name, so its channels can only go from all that add to it at once. Names of groups begin
with their part (``generator.trunk``); a name without a dot is what parts exchange (pixels, latents,
bits), and of that nothing may go. No torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.family import Rescaling

__all__ = [
    "Carrier",
    "Channels",
    "Group",
    "Layer",
    "carriers",
    "groups",
    "multiplications",
    "rescalings",
]


@dataclass(frozen=True)
class Channels:
    """Channels side by side along one axis of a tensor.

    Attributes:
        group: whose they are.
        count: of units; a unit is kept or goes.
        size: neighbouring channels that one unit is here: 4 before a pixel shuffle of 2, and 1
            behind it.
    """

    group: str
    count: int
    size: int = 1

    @property
    def width(self) -> int:
        """Channels."""
        return self.count * self.size

    @property
    def inner(self) -> bool:
        """Whether a group's; else they are what parts exchange."""
        return "." in self.group


@dataclass(frozen=True)
class Carrier:
    """What lies along one axis of a tensor.

    Attributes:
        tensor: its name in the network.
        axis: along which the channels lie.
        channels: from the first on; together as many as the axis is long.
    """

    tensor: str
    axis: int
    channels: tuple[Channels, ...]

    @property
    def length(self) -> int:
        """Of the axis."""
        return sum(own.width for own in self.channels)

    def where(self, group: str) -> Iterator[slice]:
        """Where a group's channels lie, once for each time (four gates: four times)."""
        start = 0
        for own in self.channels:
            if own.group == group:
                yield slice(start, start + own.width)
            start += own.width

    def kept(self, keep: Mapping[str, Sequence[int]]) -> NDArray[np.intp]:
        """Indices along the axis that stay.

        Args:
            keep: group to the units that stay, in order; all units of groups that are not named.
        """
        pieces, start = [], 0
        for own in self.channels:
            units = np.asarray(keep.get(own.group, range(own.count)), np.intp)
            pieces.append((start + units[:, None] * own.size + np.arange(own.size)).ravel())
            start += own.width
        return np.concatenate(pieces)


@dataclass(frozen=True)
class Layer:
    """One row of a network's table.

    Attributes:
        module: name in the network; of a ``table`` or ``vector``, the tensor's.
        kind: ``conv`` and ``transposed`` convolutions, a channel ``norm``, a 1x1 convolution
            ``gdn`` that weighs squares of all channels of what it reads and makes, a ``table``
            [t, d, c] of 1x1 convolutions, or a ``vector`` that has one entry per channel along
            ``axis``.
        reads: along its inputs.
        makes: along its outputs.
        kernel: side of a convolution's kernel.
        places: how often the kernel is laid on, per pixel of the picture.
        bias: whether a convolution has one.
        norm: of a convolution, the module that normalises what it makes.
        axis: of a vector.
        inverse: of a GDN, whether it multiplies by its root.
        coded: whether coding runs it in integers of its own.
        streams: whether what streams mean depends on it, as it does on all that is coded.
    """

    module: str
    kind: Literal["conv", "transposed", "norm", "gdn", "table", "vector"]
    reads: tuple[Channels, ...]
    makes: tuple[Channels, ...]
    kernel: int = 1
    places: float = 0.0
    bias: bool = True
    norm: str = ""
    axis: int = 0
    inverse: bool = False
    coded: bool = False
    streams: bool = False

    @property
    def part(self) -> str:
        """The part that it belongs to."""
        return self.module.split(".")[0]

    @property
    def output_axis(self) -> int:
        """Of a convolution's weights."""
        return 1 if self.kind == "transposed" else 0

    @property
    def multiplications(self) -> float:
        """Per pixel of the picture; norms, curves and sums are not counted."""
        inputs, outputs = (sum(c.width for c in side) for side in (self.reads, self.makes))
        return self.kernel**2 * inputs * outputs * self.places

    def makers(self) -> list[Carrier]:
        """Tensors that what it makes is proportional to, with their axes; none of a GDN, which
        goes on with what the layer before it makes."""
        if self.kind == "norm" or self.norm:
            norm = self.norm or self.module
            return [Carrier(f"{norm}.{kind}", 1, self.makes) for kind in ("gamma", "beta")]
        return self._weights()

    def readers(self) -> list[Carrier]:
        """Weights that what it reads is multiplied by."""
        if self.kind == "table":
            return [Carrier(self.module, 2, self.reads)]
        if self.kind in ("conv", "transposed"):
            return [Carrier(f"{self.module}.weight", 1 - self.output_axis, self.reads)]
        return []

    def outputs(self) -> list[Carrier]:
        """Every tensor of it, and of the norm behind it, along what it makes."""
        own = self._weights() if self.norm else []
        return [*own, *self.makers()]

    def carriers(self) -> list[Carrier]:
        """Every tensor of it, and of the norm behind it, along every axis that has channels."""
        return [*self.outputs(), *self.readers(), *self._couplings()]

    def _couplings(self) -> list[Carrier]:
        """A GDN's tensors: neither made nor read with are channels weighed by them."""
        if self.kind != "gdn":
            return []
        return [Carrier(f"{self.module}.weight", 1, self.reads), *_rows(self)]

    def _weights(self) -> list[Carrier]:
        if self.kind == "gdn":
            return []
        if self.kind in ("table", "vector"):
            return [Carrier(self.module, 1 if self.kind == "table" else self.axis, self.makes)]
        weight = Carrier(f"{self.module}.weight", self.output_axis, self.makes)
        return [weight, *([Carrier(f"{self.module}.bias", 0, self.makes)] if self.bias else [])]


@dataclass(frozen=True)
class Group:
    """Channels that must go together.

    Attributes:
        name: in the table; it begins with the part whose convolutions make them.
        units: how many there are to keep or to drop.
        size: channels of a unit where they are made.
        made_by: layers that make them.
        read_by: layers that read them.
    """

    name: str
    units: int
    size: int
    made_by: tuple[Layer, ...]
    read_by: tuple[Layer, ...]

    @property
    def part(self) -> str:
        """The part that its name begins with."""
        return self.name.split(".")[0]

    @property
    def width(self) -> int:
        """Channels where they are made."""
        return self.units * self.size

    @property
    def streams(self) -> bool:
        """Whether fewer of them mean other streams."""
        return any(layer.streams or layer.coded for layer in (*self.made_by, *self.read_by))


def carriers(layers: Sequence[Layer]) -> list[Carrier]:
    """All of a table."""
    return [carrier for layer in layers for carrier in layer.carriers()]


def groups(layers: Sequence[Layer]) -> dict[str, Group]:
    """The groups of a table by name, in the order in which they are made first."""
    found: dict[str, Group] = {}
    for layer in layers:
        for own in layer.makes:
            if own.inner and own.group not in found:
                name = own.group
                made, read = _with(layers, name, "makes"), _with(layers, name, "reads")
                found[name] = Group(name, own.count, own.size, made, read)
    return found


def rescalings(layers: Sequence[Layer]) -> list[Rescaling]:
    """Groups that one layer makes and one reads, alone, and no integers are agreed on.

    Only rectifiers stand between such layers, or a GDN: what has a curve of another kind behind it,
    a ConvLSTM's gates, is also made from its own state.
    """
    found: list[Rescaling] = []
    for group in groups(layers).values():
        between = [layer for layer in group.made_by if layer.kind == "gdn"]
        made, read = (
            [layer for layer in side if layer not in between]
            for side in (group.made_by, group.read_by)
        )
        if any(len(side) != 1 or side[0].coded for side in (made, read)) or len(between) > 1:
            continue
        if len(made[0].makes) != 1 or len(read[0].reads) != 1:
            continue
        tensors, readers = _powers(made[0].makers(), -1), _powers(read[0].readers(), 1)
        for gdn in between:
            found.append(_of_squares(gdn, tensors))
            tensors = _powers(_rows(gdn), -2 if gdn.inverse else 2)
        found.append(Rescaling((*tensors, *readers), read[0].module))
    return found


_Powers = tuple[tuple[str, int, int], ...]


def _of_squares(gdn: Layer, made: _Powers) -> Rescaling:
    """Of what a GDN is given: its squares go with the square of a unit, and what it makes stays."""
    columns = _powers([Carrier(f"{gdn.module}.weight", 1, gdn.reads)], 2)
    rows = _powers(_rows(gdn), 2 if gdn.inverse else -2)
    return Rescaling((*made, *columns, *rows), gdn.module, power=2)


def _rows(gdn: Layer) -> list[Carrier]:
    return [Carrier(f"{gdn.module}.{kind}", 0, gdn.makes) for kind in ("weight", "bias")]


def _powers(carriers: Sequence[Carrier], power: int) -> _Powers:
    return tuple((carrier.tensor, carrier.axis, power) for carrier in carriers)


def multiplications(layers: Sequence[Layer], beginning: str) -> float:
    """Per pixel, of all layers of a part or of whatever a name begins with."""
    return sum(
        layer.multiplications for layer in layers if f"{layer.module}.".startswith(f"{beginning}.")
    )


def _with(layers: Sequence[Layer], name: str, side: Literal["makes", "reads"]) -> tuple[Layer, ...]:
    return tuple(
        layer for layer in layers if any(own.group == name for own in getattr(layer, side))
    )
