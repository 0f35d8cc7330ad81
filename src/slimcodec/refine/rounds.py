"""Symbols moved by one, round by round, towards fewer bits and less distortion together.

    cost(symbols) = bits + λ · 255² · (squared error + similarity · (1 - MS-SSIM))

In each round the picture is made of the symbols. Its gradient ``g`` and what a channel's step adds
at the second order, ``c``, say what moving one symbol by ``d`` would change, and tables what that
would do to its own bits:

    λ · 255² · (g · d + c · d²) + bits(s + d) - bits(s)

Of those that lower the cost a few are moved at once, the best ones and of these every other, for
they were asked one by one: moved all together they overshoot. Fewer are from round to round, and
whenever the cost has grown; the best symbols of all rounds are kept. What a symbol does to the
tables of others is not asked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np

from slimcodec.codecs.family import Floats
from slimcodec.codecs.latents.refiner import Picture
from slimcodec.codecs.latents.tile import BitsAround, Latents, Tiles, gain_at
from slimcodec.codecs.tiles import Box, Sight, grid
from slimcodec.types import Clock, Image

__all__ = ["Differentiable", "Rounds"]

_MOVED, _MOVED_LAST = 0.004, 0.25
"""Share of a tile's symbols among which are those that move in the first round, and what is left of
it in the last. Four held-out crops, 24 rounds, without MS-SSIM: 0.004 -8.9 % of the bits at equal
PSNR, all that would gain at once +30 %."""
_FEWER = 0.7
"""Of that share, whenever a round was for the worse."""
_LEAST_GAIN = 0.02
"""Bits that a move must save."""
_DEARER = 1.25
"""What bits weigh, in what they weighed in training: so much that of what is gained next to all is
bytes, and little quality."""
_WINDOW = 48
"""Positions on a side of what is differentiated at once, without its halo."""
_AROUND = 8
"""Positions of the halo, on both sides together, as far as memory is concerned."""
_BYTES_PER_PIXEL = 1100.0
"""That a generator takes there and back, and torch itself; ``hific-s``, 768x768 pixels and, in
windows, 1536x1536: 1085 and 713 more than without."""


@runtime_checkable
class Differentiable(Protocol):
    """A generator that can be asked how its picture's distortion changes with its latents."""

    def distortion(self, latents: Floats, image: Image, inside: Box) -> tuple[float, Floats]:
        """
        Args:
            latents: decoded, [m, h, w].
            image: what they shall become, uint8 [H, W, 3], as many positions or a part of the last.
            inside: pixels that count.

        Returns:
            distortion of these, summed over pixels, values in [0, 1]; and how that of all pixels
            changes with each latent, [m, h, w].
        """

    def curvature(self, latents: Floats) -> Floats:
        """What a change of each channel by one adds to the distortion at the second order, about:
        the mean over its positions, [m]."""


class Rounds:
    """Refines; see ``codecs.latents.refiner.Refiner``.

    Args:
        differentiable: the generator.
        count: of rounds.
        lambdas: of each quality, all above 0.
        log_degain: of decoded symbols, [qualities, m].
        stride: pixels on a side of a position.
    """

    def __init__(
        self,
        differentiable: Differentiable,
        count: int,
        lambdas: Sequence[float],
        log_degain: Floats,
        stride: int,
    ) -> None:
        self.differentiable, self.count = differentiable, count
        self.log_lambdas = np.log(np.array(lambdas, np.float32))[:, None]
        self.log_degain, self.stride = log_degain, stride

    def __call__(
        self,
        coder: Tiles,
        picture: Picture,
        latents: Sequence[Latents],
        step: int,
        weight: float,
        clock: Clock,
    ) -> list[Latents]:
        """See ``Refiner``."""
        # In between, trade-offs go with gains.
        trade_off = gain_at(self.log_lambdas, step).item()
        worth = 255**2 * trade_off / (_DEARER * weight)
        degain = gain_at(self.log_degain, step)
        random = np.random.default_rng(0)
        own, share = list(latents), _MOVED
        best, least = own, math.inf
        curve: Floats | None = None
        for number in range(self.count + 1):
            with clock("refine", number + 1):
                seen = self._decoded(coder, picture, own, step)
                if curve is None:
                    curve = self._curvature(picture, seen)[:, None, None] * degain**2
                distortion, slope = self._differentiated(picture, seen)
                bits = [coder.bits_around(tile, step) for tile in own]
                cost = worth * distortion + sum(float(b.own.sum(dtype=np.float64)) for b in bits)
                if cost < least:
                    best, least = own, cost
                else:
                    share *= _FEWER
                if number == self.count:
                    break
                moving = share * (1 - (1 - _MOVED_LAST) * number / self.count)
                slope *= worth * degain
                own = [
                    _moved(tile, around, slope[:, *box.slices], worth * curve, moving, random)
                    for tile, around, box in zip(own, bits, picture.tiles, strict=True)
                ]
        return [coder.of_symbols(tile.symbols, tile.hyper_latents, step) for tile in best]

    def memory_needed(self, whole: Box) -> float:
        """See ``Refiner``."""
        down, across = (min(side, _WINDOW + _AROUND) for side in whole.size)
        return down * across * self.stride**2 * _BYTES_PER_PIXEL

    def _decoded(
        self, coder: Tiles, picture: Picture, latents: Sequence[Latents], step: int
    ) -> Floats:
        """What a generator is given of the picture, [m, h, w]."""
        seen = np.empty((self.log_degain.shape[1], *picture.whole.size), np.float32)
        for tile, box in zip(latents, picture.tiles, strict=True):
            seen[:, *box.slices] = coder.dequantize(tile, step)
        return seen

    def _curvature(self, picture: Picture, seen: Floats) -> Floats:
        """From the window in the middle."""
        windows = grid(picture.whole, _WINDOW)
        middle = windows[len(windows) // 2]
        return self.differentiable.curvature(np.ascontiguousarray(seen[:, *middle.slices]))

    def _differentiated(self, picture: Picture, seen: Floats) -> tuple[float, Floats]:
        """Distortion of the picture, and its slope along each latent, window by window."""
        slope, distortion = np.empty_like(seen), 0.0
        reach = Sight(self.stride, picture.halo, 0)
        for window in grid(picture.whole, _WINDOW):
            around = reach.grown(window, picture.whole)
            own = np.ascontiguousarray(seen[:, *around.slices])
            pixels = around.times(self.stride)
            inside = window.times(self.stride).seen_from(pixels)
            image = picture.image[pixels.slices]
            lost, gradient = self.differentiable.distortion(own, image, inside)
            slope[:, *window.slices] = gradient[:, *window.seen_from(around).slices]
            distortion += lost
        return distortion, slope


def _moved(
    tile: Latents,
    bits: BitsAround,
    slope: Floats,
    curve: Floats,
    moving: float,
    random: np.random.Generator,
) -> Latents:
    """A tile of which a share of the symbols has been looked at, those that gain most."""
    added = curve - bits.own
    less, more = added + bits.less - slope, added + bits.more + slope
    change = np.minimum(less, more)
    last = min(int(moving * change.size), change.size - 1)
    limit = min(float(np.partition(change, last, axis=None)[last]), -_LEAST_GAIN)
    moves = (change <= limit) & (random.random(change.shape, np.float32) < 0.5)
    ways = np.where(less < more, -1, 1).astype(np.int32)
    # What codes them is made again where it is needed, at the end.
    return replace(tile, symbols=tile.symbols + ways * moves, coded=())
