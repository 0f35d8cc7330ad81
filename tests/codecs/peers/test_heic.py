"""HEIC's own: its boxes, its effort, its two sizes, and pillow-heif missing."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest

from slimcodec.codecs.peers.boxes import read_boxes
from slimcodec.codecs.peers.heic import Heic
from slimcodec.errors import MissingExtraError, StreamError, UsageError
from slimcodec.types import Image

Picture = Callable[..., Image]


@pytest.fixture(scope="module")
def heic() -> Heic:
    try:
        return Heic()
    except MissingExtraError as error:
        pytest.skip(str(error))


def test_the_layout_is_three_boxes(heic: Heic, picture: Picture) -> None:
    boxes = read_boxes(heic.encode(picture(48, 64)))
    assert [kind for kind, _ in boxes] == [b"ftyp", b"meta", b"mdat"]


def test_the_effort_is_told_and_part_of_the_digest(
    heic: Heic, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = picture(64, 96)
    stream, digest = heic.encode(image), heic.digest
    monkeypatch.setattr(Heic, "preset", "ultrafast")
    assert heic.encode(image) != stream
    assert heic.digest != digest
    assert heic.environment["preset"] == "ultrafast"


@pytest.mark.parametrize("size", [(63, 48), (65, 48), (48, 64), (1, 1), (60000, 60000)])
def test_a_container_that_claims_another_size(
    heic: Heic, picture: Picture, size: tuple[int, int]
) -> None:
    stream = heic.encode(picture(48, 64))
    at = stream.index(b"ispe") + 8
    claim = b"".join(side.to_bytes(4, "big") for side in size)
    with pytest.raises(StreamError):
        heic.decode(stream[:at] + claim + stream[at + 8 :])


def test_a_strip_that_x265_does_not_take(heic: Heic) -> None:
    with pytest.raises(UsageError, match="x265 takes no picture of 5000 x 1 pixels"):
        heic.encode(np.zeros((1, 5000, 3), np.uint8))


def test_the_library_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(MissingExtraError, match=r"HEIC needs .*slimcodec\[heic\]"):
        Heic()
