"""Boxes are read only when they fill the file to its last byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slimcodec.codecs.peers.boxes import read_boxes

Box = tuple[bytes, bytes]
BOXES = st.lists(st.tuples(st.binary(min_size=4, max_size=4), st.binary(max_size=40)), max_size=5)


def join(boxes: list[Box]) -> bytes:
    """The inverse of `read_boxes`."""
    return b"".join((8 + len(data)).to_bytes(4, "big") + kind + data for kind, data in boxes)


@given(boxes=BOXES)
def test_what_was_joined_is_read_back(boxes: list[Box]) -> None:
    assert read_boxes(join(boxes)) == tuple(boxes)


@given(boxes=BOXES.filter(bool), data=st.data())
def test_a_cut_last_box_leaves_none(boxes: list[Box], data: st.DataObject) -> None:
    whole = join(boxes)
    last = len(whole) - len(join(boxes[-1:]))
    assert read_boxes(whole[: data.draw(st.integers(last + 1, len(whole) - 1))]) == ()


@given(boxes=BOXES, more=st.binary(min_size=1, max_size=7))
def test_bytes_behind_the_last_box_leave_none(boxes: list[Box], more: bytes) -> None:
    assert read_boxes(join(boxes) + more) == ()


@pytest.mark.parametrize("size", [0, 1, 7, 17, 2**32 - 1])
def test_lengths_that_are_not_taken(size: int) -> None:
    assert read_boxes(size.to_bytes(4, "big") + b"mdat" + bytes(8)) == ()
