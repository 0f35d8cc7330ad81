"""Scales and means as CompressAI's hyper-synthesis gives them, in several ways.

Its scales pick tables, and a scale beside a step between two tables falls on one side or the other
by how sums were rounded: by the kernels, the threads and the machine. So there are ways to compute
the same, and behind them double precision, whose scales nobody's rounding is far from: those of
them that lie next to a step may be on its other side.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from slimcodec.codecs.compressai.config import Architecture

__all__ = ["Synthesis", "Way", "doubtful", "picked"]

_SLOPE = 0.01
_MOST_DOUBTS = 16
ROUNDING = 64 * 2.0**-24
"""How far, as a share of a scale, one in single precision may be from the exact one: several times
what is seen of nets at published widths, 6e-7."""


@dataclass(frozen=True)
class Way:
    """What one way of computing gives.

    Attributes:
        name: in words.
        scales: float64 [m, h, w], exact in single precision but for the last way's.
        means: float32 of the same shape; None where they are zero.
    """

    name: str
    scales: NDArray[np.float64]
    means: NDArray[np.float32] | None


class Synthesis:
    """The net ``h_s`` of a checkpoint.

    Args:
        state: tensors by CompressAI's names.
        architecture: whose net it is.
    """

    def __init__(
        self, state: Mapping[str, NDArray[np.float32]], architecture: Architecture
    ) -> None:
        self._mean = architecture == "mbt2018-mean"
        self._layers = [
            tuple(torch.from_numpy(state[f"h_s.{number}.{kind}"]) for kind in ("weight", "bias"))
            for number in (0, 2, 4)
        ]

    def ways(self, z_hat: NDArray[np.float32]) -> Iterator[Way]:
        """One after another, the likelier first, double precision last.

        Args:
            z_hat: [n, h, w], medians added.
        """
        z = torch.from_numpy(z_hat)[None]
        threads = torch.get_num_threads()
        # The command line itself runs on one thread.
        for library in (True, False):
            for count in dict.fromkeys((1, threads)):
                own = "one thread" if count == 1 else f"{count} threads"
                with _computing(library, count):
                    made = self._run(z)
                yield self._way(f"with{'' if library else 'out'} oneDNN on {own}", made)
        yield self._way("in double precision", self._run(z.double()))

    @torch.no_grad()
    def _run(self, x: Tensor) -> Tensor:
        for number, (weight, bias) in enumerate(self._layers):
            weight, bias = weight.to(x.dtype), bias.to(x.dtype)
            if number < 2:
                x = F.conv_transpose2d(x, weight, bias, 2, 2, 1)
            else:
                x = F.conv2d(x, weight, bias, padding=1)
            if self._mean and number < 2:
                x = F.leaky_relu(x, _SLOPE)
            elif not self._mean:
                x = F.relu(x)
        return x

    def _way(self, name: str, made: Tensor) -> Way:
        means = None
        if self._mean:
            made, mean = made.chunk(2, 1)
            means = mean[0].float().numpy()
        return Way(name, made[0].double().numpy(), means)


@contextmanager
def _computing(library: bool, threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of settings of the library's that are as they were
            with torch.backends.mkldnn.flags(enabled=library):
                yield
    finally:
        torch.set_num_threads(before)


def picked(
    scales: NDArray[np.float64], steps: NDArray[np.float32], least: float
) -> NDArray[np.intp]:
    """The number of the table of each scale, in a row: of the first step that is not below it.

    Args:
        scales: of any shape; looked at in single precision.
        steps: of the tables, ascending.
        least: what smaller scales are taken for.
    """
    floored = np.maximum(scales.ravel().astype(np.float32), np.float32(least))
    found: NDArray[np.intp] = np.searchsorted(steps[:-1], floored)
    return found


def doubtful(
    scales: NDArray[np.float64], steps: NDArray[np.float32], least: float
) -> list[tuple[int, int]]:
    """Scales so near a step that rounding may have put them behind it: their places in a row, in
    order, each with the table on the other side. The nearest few, where there are many."""
    flat, edges = scales.ravel(), steps[:-1].astype(np.float64)
    own = picked(scales, steps, least)
    found: list[tuple[float, int, int]] = []
    for beside, other in ((own - 1, own - 1), (own, own + 1)):
        there = (beside >= 0) & (beside < len(edges)) & (flat > least)
        away = np.abs(flat / edges[beside.clip(0, len(edges) - 1)] - 1)
        near = np.flatnonzero(there & (away < ROUNDING))
        found += zip(away[near].tolist(), near.tolist(), other[near].tolist(), strict=True)
    return sorted((place, table) for _, place, table in sorted(found)[:_MOST_DOUBTS])
