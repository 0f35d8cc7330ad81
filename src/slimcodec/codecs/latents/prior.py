"""What picks a table for each latent, in integers: scale net and context (``slimcodec.integers``).

    ẑ ─► scale net ─┬► places on the grid of scales ─┬► base ─┐
                    └► features, where there are any ─┘        │
    latents that are coded already, in units of their scale ───┴► group ─► shift, change of scale

A changed scale is another place on the grid; a shift comes in eighths of a symbol's step. Its whole
steps are subtracted from the symbol, the rest picks a table of its own, and a negative rest mirrors
the symbol, so tables know rests of 0 to 4 eighths. Without a context all latents are one group
around zero. Positions lie row by row, channels last: [h · w, m].
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.latents.config import LatentsConfig
from slimcodec.codecs.latents.scale_net import SEEN_FEATURES, ScaleNet
from slimcodec.codecs.latents.scales import (
    GRID_STEP,
    LAST_PLACE,
    NORMAL_LIMIT,
    SHIFT_STEPS,
    SHIFT_TABLES,
    SUBSTEPS,
    TABLE_COUNT,
    ScaleGrid,
    Units,
    tables_at,
)
from slimcodec.integers import (
    Group,
    IntegerLayer,
    IntegerNet,
    Known,
    Output,
    Part,
    integer_layer,
    trusted,
    walk,
    window,
)
from slimcodec.quantization import ActivationGrid, IntegerSum, Quantization

__all__ = ["Guess", "GuessWalk", "LatentPrior", "integer_sums"]

_CONTEXT = "probability.context."
_ZERO = 128
"""What stands for zero among bytes of what may be negative."""
_COARSE = 4
"""Places of the fine grid for one byte of what a context sees of a scale."""
_SHIFT_FRACTION, _SHIFT_LIMIT = 8, 1 << 14
"""Of what a context says: a shift of 64 scales; as a change of scale, more than the grid is
long."""
_SHIFT_BITS = SHIFT_STEPS.bit_length() - 1
_MIRROR_BIT = 13
_TABLE_BITS = np.int16((1 << _MIRROR_BIT) - 1)
_SYMBOL_LIMIT = (1 << 11) - 1
"""Symbols are clipped here before they are measured: farther than 6 of the largest units."""


@dataclass(frozen=True)
class Guess:
    """What is known of a group of symbols before they are coded.

    Attributes:
        positions: of the group, [n].
        channels: of the group, c of them.
        tables: int16 [n, c].
        whole: int32 [n, c], to be subtracted from a symbol; None where all are 0.
        signs: int16 [n, c], -1 where the difference is coded with its sign turned; likewise.
    """

    positions: NDArray[np.intp]
    channels: slice
    tables: NDArray[np.int16]
    whole: NDArray[np.int32] | None = None
    signs: NDArray[np.int16] | None = None

    def coded(self, latents: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of latents [h · w, m], the group's as its tables see them, unrounded."""
        values = latents[:, self.channels].take(self.positions, axis=0)
        if self.whole is None or self.signs is None:
            return values
        # Numpy brings two types together piece by piece, which takes longer than all of it at once.
        values -= self.whole.astype(np.float32)
        values *= self.signs.astype(np.float32)
        return values

    def symbols(self, coded: NDArray[np.int32]) -> NDArray[np.int32]:
        """The group's symbols, from what was coded."""
        if self.whole is None or self.signs is None:
            return coded
        symbols = coded * self.signs.astype(np.int32)
        symbols += self.whole
        return symbols


GuessWalk = Generator[Guess, NDArray[np.int32], NDArray[np.int32]]
"""Guesses at one group after another; takes what was coded of each; ends with all symbols,
[h · w, m]."""


def integer_sums(config: LatentsConfig) -> list[IntegerSum]:
    """The layers of a hyperprior that coding runs in integers."""
    features = bool(config.context_features)
    sums = ScaleNet.sums(config.structure.scale, features)
    if config.context_slices:
        scales = ActivationGrid(_COARSE * GRID_STEP, 8, 0)
        normal = ActivationGrid(NORMAL_LIMIT / 127, 8, -_ZERO)
        hyper: list[tuple[str, ActivationGrid | str]] = [(f"{_CONTEXT}hyper", scales)]
        if features:
            hyper.append((SEEN_FEATURES, "seen"))
        names, inputs = zip(*hyper, strict=True)
        sums.append(IntegerSum(names, inputs))
        for group in Group.of_slices(config.context_slices, f"{_CONTEXT}groups.", 2):
            seen = group.hidden.removesuffix("mix") + "seen"
            pairs = (
                [(group.hidden, "seen"), (seen, normal)] if group.seen else [(group.hidden, "seen")]
            )
            names, inputs = zip(*pairs, strict=True)
            sums += [IntegerSum(names, inputs), IntegerSum((group.out,), ("seen",))]
    return sums


class LatentPrior:
    """Scale net and context of a settled model.

    Args:
        config: of the model.
        weights: of the model; of these layers only the biases are looked at.
        quantization: with the grids of ``integer_sums``.
        frozen: grid and units.

    Raises:
        ModelFileError: when sums could be inexact, or a grid or array is damaged.
        LookupError: when one is missing.
    """

    def __init__(
        self,
        config: LatentsConfig,
        weights: Mapping[str, NDArray[np.float32]],
        quantization: Quantization,
        frozen: Mapping[str, NDArray[Any]],
    ) -> None:
        slices, features = config.context_slices, bool(config.context_features)
        self.grid = ScaleGrid.from_arrays(frozen)
        self.units = Units.from_arrays(frozen) if slices else None
        self.groups = tuple(Group.of_slices(slices, "groups.", 2))
        net = config.structure.scale
        self._scale = ScaleNet(net, weights, quantization, self.grid.limits, features)
        layers = dict(self._scale.layers)
        if self.units is not None:
            source = _Source(weights, quantization)
            layers |= source.context(self.groups, self.units.grid_step, features)
        self.net = IntegerNet(layers)
        self._picked = _choices()

    @cached_property
    def _run(self) -> Mapping[str, Any]:
        return self.net.on(trusted())

    def to_bytes(self) -> bytes:
        """Everything that decides a table, for the stream's identity."""
        units = b"" if self.units is None else self.units.to_bytes()
        return self.net.to_bytes() + self.grid.to_bytes() + units

    def outputs(
        self, z_hat: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], NDArray[np.uint8] | None]:
        """Of the scale net, [4h, 4w, m], and features, [4h, 4w, f], where there are any, for
        hyper-latents [n, h, w]."""
        return self._scale.outputs(self._run, z_hat)

    def places_and_features(
        self, z_hat: NDArray[np.int32], size: tuple[int, int], quality: int, steps: int
    ) -> tuple[NDArray[np.int32], NDArray[np.uint8] | None]:
        """Of the hyperprior's scales on the fine grid, [h · w, m], and features, [h · w, f], where
        there are any, for the corner that is wanted."""
        height, width = size
        outputs, features = self.outputs(z_hat)
        wanted = outputs[:height, :width].reshape(height * width, -1)
        if features is not None:
            features = features[:height, :width].reshape(height * width, -1)
        return self.grid.places(wanted, quality, steps), features

    def walk(
        self, z_hat: NDArray[np.int32], size: tuple[int, int], quality: int, steps: int
    ) -> GuessWalk:
        """Go through the groups.

        Args:
            z_hat: int32 [n, h', w'].
            size: h and w of the latents.
            quality: in ``steps``-ths between trained ones.
        """
        places, features = self.places_and_features(z_hat, size, quality, steps)
        if self.units is None:
            everywhere = np.arange(len(places))
            return (yield Guess(everywhere, slice(None), tables_at(places)))
        inside = np.clip(places, 0, LAST_PLACE)
        said = [((inside + _COARSE // 2) // _COARSE).astype(np.uint8)]
        if features is not None:
            said.append(features)
        base = self._run["hyper"](*said)
        zeros = np.tile(np.array([_ZERO, 0], np.uint8), places.shape[1])
        symbols = np.zeros(places.shape, np.int32)
        groups = walk(self.groups, self._run, base, size, zeros)
        colours: dict[bool, tuple[NDArray[np.int32], ...]] = {}
        known = next(groups, None)
        while known is not None:
            own, second = known.group.channels, known.group.second
            if second not in colours:
                here = inside.take(known.positions, axis=0)
                colours[second] = (
                    places.take(known.positions, axis=0),
                    self.units.units.take(here, mode="clip"),
                    self.units.reciprocals.take(here, mode="clip"),
                )
            table, unit, reciprocal = (each[:, own] for each in colours[second])
            guess = self._guess(known, table, unit)
            found = guess.symbols((yield guess))
            symbols[known.positions, own] = found
            try:
                known = groups.send(_normal(found, reciprocal))
            except StopIteration:
                known = None
        return symbols

    def _guess(self, known: Known, place: NDArray[np.int32], unit: NDArray[np.int32]) -> Guess:
        """From shifts, in units of a scale, and changes of place."""
        half = known.out.shape[1] // 2
        eighths = known.out[:, :half] * unit
        # Fractions of shift and unit together, less those of an eighth.
        fraction = _SHIFT_FRACTION + Units.FRACTION - _SHIFT_BITS
        eighths += 1 << (fraction - 1)
        eighths >>= fraction
        whole = eighths + SHIFT_STEPS // 2
        whole >>= _SHIFT_BITS
        chosen = known.out[:, half:] + place
        chosen += SUBSTEPS // 2
        chosen >>= SUBSTEPS.bit_length() - 1
        np.maximum(chosen, 0, out=chosen)
        np.minimum(chosen, TABLE_COUNT - 1, out=chosen)
        # Which of the eight rests, beside which of the tables.
        chosen -= whole
        chosen <<= _SHIFT_BITS
        chosen += eighths
        chosen += SHIFT_STEPS // 2
        picked = self._picked.take(chosen, mode="clip")
        signs = 1 - ((picked >> (_MIRROR_BIT - 1)) & 2)
        return Guess(known.positions, known.group.channels, picked & _TABLE_BITS, whole, signs)


def _normal(symbols: NDArray[np.int32], reciprocal: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Symbols in units of their scale as bytes, each with its magnitude after it, [n, 2c]."""
    normal = np.clip(symbols, -_SYMBOL_LIMIT, _SYMBOL_LIMIT)
    normal *= reciprocal
    normal += 1 << (Units.RECIPROCAL - 1)
    normal >>= Units.RECIPROCAL
    np.maximum(normal, 1 - _ZERO, out=normal)
    np.minimum(normal, _ZERO - 1, out=normal)
    both = np.empty((*normal.shape, 2), np.uint8)
    both[..., 0] = normal + _ZERO
    both[..., 1] = np.abs(normal)
    return both.reshape(len(both), -1)


def _choices() -> NDArray[np.int16]:
    """For every scale's table and rest of a shift, -4 to 3 eighths: the table that knows the rest,
    and a bit where to code with the sign turned."""
    tables = np.repeat(np.arange(TABLE_COUNT), SHIFT_STEPS)
    rests = np.tile(np.arange(SHIFT_STEPS) - SHIFT_STEPS // 2, TABLE_COUNT)
    rests[tables >= SHIFT_TABLES] = 0
    own = TABLE_COUNT + (np.abs(rests) - 1) * SHIFT_TABLES + tables
    chosen = np.where(rests == 0, tables, own)
    picked: NDArray[np.int16] = (chosen + (rests < 0) * (1 << _MIRROR_BIT)).astype(np.int16)
    return picked


@dataclass(frozen=True)
class _Source:
    """A model's quantized layers, as integer layers see them."""

    weights: Mapping[str, NDArray[np.float32]]
    quantization: Quantization

    def step(self, layer: str) -> float:
        """Of what a layer is given."""
        return self.quantization.activations[layer].step

    def context(
        self, groups: Sequence[Group], grid_step: float, features: bool
    ) -> dict[str, IntegerLayer]:
        """All layers of the context."""
        base = self.step(f"{_CONTEXT}groups.0.mix")
        hyper = f"{_CONTEXT}hyper"
        said = [self._part(name) for name in (hyper, *([SEEN_FEATURES] if features else []))]
        layers = {"hyper": self._layer(said, hyper, Output(base))}
        for group in groups:
            mix, out = _CONTEXT + group.hidden, _CONTEXT + group.out
            parts = [self._part(mix)]
            if group.seen:
                parts.insert(0, self._pairs(mix.removesuffix("mix") + "seen"))
            layers[group.hidden] = self._layer(parts, mix, Output(self.step(out)))
            half = self.quantization.weights[f"{out}.weight"].integers.shape[0] // 2
            steps = np.repeat([2.0**-_SHIFT_FRACTION, grid_step], half)
            ends = Output(steps, -_SHIFT_LIMIT, _SHIFT_LIMIT)
            layers[group.out] = self._layer([self._part(out)], out, ends)
        return layers

    def _layer(self, parts: list[Part], layer: str, output: Output) -> IntegerLayer:
        return integer_layer(parts, self.weights[f"{layer}.bias"], output)

    def _part(self, layer: str) -> Part:
        grid = self.quantization.weights[f"{layer}.weight"]
        return Part(window(grid.integers), grid.steps, self.step(layer))

    def _pairs(self, layer: str) -> Part:
        """Weights of symbols and then of magnitudes, for a canvas where each symbol's magnitude
        follows it."""
        grid = self.quantization.weights[f"{layer}.weight"]
        outputs, inputs, *kernel = grid.integers.shape
        pairs = grid.integers.reshape(outputs, 2, inputs // 2, *kernel).swapaxes(1, 2)
        own = window(pairs.reshape(grid.integers.shape))
        zero = np.tile(np.array([_ZERO, 0], np.int32), len(own) // 2)
        return Part(own, grid.steps, self.step(layer), zero)
