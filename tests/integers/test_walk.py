"""The walk over a checkerboard: a group sees exactly what is known before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slimcodec.integers import Group, Known, walk

ZEROS = np.array([128, 0, 7, 1, 9, 200, 3, 50], np.uint8)
"""Another for each channel, so that none can stand for another."""


Layers = dict[str, Callable[..., np.ndarray]]


def layers_of(groups: Sequence[Group]) -> tuple[Layers, list[np.ndarray]]:
    """Layers that give back what they are given, and a list of all that hidden ones saw."""
    seen: list[np.ndarray] = []

    def look(*inputs: np.ndarray) -> np.ndarray:
        seen.append(np.concatenate(inputs, axis=1))
        return seen[-1]

    def back(x: np.ndarray) -> np.ndarray:
        return x

    layers: Layers = {group.hidden: look for group in groups}
    return layers | {group.out: back for group in groups}, seen


def walked(
    sizes: Sequence[int], size: tuple[int, int], per_channel: int, seed: int
) -> tuple[list[Known], list[np.ndarray], np.ndarray, np.ndarray]:
    """All of a walk over random bytes; what came, what was seen, the base, what was written."""
    groups = tuple(Group.of_slices(sizes, "g.", per_channel))
    layers, seen = layers_of(groups)
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 256, (size[0] * size[1], 3), np.uint8)
    channels = per_channel * sum(sizes)
    content = rng.integers(0, 256, (size[0] * size[1], channels), np.uint8)
    found = []
    steps = walk(groups, layers, base, size, np.resize(ZEROS, channels))
    known = next(steps, None)
    while known is not None:
        found.append(known)
        try:
            known = steps.send(content[known.positions, known.group.canvas])
        except StopIteration:
            known = None
    return found, seen, base, content


@pytest.mark.parametrize("per_channel", [1, 2])
def test_slices_are_groups_in_both_colours(per_channel: int) -> None:
    groups = list(Group.of_slices([2, 3], "own.", per_channel))
    assert [g.channels for g in groups] == [slice(0, 2)] * 2 + [slice(2, 5)] * 2
    assert [g.second for g in groups] == [False, True] * 2
    assert [g.hidden for g in groups] == [f"own.{n}.mix" for n in range(4)]
    assert [g.out for g in groups] == [f"own.{n}.out" for n in range(4)]
    assert [g.seen for g in groups] == [per_channel * n for n in (0, 2, 2, 5)]
    canvases = [(per_channel * a, per_channel * b) for a, b in [(0, 2)] * 2 + [(2, 5)] * 2]
    assert [(g.canvas.start, g.canvas.stop) for g in groups] == canvases


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    per_channel=st.integers(1, 2),
    seed=st.integers(0, 99),
)
def test_groups_see_exactly_what_is_known(
    sizes: list[int], height: int, width: int, per_channel: int, seed: int
) -> None:
    """Earlier slices everywhere, the other colour of its own, zero points elsewhere; by a loop."""
    found, seen, base, content = walked(sizes, (height, width), per_channel, seed)
    zeros = np.resize(ZEROS, content.shape[1])
    picture = content.reshape(height, width, -1)
    given_once = np.zeros(content.shape, int)
    for known, x in zip(found, seen, strict=True):
        group = known.group
        rows, columns = np.divmod(known.positions, width)
        assert ((rows + columns) % 2 == group.second).all()
        assert (np.diff(known.positions) > 0).all()
        given_once[known.positions, group.canvas] += 1
        np.testing.assert_array_equal(known.out, x)
        np.testing.assert_array_equal(x[:, 9 * group.seen :], base[known.positions])
        for line, row, column in zip(x, rows, columns, strict=True):
            around = line[: 9 * group.seen].reshape(3, 3, group.seen)
            for i, j, c in np.ndindex(*around.shape):
                r, k = row + i - 1, column + j - 1
                inside = 0 <= r < height and 0 <= k < width
                earlier = c < group.canvas.start
                other = group.second and (r + k) % 2 == 0
                expected = picture[r, k, c] if inside and (earlier or other) else zeros[c]
                assert around[i, j, c] == expected
    assert (given_once == 1).all()


def test_a_single_position_has_one_colour() -> None:
    found, *_ = walked([1, 2], (1, 1), 1, 0)
    assert [(k.group.channels, k.group.second) for k in found] == [
        (slice(0, 1), False),
        (slice(1, 3), False),
    ]


def test_walks_share_nothing() -> None:
    """Two at once, step by step, see what each would see alone."""
    groups = tuple(Group.of_slices([1, 1], "g.", 1))
    alone = [walked([1, 1], (3, 4), 1, seed)[1] for seed in (0, 1)]
    layers, seen = layers_of(groups)
    walks, contents = [], []
    for seed in (0, 1):
        rng = np.random.default_rng(seed)
        base = rng.integers(0, 256, (12, 3), np.uint8)
        contents.append(rng.integers(0, 256, (12, 2), np.uint8))
        walks.append(walk(groups, layers, base, (3, 4), np.resize(ZEROS, 2)))
    now = [next(steps) for steps in walks]
    for number in range(4):
        for which in (0, 1):
            np.testing.assert_array_equal(seen[2 * number + which], alone[which][number])
        if number == 3:
            break
        now = [
            steps.send(content[known.positions, known.group.canvas])
            for steps, known, content in zip(walks, now, contents, strict=True)
        ]
