"""A walk over a picture's positions in groups, each known before it is coded as well as what came
before allows: slices of channels, each in the two colours of a checkerboard (Minnen and Singh 2020;
He et al. 2021).

    one group   window of what is known, base ─► hidden ─► out ─► what to expect ─► exchange

A group sees the earlier slices everywhere and the other colour of its own. ``walk`` yields what is
computed for a group and takes what was coded of it, in bytes: an encoder gives what it has, a
decoder what it read, and both run these lines.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.integers.windows import corners, taps

__all__ = ["Group", "Known", "Walk", "walk"]


@dataclass(frozen=True)
class Group:
    """One slice in one colour.

    Attributes:
        channels: of what is coded.
        second: whether it is the colour that is coded last.
        hidden, out: names of its layers. ``hidden`` sees the window's bytes, if there are any, and
            then the base's.
        seen: channels of the canvas that the window sees, from the first on.
        canvas: where its own bytes go there.
    """

    channels: slice
    second: bool
    hidden: str
    out: str
    seen: int
    canvas: slice

    @staticmethod
    def of_slices(sizes: Sequence[int], prefix: str, per_channel: int) -> Iterator[Group]:
        """Slices in their order, each in both colours; layers are named ``{prefix}{n}.mix`` and
        ``{prefix}{n}.out``.

        Args:
            sizes: channels of each slice.
            prefix: of the layers' names.
            per_channel: bytes that the canvas keeps of one channel.
        """
        start = 0
        for number, size in enumerate(sizes):
            own = slice(per_channel * start, per_channel * (start + size))
            for second in (False, True):
                name = f"{prefix}{2 * number + second}."
                seen = own.stop if second else own.start
                channels = slice(start, start + size)
                yield Group(channels, second, f"{name}mix", f"{name}out", seen, own)
            start += size


@dataclass(frozen=True)
class Known:
    """What is known of a group's channels before they are coded.

    Attributes:
        group: which.
        positions: of its colour, row by row from 0, [n].
        out: what its last layer says, [n, c].
    """

    group: Group
    positions: NDArray[np.intp]
    out: NDArray[Any]


Walk = Generator[Known, NDArray[np.uint8], None]
"""What is known, for bytes [n, c] that go onto the canvas."""

Layers = Mapping[str, Callable[..., NDArray[Any]]]


def walk(
    groups: Sequence[Group],
    layers: Layers,
    base: NDArray[np.uint8],
    size: tuple[int, int],
    zeros: NDArray[np.uint8],
) -> Walk:
    """Go through the groups.

    Args:
        groups: in the order of coding.
        layers: compiled.
        base: what is known of each position beforehand, [h · w, c].
        size: h and w.
        zeros: what each channel of the canvas holds where nothing is known.
    """
    height, width = size
    canvas = np.empty((height + 2, width + 2, len(zeros)), np.uint8)
    canvas[:] = zeros
    flat = canvas.reshape(-1, len(zeros))
    for group in groups:
        positions, begins = _colour(height, width, group.second)
        if not len(positions):
            continue
        known = base.take(positions, axis=0)
        seen = [taps(canvas, begins, group.seen)] if group.seen else []
        hidden = layers[group.hidden](*seen, known)
        written = yield Known(group, positions, layers[group.out](hidden))
        flat[begins + width + 3, group.canvas] = written


@lru_cache(maxsize=8)
def _colour(height: int, width: int, second: bool) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Positions of one colour, and where their windows begin."""
    odd = np.indices((height, width)).sum(axis=0).ravel() % 2
    positions = np.flatnonzero(odd == second)
    return positions, corners(height, width)[positions]
