"""AVIF's own: its effort, its two sizes, and a Pillow without it."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

import numpy as np
import PIL
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slimcodec.codecs.peers.avif import Avif
from slimcodec.codecs.peers.boxes import read_boxes
from slimcodec.errors import MissingExtraError, StreamError
from slimcodec.types import Image

Picture = Callable[..., Image]


@pytest.fixture(scope="module")
def avif() -> Avif:
    try:
        return Avif()
    except MissingExtraError as error:
        pytest.skip(str(error))


def saved(picture: PIL.Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, format="AVIF", **options)
    return file.getvalue()


def claiming(stream: bytes, width: int, height: int) -> bytes:
    """The stream with another size in the container's property."""
    at = stream.index(b"ispe") + 8
    return stream[:at] + width.to_bytes(4, "big") + height.to_bytes(4, "big") + stream[at + 8 :]


def test_the_layout_is_three_boxes(avif: Avif, picture: Picture) -> None:
    boxes = read_boxes(avif.encode(picture(48, 64)))
    assert [kind for kind, _ in boxes] == [b"ftyp", b"meta", b"mdat"]


def test_the_effort_is_told_and_part_of_the_digest(
    avif: Avif, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = picture(64, 96)
    stream, digest = avif.encode(image), avif.digest
    assert stream == saved(
        PIL.Image.fromarray(image), quality=75, speed=4, max_threads=1, subsampling="4:2:0"
    )
    monkeypatch.setattr(Avif, "speed", 8)
    assert avif.encode(image) != stream
    assert avif.digest != digest


def test_the_bytes_do_not_depend_on_the_number_of_cores(
    avif: Avif, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import AvifImagePlugin

    image = picture(300, 600)
    streams = set()
    for cores in (1, 8):
        monkeypatch.setattr(AvifImagePlugin, "DEFAULT_MAX_THREADS", cores)
        streams.add(avif.encode(image, 30))
    assert len(streams) == 1


@pytest.mark.parametrize("name", ["no plugin", "no libavif", "no encoder"])
def test_a_pillow_without_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "no plugin":
        monkeypatch.delattr(PIL, "AvifImagePlugin", raising=False)
        monkeypatch.setitem(sys.modules, "PIL.AvifImagePlugin", None)
    else:
        plugin = pytest.importorskip("PIL.AvifImagePlugin")
        if name == "no libavif":
            monkeypatch.setattr(plugin, "SUPPORTED", False)
        else:
            monkeypatch.setattr(plugin, "get_codec_version", lambda encoder: None)
    with pytest.raises(MissingExtraError, match=r"AVIF needs .*slimcodec\[codecs\]"):
        Avif()


# Bad bytes


@pytest.mark.parametrize("size", [(63, 48), (65, 48), (48, 64), (1, 1), (640, 480)])
def test_a_container_that_claims_another_size(
    avif: Avif, picture: Picture, size: tuple[int, int]
) -> None:
    """Pillow alone would stretch the picture to it."""
    stream = avif.encode(picture(48, 64))
    assert avif.decode(claiming(stream, 64, 48)).shape == (48, 64, 3)
    bad = claiming(stream, *size)
    with PIL.Image.open(io.BytesIO(bad)) as stretched:
        assert np.asarray(stretched).shape == (size[1], size[0], 3)
    with pytest.raises(
        StreamError, match=f"claims {size[0]} x {size[1]} pixels, but those coded are 64 x 48"
    ):
        avif.decode(bad)


def test_a_container_that_claims_too_much(avif: Avif, picture: Picture) -> None:
    stream = avif.encode(picture(8, 8))
    with pytest.raises(StreamError, match="12000 x 13000 pixels that the header claims"):
        avif.decode(claiming(stream, 12000, 13000))
    with pytest.raises(StreamError, match="decompression bomb"):
        avif.decode(claiming(stream, 14000, 14000))
    for size in ((60000, 60000), (2**32 - 1, 2**32 - 1), (40000, 1), (0, 8)):
        with pytest.raises(StreamError):
            avif.decode(claiming(stream, *size))


@pytest.mark.parametrize("at", range(4))
def test_coded_data_that_does_not_open_as_it_must(avif: Avif, picture: Picture, at: int) -> None:
    stream = bytearray(avif.encode(picture(8, 8)))
    start = stream.index(b"mdat") + 4
    stream[start + (at if at < 3 else 4)] ^= 0x18  # at 4 stand the bits for "one still picture"
    with pytest.raises(StreamError):
        avif.decode(bytes(stream))


def test_a_header_that_ends_early(avif: Avif) -> None:
    stream = avif.encode(np.zeros((8, 8, 3), np.uint8))
    start = stream.index(b"mdat") + 4
    for length in range(start, len(stream)):
        cut = stream[: start - 8] + (length - start + 8).to_bytes(4, "big") + b"mdat"
        with pytest.raises(StreamError):
            avif.decode(cut + stream[start:length])


def test_a_file_that_holds_something_else_than_one_rgb_image(avif: Avif) -> None:
    with pytest.raises(StreamError, match="must hold one RGB image, got RGBA"):
        avif.decode(saved(PIL.Image.new("RGBA", (8, 8), (1, 2, 3, 4))))
    red, blue = (PIL.Image.new("RGB", (8, 8), colour) for colour in ("red", "blue"))
    with pytest.raises(StreamError):
        avif.decode(saved(red, save_all=True, append_images=[blue]))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_never_changes_the_size(avif: Avif, data: st.DataObject) -> None:
    stream = bytearray(avif.encode(np.full((24, 40, 3), 90, np.uint8)))
    for _ in range(data.draw(st.integers(1, 4))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert avif.decode(bytes(stream)).shape == (24, 40, 3)
    except StreamError as error:
        assert "\n" not in str(error)
