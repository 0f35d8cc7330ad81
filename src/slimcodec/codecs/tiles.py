"""A picture in tiles, so that memory has a bound and a part can be had without the rest.

Two things are cut, each for its own reason. *Tiles* are what is coded by itself: a section of the
stream each, whose tables depend on nothing outside, so they are written and read side by side, and
a damaged one costs itself. They are part of the stream. *Windows* are what a network sees at once:
as many positions as memory allows and a *halo* around them, which is thrown away. They are nobody's
but the coder's. How wide a halo must be a codec says; see its config.

Boxes count positions: pixels divided by a codec's stride.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.checks import Need, check_made
from slimcodec.errors import StreamError, UsageError
from slimcodec.images import from_planes, pad_to_multiple, to_planes
from slimcodec.machine import available_cores
from slimcodec.stream import Stream
from slimcodec.types import Clock, Image, Region, no_clock

__all__ = [
    "TILE",
    "Box",
    "Canvas",
    "Sight",
    "Walk",
    "check_region",
    "claimed_tiles",
    "grid",
    "side_by_side",
    "tile_of",
    "touching",
    "transformed",
]

TILE = 48
"""Positions on a side of a tile: 768 pixels for a stride of 16. Bytes of ``hific-s`` on six
megapixels, qualities 1, 3, 5, more than those of one tile: sides of 96 +0.15, +0.12, +0.07 %; 64
+0.32, +0.17, +0.08; 48 +0.39, +0.29, +0.16; 32 +0.85, +0.51, +0.25; 16 +2.90, +1.42, +0.73."""
WHOLE = 1 << 21
"""Pixels up to which a picture is one tile: it is coded in less than a second or two, and its
stream has the shortest frame."""
_SNAP = 4
"""Tiles begin at multiples of so many positions: those that a hyper-latent stands for."""
_LARGEST, _SMALLEST = 96, 16
"""Positions on a side of a window. The larger, the less is computed twice; at 96 with a halo of 4
an eighth to a sixth."""
_USUAL_BYTES = 800 << 20
"""What a window's networks take at the most; the picture is beside it. More would not be faster:
``toderici-s`` takes 2.2 s a megapixel for two at once, and 1.6 in windows."""

_HOLE = 128
"""Level of what is not there."""

T = TypeVar("T")
R = TypeVar("R")


class Box(NamedTuple):
    """Rows ``top`` to ``bottom`` and columns ``left`` to ``right``, without the last."""

    top: int
    left: int
    bottom: int
    right: int

    @classmethod
    def of(cls, region: Region) -> Box:
        """A region of a picture, in pixels."""
        left, top, width, height = region
        return cls(top, left, top + height, left + width)

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.bottom - self.top, self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """Of an array of rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def times(self, stride: int) -> Box:
        """The same, in pixels."""
        return Box(*(stride * side for side in self))

    def over(self, stride: int) -> Box:
        """All positions that have any of these pixels."""
        top, left, bottom, right = self
        return Box(top // stride, left // stride, -(-bottom // stride), -(-right // stride))

    def seen_from(self, other: Box) -> Box:
        """The same, counted from where another begins."""
        down, across = other.top, other.left
        return Box(self.top - down, self.left - across, self.bottom - down, self.right - across)

    def within(self, other: Box) -> Box:
        """What both have; of no size where that is nothing."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        bottom, right = min(self.bottom, other.bottom), min(self.right, other.right)
        return Box(top, left, max(top, bottom), max(left, right))


def tile_of(height: int, width: int) -> int:
    """The side of the tiles that a picture of so many pixels is coded in; 0 where it is one."""
    return 0 if height * width <= WHOLE else TILE


def grid(box: Box, side: int) -> list[Box]:
    """Tiles or windows of a box, row by row: about as large as each other, none larger than
    ``side`` and a few positions; the box itself where side is 0."""
    if not side:
        return [box]
    rows, columns = _cuts(box.top, box.bottom, side), _cuts(box.left, box.right, side)
    return [
        Box(top, left, bottom, right)
        for top, bottom in pairwise(rows)
        for left, right in pairwise(columns)
    ]


def claimed_tiles(header: Stream, whole: Box, name: str) -> list[Box]:
    """Tiles of a stream, which are counted before they are made: a header may claim millions.

    Args:
        header: of the stream.
        whole: positions of all of its picture.
        name: of the model.

    Raises:
        StreamError: when it has not as many as such a picture has.
    """
    count, sides = 1, whole.size
    if header.tile:
        count = _parts(sides[0], header.tile) * _parts(sides[1], header.tile)
    there = header.tiles if header.progressive else len(header.sections)
    if there != count:
        raise StreamError(
            f"the stream is damaged: a picture of that size has {count} "
            f"tile{'s' * (count != 1)} with {name}, this has {there}"
        )
    return grid(whole, header.tile)


def _parts(length: int, side: int) -> int:
    return max(1, -(-length // side))


def _cuts(first: int, last: int, side: int) -> list[int]:
    count = _parts(last - first, side)
    inner = [
        first + number * (last - first) // count // _SNAP * _SNAP for number in range(1, count)
    ]
    return [first, *inner, last]


def touching(box: Box, tiles: Sequence[Box]) -> list[int]:
    """Numbers of the tiles that have any of a box."""
    return [number for number, tile in enumerate(tiles) if all(tile.within(box).size)]


@dataclass(frozen=True)
class Sight:
    """How a network looks at a picture.

    Attributes:
        stride: pixels on a side of a position.
        halo: positions around a window, on each side, that it must see too.
        bytes_per_pixel: memory that it takes, about.
    """

    stride: int
    halo: int
    bytes_per_pixel: float

    def windows(self, box: Box, memory: int | None) -> list[Box]:
        """What it sees of a box one after another, without halos.

        Args:
            box: all of it.
            memory: bytes that it may take; what is usual when not given.
        """
        allowed = _USUAL_BYTES if memory is None else min(memory, _USUAL_BYTES)
        if self._bytes(*box.size) <= allowed:
            return [box]
        side = int((allowed / self._bytes(1, 1)) ** 0.5) - 2 * self.halo
        return grid(box, max(_SMALLEST, min(_LARGEST, side // _SNAP * _SNAP)))

    def grown(self, window: Box, whole: Box) -> Box:
        """A window with its halo, as far as there is anything."""
        top, left, bottom, right = window
        halo = self.halo
        return Box(top - halo, left - halo, bottom + halo, right + halo).within(whole)

    def need(self, box: Box, bytes_per_position: float) -> Need:
        """Memory for a picture.

        Args:
            box: all of it.
            bytes_per_position: of what is there for all of it at once, its pixels included.
        """
        down, across = (min(side, _SMALLEST + 2 * self.halo) for side in box.size)
        height, width = box.size
        return Need(height * width * bytes_per_position, self._bytes(down, across))

    def usual(self, box: Box, bytes_per_position: float) -> int:
        """Memory for a picture where there is enough; as for ``need``."""
        height, width = box.size
        networks = min(self._bytes(height, width), float(_USUAL_BYTES))
        return int(height * width * bytes_per_position + networks)

    def _bytes(self, down: int, across: int) -> float:
        return down * across * self.stride**2 * self.bytes_per_pixel


def transformed(
    image: Image,
    whole: Box,
    sight: Sight,
    channels: int,
    encoder: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    memory: int | None,
    clock: Clock,
) -> NDArray[np.float32]:
    """An image to what an encoder makes of it, [c, h, w], window by window.

    Args:
        image: pixels.
        whole: all positions of it.
        sight: of the encoder.
        channels: that it gives.
        encoder: the graph, image [1, 3, h, w] in [0, 1] to [1, c, h / stride, w / stride].
        memory: bytes that it may take; what is usual when not given.
        clock: what it is charged to.
    """
    stride = sight.stride
    windows = sight.windows(whole, memory)
    # Here: what is kept between two windows would lie where the next one's layers could.
    made = np.empty((channels, *whole.size), np.float32)
    for window in windows:
        seen = sight.grown(window, whole)
        with clock("encoder"):
            pixels = pad_to_multiple(image[seen.times(stride).slices], stride, 2 * stride)
            own = encoder(to_planes(pixels))
            check_made(own, (1, channels, *seen.size), "encoder")
        made[:, *window.slices] = own[0][:, *window.seen_from(seen).slices]
    return made


class Canvas:
    """The part of a picture that is wanted, while windows and holes are laid on it.

    Args:
        region: what is wanted, in pixels.
        whole: positions of all of the picture.
        stride: pixels on a side of a position.
    """

    def __init__(self, region: Region, whole: Box, stride: int) -> None:
        self.stride = stride
        self._pixels = Box.of(region)
        self.positions = self._pixels.over(stride).within(whole)
        """All that have any of it."""
        self.picture: Image = np.full((*self._pixels.size, 3), _HOLE, np.uint8)

    def lay(self, planes: NDArray[np.float32], window: Box, seen: Box) -> None:
        """What a network made of what it saw, [1, 3, h, w]; of that the window alone."""
        edges = window.times(self.stride)
        inside = edges.within(self._pixels)
        rows, columns = inside.seen_from(seen.times(self.stride)).slices
        place = inside.seen_from(self._pixels).slices
        self.picture[place] = from_planes(planes[:, :, rows, columns], *inside.size)

    def leave_out(self, tile: Box) -> None:
        """A tile that is not there."""
        hole = tile.times(self.stride).within(self._pixels)
        if all(hole.size):
            self.picture[hole.seen_from(self._pixels).slices] = _HOLE


class Walk:
    """From the sections of a stream to the part of a picture that is wanted: tiles that have any of
    it are read, and windows that show any of those are made.

    Args:
        header: of the stream, every claim checked (``claimed_tiles``).
        region: what is wanted, in pixels.
        whole: positions of all of the picture.
        sight: of the network that makes pictures.
    """

    def __init__(self, header: Stream, region: Region, whole: Box, sight: Sight) -> None:
        self._header, self._whole, self._sight = header, whole, sight
        self._tiles = grid(whole, header.tile)
        self.canvas = Canvas(region, whole, sight.stride)
        self.around = sight.grown(self.canvas.positions, whole)
        """All positions that are needed."""
        needed = touching(self.around, self._tiles)
        self._there = [number for number in needed if number not in header.missing]

    def read(self, work: Callable[[bytes, Box, Box], None], clock: Clock) -> None:
        """Work on each section: its bytes, its tile, and what of that is needed."""

        def one(number: int) -> None:
            tile = self._tiles[number]
            work(self._header.sections[number], tile, tile.within(self.around))

        side_by_side(one, self._there, clock)

    def windows(self, memory: int | None) -> Iterator[tuple[Box, Box]]:
        """Windows, and what each sees; none of which nothing is there."""
        tiles = [self._tiles[number] for number in self._there]
        for window in self._sight.windows(self.canvas.positions, memory):
            if not self._header.missing or touching(window, tiles):
                yield window, self._sight.grown(window, self._whole)

    def picture(self) -> Image:
        """What was laid on the canvas, holes where tiles are missing."""
        for number in self._header.missing:
            self.canvas.leave_out(self._tiles[number])
        return self.canvas.picture


def check_region(region: Region, height: int, width: int) -> None:
    """A region that lies inside a picture.

    Raises:
        UsageError: otherwise.
    """
    left, top, across, down = region
    if min(left, top) < 0 or min(across, down) < 1 or left + across > width or top + down > height:
        raise UsageError(
            f"the region x={left}, y={top}, width={across}, height={down} is not inside the "
            f"picture of {width}x{height} pixels"
        )


def side_by_side(work: Callable[[T], R], items: Sequence[T], clock: Clock = no_clock) -> list[R]:
    """What work makes of each item, in their order, on as many threads as there are cores; on this
    one alone where time is charged to its stages, which would otherwise be of several at once."""
    threads = min(available_cores(), len(items)) if clock is no_clock else 1
    if threads < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:
        try:
            return list(pool.map(work, items))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
