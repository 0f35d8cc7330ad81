"""Small pictures through any codec: what streams hold, whose they are, and what comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import PIL.Image
import pytest

from slimcodec import library, registry
from slimcodec.codecs.compact.coding import STREAM_ID, CompactCodec, Parcel, ladder_of
from slimcodec.codecs.compact.losses import facts_of, measured
from slimcodec.codecs.tiles import Box
from slimcodec.errors import (
    MissingExtraError,
    ModelFileError,
    StreamError,
    UnknownNameError,
    UsageError,
    WrongModelError,
)
from slimcodec.model_file import Model, save
from slimcodec.runtime import open_codec
from slimcodec.stream import Stream, pack, unpack
from slimcodec.types import Enclosing, Image, Region, Tiled

Picture = Callable[..., Image]

INNER = ("jpeg", "webp", "avif")


@pytest.fixture(scope="module")
def tiny(tiny_models: dict[str, Model]) -> Any:
    return open_codec(tiny_models["compact"])


def around(codec: Any, inner: str) -> Any:
    try:
        return codec.around(inner)
    except MissingExtraError as error:
        pytest.skip(str(error))


# Around which codec


@pytest.mark.parametrize("inner", INNER)
def test_any_codec_may_be_inside(tiny: Any, picture: Picture, inner: str) -> None:
    codec, image = around(tiny, inner), picture(50, 71)
    assert isinstance(codec, CompactCodec)
    assert isinstance(codec, Tiled) and isinstance(codec, Enclosing)
    assert codec.name == f"tiny-compact:{inner}"
    assert set(codec.qualities) <= set(registry.codecs.get(inner).qualities)
    header = unpack(codec.encode(image, 30))
    parcel = Parcel.from_bytes(header.sections[0])
    assert (header.height, header.width, header.quality) == (50, 71, 30)
    assert parcel.inner == inner
    small = registry.codecs.get(inner)().decode(parcel.file)
    assert small.shape == (25, 36, 3)
    assert parcel.losses == measured(codec.compacted(image), small)


def test_a_decoder_opens_what_a_stream_names(tiny: Any, picture: Picture) -> None:
    other, image = around(tiny, "webp"), picture(40, 30)
    stream = other.encode(image)
    np.testing.assert_array_equal(tiny.decode(stream), other.decode(stream))


def test_names(tmp_path: Any, tiny_models: dict[str, Model]) -> None:
    path = tmp_path / "small.slim"
    save(tiny_models["compact"], path)
    assert library.parted("compact:webp") == ("compact-s", "webp")
    assert library.parted("compact-s:webp") == ("compact-s", "webp")
    assert library.parted(f"{path}:webp") == (str(path), "webp")
    assert library.parted("hific-s") == ("hific-s", "")
    assert library.load_codec(path).name == "tiny-compact:jpeg"
    assert library.load_codec(f"{path}:webp").name == "tiny-compact:webp"
    assert library.stream_suffix(f"{path}:webp") == ".slc"
    with pytest.raises(UnknownNameError, match="unknown inner codec 'wepb'; did you mean webp"):
        library.load_codec(f"{path}:wepb")
    with pytest.raises(UnknownNameError, match="inner codec"):
        library.stream_suffix(f"{path}:wepb")
    with pytest.raises(UsageError, match="hific-s is a learned codec itself; name an image"):
        library.load_codec(f"{path}:hific-s")
    with pytest.raises(UsageError, match="webp quality must be 0 to 100, got 101"):
        library.check_quality(f"{path}:webp", 101)
    with pytest.raises(UsageError, match="around jpeg alone, not webp"):
        library.load_codec("restore-s:webp")
    with pytest.raises(UsageError, match="hific-s is around no other codec"):
        library.stream_suffix("hific-s:jpeg")
    with pytest.raises(ModelFileError, match="no model file"):
        library.load_codec(f"{path.with_name('none.slim')}:webp")


def test_an_inner_codec_without_its_extra(tiny: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("slimcodec.codecs.peers.avif._encoder_version", lambda encoder: None)
    with pytest.raises(MissingExtraError, match="AVIF"):
        tiny.around("avif")


def test_ladders_end_where_bytes_have_nothing_left_to_say() -> None:
    jpeg = registry.codecs.get("jpeg")()
    assert ladder_of(jpeg) == (5, 10, 15, 20, 30, 40, 50, 60, 70)


# What is in a stream


def test_a_stream_that_every_later_version_reads(tiny: Any, picture: Picture) -> None:
    """The layout, byte by byte; pixels are the inner codec's and the network's."""
    image = picture(16, 16)
    small = tiny.compacted(image)
    file = registry.codecs.get("jpeg")().encode(small, 20)
    decoded = registry.codecs.get("jpeg")().decode(file)
    section = b"\x04jpeg" + measured(small, decoded) + file
    assert STREAM_ID.hex() == "1cd1c3faf81e9e16"
    assert tiny.encode(image, 20) == pack(Stream(STREAM_ID, 16, 16, 20, (section,)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda parts: replace(parts, height=100), "claims 50x100 pixels, and inside"),
        (lambda parts: replace(parts, height=20000, width=9000), "more than|memory|inside"),
        (lambda parts: replace(parts, sections=(b"",)), "names no inner codec"),
        (lambda parts: replace(parts, sections=(b"\x04jpe",)), "names no inner codec"),
        (lambda parts: replace(parts, sections=(b"\x02..AA",)), "names no inner codec"),
        (lambda parts: replace(parts, sections=(b"\x04jpegAA",)), "not a whole JPEG file"),
        (lambda parts: replace(parts, sections=(b"\x04bmp9AA",)), "bmp9, which this installation"),
        (lambda parts: replace(parts, sections=2 * parts.sections), "one section"),
    ],
)
def test_forged_streams(tiny: Any, picture: Picture, change: Any, words: str) -> None:
    forged = pack(change(unpack(tiny.encode(picture(40, 50)))))
    with pytest.raises(StreamError, match=words) as caught:
        tiny.decode(forged)
    assert "\n" not in str(caught.value)


def test_streams_of_others(tiny: Any, picture: Picture) -> None:
    parts = unpack(tiny.encode(picture(20, 20)))
    with pytest.raises(WrongModelError):
        tiny.decode(pack(replace(parts, stream_id=b"somebody")))


def test_losses_in_bytes() -> None:
    black = np.zeros((600, 10, 3), np.uint8)
    assert measured(black, black) == bytes(2)
    # Grey is off in luma alone, by one level: log2(2) · 32.
    assert measured(black, black + 1) == bytes([32, 0])
    assert measured(black, black + 255)[0] == 255
    assert facts_of(bytes([80, 0])).tolist() == [0.0, -2.5]
    noise = np.random.default_rng(0).integers(0, 256, black.shape, np.uint8)
    luma = np.square(noise @ np.array((0.299, 0.587, 0.114))).mean()
    assert measured(noise, black)[0] == round(32 * np.log2(1 + luma**0.5))


# What comes back


def test_without_corrections_it_is_two_filters(tiny_models: dict[str, Model]) -> None:
    model = tiny_models["compact"]
    last = ("conv_out.weight", "conv_out.bias")
    weights = {k: 0 * v if k.endswith(last) else v for k, v in model.weights.items()}
    codec: Any = open_codec(replace(model, weights=weights), "torch")
    ramp = np.mgrid[0:48, 0:64].sum(axis=0).astype(np.uint8)
    image = np.stack([ramp, 255 - ramp, ramp], axis=2)
    small = codec.compacted(image)
    picture = PIL.Image.fromarray(image)
    filtered = picture.resize((32, 24), PIL.Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(small, np.asarray(filtered))
    back = codec.around("jpeg").decode(codec.encode(image, 95))
    assert np.abs(back.astype(int) - image)[4:-4, 4:-4].max() <= 4


def test_windows_do_not_show(tiny: Any, picture: Picture, monkeypatch: Any) -> None:
    image = picture(330, 491)
    stream = tiny.encode(image)
    small, whole = tiny.compacted(image), tiny.decode(stream)
    monkeypatch.setattr("slimcodec.codecs.tiles._LARGEST", 8)
    monkeypatch.setattr("slimcodec.codecs.tiles._SMALLEST", 8)
    monkeypatch.setattr("slimcodec.codecs.tiles._USUAL_BYTES", 1 << 20)
    assert len(tiny._sight.windows(Box(0, 0, 21, 31), None)) > 4
    for pieces, other in ((tiny.compacted(image), small), (tiny.decode(stream), whole)):
        assert np.abs(pieces.astype(int) - other).max() <= 1
        assert (pieces != other).mean() < 0.001
    part = tiny.decode(stream, region=Region(101, 53, 200, 111))
    assert np.abs(part.astype(int) - whole[53:164, 101:301]).max() <= 1


def test_the_published_structure_is_a_codec_too(make_network_of: Any, picture: Picture) -> None:
    from slimcodec.model_file import freeze_network

    network = make_network_of(
        "compact", 0, structure="published", block_widths=(), published_widths=(6,) * 21
    )
    codec: Any = open_codec(freeze_network(network, name="paper", family="compact"))
    image = picture(37, 50)
    assert codec.decode(codec.encode(image)).shape == image.shape


def test_what_a_stream_has_inside(tiny: Any, picture: Picture) -> None:
    stream = tiny.around("jpeg").encode(picture(40, 30))
    assert tiny.around("webp").inside(stream) == "jpeg"
    for cut in (b"", stream[:20]):
        with pytest.raises(StreamError):
            tiny.inside(cut)
