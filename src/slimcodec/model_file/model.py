"""A model in memory, and its two directions: a network is frozen into one, and thawed out of
one."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec import registry
from slimcodec.codecs.family import frozen_of, stream_id_of, sums_of
from slimcodec.errors import ModelFileError, UnknownNameError, naming_extra
from slimcodec.model_file.layout import HALF, PRECISIONS
from slimcodec.quantization import Quantization
from slimcodec.showing import html_table, line, short_digest
from slimcodec.types import FAITHFUL, NATURAL, Image

__all__ = ["FAITHFUL", "NATURAL", "Model", "freeze_network", "thaw_network"]


@dataclass(frozen=True)
class Model:
    """A learned codec's weights and integers, independent of torch.

    Attributes:
        name: for tables and plots.
        family: which learned codec it is, a name in ``registry.families``.
        config: the network's shape, plain values.
        weights: float32 arrays by torch name, every one exact in the model's ``precision`` or,
            where ``quantization`` has its integers, exactly those times their steps.
        frozen: integer arrays, made by freezing.
        history: what was done to it, oldest first: training, import and pass records.
        stream_id: hex, which streams it writes and reads; empty where they are another codec's
            (``codecs.around.Around``).
        look: what its pictures aim at. Models of one ``stream_id`` read each other's streams, so a
            look is chosen when a stream is decoded.
        quantization: the grids of quantized weights and activations; of a float model only those of
            the layers that coding runs in integers of its own.
        precision: what weights that are not quantized are exact in, ``"half"`` or ``"single"``. A
            model that is shrunk keeps it.
    """

    name: str
    family: str
    config: Mapping[str, Any]
    weights: Mapping[str, NDArray[np.float32]]
    frozen: Mapping[str, NDArray[Any]]
    history: tuple[Mapping[str, Any], ...] = field(default_factory=tuple)
    stream_id: str = ""
    look: str = FAITHFUL
    quantization: Quantization = field(default_factory=Quantization)
    precision: str = HALF

    @cached_property
    def digest(self) -> str:
        """Hex digest of manifest and tensors: the identity of this very model."""
        digest = hashlib.sha256(json.dumps(self.manifest(), sort_keys=True).encode())
        for arrays in (self.weights, self.frozen):
            for name in sorted(arrays):
                array = np.ascontiguousarray(arrays[name])
                digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
                digest.update(array.tobytes())
        for name in sorted(self.quantization.weights):
            digest.update(f"{name} steps".encode())
            digest.update(self.quantization.weights[name].steps.astype("<f4").tobytes())
        return digest.hexdigest()

    @cached_property
    def coding(self) -> Any:
        """What the codec's glue computes with (``Exportable.coding``), made once."""
        family = registry.families.get(self.family)
        config = family.config(self.config)
        return family.coding(config, self.weights, self.quantization, self.frozen)

    @property
    def quantized(self) -> bool:
        """Whether any layer is, beyond those that coding runs in integers of its own."""
        family = registry.families.get(self.family)
        sums = sums_of(family, family.config(self.config))
        coded = {name for one in sums for name in one.layers}
        names = {name.removesuffix(".weight") for name in self.quantization.weights}
        return bool((names | set(self.quantization.activations)) - coded)

    def __repr__(self) -> str:
        count = f"{sum(array.size for array in self.weights.values()):,} weights"
        stream = f"stream id {self.stream_id}" if self.stream_id else "no streams of its own"
        return line(
            self, self.name, f"family {self.family}", count, stream, short_digest(self.digest)
        )

    def _repr_html_(self) -> str:
        """For notebooks: what the manifest says, and the weights of each part."""
        rows: list[tuple[str, object]] = [
            ("family", self.family),
            ("look", self.look),
            ("stream id", self.stream_id or "none of its own"),
            ("digest", self.digest),
            ("quantized", "yes" if self.quantized else "no"),
            ("precision", self.precision),
        ]
        for part, (total, kept) in self.parameters().items():
            rows.append((part, f"{total:,} weights, {kept:,} of them not zero"))
        for entry in self.history:
            said = [f"{key} {value}" for key, value in entry.items() if _is_plain(value)]
            rows.append(("history", ", ".join(said)))
        return html_table(self.name, rows)

    def manifest(self) -> dict[str, Any]:
        """Everything but the tensors, plain values."""
        return {
            "name": self.name,
            "family": self.family,
            "config": dict(self.config),
            "history": [dict(entry) for entry in self.history],
            "stream_id": self.stream_id,
            **({"look": self.look} if self.look != FAITHFUL else {}),
            **({"quantization": self.quantization.to_dict()} if self.quantization else {}),
            **({"precision": self.precision} if self.precision != HALF else {}),
        }

    def parameters(self) -> dict[str, tuple[int, int]]:
        """(all, non-zero) parameters of each part."""
        family = registry.families.get(self.family)
        counts = {}
        for part in family.parts:
            arrays = [a for name, a in self.weights.items() if name.startswith(part + ".")]
            total = sum(a.size for a in arrays)
            counts[part] = (total, sum(int(np.count_nonzero(a)) for a in arrays))
        return counts


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float)


@naming_extra("making a model of a network", "torch")
def freeze_network(
    network: Any,
    *,
    name: str,
    family: str,
    history: tuple[Mapping[str, Any], ...] = (),
    look: str = FAITHFUL,
    photographs: Sequence[Image] = (),
    precision: str = HALF,
) -> Model:
    """Round weights to half precision, or to single, and make the integers that belong to exactly
    those.

    A quantized network's weights are taken as the integers that they were rounded to. Layers that
    coding runs in integers are settled first, where they are not yet: grids of what they are given
    are found on photographs.

    Args:
        network: the family's network; it is left as it was.
        name: of the new model.
        family: name in ``registry.families``.
        history: what led to it.
        look: what its pictures aim at.
        photographs: uint8 [h, w, 3] each, to settle a network with; a few that the package brings
            when there are none.
        precision: of weights that are not quantized, ``"half"`` or ``"single"``.

    Raises:
        ModelFileError: when a weight is not finite or too large for the precision.
        UnknownNameError: when it is none of the two.
    """
    from slimcodec.codecs.settled import settled
    from slimcodec.quantization.simulation import plain_state, quantization_of

    kind = registry.families.get(family)
    shape = network.config
    if precision not in PRECISIONS:
        raise UnknownNameError("precision", precision, PRECISIONS)
    _check_finite(plain_state(network), precision)
    network = settled(network, kind, photographs)
    quantization = quantization_of(network)
    weights = {key: grid.weights() for key, grid in quantization.weights.items()}
    for key, tensor in plain_state(network).items():
        if key in weights:
            continue
        rounded = tensor.detach().cpu().numpy().astype(PRECISIONS[precision])
        # A zero has no sign here: two models with equal weights write equal streams.
        weights[key] = rounded.astype(np.float32) + np.float32(0)
    weights = {key: weights[key] for key in plain_state(network)}
    frozen = frozen_of(kind, _network_of(kind, shape, weights))
    config = json.loads(json.dumps(shape.to_dict()))
    made = Model(name, family, config, weights, frozen, history, "", look, quantization, precision)
    return dataclasses.replace(made, stream_id=stream_id_of(kind, made.coding))


@naming_extra("changing a model", "torch")
def thaw_network(model: Model) -> Any:
    """The torch network of a model, in evaluation mode; its layers see their inputs rounded where
    the model says so."""
    from slimcodec.codecs.settled import coded_layers, settle_as
    from slimcodec.quantization.simulation import attach_activations

    kind = registry.families.get(model.family)
    shape = kind.config(model.config)
    network = _network_of(kind, shape, model.weights)
    coded = coded_layers(kind, shape)
    others = {n: g for n, g in model.quantization.activations.items() if n not in coded}
    attach_activations(network, others)
    settle_as(network, kind, model.quantization)
    return network


def _check_finite(state: Mapping[str, Any], precision: str) -> None:
    for key, tensor in state.items():
        exact = tensor.detach().cpu().numpy()
        with np.errstate(over="ignore"):
            rounded = exact.astype(PRECISIONS[precision])
        if not np.isfinite(rounded).all():
            raise ModelFileError(
                f"{key} holds values that {precision} precision cannot: {_range(exact)}"
            )


def _network_of(kind: Any, shape: Any, weights: Mapping[str, NDArray[np.float32]]) -> Any:
    import torch

    with torch.device("meta"):
        network = kind.build(shape)
    state = {key: torch.from_numpy(array.copy()) for key, array in weights.items()}
    try:
        network.load_state_dict(state, assign=True)
    except RuntimeError as error:
        first_line = " ".join(str(error).split())
        raise ModelFileError(f"the weights do not fit the network: {first_line}") from error
    return network.eval()


def _range(array: NDArray[Any]) -> str:
    return f"from {array.min():.3g} to {array.max():.3g}"
