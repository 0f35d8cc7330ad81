"""JPEGs of every kind, restored: what is read, refused, padded, blended and kept."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image
import pytest

from slimcodec import library, registry
from slimcodec.codecs.restore.coding import RestoreCodec, phases
from slimcodec.codecs.restore.intervals import project, shares
from slimcodec.codecs.restore.jpeg_file import condition_of, read_jpeg
from slimcodec.codecs.tiles import Box
from slimcodec.errors import ImageError, StreamError, UsageError
from slimcodec.model_file import Model
from slimcodec.runtime import open_codec
from slimcodec.types import Image, Region, Tiled

Picture = Callable[..., Image]


def jpeg(image: Image, mode: str = "RGB", **settings: Any) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(image).convert(mode).save(file, "JPEG", **settings)
    return file.getvalue()


def shown(data: bytes) -> Image:
    return np.asarray(PIL.Image.open(io.BytesIO(data)).convert("RGB"))


def error(image: Image, other: Image) -> float:
    return float(np.square(image.astype(float) - other).mean())


@pytest.fixture(scope="module")
def tiny(tiny_models: dict[str, Model]) -> Any:
    return open_codec(tiny_models["restore"])


@pytest.fixture(scope="module")
def shipped() -> Any:
    return library.load_codec("jpeg+restore")


# What is read


def test_planes_tables_and_sampling(picture: Picture) -> None:
    image = picture(40, 56)
    for sampling, halved in (("4:2:0", (True, True)), ("4:2:2", (True, False))):
        file = read_jpeg(jpeg(image, quality=50, subsampling=sampling))
        assert file.planes.shape == (40, 56, 3) and file.halved == halved and not file.grey
    file = read_jpeg(jpeg(image, quality=50, subsampling="4:4:4"))
    assert file.halved == (False, False)
    # ITU-T T.81, tables K.1 and K.2.
    assert file.tables[0][0].tolist() == [16, 11, 10, 16, 24, 40, 51, 61]
    assert file.tables[1][0].tolist() == [17, 18, 24, 47, 99, 99, 99, 99]
    luma = 0.299 * image[..., 0] + 0.587 * image[..., 1] + 0.114 * image[..., 2]
    assert np.abs(file.planes[..., 0] - luma).mean() < 6


def test_grey_and_progressive(picture: Picture) -> None:
    image = picture(40, 56)
    file = read_jpeg(jpeg(image, "L", quality=50))
    assert file.grey and (file.planes[..., 1:] == 128).all()
    facts = condition_of(file)
    assert facts.shape == (131,) and facts[128] == 1 and not facts[64:128].any()
    plain, progressive = (jpeg(image, quality=50, progressive=own) for own in (False, True))
    np.testing.assert_array_equal(read_jpeg(plain).planes, read_jpeg(progressive).planes)
    facts = condition_of(read_jpeg(plain))
    assert facts[0] == 0 and facts[129] == facts[130] == 1  # a step of 16


def rgb_jpeg(image: Image) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(image).save(file, "JPEG", keep_rgb=True)
    return file.getvalue()


def with_frame(data: bytes, marker: int, bits: int = 8) -> bytes:
    """The same file that says it is of another process."""
    place = data.index(b"\xff\xc0")
    return data[: place + 1] + bytes([marker]) + data[place + 2 : place + 4] + bytes([bits]) + data[
        place + 5 :
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda image: jpeg(image, "CMYK"), "CMYK"),
        (rgb_jpeg, "RGB samples"),
        (lambda image: with_frame(jpeg(image), 0xC0, 12), "12-bit baseline"),
        (lambda image: with_frame(jpeg(image), 0xC7), "hierarchical"),
        (lambda image: with_frame(jpeg(image), 0xC3), "lossless|damaged|not read"),
        (lambda image: jpeg(image)[:300], "damaged|cut short|lacks"),
        (lambda image: b"", "not a JPEG"),
        (lambda image: b"\x89PNG\r\n\x1a\n" + bytes(50), "not a JPEG"),
    ],
)
def test_what_cannot_be_restored_is_named(
    make: Callable[[Image], bytes], words: str, picture: Picture, tiny: Any
) -> None:
    data = make(picture(32, 32))
    with pytest.raises(ImageError, match=words) as caught:
        read_jpeg(data)
    assert "\n" not in str(caught.value)
    with pytest.raises(StreamError):
        tiny.decode(data)


# What comes out


def test_it_is_a_codec_around_another(tiny: Any, picture: Picture) -> None:
    assert isinstance(tiny, RestoreCodec) and isinstance(tiny, Tiled)
    image = picture(40, 56)
    stream = tiny.encode(image, 30)
    assert stream == registry.codecs.get("jpeg")().encode(image, 30)
    assert tiny.qualities == registry.codecs.get("jpeg").qualities
    assert not np.array_equal(tiny.decode(stream), shown(stream))


@pytest.mark.parametrize("shape", [(1, 1), (1, 17), (7, 9), (8, 8), (33, 50)])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_strength_zero_is_what_everyone_sees(
    tiny: Any, picture: Picture, shape: tuple[int, int], mode: str
) -> None:
    data = jpeg(picture(*shape), mode, quality=40)
    plain = tiny.restore(read_jpeg(data), strength=0)
    assert np.abs(plain.astype(int) - shown(data)).max() <= 1
    whole, half = (tiny.restore(read_jpeg(data), strength=s) for s in (1.0, 0.5))
    assert whole.shape == half.shape == (*shape, 3)
    middle = (plain.astype(int) + whole) / 2
    # Clipped to intervals and to levels, each by itself.
    assert np.abs(half - middle).mean() < 1
    assert (whole != plain).any() or shape == (1, 1)
    if mode == "L":
        assert (whole[..., 0] == whole[..., 1]).all() and (whole[..., 0] == whole[..., 2]).all()


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_strengths_that_there_are_not(tiny: Any, picture: Picture, strength: float) -> None:
    with pytest.raises(UsageError, match="from 0 to 1"):
        tiny.restore(read_jpeg(jpeg(picture(8, 8))), strength=strength)


def test_windows_do_not_show(shipped: Any, picture: Picture, monkeypatch: Any) -> None:
    """A halo is all that the network sees, so that windows are those of the whole picture."""
    file = read_jpeg(jpeg(picture(330, 490), quality=25))
    whole = shipped.restore(file)
    monkeypatch.setattr("slimcodec.codecs.tiles._LARGEST", 8)
    monkeypatch.setattr("slimcodec.codecs.tiles._SMALLEST", 8)
    monkeypatch.setattr("slimcodec.codecs.tiles._USUAL_BYTES", 1 << 20)
    assert len(shipped._sight.windows(Box(0, 0, 21, 31), None)) > 4
    pieces = shipped.restore(file)
    assert np.abs(pieces.astype(int) - whole).max() <= 1
    assert (pieces != whole).mean() < 0.001
    region = Region(101, 53, 200, 111)
    part = shipped.decode(jpeg(picture(330, 490), quality=25), region=region)
    assert np.abs(part.astype(int) - whole[53:164, 101:301]).max() <= 1


@pytest.mark.parametrize("quality", [10, 30, 60, 90])
@pytest.mark.parametrize("sampling", ["4:2:0", "4:4:4"])
def test_the_shipped_model_makes_pictures_better(
    shipped: Any, picture: Picture, quality: int, sampling: str
) -> None:
    image = picture(128, 160, seed=4)
    data = jpeg(image, quality=quality, subsampling=sampling)
    assert error(shipped.restore(read_jpeg(data)), image) < error(shown(data), image)


def test_phases_follow_the_blocks_of_the_file() -> None:
    places = phases(16, 24)
    assert places.shape == (1, 4, 4, 6) and (places.sum(axis=1) == 1).all()
    assert places[0, :, 0, 0].tolist() == [1, 0, 0, 0]
    assert places[0, :, 1, 0].tolist() == [0, 0, 1, 0]
    np.testing.assert_array_equal(places[..., :2, :2], places[..., 2:, 4:])


# What quantization allows


@pytest.mark.parametrize("sampling", ["4:2:0", "4:2:2", "4:4:4"])
def test_the_finer_the_steps_the_less_is_taken(picture: Picture, sampling: str) -> None:
    image = picture(16, 16)
    found = []
    for quality in (50, 75, 90, 95, 98, 100):
        file = read_jpeg(jpeg(image, quality=quality, subsampling=sampling))
        found.append(shares(file.tables, sum(file.halved)))
    assert (np.diff(found, axis=0) <= 0).all()
    assert found[0].tolist() == [1, 1, 1] and found[1][0] > 0.99
    assert 0 < found[2][0] < 1 and not found[-1].any()


def test_a_file_that_lost_next_to_nothing_stays(shipped: Any, picture: Picture) -> None:
    data = jpeg(picture(40, 56), quality=100, subsampling="4:4:4")
    plain = shipped.restore(read_jpeg(data), strength=0)
    np.testing.assert_array_equal(shipped.restore(read_jpeg(data)), plain)


def test_projection_keeps_what_is_inside_and_brings_back_what_is_not(picture: Picture) -> None:
    rng = np.random.default_rng(0)
    decoded = picture(19, 27)
    table = np.full((8, 8), 6, np.int64)
    planes = decoded.transpose(2, 0, 1).astype(np.float32)
    near = planes + rng.uniform(-0.1, 0.1, (3, 19, 27)).astype(np.float32)
    kept = near.copy()
    project(kept, decoded, [table, table, table])
    np.testing.assert_allclose(kept, near, atol=1e-3)
    far = planes + rng.normal(0, 40, (3, 19, 27)).astype(np.float32)
    back = far.copy()
    project(back, decoded, [table, None, table])
    np.testing.assert_array_equal(back[1], far[1])
    np.testing.assert_array_equal(back[:, 16:], far[:, 16:])
    np.testing.assert_array_equal(back[:, :, 24:], far[:, :, 24:])
    moved = (back[0] - decoded[..., 0])[:16, :24]
    # Orthonormal: 64 coefficients of half a step each at the most.
    assert np.square(moved.reshape(2, 8, 3, 8)).sum(axis=(1, 3)).max() <= 64 * 9 + 1e-2
    assert np.square(far[0] - decoded[..., 0])[:16, :24].mean() > 100


def test_the_projected_picture_gives_the_same_file_again(tiny: Any, picture: Picture) -> None:
    """Within intervals: its coefficients round to the levels that the file has."""
    data = jpeg(picture(64, 80), "L", quality=20)
    again = jpeg(tiny.restore(read_jpeg(data)), "L", quality=20)
    one, other = (read_jpeg(own).planes[..., 0].astype(int) for own in (data, again))
    assert np.abs(one - other).mean() < 1.5
