"""jpeg-regions as a codec: masks, weights, what draws the eye."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

import slimcodec
from slimcodec.codecs.regions import JpegRegions
from slimcodec.codecs.regions.masks import WHITE_TO_BLACK, weights_of
from slimcodec.codecs.regions.saliency import saliency_of
from slimcodec.errors import ImageError, UsageError
from slimcodec.library import stream_suffix
from slimcodec.target_size import encode_to_size
from slimcodec.types import Adjustable, Image, Mask, Maskable

Picture = Callable[..., Image]
HEIGHT, WIDTH = 128, 160


@pytest.fixture(scope="module")
def mask() -> Mask:
    """A box left of the middle."""
    white = np.zeros((HEIGHT, WIDTH), np.uint8)
    white[32:96, 24:72] = 255
    return white


def error(one: Image, other: Image, where: NDArray[np.bool_]) -> float:
    return float(np.square(one.astype(float) - other)[where].mean())


def test_what_it_is() -> None:
    codec = JpegRegions()
    assert isinstance(codec, Maskable) and isinstance(codec, Adjustable)
    assert slimcodec.load("jpeg-regions").digest == codec.digest
    assert stream_suffix("jpeg-regions") == ".jpeg"
    assert {"numpy", "Pillow"} < set(codec.environment)
    assert pickle.loads(pickle.dumps(codec)).digest == codec.digest


def test_a_mask_moves_bytes_to_what_is_white(photo: Image, mask: Mask) -> None:
    codec, where = JpegRegions(), mask > 0
    even = codec.masked(255 * np.ones_like(mask) - (np.indices(mask.shape).sum(0) % 2 * 8)
                        .astype(np.uint8))  # fmt: skip
    target = len(even.encode(photo, 60))
    plain = even.decode(encode_to_size(even, photo, target).stream)
    moved = encode_to_size(codec.masked(mask), photo, target)
    assert len(moved.stream) <= target
    pixels = codec.decode(moved.stream)
    assert error(photo, pixels, where) < 0.85 * error(photo, plain, where)
    assert error(photo, pixels, ~where) > error(photo, plain, ~where)
    other = codec.masked(255 - mask).encode(photo, 60)
    assert error(photo, codec.decode(other), where) > error(photo, plain, where)


def test_it_is_better_than_plain_jpeg_at_the_same_bytes(photo: Image, mask: Mask) -> None:
    plain, everywhere = slimcodec.load("jpeg"), np.ones_like(mask, bool)
    for quality in (30, 60):
        file = plain.encode(photo, quality)
        theirs = plain.decode(file)
        own = encode_to_size(JpegRegions().masked(mask), photo, len(file)).stream
        ours = plain.decode(own)
        assert len(own) <= len(file)
        assert error(photo, ours, mask > 0) < 0.85 * error(photo, theirs, mask > 0)
        assert error(photo, ours, everywhere) < 1.07 * error(photo, theirs, everywhere)


def test_thresholds_take_bytes(photo: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = JpegRegions().prepare(photo)
    assert prepared.encode(60) == JpegRegions().encode(photo, 60)
    lengths = []
    for weight in (0, 0.1, 0.25, 1):
        monkeypatch.setattr("slimcodec.codecs.regions.codec._RATE_WEIGHT", weight)
        lengths.append(len(prepared.encode(60)))
    assert lengths == sorted(lengths, reverse=True) and lengths[-1] < 0.9 * lengths[0]


def test_a_quality_is_about_that_of_the_codec_inside(photo: Image) -> None:
    for quality in (30, 75):
        theirs = len(slimcodec.load("jpeg").encode(photo, quality))
        assert 0.75 < len(JpegRegions().encode(photo, quality)) / theirs < 1.25


# Masks


def test_every_level_is_one_of_importance() -> None:
    levels = (0, 50, 100, 150, 200, 255)
    mask = np.repeat(np.array(levels, np.uint8), 32)[None].repeat(32, axis=0)
    weights = weights_of(mask)
    assert weights.shape == (4, 24)
    assert np.log(weights).mean() == pytest.approx(0, abs=1e-5)
    middles = weights[1, 1::4]
    assert (np.diff(middles) > 0).all()
    assert weights.max() / weights.min() == pytest.approx(WHITE_TO_BLACK, rel=1e-5)


def test_importance_fades_outwards_only(mask: Mask) -> None:
    weights = weights_of(mask)
    inside, far, beside = weights[8, 6], weights[15, 19], weights[8, 9]
    assert weights[4, 3] == weights[11, 8] == inside  # blocks at the corner of the box
    assert far < beside < inside


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (17, 40)])
def test_masks_of_odd_sizes(picture: Picture, shape: tuple[int, int]) -> None:
    mask = np.zeros(shape, np.uint8)
    mask[:, shape[1] // 2 :] = 200
    image = picture(*shape)
    if mask.min() == mask.max():
        with pytest.raises(UsageError, match="tells no places apart"):
            JpegRegions().masked(mask)
    else:
        codec = JpegRegions().masked(mask)
        assert codec.decode(codec.encode(image)).shape == image.shape


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.zeros((HEIGHT, WIDTH), np.uint8), "its values are 0 to 0 of"),
        (np.full((HEIGHT, WIDTH), 255, np.uint8), "its values are 255 to 255 of"),
        (np.eye(HEIGHT, WIDTH).astype(np.uint8), "its values are 0 to 1 of"),
        (np.zeros((HEIGHT, WIDTH, 3), np.uint8), r"must be uint8 \[h, w\]"),
        (np.zeros((HEIGHT, WIDTH)), r"must be uint8 \[h, w\] .*, got float64"),
        (np.zeros((0, 4), np.uint8), "not empty"),
    ],
)
def test_what_is_no_mask(mask: Mask, words: str) -> None:
    with pytest.raises(UsageError, match=words) as found:
        JpegRegions().masked(mask)
    assert "\n" not in str(found.value)


def test_a_mask_of_another_size(photo: Image, mask: Mask) -> None:
    with pytest.raises(UsageError, match="the mask is 159x128 pixels and the picture 160x128"):
        JpegRegions().masked(mask[:, 1:]).encode(photo)


def test_masks_are_told_apart(mask: Mask) -> None:
    codec = JpegRegions()
    digests = {each.digest for each in (codec, codec.masked(mask), codec.masked(255 - mask))}
    assert len(digests) == 3 and codec.masked(mask).digest in digests


def test_in_one_call(photo: Image, mask: Mask, tmp_path: Path) -> None:
    """Of any kind that a picture may be of: colours, alpha, sixteen bits, turned."""
    codec = JpegRegions()
    expected = codec.masked(mask).encode(photo, 50)
    clear = np.full((HEIGHT, WIDTH, 4), 255, np.uint8)
    clear[:, :, 3] = mask
    exif = PIL.Image.Exif()
    exif[0x112] = 6  # a quarter turn to the right is what brings it upright
    turned = tmp_path / "turned.png"
    PIL.Image.fromarray(mask).transpose(PIL.Image.Transpose.ROTATE_90).save(turned, exif=exif)
    PIL.Image.fromarray(mask.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    PIL.Image.fromarray(mask > 0).save(tmp_path / "bits.png")
    files = (turned, tmp_path / "deep.png", tmp_path / "bits.png")
    for given in (mask, np.stack([mask] * 3, axis=2), clear, PIL.Image.fromarray(mask), *files):
        assert slimcodec.encode(photo, 50, codec=codec, mask=given) == expected
    small = slimcodec.encode(photo, codec="jpeg-regions", mask=mask, target_bytes=3000)
    assert 2800 < len(small) <= 3000
    with pytest.raises(UsageError, match="jpeg takes no mask; a codec that does is jpeg-regions"):
        slimcodec.encode(photo, codec="jpeg", mask=mask)
    with pytest.raises(ImageError, match=r"none\.png: there is no such file"):
        slimcodec.encode(photo, codec=codec, mask=tmp_path / "none.png")


# Where nobody says what matters


def test_what_is_surrounded_draws_the_eye(picture: Picture) -> None:
    image = (picture(200, 300) // 4 + 60).astype(np.uint8)
    y, x = np.mgrid[:200, :300]
    where = np.hypot(y - 70, x - 200) < 35
    image[where] = 230, 60, 40
    found = saliency_of(image)
    assert found.shape == (200, 300) and found.dtype == np.uint8
    assert found.max() == 255 and found.min() == 0
    assert found[where].mean() > 4 * found[~where].mean()


def test_what_hangs_together_with_the_border_does_not() -> None:
    image = np.full((96, 96, 3), 90, np.uint8)
    image[40:56, 60:76] = 200
    image[40:56, :30] = 200
    found = saliency_of(image)
    assert found[48, 68] == 255 and found[48, 10] < 20


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (9, 2), (64, 64)])
def test_nothing_draws_the_eye(shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 77, np.uint8)
    assert (saliency_of(image) == 255).all()
    assert JpegRegions().decode(JpegRegions().encode(image)).shape == image.shape


def test_without_a_mask_it_looks_for_itself(photo: Image) -> None:
    found = saliency_of(photo)
    assert JpegRegions().encode(photo, 50) == JpegRegions().masked(found).encode(photo, 50)
