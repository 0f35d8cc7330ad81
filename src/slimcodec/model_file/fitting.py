"""Whether a model's contents are those of the network that its configuration describes.

A digest says that a file is as it was written, not that it was written well. The table of a
family's layers (``codecs.layers``) says which tensors there must be and how long every axis is, so
a network is never larger than the file that claims it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from slimcodec import registry
from slimcodec.codecs.layers import Layer, carriers
from slimcodec.errors import ModelFileError
from slimcodec.model_file.model import Model

__all__ = ["check_fitting"]


def check_fitting(model: Model) -> None:
    """Every tensor of the network there, of its shape and finite; no grid of anything else.

    Raises:
        ModelFileError: naming the first that is not.
        UsageError, LookupError: when there is no such family, or it has no such configuration.
    """
    family = registry.families.get(model.family)
    layers: list[Layer] = list(family.layers(family.config(model.config)))
    weights = model.weights
    for carrier in carriers(layers):
        if carrier.tensor not in weights:
            raise ModelFileError(f"the tensor {carrier.tensor} is missing")
        _expect_length(weights[carrier.tensor], carrier.axis, carrier.length, carrier.tensor)
    for layer in layers:
        if layer.kind in ("conv", "transposed", "gdn"):
            for axis in (2, 3):
                name = f"{layer.module}.weight"
                _expect_length(weights[name], axis, layer.kernel, name)
    for name in {carrier.tensor for carrier in carriers(layers)}:
        _expect_axes(weights[name], name)
    for name, array in weights.items():
        if not np.isfinite(array).all():
            raise ModelFileError(f"the tensor {name} holds values that are no numbers")
    known = {layer.module for layer in layers}
    # Grids of weights have their tensors, or the file was not read so far.
    if unknown := sorted(set(model.quantization.activations) - known):
        raise ModelFileError(f"it has a grid of {unknown[0]!r:.80}, which is no layer")


_PLAIN = {"bias": 1, "gamma": 4, "beta": 4}
"""Axes of tensors that have one number for a channel, by the end of their names."""


def _expect_axes(array: np.ndarray[Any, Any], name: str) -> None:
    axes = _PLAIN.get(name.rpartition(".")[2])
    if axes is not None and (array.ndim != axes or array.size != max(array.shape)):
        raise ModelFileError(
            f"the tensor {name} has the shape {array.shape}; it must have {axes} axes, and one "
            "number for each channel"
        )


def _expect_length(array: np.ndarray[Any, Any], axis: int, length: int, name: str) -> None:
    if axis >= array.ndim or array.shape[axis] != length:
        raise ModelFileError(
            f"the tensor {name} has the shape {array.shape}; along axis {axis} it must be {length}"
        )
