"""The scale net in integers: from hyper-latents to outputs on a fine grid, which pick tables.

Its first layer is given bytes: whole steps of hyper-latents from their medians. What the medians
themselves add is whole units of that layer's sums, and is not added around a picture, where
hyper-latents are zero; so it comes from *constant channels*, which are there wherever hyper-latents
are and hold 1, 127, 127, ...: digits of it are their weights.

Where a context sees features, a layer beside the last one makes bytes of the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.latents.nets import Net, NetLayer
from slimcodec.codecs.latents.scales import OUTPUT_FRACTION
from slimcodec.errors import ModelFileError
from slimcodec.integers import (
    WEIGHT_LIMIT,
    CompiledLayer,
    IntegerLayer,
    Output,
    Part,
    bordered,
    corners,
    integer_layer,
    interleaved,
    taps,
    window,
    window_of_phases,
)
from slimcodec.quantization import ActivationGrid, IntegerSum, Quantization

__all__ = ["ScaleNet"]

LAYERS = "probability.scale.layers."
FEATURES = "probability.features"
SEEN_FEATURES = "probability.context.features"
"""The layer of the context that is given what ``FEATURES`` makes."""
_MEDIAN = "probability.median"
ZERO = 128
"""What stands for zero among bytes of hyper-latents."""
_MEDIAN_FRACTION = 16
_FARTHEST_MEDIAN = 1 << 11
_DIGIT = 2 * WEIGHT_LIMIT + 1
_MOST_CONSTANTS = 64


class ScaleNet:
    """Layers of a settled model's scale net.

    Args:
        net: what it is.
        weights: of the model; of the net only the biases are looked at.
        quantization: with the grids of ``sums``.
        limits: the lowest and the highest output that need to be told apart.
        features: whether it makes any.

    Attributes:
        layers: by name, to be run by an ``IntegerNet``.

    Raises:
        ModelFileError: when sums could be inexact, or a grid or array is damaged.
        LookupError: when one is missing.
    """

    def __init__(
        self,
        net: Net,
        weights: Mapping[str, NDArray[np.float32]],
        quantization: Quantization,
        limits: tuple[int, int],
        features: bool,
    ) -> None:
        self._net, self._features = net, features
        grids = [quantization.activations[f"{LAYERS}{i}"] for i in range(len(net.layers))]
        self._zeros = [ZERO, *map(_zero_of, grids[1:])]
        steps = [grid.step for grid in grids]
        self._constants = np.ones(0, np.uint8)
        self.layers: dict[str, IntegerLayer] = {}

        def layer(number: int, name: str, ends: Output) -> IntegerLayer:
            own = net.layers[number]
            grid = quantization.weights[f"{name}.weight"]
            copies = own.stride**2 if own.kind == "transposed" else 1
            scales = np.tile(grid.steps, copies)
            step, zero = steps[number], self._zeros[number]
            parts = [Part(_windowed(own, grid.integers), scales, step, zero)]
            if number == 0 and _MEDIAN in weights:
                digits = _digits(own, grid.integers, weights[_MEDIAN])
                self._constants = np.array([1, *[_DIGIT] * (digits.shape[0] - 1)], np.uint8)
                parts.append(Part(_windowed(own, _as_inputs(own, digits)), scales, step))
            return integer_layer(parts, np.tile(weights[f"{name}.bias"], copies), ends)

        last = len(net.layers) - 1
        for number in range(last):
            ends = Output(steps[number + 1], slope=net.slope, zero=self._zeros[number + 1])
            self.layers[f"scale.{number}"] = layer(number, f"{LAYERS}{number}", ends)
        ends = Output(2.0**-OUTPUT_FRACTION, *limits)
        self.layers[f"scale.{last}"] = layer(last, f"{LAYERS}{last}", ends)
        if features:
            if quantization.activations[FEATURES] != grids[last]:
                raise ModelFileError("scales and features are not made of the same bytes")
            ends = Output(quantization.activations[SEEN_FEATURES].step)
            self.layers["features"] = layer(last, FEATURES, ends)

    @staticmethod
    def sums(net: Net, features: bool) -> list[IntegerSum]:
        """Its layers, for whoever settles a network."""
        inner = "leaky" if net.slope else "seen"
        hyper_latents = ActivationGrid(1.0, 8, -ZERO)
        names = [f"{LAYERS}{number}" for number in range(len(net.layers))]
        sums = [
            IntegerSum((name,), (inner if number else hyper_latents,))
            for number, name in enumerate(names)
        ]
        return [*sums, *([IntegerSum((FEATURES,), (names[-1],))] if features else [])]

    def outputs(
        self, run: Mapping[str, CompiledLayer], z_hat: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], NDArray[np.uint8] | None]:
        """What picks tables, [4h, 4w, m], and features, [4h, 4w, f], where there are any.

        Args:
            run: its layers on an engine.
            z_hat: hyper-latents less their medians, [n, h, w].
        """
        inside = (np.clip(z_hat, -ZERO, ZERO - 1) + ZERO).astype(np.uint8)
        x: NDArray[Any] = inside.transpose(1, 2, 0)
        beside: NDArray[np.uint8] | None = None
        for number, own in enumerate(self._net.layers):
            height, width, channels = x.shape
            begins = corners(height, width)
            seen = [taps(bordered(x, self._zeros[number]), begins, channels)]
            if number == 0 and len(self._constants):
                there = np.broadcast_to(self._constants, (height, width, len(self._constants)))
                seen.append(taps(bordered(there, 0), begins, len(self._constants)))
            if self._features and number + 1 == len(self._net.layers):
                beside = interleaved(run["features"](*seen), height, width, own.stride)
            x = interleaved(run[f"scale.{number}"](*seen), height, width, own.stride)
        return x, beside


def _zero_of(grid: ActivationGrid) -> int:
    """What stands for zero among a layer's bytes."""
    if grid.between or grid.bits != 8:
        raise ModelFileError("a grid of the probability model is not of whole bytes")
    return int(-grid.lowest)


def _windowed(own: NetLayer, weight: NDArray[np.int8]) -> NDArray[np.int8]:
    return window_of_phases(weight, own.stride) if own.kind == "transposed" else window(weight)


def _as_inputs(own: NetLayer, digits: NDArray[np.int8]) -> NDArray[np.int8]:
    """[k, c, kh, kw] as weights of that layer, of k inputs."""
    return digits if own.kind == "transposed" else digits.swapaxes(0, 1)


def _digits(
    own: NetLayer, integers: NDArray[np.int8], medians: NDArray[np.float32]
) -> NDArray[np.int8]:
    """Weights of the constant channels, [k, c, kh, kw]: ones, and then as many times 127 as the
    largest needs. In integers alone, so that every machine makes the same.

    Raises:
        ModelFileError: when medians are no sensible numbers.
    """
    values = medians.reshape(-1).astype(np.float64)
    if not (np.abs(values) < _FARTHEST_MEDIAN).all():
        raise ModelFileError(
            f"a median of hyper-latents is not within ±{_FARTHEST_MEDIAN}; the model is damaged"
        )
    fixed = np.rint(values * 2**_MEDIAN_FRACTION).astype(np.int64)
    by_input = integers if own.kind == "transposed" else integers.swapaxes(0, 1)
    sums = np.tensordot(fixed, by_input.astype(np.int64), axes=1)
    units = (sums + (1 << (_MEDIAN_FRACTION - 1))) >> _MEDIAN_FRACTION
    ones = (units + WEIGHT_LIMIT) % _DIGIT - WEIGHT_LIMIT
    left, digits = (units - ones) // _DIGIT, [ones]
    while left.any():
        if len(digits) > _MOST_CONSTANTS:
            raise ModelFileError("medians of hyper-latents are too large for the scale net")
        digits.append(np.clip(left, -WEIGHT_LIMIT, WEIGHT_LIMIT))
        left = left - digits[-1]
    return np.stack(digits).astype(np.int8)
