"""Compensated rounding: each weight's error is made up for by the weights that are still to round
(optimal brain surgery for one layer, Hassibi and Stork 1993; in this form GPTQ, Frantar et al.
2023).

A layer's output is a sum over its inputs, and inputs resemble each other. With H = Σ x xᵀ over what
the layer sees, rounding w_k by e_k is least bad when every other weight of the same output moves by
-e_k · H⁻¹[k, j] / H⁻¹[k, k]. Columns are rounded one after another, those that see most first, and
the inverse of what is left is a row of one Cholesky factor. No gradient, no steps to choose:
seconds for what learned rounding takes minutes for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from slimcodec.quantization.rounding import to_level
from slimcodec.quantization.simulation import Convolution

__all__ = ["compensated", "round_layer"]

_DAMPING = 0.01
"""Added to H's diagonal, as a share of its mean: inputs that were not seen may still come."""
_BLOCK = 128
_POSITIONS = 32768
"""So many places of a layer's inputs are enough to know how they resemble each other."""


@torch.no_grad()
def round_layer(
    layer: Convolution, steps: Tensor, levels: tuple[int, int] | Tensor, inputs: Sequence[Tensor]
) -> Tensor:
    """A layer's weights on their grid.

    Args:
        layer: with its trained weights; of one group, not dilated.
        steps: distance between levels, broadcastable to the weights.
        levels: lowest and highest integer, or a table of positions in steps.
        inputs: what the layer is given, [1, c, h, w] each; at least one.
    """
    weight = layer.weight.detach()
    steps = steps.expand_as(weight)
    rounded = weight.clone()
    gram = _gram(layer, inputs)
    for taps in _taps(layer):
        columns = _columns(layer, weight, taps)
        out = compensated(columns, _columns(layer, steps, taps), levels, _part(layer, gram, taps))
        _put(layer, rounded, taps, out)
    return rounded


def compensated(
    weight: Tensor, steps: Tensor, levels: tuple[int, int] | Tensor, gram: Tensor
) -> Tensor:
    """Rows of weights, rounded so that ``weight @ x`` changes least; what was pruned stays zero.

    Args:
        weight: [outputs, inputs].
        steps: likewise.
        levels: lowest and highest integer, or a table of positions in steps.
        gram: [inputs, inputs], Σ x xᵀ.
    """
    damping = _DAMPING * gram.diagonal().mean()
    if float(damping) == 0:
        return to_level(weight / steps, levels) * steps
    order = gram.diagonal().argsort(descending=True)
    identity = torch.eye(len(gram), dtype=gram.dtype)
    damped = gram[order][:, order] + damping * identity
    # H = R Rᵀ with R upper, so H⁻¹ = Fᵀ F with F = R⁻¹: no inverse of H is ever written down.
    root = torch.linalg.cholesky(damped.flip(0, 1)).flip(0, 1)
    factor = torch.linalg.solve_triangular(root, identity, upper=True)
    # One row per input: what is read and written together lies together.
    left = weight.to(gram.dtype).T[order].contiguous()
    pruned = left == 0
    steps_ordered = steps.to(gram.dtype).T[order].contiguous()
    if isinstance(levels, Tensor):
        levels = levels.to(gram.dtype)
    for start in range(0, len(gram), _BLOCK):
        stop = min(start + _BLOCK, len(gram))
        errors = torch.empty_like(left[start:stop])
        for k in range(start, stop):
            step = steps_ordered[k]
            rounded = (to_level(left[k] / step, levels) * step).masked_fill(pruned[k], 0)
            error = (left[k] - rounded) / factor[k, k]
            left[k:stop].addr_(factor[k, k:stop], error, alpha=-1)
            left[k] = rounded
            errors[k - start] = error
        left[stop:].addmm_(factor[start:stop, stop:].T, errors, alpha=-1)
    return left[order.argsort()].T.to(weight.dtype)


def _gram(layer: Convolution, inputs: Sequence[Tensor]) -> Tensor:
    """Σ x xᵀ over windows of the inputs, channels first, then the window's rows and columns."""
    total: Tensor | None = None
    share = max(1, _POSITIONS // len(inputs))
    for x in inputs:
        seen = _windows(layer, x)
        seen = seen[:, :: max(1, seen.shape[1] // share) | 1].double()
        own = seen @ seen.T
        total = own if total is None else total + own
    assert total is not None
    return total


def _windows(layer: Convolution, x: Tensor) -> Tensor:
    """What each place of the output is made of, [c · window, places]."""
    high, wide = _window(layer)
    if isinstance(layer, nn.ConvTranspose2d):
        # Of a whole number of blocks between the picture's edges: at the edges a phase may see a
        # little more or less.
        x = F.pad(x, (wide // 2, wide - 1 - wide // 2, high // 2, high - 1 - high // 2))
        return F.unfold(x, (high, wide))[0]
    if layer.padding_mode != "zeros":
        x = F.pad(x, layer._reversed_padding_repeated_twice, mode=layer.padding_mode)
        return F.unfold(x, (high, wide), stride=layer.stride)[0]
    assert isinstance(layer.padding, tuple)
    return F.unfold(x, (high, wide), padding=layer.padding, stride=layer.stride)[0]


def _window(layer: Convolution) -> tuple[int, int]:
    """Rows and columns of the input that one place of the output sees at most."""
    high, wide = layer.kernel_size
    if isinstance(layer, nn.ConvTranspose2d):
        return -(-high // layer.stride[0]), -(-wide // layer.stride[1])
    return high, wide


_Taps = tuple[range, range]


def _taps(layer: Convolution) -> Iterator[_Taps]:
    """Rows and columns of the kernel that meet at one place of the output: of a transposed
    convolution, every stride-th."""
    high, wide = layer.kernel_size
    if not isinstance(layer, nn.ConvTranspose2d):
        yield range(high), range(wide)
        return
    for i in range(layer.stride[0]):
        for j in range(layer.stride[1]):
            # Backwards: the later tap meets the earlier input.
            yield range(i, high, layer.stride[0])[::-1], range(j, wide, layer.stride[1])[::-1]


def _columns(layer: Convolution, values: Tensor, taps: _Taps) -> Tensor:
    """Of weights or their steps, one row per output."""
    if isinstance(layer, nn.ConvTranspose2d):
        values = values.transpose(0, 1)
    return values[:, :, list(taps[0])][:, :, :, list(taps[1])].flatten(1)


def _put(layer: Convolution, weight: Tensor, taps: _Taps, columns: Tensor) -> None:
    """The inverse of ``_columns``, into some of the weights."""
    if isinstance(layer, nn.ConvTranspose2d):
        weight = weight.transpose(0, 1)
    own = columns.reshape(len(columns), weight.shape[1], len(taps[0]), len(taps[1]))
    for i, row in enumerate(taps[0]):
        for j, column in enumerate(taps[1]):
            weight[:, :, row, column] = own[:, :, i, j]


def _part(layer: Convolution, gram: Tensor, taps: _Taps) -> Tensor:
    """What those taps see of each other: how inputs resemble each other does not depend on where
    in the window they lie, so the window's first rows and columns stand for any."""
    high, wide = _window(layer)
    rows, columns = len(taps[0]), len(taps[1])
    if (rows, columns) == (high, wide):
        return gram
    numbers = torch.arange(len(gram)).reshape(-1, high, wide)[:, :rows, :columns].flatten()
    return gram[numbers][:, numbers]
