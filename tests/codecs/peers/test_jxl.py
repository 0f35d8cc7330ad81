"""JPEG XL's own: its container, the ways it writes a size, and imagecodecs missing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from slimcodec.codecs.peers.boxes import read_boxes
from slimcodec.codecs.peers.jxl import JpegXl
from slimcodec.errors import MissingExtraError, StreamError
from slimcodec.types import Image

Picture = Callable[..., Image]


@pytest.fixture(scope="module")
def jxl() -> JpegXl:
    try:
        return JpegXl()
    except MissingExtraError as error:
        pytest.skip(str(error))


def coded(pixels: np.ndarray, **options: Any) -> bytes:
    """What the library makes of any pixels, in a container."""
    import imagecodecs

    return bytes(imagecodecs.jpegxl_encode(pixels, effort=7, usecontainer=True, **options))


def packed(*fields: tuple[int, int]) -> bytes:
    """Values and the numbers of their bits, from the least significant bit on."""
    total, at = 0, 0
    for value, count in fields:
        total |= value << at
        at += count
    return total.to_bytes((at + 7) // 8, "little")


def with_codestream(stream: bytes, codestream: bytes) -> bytes:
    """The container of a stream around another codestream."""
    return stream[:32] + (8 + len(codestream)).to_bytes(4, "big") + b"jxlc" + codestream


def test_the_container_costs_40_bytes(jxl: JpegXl, picture: Picture) -> None:
    import imagecodecs

    image = picture(48, 64)
    stream = jxl.encode(image, 60)
    boxes = read_boxes(stream)
    assert [kind for kind, _ in boxes] == [b"JXL ", b"ftyp", b"jxlc"]
    bare = imagecodecs.jpegxl_encode(image, level=60, effort=7, numthreads=1)
    assert boxes[-1][1] == bare
    assert len(stream) == len(bare) + 40
    np.testing.assert_array_equal(imagecodecs.jpegxl_decode(bare), jxl.decode(stream))
    # The reason for the container: what stands behind a bare codestream goes unnoticed.
    imagecodecs.jpegxl_decode(bare + b"\0")
    for bad in (bare, stream + stream[:12], stream[:32] + b"\0\0\0\0jxlc" + bare):
        with pytest.raises(StreamError, match="not a whole JXL file"):
            jxl.decode(bad)


@pytest.mark.parametrize(
    "shape",
    [
        *[(8, 8), (256, 256), (264, 8), (8, 264), (100, 100), (1, 600), (600, 1), (3, 9000)],
        *[(100, 120), (90, 120), (80, 120), (90, 160), (96, 120), (60, 120), (7, 9), (11, 22)],
    ],
)
def test_every_way_to_write_a_size(jxl: JpegXl, shape: tuple[int, int]) -> None:
    """Multiples of 8, ratios, and numbers of each length; the pixels are asked for in that size."""
    assert jxl.decode(jxl.encode(np.full((*shape, 3), 77, np.uint8), 20)).shape == (*shape, 3)


@pytest.mark.slow
def test_the_longest_side(jxl: JpegXl) -> None:
    line = np.zeros((1, jxl.longest_side, 3), np.uint8)
    assert jxl.decode(jxl.encode(line)).shape == line.shape


def test_the_effort_is_told_and_part_of_the_digest(
    jxl: JpegXl, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = picture(64, 96)
    stream, digest = jxl.encode(image), jxl.digest
    assert stream == coded(image, level=75, numthreads=2)
    monkeypatch.setattr(JpegXl, "effort", 3)
    assert jxl.encode(image) != stream
    assert jxl.digest != digest


def test_imagecodecs_missing_or_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = r"JPEG XL needs .*slimcodec\[codecs\]"
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "imagecodecs", None)
        with pytest.raises(MissingExtraError, match=wanted):
            JpegXl()
    imagecodecs = pytest.importorskip("imagecodecs")
    monkeypatch.setattr(imagecodecs.JPEGXL, "available", False)
    with pytest.raises(MissingExtraError, match=wanted):
        JpegXl()


# Bad bytes


def test_a_header_that_claims_too_much(jxl: JpegXl, picture: Picture) -> None:
    stream = jxl.encode(picture(8, 8))
    rest = read_boxes(stream)[-1][1][4:]
    for side, wanted in (
        (13000, "13000 x 13000 pixels that the header claims"),
        (60000, "decompression bomb"),
        (2**30, "decompression bomb"),
    ):
        size = packed((0, 1), (3, 2), (side - 1, 30), (1, 3))  # of 30 bits, and square
        with pytest.raises(StreamError, match=wanted):
            jxl.decode(with_codestream(stream, b"\xff\x0a" + size + rest))


def test_a_header_of_another_size(jxl: JpegXl, picture: Picture) -> None:
    """The size is said once and nothing else guards it, but other groups do not fit the data."""
    stream = jxl.encode(picture(8, 8))
    codestream = read_boxes(stream)[-1][1]
    assert codestream[2] == packed((1, 1), (0, 5), (1, 2))[0]  # small, 8 high, square
    for size in (packed((1, 1), (31, 5), (1, 2)) + codestream[3:], b"", b"\0" * 12):
        with pytest.raises(StreamError):
            jxl.decode(with_codestream(stream, b"\xff\x0a" + size))


def test_a_codestream_cut_or_without_a_head(jxl: JpegXl, picture: Picture) -> None:
    stream = jxl.encode(picture(24, 24), 30)
    codestream = read_boxes(stream)[-1][1]
    for length in range(len(codestream)):
        with pytest.raises(StreamError):
            jxl.decode(with_codestream(stream, codestream[:length]))
    with pytest.raises(StreamError, match="no head"):
        jxl.decode(with_codestream(stream, b"\xff\x0b" + codestream[2:]))


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((16, 16), 50, np.uint8),
        np.full((16, 16, 4), 50, np.uint8),
        np.full((16, 16, 3), 50, np.uint16),
        np.full((2, 16, 16, 3), 50, np.uint8),
    ],
    ids=["grey", "with alpha", "16 bits", "two frames"],
)
def test_a_file_that_holds_something_else_than_one_rgb_image(
    jxl: JpegXl, pixels: np.ndarray
) -> None:
    photometric = "RGB" if pixels.ndim > 2 else None
    with pytest.raises(StreamError, match=r"not a whole|not one RGB image of 8 bits"):
        jxl.decode(coded(pixels, level=75, photometric=photometric))


def test_whole_qualities_are_those_of_the_library(jxl: JpegXl, picture: Picture) -> None:
    import imagecodecs

    image = picture(48, 64)
    for quality in (0, 1, 15, 29, 30, 31, 50, 75, 90, 99):
        bare = imagecodecs.jpegxl_encode(image, level=quality, effort=7, numthreads=1)
        assert read_boxes(jxl.encode(image, quality))[-1][1] == bare
