"""Books from photographs, without a gradient.

    1. surfaces    least squares: what means of nine blocks say of the one in the middle
    2. books       stage after stage, on what the stages before leave: k-means that counts bits
                   (entropy-constrained Lloyd), with restarts of dead codes
    3. together    all photographs coded as they will be, at every quality; each code moves to
                   where its vectors are, given all other codes, and every table is counted

Each stage is fitted for its own worth of a bit, falling from one to the next, so that the first
hold what few blocks need and is large, the last what nearly all have and is small. A quality uses
the stages that are worth its bits, and so all share one book.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from slimcodec.codecs.family import Floats
from slimcodec.codecs.vq.coding import choose
from slimcodec.codecs.vq.config import BLOCK, Book
from slimcodec.codecs.vq.means import REACH
from slimcodec.codecs.vq.planes import (
    MIDDLE,
    means_of,
    neighbourhoods,
    planes_of,
    surface_of,
    vectors_of,
)
from slimcodec.codecs.vq.tables import LEVELS
from slimcodec.codecs.vq.tile import Blocks, show

if TYPE_CHECKING:
    from slimcodec.codecs.vq.network import VqNetwork

__all__ = ["clustered", "fit"]

_STEP = 4
"""Of means, while surfaces and books are fitted."""
_WORTHS = {"luma": (5000.0, 4.0), "chroma": (4000.0, 6.0)}
"""Squared levels that a bit must save in the first stage and in the last."""
_ITERATIONS, _RESTARTS = 8, 6
"""Of k-means, and so many first ones restart codes that died."""
_DEAD = 0.02
"""Of the vectors that a code has on average; with fewer it is dead."""
_ROUNDS = 2
"""Of fitting books together."""
_TOGETHER_PIXELS = 1 << 21
"""Of photographs that are coded in each of these, at each quality."""
_DOUBT = 4.0
"""Vectors' worth of what the stage as a whole says, in counts that few vectors made."""
_PIECE = 1 << 14
"""Vectors that are compared with codes at once."""

Planes = tuple[Floats, Floats]
Told = Callable[[], None]


def fit(
    network: VqNetwork,
    blocks: Float[np.ndarray, "n 3 k k"],
    on_progress: Callable[[int, int], None],
) -> None:
    """All weights of a network, in place.

    Args:
        network: as it was built.
        blocks: pieces of photographs, values in [0, 1]; sides are multiples of 16.
        on_progress: called with (steps done, steps).
    """
    config = network.config
    levels = np.rint(blocks * 255).astype(np.uint8).transpose(0, 2, 3, 1)
    pieces = [planes_of(piece) for piece in levels]
    few = max(1, _TOGETHER_PIXELS // levels[0, :, :, 0].size)
    rounds = [_spread(pieces, few, number) for number in range(_ROUNDS)]
    total = sum(book.stages for book in config.books)
    total += sum(len(own) for own in rounds) * len(config.lambdas)
    done = 0

    def told() -> None:
        nonlocal done
        done += 1
        on_progress(done, total)

    on_progress(0, total)
    for number, book in enumerate(config.books):
        _fit_book(network, book, [piece[number] for piece in pieces], told)
    for own in rounds:
        _fit_together(network, own, told)


def _spread(pieces: list[Planes], count: int, first: int) -> list[Planes]:
    """So many of the pieces, others for each first one."""
    step = max(1, len(pieces) // count)
    return pieces[first % step :: step][:count]


# 1 and 2: surfaces and books, one after another


@torch.no_grad()
def _fit_book(network: VqNetwork, book: Book, planes: list[Floats], told: Told) -> None:
    means = [np.rint((means_of(p) + MIDDLE) / _STEP).astype(np.int64) * _STEP for p in planes]
    around = np.concatenate([neighbourhoods(own) for own in means]) - MIDDLE
    vectors = np.concatenate([vectors_of(plane) for plane in planes])
    surface = np.linalg.lstsq(
        around.T.astype(np.float64) @ around, around.T.astype(np.float64) @ vectors, rcond=None
    )[0].astype(np.float32)
    kernel = _kernel_of(surface, book.channels)
    getattr(network.decoder, f"{book.name}_surface").weight.copy_(torch.from_numpy(kernel))
    # As the decoder will see it, up to halves.
    left = vectors - around @ surface_of(kernel)
    codes, flags, numbers = [], [], []
    rng = np.random.default_rng(0)
    for worth in np.geomspace(*_WORTHS[book.name], book.stages):
        found = clustered(left, book.codes, float(worth), rng)
        left[found.taken] -= found.codes[found.numbers]
        codes.append(found.codes)
        flags.append(_logit(len(found.numbers), len(left)))
        numbers.append(np.log(found.shares))
        told()
    weights = _as_kernels(np.stack(codes), book)
    getattr(network.decoder, book.name).weight.copy_(torch.from_numpy(weights))
    own = network.probability
    getattr(own, f"{book.name}_flags").copy_(_tensor(flags)[None, :, None])
    getattr(own, f"{book.name}_numbers").copy_(_tensor(np.stack(numbers))[:, None])


def _kernel_of(surface: Float[np.ndarray, "k d"], channels: int) -> Float[np.ndarray, "c c 24 24"]:
    """The inverse of ``planes.surface_of``."""
    pieces = surface.reshape(channels, 3, 3, channels, BLOCK, BLOCK)[:, ::-1, ::-1]
    kernel = pieces.transpose(0, 3, 1, 4, 2, 5).reshape(channels, channels, 3 * BLOCK, 3 * BLOCK)
    return np.ascontiguousarray(kernel)


def _as_kernels(codes: Float[np.ndarray, "s k d"], book: Book) -> Float[np.ndarray, "n c 8 8"]:
    """Codes in levels as a layer's weights."""
    return (codes / np.float32(LEVELS)).reshape(-1, book.channels, BLOCK, BLOCK)


@dataclass(frozen=True)
class Clusters:
    """What k-means came to.

    Attributes:
        codes: float32 [k, d].
        shares: of each code, among the vectors that take one.
        taken: bool [n], which vectors do.
        numbers: the code of each of these.
    """

    codes: Floats
    shares: NDArray[np.float64]
    taken: NDArray[np.bool_]
    numbers: NDArray[np.int64]


def clustered(
    vectors: Float[np.ndarray, "n d"], count: int, worth: float, rng: np.random.Generator
) -> Clusters:
    """k-means whose vectors take the code of least squared error plus bits, or none.

    Args:
        vectors: n of them.
        count: of codes.
        worth: squared error that a bit must save.
        rng: places codes where they begin.
    """
    lengths = np.square(vectors).sum(axis=1)
    # Those that have most to gain: among all, hardly any begins where a code is worth its bits.
    longest = np.argsort(-lengths, kind="stable")[: max(20 * count, len(vectors) // 20)]
    codes = vectors[rng.choice(longest, count, replace=len(longest) < count)].copy()
    shares, taking = np.full(count, 1 / count), 0.1
    for iteration in range(_ITERATIONS):
        bits = -np.log2(shares) - np.log2(taking)
        numbers, gains = _nearest(vectors, codes, (worth * bits).astype(np.float32))
        gains = worth * -np.log2(1 - taking) - gains
        taken = gains > 0
        if taken.sum() < count:
            # A worth at which nothing pays yet: those begin that come closest to it.
            taken[np.argsort(-gains, kind="stable")[:count]] = True
        own = numbers[taken]
        sizes = np.bincount(own, minlength=count).astype(np.float64)
        codes = np.where(sizes[:, None] > 0, _sums(vectors[taken], own, count), codes)
        codes /= np.maximum(sizes, 1)[:, None].astype(np.float32) * (sizes > 0)[:, None] + (
            sizes == 0
        )[:, None].astype(np.float32)
        if iteration < _RESTARTS:
            _restart(codes, sizes)
        shares = (sizes + 0.5) / (sizes.sum() + 0.5 * count)
        taking = float(np.clip(taken.mean(), 1e-4, 1 - 1e-4))
    return Clusters(codes, shares, taken, own)


def _nearest(vectors: Floats, codes: Floats, costs: Floats) -> tuple[NDArray[np.int64], Floats]:
    """The best code of each vector, and what it costs more than none: |c|² - 2 x·c + its bits."""
    offsets = np.square(codes).sum(axis=1) + costs
    numbers = np.empty(len(vectors), np.int64)
    found = np.empty(len(vectors), np.float32)
    for first in range(0, len(vectors), _PIECE):
        each = vectors[first : first + _PIECE] @ (-2 * codes.T)
        each += offsets
        best = each.argmin(axis=1)
        numbers[first : first + _PIECE] = best
        found[first : first + _PIECE] = each[np.arange(len(best)), best]
    return numbers, found


def _sums(vectors: Floats, numbers: NDArray[np.int64], count: int) -> Floats:
    """Of the vectors of each number, [count, d]."""
    sums = np.zeros((count, vectors.shape[1]), np.float64)
    there, starts = np.unique(np.sort(numbers, kind="stable"), return_index=True)
    ordered = vectors[np.argsort(numbers, kind="stable")].astype(np.float64)
    sums[there] = np.add.reduceat(ordered, starts, axis=0)
    return sums.astype(np.float32)


def _restart(codes: Floats, sizes: NDArray[np.float64]) -> None:
    """Dead codes begin anew, in place: each takes half of the vectors of one of those that have
    most, a little further out, and that one moves a little in."""
    dead = np.flatnonzero(sizes < max(1.0, _DEAD * sizes.mean()))
    largest = np.argsort(-sizes, kind="stable")[: len(dead)]
    codes[dead], codes[largest] = 1.3 * codes[largest], 0.75 * codes[largest]
    sizes[dead] = sizes[largest] = sizes[largest] / 2


# 3: together


@dataclass
class _Counts:
    """What was coded in a round, by tables, and where codes want to go.

    Attributes:
        tables: name to counts; see ``tile.Put``.
        moves: of each book, weighted sums of what is left of the vectors of each code, [s, k, d].
        weights: of these, [s, k].
    """

    tables: dict[str, NDArray[np.float64]]
    moves: list[NDArray[np.float64]]
    weights: list[NDArray[np.float64]]

    @classmethod
    def none(cls, network: VqNetwork) -> _Counts:
        tables = {}
        for name, logits in network.probability.named_parameters():
            # A flag's logit is of one of two; all others are of as many as lie along the last axis.
            flags = name.endswith("_flags")
            shape = (logits.numel(), 2) if flags else (-1, logits.shape[-1])
            made = np.zeros(2 * logits.numel() if flags else logits.numel())
            tables[name.replace("_", ".")] = made.reshape(shape)
        shapes = [(book.stages, book.codes, book.length) for book in network.config.books]
        return cls(tables, [np.zeros(s) for s in shapes], [np.zeros(s[:2]) for s in shapes])

    def put(self, name: str, symbols: NDArray[np.int64], numbers: NDArray[np.int64]) -> None:
        """See ``tile.Put``."""
        if name == "means":
            symbols = np.where(abs(symbols) > REACH, 2 * REACH + 1, symbols + REACH)
        np.add.at(self.tables[name], (numbers, symbols), 1)

    def add(self, tile: tuple[Blocks, ...], left: list[Floats], weight: float) -> None:
        """What codes leave of the vectors that took them, of which each of a sum makes up its
        share: all go at once, and if each went all the way they would go too far together."""
        for number, (blocks, rest) in enumerate(zip(tile, left, strict=True)):
            chosen = blocks.chosen.reshape(len(blocks.chosen), -1)
            stage, block = chosen.nonzero()
            code = chosen[stage, block].astype(np.int64) - 1
            np.add.at(self.weights[number], (stage, code), weight)
            flat = stage * self.moves[number].shape[1] + code
            shares = rest / np.maximum((chosen > 0).sum(axis=0), 1)[:, None].astype(np.float32)
            sums = _sums(shares[block], flat, self.weights[number].size)
            self.moves[number] += weight * sums.reshape(self.moves[number].shape)


def _fit_together(network: VqNetwork, pieces: list[Planes], told: Told) -> None:
    """One round."""
    coding, config, counts = network.coding(), network.config, _Counts.none(network)
    for quality, own in enumerate(config.lambdas):
        for planes in pieces:
            tile, left = choose(coding, config, quality, planes)
            show(config, quality, tile, counts.put)
            # Qualities count as in the loss: neither for what they lose nor for what they spend.
            counts.add(tile, left, own**0.5)
            told()
    _apply(network, counts)


@torch.no_grad()
def _apply(network: VqNetwork, counts: _Counts) -> None:
    for book, moves, weights in zip(
        network.config.books, counts.moves, counts.weights, strict=True
    ):
        steps = moves / np.maximum(weights, 1e-9)[:, :, None]
        layer = getattr(network.decoder, book.name)
        layer.weight += torch.from_numpy(_as_kernels(steps.astype(np.float32), book))
        flags = getattr(network.probability, f"{book.name}_flags")
        flags.copy_(_flag_logits(counts.tables[f"{book.name}.flags"], tuple(flags.shape)))
        numbers = getattr(network.probability, f"{book.name}_numbers")
        numbers.copy_(_number_logits(counts.tables[f"{book.name}.numbers"], tuple(numbers.shape)))
    means = network.probability.means
    own = counts.tables["means"].reshape(tuple(means.shape)) + _far_means()
    means.copy_(_tensor(np.log(own)))


def _flag_logits(counts: NDArray[np.float64], shape: tuple[int, ...]) -> torch.Tensor:
    """Of flags by quality, stage and context; few of a context are told by the stage's."""
    own = counts.reshape(*shape, 2)
    stage = own.sum(axis=2, keepdims=True) + 0.5
    own = own + _DOUBT * stage / stage.sum(axis=-1, keepdims=True)
    return _tensor(np.log(own[..., 1] / own[..., 0]))


def _number_logits(counts: NDArray[np.float64], shape: tuple[int, ...]) -> torch.Tensor:
    """Of codes' numbers by stage and direction; few of a direction are told by the stage's."""
    own = counts.reshape(shape)
    stage = own.sum(axis=1, keepdims=True) + 0.5
    own = own + _DOUBT * shape[-1] * stage / stage.sum(axis=-1, keepdims=True)
    return _tensor(np.log(own))


def _far_means() -> NDArray[np.float64]:
    """Counts that no distance is without: few, and fewer the further."""
    distance = abs(np.arange(2 * REACH + 2) - REACH)
    return np.asarray(0.5 / (1 + distance))


def _logit(count: int, total: int) -> float:
    return float(np.log((count + 1) / (total - count + 1)))


def _tensor(values: Any) -> torch.Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))
