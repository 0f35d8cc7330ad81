"""Quantization: weights and what layers are given, rounded to grids of a few bits.

    w ≈ step[c] · n      symmetric, one step per output channel
    x ≈ step · m         one step per layer, found on photographs

With eight bits or fewer for both, a runtime multiplies integers and adds them exactly; with weights
alone, the model file is smaller and everything runs in floats. Every convolution and transposed
convolution takes part, ConvLSTMs by their two. What stays in floats, and why:

- channel norm, gates and cell state: they are additions and curves over sums, no products of
  weights, and rounding before a norm's division costs 7 dB;
- layers that coding runs in integers of its own: they have seven bits for weights and eight for
  inputs in every model; weights may be given fewer.

Steps of weights minimise the squared error of the weights, clipping included. Which level a weight
goes to is decided by what the layer makes of photographs (``quantization.compensation``, or slower
and no better ``training.rounding``) or by what is nearest. ``bias_correction`` takes off what
rounding adds to the mean of a layer's output.

Levels of few bits may be placed where the weights are (``levels = "placed"``; k-means, as in Polino
et al. 2018): step[c] · table[n], one table of 2^b positions per layer. That is for size alone: no
kernel multiplies integers by a table, so inputs of such layers must be floats.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from slimcodec.codecs.family import Coded, sums_of
from slimcodec.errors import UnknownNameError, UsageError
from slimcodec.quantization import TABLE_BITS
from slimcodec.shrink.bits import FLOAT, Bits, check_bits, in_coding, in_words, wider
from slimcodec.shrink.recipe import Context
from slimcodec.shrink.roles import absent, by_part, parts_of

if TYPE_CHECKING:
    from torch import Tensor, nn

    from slimcodec.codecs.family import Family, Wide
    from slimcodec.quantization.observing import Seen

__all__ = ["Quantize"]

_KEYS = (
    "weights", "activations", "only", "parts", "layers", "skip", "calibration", "images",
    "equalise", "bias_correction", "rounding", "levels",
)  # fmt: skip
_CALIBRATIONS = ("minmax", "percentile", "mse")
_ROUNDINGS = ("compensated", "learned", "nearest")
_LEVELS = ("even", "placed")


@dataclass(frozen=True)
class Quantize:
    """Round weights, and with ``activations`` what layers are given.

    Attributes:
        weights: bits of all layers that nothing else is said about.
        activations: bits of their inputs; none is weight-only.
        only: parts to quantize; all when empty.
        parts: part to settings of its own (``weights``, ``activations``; ``"float"`` for none).
        layers: layer, or the beginning of several layers' names, likewise.
        skip: layers, or beginnings, that stay as they are.
        calibration: how steps of activations are found: ``mse``, ``percentile`` or ``minmax``.
        images: how many photographs are looked at.
        equalise: whether channels get units in which steps of inputs and of weights fit them best,
            where activations are quantized and the family says that is possible.
        bias_correction: whether biases make up for what rounding weights adds on average.
        rounding: ``compensated``, ``learned`` or ``nearest``; weights of layers that no photograph
            reaches go to the nearest level, and so do grouped and dilated ones for ``compensated``.
        levels: of weights of 2 to 4 bits: ``even``, or ``placed`` where the layer's weights are;
            those of more bits, and of layers that coding runs in integers, are even.
    """

    name: ClassVar[str] = "quantize"

    weights: int | None = 8
    activations: int | None = None
    only: tuple[str, ...] = ()
    parts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    layers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    skip: tuple[str, ...] = ()
    calibration: Literal["mse", "percentile", "minmax"] = "mse"
    images: int = 16
    equalise: bool = True
    bias_correction: bool = True
    rounding: Literal["compensated", "learned", "nearest"] = "compensated"
    levels: Literal["even", "placed"] = "even"

    def __post_init__(self) -> None:
        check_bits(self.weights, self.activations, "")
        for kind in ("parts", "layers"):
            for name, own in getattr(self, kind).items():
                if not isinstance(own, Mapping) or set(own) - {"weights", "activations"}:
                    raise UsageError(f"{kind}.{name} takes weights and activations, got {own!r}")
                check_bits(own.get("weights"), own.get("activations"), f"{kind}.{name}.")
        for key in ("only", "skip"):
            if not all(isinstance(name, str) for name in getattr(self, key)):
                raise UsageError(f"{key} takes a list of names, got {list(getattr(self, key))!r}")
        if self.calibration not in _CALIBRATIONS:
            raise UnknownNameError("calibration", str(self.calibration), _CALIBRATIONS)
        if self.rounding not in _ROUNDINGS:
            raise UnknownNameError("rounding", str(self.rounding), _ROUNDINGS)
        if self.levels not in _LEVELS:
            raise UnknownNameError("levels", str(self.levels), _LEVELS)
        if self.levels == "placed" and self.rounding == "learned":
            raise UsageError('learned rounding is for even levels; use rounding = "compensated"')
        if type(self.images) is not int or self.images < 1:
            raise UsageError(f"images must be a whole number from 1, got {self.images!r}")
        for key in ("equalise", "bias_correction"):
            if type(getattr(self, key)) is not bool:
                raise UsageError(f"{key} is true or false, got {getattr(self, key)!r}")

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Quantize:
        """From a recipe's table; ``weights = "float"`` quantizes activations alone."""
        if unknown := sorted(set(settings) - set(_KEYS)):
            raise UnknownNameError("setting of quantize", unknown[0], _KEYS)
        values = dict(settings)
        for key in ("weights", "activations"):
            if values.get(key) == FLOAT:
                values[key] = None
        for key in ("only", "skip"):
            if key in values:
                if not isinstance(values[key], list | tuple):
                    raise UsageError(f"{key} takes a list of names, got {values[key]!r}")
                values[key] = tuple(values[key])
        for key in ("parts", "layers"):
            if not isinstance(values.get(key, {}), Mapping):
                raise UsageError(f"{key} takes a table of names, got {values[key]!r}")
        return cls(**values)

    def settings(self) -> dict[str, Any]:
        """The inverse of ``from_settings``."""
        given: dict[str, Any] = {"weights": FLOAT if self.weights is None else self.weights}
        if self.activations is not None:
            given["activations"] = self.activations
        usual = Quantize()
        for key in _KEYS[2:]:
            value = getattr(self, key)
            if value != getattr(usual, key):
                given[key] = list(value) if isinstance(value, tuple) else value
        return given

    def check(self, family: Family, config: Any) -> Any:
        """Every named part and layer must be one of the network's, and placed levels possible."""
        kinds = ("conv", "transposed")
        names = [layer.module for layer in family.layers(config) if layer.kind in kinds]
        self._bits(names, family, config)
        return config

    def needs_photographs(self) -> bool:
        """Whether anything is measured on photographs."""
        own = [*self.parts.values(), *self.layers.values()]
        rounds = self.activations is not None or any("activations" in table for table in own)
        return rounds or self.bias_correction or self.rounding != "nearest"

    def touches(self, family: Family) -> frozenset[str]:
        """Parts that change."""
        return frozenset(self._parts(family))

    def _parts(self, family: Family) -> tuple[str, ...]:
        return parts_of(family, self.only) or family.parts

    def plan(self, network: nn.Module, family: Family) -> list[str]:
        """One line per part and choice of bits."""
        bits = self.bits(network, family)
        lines = [f"{self.name}: {line}" for line in absent(family, (*self.only, *self.parts))]
        for part in self._parts(family):
            groups: dict[Bits, list[str]] = {}
            for name, own in bits.items():
                if name.split(".")[0] == part:
                    groups.setdefault(own, []).append(name)
            for own, names in groups.items():
                layers = f"{len(names)} layers" if len(names) > 2 else " and ".join(names)
                lines.append(f"quantize {part}: {layers}, {in_words(own)}{self._how(own)}")
        return lines

    def _how(self, bits: Bits) -> str:
        how = [] if bits.weights is None else [f"{self.rounding} rounding"]
        how += ["placed levels, which run in floats"] if bits.placed else []
        how += [] if bits.activations is None else [f"steps by {self.calibration}"]
        return "".join(f", {word}" for word in how)

    def bits(self, network: nn.Module, family: Family) -> dict[str, Bits]:
        """What every layer of the parts in question gets.

        Raises:
            UnknownNameError: when a name in ``layers`` or ``skip`` matches no layer.
            UsageError: when levels are to be placed of a layer whose inputs are quantized, or of
                none.
        """
        from slimcodec.quantization.simulation import convolutions

        return self._bits(list(convolutions(network)), family, network.config)

    def _bits(self, layers: Sequence[str], family: Family, config: Any) -> dict[str, Bits]:
        parts = self._parts(family)
        coded = {name for one in sums_of(family, config) for name in one.layers}
        names = [name for name in layers if name.split(".")[0] in parts]
        for given in (*self.layers, *self.skip):
            if not any(_begins(name, given) for name in names):
                raise UnknownNameError(f"layer of {family.name}", given, _beginnings(names))
        wide, own_parts = family.wide_layers(config), by_part(family, self.parts)
        bits = {name: self._bits_of(name, wide.get(name), own_parts) for name in names}
        bits = {
            name: in_coding(own) if name in coded else self._placing(name, own)
            for name, own in bits.items()
        }
        if self.levels == "placed" and not any(own.placed for own in bits.values()):
            raise UsageError(
                'levels = "placed" is for weights of 2 to 4 bits, and none have so few'
            )
        return bits

    def _placing(self, name: str, bits: Bits) -> Bits:
        if self.levels == "even" or bits.weights not in TABLE_BITS:
            return bits
        if bits.activations is not None:
            raise UsageError(
                f"no kernel multiplies integers by placed levels, as {name} would; give it "
                f"activations = {FLOAT!r}, or more than {TABLE_BITS.stop - 1} bits of weights"
            )
        return replace(bits, placed=True)

    def _bits_of(
        self, name: str, wide: Wide | None, parts: Mapping[str, Mapping[str, Any]]
    ) -> Bits:
        if any(_begins(name, given) for given in self.skip):
            return Bits()
        merged: dict[str, Any] = {"weights": self.weights, "activations": self.activations}
        merged |= parts.get(name.split(".")[0], {})
        if wide is not None:
            merged = wider(merged, wide)
        # The longest beginning says most about a layer.
        for given in sorted(self.layers, key=len):
            if _begins(name, given):
                merged |= self.layers[given]
        weights, inputs = (
            None if merged[key] == FLOAT else merged[key] for key in ("weights", "activations")
        )
        return Bits(weights, inputs)

    def apply(
        self, network: nn.Module, family: Family, context: Context | None = None
    ) -> tuple[nn.Module, list[dict[str, Any]]]:
        """A quantized copy, and per layer its bits and how far its weights moved."""
        from torch import nn

        from slimcodec.codecs.settled import coded_layers, settled, show
        from slimcodec.quantization import observing
        from slimcodec.quantization.settling import CODED_WEIGHT_BITS, settle
        from slimcodec.quantization.simulation import (
            attach_activations,
            convolutions,
            is_quantized,
            pads_zeros,
        )
        from slimcodec.shrink import calibration
        from slimcodec.shrink.rounding import round_weights

        self.check(family, network.config)
        context = context or Context()
        if is_quantized(network):
            raise UsageError("the network is quantized already; quantize a float one")
        network = settled(network, family)
        quantized = copy.deepcopy(network)
        bits, coded = self.bits(quantized, family), coded_layers(family, network.config)
        others = [name for name in convolutions(network) if name not in coded]
        for part in {name.split(".")[0] for name, own in bits.items() if own.activations}:
            family.centre(quantized, part)
        path: calibration.CodedPath | None = None
        notes: dict[str, Seen] = {}
        if self.needs_photographs():
            crops = calibration.crops_of(context.folder(self.name), self.images)
            path = calibration.CodedPath.of(network, family, crops)
            if self.equalise and any(own.activations for own in bits.values()):
                with observing.observed(quantized, names=others) as notes:
                    path.run(quantized, context.stage("looking at channels"))
                # Of other layers, units stay: what streams depend on may be among them.
                read = {name for name, own in bits.items() if own.activations is not None}
                rescalings = [r for r in family.rescalings(network.config) if r.layer in read]
                weight_bits = {name: own.weights for name, own in bits.items()}
                calibration.equalise(quantized, rescalings, notes, weight_bits)
            keep = self.rounding != "nearest"
            with observing.observed(quantized, keep, others) as notes:
                path.run(quantized, context.stage("looking at layers"))
        convolved = convolutions(quantized)
        grids = {
            name: observing.grid_of(
                notes[name],
                own.activations,
                self.calibration,
                not pads_zeros(convolved[name]),
                isinstance(convolved[name], nn.ConvTranspose2d),
            )
            for name, own in bits.items()
            if name not in coded and own.activations is not None and notes[name].calls
        }
        layers = {n: layer for n, layer in convolved.items() if n in bits}
        floats = {name: layer.weight.detach().clone() for name, layer in layers.items()}
        before = {n: own for n, own in calibration.affine_maps(quantized).items() if n in bits}
        report = context.stage("rounding weights")
        for number, (name, layer) in enumerate(layers.items()):
            report(number, len(layers))
            own = bits[name].weights
            if name not in coded and own is not None:
                note = notes.get(name)
                seen = note if note is not None and note.calls else None
                placed = bits[name].placed
                round_weights(layer, own, seen, grids.get(name), self.rounding, placed=placed)
        # Layers that coding runs in integers have seven bits already; fewer may be asked for.
        wanted = {n: own.weights or CODED_WEIGHT_BITS for n, own in bits.items() if n in coded}
        looked_at = path.crops if path is not None and self.rounding != "nearest" else ()
        if isinstance(family, Coded):
            settle(
                quantized,
                family.integer_sums(network.config),
                lambda: show(quantized, family, looked_at),
                lambda name: wanted.get(name, CODED_WEIGHT_BITS),
            )
        attach_activations(quantized, grids)
        report(len(layers), len(layers))
        if self.bias_correction and path:
            stage = context.stage("correcting biases")
            calibration.correct_biases(quantized, path, before, stage)
        return quantized, [
            {
                "layer": name,
                "weights": own.weights or FLOAT,
                "activations": own.activations if name in coded or name in grids else FLOAT,
                **({"levels": "placed"} if own.placed else {}),
                "weight_snr_db": _ratio_db(floats[name], layers[name].weight.detach()),
            }
            for name, own in bits.items()
        ]


def _ratio_db(before: Tensor, after: Tensor) -> float:
    """Signal to rounding error of weights; 999 where nothing moved."""
    error = float((after - before).double().square().sum())
    signal = float(before.double().square().sum())
    if error == 0 or signal == 0:
        return 999.0
    import math

    return round(10 * math.log10(signal / error), 2)


def _begins(name: str, given: str) -> bool:
    return name == given or name.startswith(given + ".")


def _beginnings(names: Sequence[str]) -> list[str]:
    return sorted({".".join(n.split(".")[:k]) for n in names for k in range(1, n.count(".") + 2)})
