"""Each peer keeps the codec contract, and takes no damaged stream for an image."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import PIL
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slimcodec.codecs.peers.avif import Avif
from slimcodec.codecs.peers.file import FileCodec
from slimcodec.codecs.peers.heic import Heic
from slimcodec.codecs.peers.jpeg import Jpeg
from slimcodec.codecs.peers.jpeg2000 import Jpeg2000
from slimcodec.codecs.peers.jxl import JpegXl
from slimcodec.codecs.peers.mozjpeg import MozJpeg
from slimcodec.codecs.peers.pillow import PillowCodec
from slimcodec.codecs.peers.webp import WebP
from slimcodec.errors import MissingExtraError, StreamError, UsageError
from slimcodec.library import stream_suffix
from slimcodec.registry import codecs
from slimcodec.types import Codec, Image

KINDS: list[type[FileCodec]] = [Jpeg, WebP, Avif, JpegXl, Heic, Jpeg2000, MozJpeg]


def made(kind: type[FileCodec]) -> Any:
    """One parameter; a skipped one where the codec's library is missing."""
    try:
        return pytest.param(kind(), id=kind.name)
    except MissingExtraError as error:
        return pytest.param(None, id=kind.name, marks=pytest.mark.skip(reason=str(error)))


PARAMS = [made(kind) for kind in KINDS]
PEERS: list[FileCodec] = [param.values[0] for param in PARAMS if not param.marks]
each_peer = pytest.mark.parametrize("peer", PARAMS)


def scene(height: int = 48, width: int = 64) -> Image:
    """Smooth, with an edge and a little noise: something that quality matters for."""
    y, x = np.mgrid[:height, :width]
    base = np.stack([x * 3, y * 4, 255 - x - y], axis=2)
    base[(x + y) % 32 < 4] = 20
    noise = np.random.default_rng(3).integers(-8, 9, base.shape)
    return np.clip(base + noise, 0, 255).astype(np.uint8)


def error_of(a: Image, b: Image) -> float:
    return float(np.square(a.astype(float) - b).mean())


@each_peer
def test_contract(peer: FileCodec) -> None:
    as_codec: Codec = peer
    assert isinstance(as_codec, Codec)
    assert codecs.get(peer.name) is type(peer)
    assert peer.model_bytes == 0
    assert list(peer.qualities) == sorted(set(peer.qualities))
    assert all(quality == int(quality) for quality in peer.qualities)  # bisected by the bench
    assert peer.quality_range[0] <= peer.qualities[0] <= peer.qualities[-1] <= peer.quality_range[1]
    assert peer.digest == type(peer)().digest
    assert int(peer.digest, 16) > 0
    assert pickle.loads(pickle.dumps(peer)).digest == peer.digest


def test_digests(monkeypatch: pytest.MonkeyPatch) -> None:
    before = [peer.digest for peer in PEERS]
    assert len(set(before)) == len(PEERS)
    monkeypatch.setattr(PIL, "__version__", "0.0")
    for peer, old in zip(PEERS, before, strict=True):
        assert (peer.digest != old) == isinstance(peer, PillowCodec)


@each_peer
def test_a_viewer_knows_its_suffix(peer: FileCodec) -> None:
    known = {"jpeg2000": ".jp2", "mozjpeg": ".jpeg"}
    assert peer.suffix == stream_suffix(peer.name) == known.get(peer.name, f".{peer.name}")


@each_peer
def test_the_environment_is_told_and_is_all_of_the_digest(
    peer: FileCodec, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = dict(peer.environment)
    assert len(said) >= 2 and all(type(value) is str and value for value in said.values())
    digest = peer.digest
    for name in said:
        monkeypatch.setattr(type(peer), "environment", said | {name: "another"})
        assert peer.digest != digest


@each_peer
def test_the_stream_is_a_plain_file_of_the_format(peer: FileCodec) -> None:
    image = scene()
    stream = peer.encode(image)
    if isinstance(peer, PillowCodec):
        with PIL.Image.open(io.BytesIO(stream)) as picture:
            assert picture.format == peer.pillow_format
            np.testing.assert_array_equal(np.asarray(picture), peer.decode(stream))
    assert peer.encode(image) == stream
    assert peer.encode(image[:, ::-1][:, ::-1]) == stream
    assert peer.encode(image, peer.default_quality) == stream


@each_peer
def test_the_ladder_climbs(peer: FileCodec) -> None:
    image = scene()
    streams = [peer.encode(image, quality) for quality in peer.qualities]
    sizes = [len(stream) for stream in streams]
    errors = [error_of(peer.decode(stream), image) for stream in streams]
    assert sizes == sorted(sizes)
    assert errors[-1] < errors[len(errors) // 2] < errors[0]
    assert errors[-1] < 150  # the noise and the subsampled edge remain


@each_peer
@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), place=st.floats(0, 1))
def test_any_shape_and_quality(peer: FileCodec, height: int, width: int, place: float) -> None:
    least, greatest = peer.quality_range
    image = scene(height, width)
    decoded = peer.decode(peer.encode(image, least + place * (greatest - least)))
    assert decoded.shape == image.shape
    assert decoded.dtype == np.uint8
    assert decoded.flags.writeable


@each_peer
def test_flat_images_decode(peer: FileCodec) -> None:
    """The images with the most pixels a byte, which the size check must let through."""
    side = 256 if peer.name == "jxl" else 1024  # libjxl takes 4 s for a flat megapixel
    # Of JPEG 2000 it is told how far it may be off.
    quality = 36 if peer.name == "jpeg2000" else peer.quality_range[0]
    for value in (0, 127, 255):
        image = np.full((side, side, 3), value, np.uint8)
        decoded = peer.decode(peer.encode(image, quality))
        assert np.abs(decoded.astype(int) - value).max() < 12


def test_jpeg_tables_give_the_same_bytes_as_the_quality() -> None:
    image = scene()
    for quality in range(1, 96):
        file = io.BytesIO()
        PIL.Image.fromarray(image).save(
            file, format="JPEG", quality=quality, subsampling=2, optimize=True
        )
        assert Jpeg().encode(image, quality) == file.getvalue()


def test_jpeg_between_whole_numbers_lies_between_them() -> None:
    image = scene()
    for quality in (7, 30, 49, 50, 80):
        sizes = [len(Jpeg().encode(image, quality + part)) for part in (0, 0.5, 1)]
        assert sizes[0] < sizes[1] < sizes[2]


@each_peer
def test_noise_at_every_high_quality(peer: FileCodec) -> None:
    """Where Pillow's own buffer for optimized JPEG is too small."""
    noise = np.random.default_rng(0).integers(0, 2, (320, 320, 3), dtype=np.uint8) * 255
    for quality in (90, 92, 94, 95) if peer.name == "jpeg" else (95,):
        assert peer.decode(peer.encode(noise, quality)).shape == noise.shape


@pytest.mark.parametrize(
    ("peer", "quality"),
    [
        (peer, quality)
        for peer in PEERS
        for quality in {
            "jpeg": (0, 0.4, 96, -3),
            "webp": (-0.1, 100.5),
            "avif": (-1, 101),
            "jxl": (-1, 99.6, 100),
            "heic": (-1, 101),
            "jpeg2000": (9.9, 100.5),
            "mozjpeg": (0, 96),
        }[peer.name]
    ],
)
def test_quality_out_of_range(peer: FileCodec, quality: float) -> None:
    with pytest.raises(UsageError, match=f"{peer.name} quality must be"):
        peer.encode(scene(), quality)


@each_peer
def test_quality_that_is_no_number(peer: FileCodec) -> None:
    for quality in (float("nan"), float("inf"), -float("inf")):
        with pytest.raises(UsageError, match="quality must be"):
            peer.encode(scene(), quality)


@each_peer
def test_quality_is_rounded_where_the_format_wants_whole_numbers(peer: FileCodec) -> None:
    least, greatest = peer.quality_range
    for quality in (50, least, greatest):
        for given_quality in (quality - 0.4, quality + 0.4):
            if peer.nearest_quality(given_quality) == quality:
                assert peer.encode(scene(), given_quality) == peer.encode(scene(), quality)
            else:
                assert peer.name in {"webp", "jpeg", "jxl", "jpeg2000"}


@each_peer
def test_images_that_do_not_fit(peer: FileCodec, monkeypatch: pytest.MonkeyPatch) -> None:
    if isinstance(peer, JpegXl | Heic):
        # JPEG XL's own takes 8 s (see test_jxl.py), and x265 takes no strip of its own.
        monkeypatch.setattr(peer, "longest_side", 4096)
    longest = np.zeros((1, peer.longest_side + 1, 3), np.uint8)
    with pytest.raises(UsageError, match="pixels a side"):
        peer.encode(longest)
    with pytest.raises(UsageError, match="pixels a side"):
        peer.encode(longest.transpose(1, 0, 2))
    assert peer.decode(peer.encode(longest[:, 1:])).shape == (1, peer.longest_side, 3)
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(UsageError, match="limited to 200 pixels"):
        peer.encode(scene())
    assert peer.decode(peer.encode(scene(10, 20))).shape == (10, 20, 3)


@each_peer
@pytest.mark.parametrize(
    "image", [np.zeros((2, 2), np.uint8), np.zeros((2, 2, 3)), np.zeros((0, 2, 3), np.uint8)]
)
def test_what_is_no_image(peer: FileCodec, image: Image) -> None:
    with pytest.raises(UsageError, match=r"uint8 \[h, w, 3\]"):
        peer.encode(image)


@each_peer
def test_time_is_charged(peer: FileCodec) -> None:
    charged: list[str] = []

    @contextmanager
    def clock(part: str) -> Iterator[None]:
        charged.append(part)
        yield

    peer.decode(peer.encode(scene(), clock=clock), clock=clock)
    assert charged == ["encoder", "decoder"]


# Bad bytes


@each_peer
def test_every_truncation_and_every_addition(peer: FileCodec) -> None:
    stream = peer.encode(scene(24, 24), 30)
    for length in range(len(stream)):
        with pytest.raises(StreamError):
            peer.decode(stream[:length])
    for bad in (stream + b"\0", b"\0" + stream, stream + stream[:20]):
        with pytest.raises(StreamError, match="not a whole"):
            peer.decode(bad)


@each_peer
def test_foreign_bytes(peer: FileCodec) -> None:
    file = io.BytesIO()
    PIL.Image.fromarray(scene()).save(file, format="WEBP" if isinstance(peer, Jpeg) else "JPEG")
    png = io.BytesIO()
    PIL.Image.fromarray(scene()).save(png, format="PNG")
    for bad in (b"", b"x", bytes(1000), file.getvalue(), png.getvalue()):
        with pytest.raises(StreamError):
            peer.decode(bad)


@pytest.mark.parametrize("peer", [Jpeg(), WebP()], ids=lambda peer: peer.name)
def test_a_file_that_holds_something_else_than_one_rgb_image(peer: FileCodec) -> None:
    file = io.BytesIO()
    if peer.name == "jpeg":
        PIL.Image.new("L", (8, 8)).save(file, format="JPEG")
    else:
        frames = [PIL.Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
        frames[0].save(file, format="WEBP", save_all=True, append_images=frames[1:])
    with pytest.raises(StreamError, match="must hold one RGB image"):
        peer.decode(file.getvalue())


def test_a_header_that_claims_too_much() -> None:
    stream = bytearray(Jpeg().encode(scene(8, 8)))
    at = stream.index(b"\xff\xc0") + 5
    stream[at : at + 4] = (9000).to_bytes(2, "big") * 2
    with pytest.raises(StreamError, match="9000 x 9000 pixels that the header claims"):
        Jpeg().decode(bytes(stream))
    stream[at : at + 4] = (60000).to_bytes(2, "big") * 2
    with pytest.raises(StreamError, match="decompression bomb"):
        Jpeg().decode(bytes(stream))

    stream = bytearray(WebP().encode(scene(8, 8)))
    stream[26:30] = (9000).to_bytes(2, "little") * 2
    with pytest.raises(StreamError):
        WebP().decode(bytes(stream))


@each_peer
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_gives_an_image_or_a_stream_error(peer: FileCodec, data: st.DataObject) -> None:
    stream = bytearray(peer.encode(scene(24, 24), 30))
    for _ in range(data.draw(st.integers(1, 4))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = peer.decode(bytes(stream))
    except StreamError as error:
        assert "\n" not in str(error)
    else:
        assert decoded.dtype == np.uint8
        assert decoded.shape[2] == 3
