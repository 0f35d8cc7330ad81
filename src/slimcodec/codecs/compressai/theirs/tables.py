"""Tables of CompressAI's coder: a checkpoint's own, or made as its ``update()`` makes them.

Tables made anew come from floats, and may differ from those that wrote a stream; the end of a
string tells.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from slimcodec.codecs.compressai.theirs.rans import TOTAL, Tables
from slimcodec.codecs.latents.scales import SCALE_MAX, SCALE_MIN
from slimcodec.errors import CheckpointError

__all__ = ["density_tables", "scale_steps", "scale_tables", "stored_tables"]

State = Mapping[str, NDArray[np.float32]]

_TAIL = 1e-9
"""Probability that is left to the escape."""
_SCALES = 64
_BOTTLENECK = "entropy_bottleneck."
_LAYERS = 5


def stored_tables(state: State, part: str, count: int) -> Tables | None:
    """The tables that a checkpoint has; None where it has none.

    Args:
        state: tensors by CompressAI's names.
        part: ``"entropy_bottleneck"`` or ``"gaussian_conditional"``.
        count: of tables that there must be.

    Raises:
        CheckpointError: when they are no tables, or not so many.
    """
    names = [f"{part}.{name}" for name in ("_quantized_cdf", "_cdf_length", "_offset")]
    found = [state[name] for name in names if name in state and state[name].size]
    if not found:
        return None
    what = f"{part}'s tables"
    if len(found) < len(names):
        raise CheckpointError(f"{what} are not whole: {', '.join(names)} belong together")
    rows, lengths, offsets = found
    fits = rows.ndim == 2 and len(rows) == count and lengths.size == offsets.size == count
    if not fits:
        raise CheckpointError(f"{what} are {list(rows.shape)}; {count} are needed, one a row")
    whole = all((own == np.rint(own)).all() and np.isfinite(own).all() for own in found)
    if not whole or np.abs(offsets).max() > TOTAL:
        raise CheckpointError(f"{what} are damaged: they hold what are no whole numbers")
    edges = []
    for number, length in enumerate(lengths.ravel().astype(int)):
        if not 2 <= length <= rows.shape[1]:
            raise CheckpointError(f"{what} are damaged: table {number} has a length of {length}")
        own = rows[number, :length]
        if own[0] != 0 or own[-1] != TOTAL or (np.diff(own) < 1).any():
            raise CheckpointError(
                f"{what} are damaged: table {number} does not rise from 0 to {TOTAL}"
            )
        edges.append(own.astype(int).tolist())
    return Tables(edges, offsets.ravel().astype(int).tolist())


def scale_steps(state: State) -> NDArray[np.float32]:
    """The scales that there are tables for, ascending: a checkpoint's own, or the usual.

    Raises:
        CheckpointError: when they do not ascend.
    """
    stored = state.get("gaussian_conditional.scale_table")
    if stored is None or not stored.size:
        edges = torch.linspace(math.log(SCALE_MIN), math.log(SCALE_MAX), _SCALES)
        usual: NDArray[np.float32] = torch.exp(edges).numpy()
        return usual
    steps = stored.ravel()
    if not steps[0] > 0 or not (np.diff(steps) > 0).all() or not np.isfinite(steps).all():
        raise CheckpointError("gaussian_conditional.scale_table does not ascend from above zero")
    return steps


def scale_tables(steps: NDArray[np.float32]) -> Tables:
    """A table for a Gaussian of each scale."""
    scales = torch.from_numpy(steps)
    reaches = torch.ceil(scales * -NormalDist().inv_cdf(_TAIL / 2)).int()
    distances = (torch.arange(2 * int(reaches.max()) + 1).int() - reaches[:, None]).abs().float()

    def below(edge: Tensor) -> Tensor:
        return 0.5 * torch.erfc(-(2**-0.5) * (edge / scales[:, None]))

    near, far = below(0.5 - distances), below(-0.5 - distances)
    sizes = 2 * reaches + 1
    return _tables(near - far, 2 * far[:, :1], sizes, -reaches)


def density_tables(state: State) -> Tables:
    """A table for the density of each channel, around its median and as far as its quantiles say.

    Args:
        state: tensors by CompressAI's names, those of the density among them.
    """
    lower, median, upper = torch.from_numpy(state[f"{_BOTTLENECK}quantiles"])[:, 0].unbind(1)
    under = torch.ceil(median - lower).int().clamp(min=0)
    over = torch.ceil(upper - median).int().clamp(min=0)
    sizes = under + over + 1
    places = torch.arange(int(sizes.max()))[None] + (median - under)[:, None, None]
    low, high = _logits(state, places - 0.5), _logits(state, places + 0.5)
    inside = (torch.sigmoid(high) - torch.sigmoid(low))[:, 0]
    outside = torch.sigmoid(low[:, 0, :1]) + torch.sigmoid(-high[:, 0, -1:])
    return _tables(inside, outside, sizes, -under)


def _logits(state: State, x: Tensor) -> Tensor:
    """Of the density's cumulative, [c, 1, n]."""

    def of(kind: str, number: int) -> Tensor:
        return torch.from_numpy(state[f"{_BOTTLENECK}{kind}.{number}"])

    for number in range(_LAYERS):
        x = torch.matmul(F.softplus(of("matrices", number)), x) + of("biases", number)
        if number < _LAYERS - 1:
            x = x + torch.tanh(of("factors", number)) * torch.tanh(x)
    return x


def _tables(inside: Tensor, outside: Tensor, sizes: Tensor, offsets: Tensor) -> Tables:
    """Of probabilities, so many of each row, and that of an escape."""
    if not torch.isfinite(inside).all() or int(sizes.max()) >= TOTAL:
        raise CheckpointError("its densities give no tables; it is not trained")
    edges = []
    for row, escape, size in zip(inside.numpy(), outside.numpy(), sizes.tolist(), strict=True):
        edges.append(_shared_out(np.concatenate([row[:size], escape])))
    return Tables(edges, offsets.tolist())


def _shared_out(probabilities: NDArray[np.float32]) -> list[int]:
    """Edges from 0 to 65,536 in proportion to probabilities, and no symbol without a share.

    What has none takes one off the least share of more than one, the first such; all edges between
    move by one.
    """
    counts = np.floor(probabilities.clip(0).astype(np.float64) * TOTAL + 0.5).astype(np.int64)
    if not counts.sum():
        raise CheckpointError("its densities give no tables; it is not trained")
    edges = np.concatenate([[0], np.cumsum(TOTAL * counts // counts.sum())])
    edges[-1] = TOTAL
    for number in range(len(probabilities)):
        if edges[number] < edges[number + 1]:
            continue
        shares = np.diff(edges)
        giver = int(np.argmin(np.where(shares > 1, shares, TOTAL + 1)))
        if giver < number:
            edges[giver + 1 : number + 1] -= 1
        else:
            edges[number + 1 : giver + 1] += 1
    found: list[int] = edges.tolist()
    return found
