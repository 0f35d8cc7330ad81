"""What a learned codec must say about itself, so that training, shrinking, saving and running it
need not know which one it is.

    Network      parts, shape, table of layers: what is cut, counted and stored
    Trainable    what its training minimises
    Exportable   its graphs, and the glue over them that is a codec
    Family       all three: what every learned codec is

and beyond that each is one or both of

    Identified   writes streams of its own, which have an identity
    Around       works around another codec, which codes for it

Streams of what is not ``Identified`` are those of the codec inside. Of those that code by
themselves

    Coded        has integers that decide tables, and a price in bits
    Fitted       is ``Coded`` without a gradient: its weights are found on photographs otherwise

Who can read a checkpoint that others published is ``published.Published``, too. Whoever needs more
than a ``Family`` asks for that by ``isinstance``, or uses one of the functions at the end, which
say what holds of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from slimcodec.quantization import IntegerSum, Quantization
from slimcodec.types import Codec

if TYPE_CHECKING:
    from torch import Tensor

    from slimcodec.codecs.layers import Layer
    from slimcodec.graphs.ir import Model as GraphModel

__all__ = [
    "Around",
    "Arrays",
    "Coded",
    "Exportable",
    "Family",
    "Fitted",
    "Floats",
    "Identified",
    "Network",
    "PictureLayers",
    "Price",
    "Rescaling",
    "Signature",
    "Trainable",
    "Wide",
    "frozen_of",
    "stream_id_of",
    "sums_of",
]

Floats = NDArray[np.float32]
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Signature:
    """What a graph takes and gives, for whoever writes it down as a file.

    A side of a shape is a number or, where it depends on the image, a text such as ``"16h"``:
    sixteen times whatever h is.

    Attributes:
        inputs: name to shape, in order; float32, but for ``()``, which is an int64.
        outputs: names, in order.
    """

    inputs: Mapping[str, tuple[int | str, ...]]
    outputs: tuple[str, ...]


class Wide(NamedTuple):
    """So many bits more than other layers have."""

    weights: int
    inputs: int


@dataclass(frozen=True)
class Rescaling:
    """Channels between two layers that may be measured in other units.

    Nothing but linear maps and rectifiers lies between, so dividing a channel by a positive number
    where it is made and multiplying the weights that read it by the same changes nothing.

    Attributes:
        made_by: tensors that a channel is proportional to, and the axis of the channel in each.
        layer: the only one that reads it.
        divided: whether it is proportional to their reciprocals instead, as to what a GDN divides
            by.
    """

    made_by: tuple[tuple[str, int], ...]
    layer: str
    divided: bool = False


@dataclass(frozen=True)
class PictureLayers:
    """The layers that make a picture, all linear and added up:

        picture = Σ layer / scale + offset

    so that a linear map of colours is one of their weights and biases.

    Attributes:
        layers: names; three outputs each, and a bias in at least one of them. None where a picture
            is made in another way.
        scale: of their sum.
        offset: of the picture.
        hindrance: where there are none, what keeps a picture from being their sum, in words.
    """

    layers: tuple[str, ...]
    scale: float = 1.0
    offset: float = 0.0
    hindrance: str = ""


class Price(NamedTuple):
    """What coding a picture at one quality costs, in bits per pixel.

    Attributes:
        rate: ideal code length.
        distortion: λ · 255² · squared error, with the λ that the quality was trained for: what
            the error is worth in bits.
    """

    rate: Tensor
    distortion: Tensor


class Network(Protocol):
    """A network's shape, parts and layers.

    A *config* is the family's own frozen dataclass with ``to_dict``; a *network* is a
    ``torch.nn.Module`` whose attributes named in ``parts`` are its parts.
    """

    name: str
    parts: tuple[str, ...]
    """Names a recipe may use, in the order of the flow chart."""
    encoding_parts: frozenset[str]
    """Parts that only an encoder has: shrinking them leaves every decoder as it was."""
    shared_parts: frozenset[str]
    """Parts of the decoder that an encoder also runs, to see what is left for it to correct."""
    changes_streams: frozenset[str]
    """Parts whose weights old streams depend on: shrinking one gives a new ``stream_id``."""

    def preset(self, name: str) -> Any:
        """A named config, or ``UnknownNameError``."""

    def config(self, values: Mapping[str, Any]) -> Any:
        """A config from a manifest's plain values."""

    def build(self, config: Any) -> Any:
        """A network with the weights that it has before anything is known: torch's, mostly."""

    def wide_layers(self, config: Any) -> Mapping[str, Wide]:
        """Layers that the bits of others cannot hold, and by how much: see the family for why."""

    def layers(self, config: Any) -> Sequence[Layer]:
        """The table of a network's layers: what each reads and makes (``codecs.layers``)."""

    def residual_blocks(self, config: Any) -> Sequence[str]:
        """Modules, numbered at the end, that add to what they are given, so that each may go by
        itself; in order."""

    def narrowed(
        self,
        config: Any,
        widths: Mapping[str, int],
        blocks: Sequence[int] | None = None,
        full_norms: bool = True,
    ) -> Any:
        """The config of the same network with fewer channels.

        Args:
            config: what it is now.
            widths: group of channels to the units that it shall have.
            blocks: numbers of the residual blocks that stay; all when not given.
            full_norms: whether norms of narrowed groups go on dividing for as many channels as
                before.
        """

    def rescalings(self, config: Any) -> Sequence[Rescaling]:
        """Where quantization may choose the units of channels."""

    def centre(self, network: Any, part: str) -> None:
        """Rewrite a part's weights, in place, so that norms have less to do; what the network
        computes stays. Where weights may have been set to zero on purpose, they are not touched."""

    def picture_layers(self, config: Any) -> PictureLayers:
        """What a decoder makes its pictures with, last of all."""


class Trainable(Network, Protocol):
    """A network that training can improve."""

    objectives: tuple[str, ...]
    """What training can minimise, names in ``registry.objectives``; the usual one first."""
    finetuning: Mapping[str, Any]
    """The loss of the pass ``finetune`` where a recipe names none: an objective's table. It weighs
    what the built-in weights were trained for; what a loss leaves out is traded away."""

    def costs(self, network: Any, image: Any) -> Iterator[Any]:
        """What the network is to make small of an image [1, 3, h, w] in [0, 1]: scalars with a
        gradient to the network in training mode, one after another, for every quality, so weighted
        that each says about as much; or the sum for all that depend on each other."""


class Exportable(Network, Protocol):
    """A network that runtimes execute, graph by graph, under a codec's glue."""

    coding_weights: tuple[str, ...]
    """Beginnings of the names of those weights that ``codec`` itself computes with; all others are
    for the graphs alone."""

    def graphs(self, network: Any) -> dict[str, Callable[..., Any]]:
        """What a runtime executes, by the name the glue calls it: tensors in, a tensor or a tuple
        of them out. What a recurrent part remembers is among them, so a graph is a pure function.
        """

    def signatures(self, config: Any) -> Mapping[str, Sequence[Signature]]:
        """How each graph may be called: more than one way where a state may be missing."""

    def written(self, config: Any, weights: Arrays, graph: str, way: Signature) -> GraphModel:
        """One way to call a graph, operator by operator, with the weights by their names; it
        computes what that of ``graphs`` does, and needs no torch."""

    def coding(
        self, config: Any, weights: Arrays, quantization: Quantization, frozen: Arrays
    ) -> Any:
        """What the codec's glue computes with, of a model whose integer layers are settled.

        Args:
            config: the network's shape.
            weights: those of ``coding_weights``, and maybe others.
            quantization: grids, those of ``Coded.integer_sums`` among them.
            frozen: what ``Coded.freeze`` made.

        Raises:
            ModelFileError, LookupError: when they make no codec.
        """

    def codec(
        self,
        config: Any,
        graphs: Mapping[str, Callable[..., Any]],
        coding: Any,
        *,
        name: str,
        digest: str,
        model_bytes: int,
    ) -> Codec:
        """The glue over a runtime's graphs; ``coding`` is what the method of that name gave."""


class Family(Trainable, Exportable, Protocol):
    """A learned codec's networks and glue behind one contract."""


@runtime_checkable
class Identified(Family, Protocol):
    """A learned codec with streams of its own."""

    def stream_id(self, coding: Any) -> bytes:
        """Identity of the streams that are written with what ``coding`` gave, 8 bytes: models with
        the same one read each other's."""


@runtime_checkable
class Coded(Identified, Protocol):
    """A learned codec whose streams are its own symbols, under tables that integers decide.

    Its configs have ``qualities`` and ``check_quality``, which know what the codec encodes at
    before there is one, and ``block_size`` and ``stride``, in pixels.
    """

    def initialise(self, network: Any, blocks: Floats) -> None:
        """Starting weights of its transforms, given pixel blocks [n, 3, k, k] of the photographs,
        k the config's ``block_size``."""

    def freeze(self, network: Any) -> dict[str, NDArray[Any]]:
        """Everything integer that coding needs, computed from the network's weights."""

    def expect(self, network: Any, image: Any) -> None:
        """Run the network as training does, image [1, 3, h, w] in [0, 1], at every quality: the
        only way to let those layers see something that coding runs in integers."""

    def prices(self, network: Any, image: Any, qualities: Sequence[int]) -> Iterator[Price]:
        """What coding an image [1, 3, h, w] in [0, 1] costs, as scalars with a gradient to the
        network in training mode; ``costs`` are rate and distortion together.

        Args:
            network: of the family.
            image: as ``expect`` takes it.
            qualities: places in the config's ``qualities``, rising; one price for each, in order.
        """

    def integer_sums(self, config: Any) -> Sequence[IntegerSum]:
        """The layers that coding runs in integers of its own."""


@runtime_checkable
class Fitted(Coded, Protocol):
    """A learned codec whose weights are found on photographs by other means than steps along a
    gradient, such as k-means. ``initialise`` finds all of them, and says how far it is; steps may
    follow, and none must."""

    fitted_by: str
    """How, in words, for a model's history."""
    fitted_pixels: int
    """Of photographs, how many are looked at."""

    def initialise(
        self,
        network: Any,
        blocks: Floats,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        """See ``Coded``; blocks may be larger than ``block_size``, and better are.

        Args:
            network: as it was built.
            blocks: [n, 3, k, k] of the photographs; k is a multiple of the config's ``stride``.
            on_progress: called with (steps done, steps).
        """


@runtime_checkable
class Around(Family, Protocol):
    """A learned codec around another one: what that one writes is its stream, or lies inside. Its
    codec is ``types.Enclosing`` where whoever opens it may name another inner codec."""

    def inner(self, config: Any, wanted: str = "") -> str:
        """The codec inside, a name in ``registry.codecs``.

        Args:
            config: of the model; it may name one.
            wanted: by whoever opens it; the config's, or the family's own, where empty.

        Raises:
            UsageError: when it is around another one and no other.
            UnknownNameError: when there is no such codec.
        """


def sums_of(family: Network, config: Any) -> Sequence[IntegerSum]:
    """The layers that coding runs in integers of its own; where another codec codes, there are
    none."""
    return family.integer_sums(config) if isinstance(family, Coded) else ()


def frozen_of(family: Network, network: Any) -> dict[str, NDArray[Any]]:
    """Everything integer that coding needs; where another codec codes, nothing is."""
    return family.freeze(network) if isinstance(family, Coded) else {}


def stream_id_of(family: Network, coding: Any) -> str:
    """Of the streams that are written with what a family's ``coding`` gave, in hex; empty where
    they are another codec's."""
    return family.stream_id(coding).hex() if isinstance(family, Identified) else ""
