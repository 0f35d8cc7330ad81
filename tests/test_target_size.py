"""The largest stream that fits, of codecs of every kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import slimcodec
from slimcodec import registry
from slimcodec.codecs.between import step_above
from slimcodec.errors import UsageError
from slimcodec.metrics import bytes_at
from slimcodec.model_file import Model
from slimcodec.runtime import open_codec
from slimcodec.stream import unpack
from slimcodec.target_size import encode_to_size, largest_that_fits
from slimcodec.types import Adjustable, Codec, Image, Progressive, quality_range
from tests.planes import BitPlanes

Picture = Callable[..., Image]


@pytest.mark.parametrize("low", [0, 3])
@pytest.mark.parametrize("most", range(-1, 12))
def test_the_largest_is_found_and_was_asked_for(low: int, most: int) -> None:
    asked = []

    def fits(number: int) -> bool:
        asked.append(number)
        return number <= most

    found = largest_that_fits(low, 10, fits)
    assert found == (None if most < low else min(most, 10))
    assert found is None or found in asked
    # Whoever goes on above needs to know that this does not fit.
    assert found == 10 or (low if found is None else found + 1) in asked
    assert len(asked) <= 4 and len(set(asked)) == len(asked)


# Adjustable


@pytest.mark.parametrize("quality", [1.0, 2.5, 4.0])
def test_prepared_once_coded_as_encode_does(
    tiny_codec: Codec, picture: Picture, quality: float
) -> None:
    assert isinstance(tiny_codec, Adjustable) and not isinstance(tiny_codec, Progressive)
    image = picture(320, 448)
    prepared = tiny_codec.prepare(image)
    assert prepared.encode(quality) == tiny_codec.encode(image, quality)
    # Below a step, of which all are, bits weigh more.
    below = [quality - share * tiny_codec.quality_step for share in (0, 0.25, 0.5, 0.75)]
    lengths = [len(prepared.encode(own)) for own in below]
    assert lengths == sorted(lengths, reverse=True) and lengths[0] > lengths[-1]
    assert {unpack(prepared.encode(own)).quality for own in below} == {
        unpack(prepared.encode(quality)).quality
    }
    decoded = tiny_codec.decode(prepared.encode(below[-1]))
    assert np.abs(decoded.astype(int) - tiny_codec.decode(prepared.encode(quality))).mean() < 10


def test_qualities_that_there_are_not(tiny_codec: Any, picture: Picture) -> None:
    prepared = tiny_codec.prepare(picture(32, 32))
    for quality in (0.4, 9, float("nan"), float("inf")):
        with pytest.raises(UsageError, match=r"the quality of tiny must be 0\.5 to 5, got"):
            prepared.encode(quality)


@pytest.mark.parametrize(
    ("place", "step", "below"), [(0, 0, 0), (0.25, 1, 0.75), (3, 3, 0), (-2, 0, 2), (2.9, 3, 0.1)]
)
def test_the_step_above(place: float, step: int, below: float) -> None:
    found, missing = step_above(place)
    assert found == step and missing == pytest.approx(below)
    # What arithmetic leaves of a whole number is no step more.
    assert step_above(3 * 0.1 / 0.1) == (3, 0)


def counted(model: Model) -> tuple[Any, dict[str, int]]:
    """A model's codec, and how often each of its graphs ran."""
    codec: Any = open_codec(model)
    calls = dict.fromkeys(codec.graphs, 0)

    def counting(name: str, graph: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arrays: Any) -> Any:
            calls[name] += 1
            return graph(*arrays)

        return call

    codec.graphs.update({name: counting(name, graph) for name, graph in codec.graphs.items()})
    return codec, calls


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.9])
def test_an_adjustable_codec_comes_close_and_transforms_once(
    tiny_model: Model, picture: Picture, share: float
) -> None:
    codec, calls = counted(tiny_model)
    image = picture(160, 208)
    least, most = (len(codec.encode(image, q)) for q in (codec.qualities[0], codec.qualities[-1]))
    calls.update(dict.fromkeys(calls, 0))
    target = round(least + share * (most - least))
    tried: list[int] = []
    fitted = encode_to_size(codec, image, target, tried.append)
    assert calls["encoder"] == calls["hyper_analysis"] == 1
    assert 0.98 * target <= len(fitted.stream) <= target
    assert len(fitted.stream) == max(length for length in tried if length <= target)
    assert fitted.stream == codec.encode(image, fitted.quality)
    assert codec.decode(fitted.stream).shape == image.shape


def test_more_than_is_needed_gives_the_best_and_too_little_says_how_much(
    tiny_codec: Codec, picture: Picture
) -> None:
    image = picture(64, 64)
    best = tiny_codec.encode(image, tiny_codec.qualities[-1])
    assert encode_to_size(tiny_codec, image, 10 * len(best)).stream == best
    with pytest.raises(UsageError, match=r"smallest stream of tiny .* more than 30;"):
        encode_to_size(tiny_codec, image, 30)
    for nothing in (0, -5):
        with pytest.raises(UsageError, match="at least one byte"):
            encode_to_size(tiny_codec, image, nothing)


def test_below_the_ladder_there_are_qualities(tiny_codec: Codec, picture: Picture) -> None:
    image = picture(160, 208)
    lowest = len(tiny_codec.encode(image, tiny_codec.qualities[0]))
    fitted = encode_to_size(tiny_codec, image, lowest - 1)
    assert quality_range(tiny_codec)[0] <= fitted.quality < tiny_codec.qualities[0]
    assert fitted.stream == tiny_codec.encode(image, fitted.quality)


def test_a_codec_that_rounds_plainly_can_be_made_to_count_bits(
    tiny_model: Model, picture: Picture
) -> None:
    plain = open_codec(replace(tiny_model, config={**tiny_model.config, "rate_weight": 0.0}))
    image = picture(160, 208)
    target = len(plain.encode(image, 3)) - 20
    assert 0.98 * target <= len(encode_to_size(plain, image, target).stream) <= target


# The others


def test_a_progressive_codec_is_cut(tiny_models: dict[str, Model], picture: Picture) -> None:
    for codec in (BitPlanes(), open_codec(tiny_models["toderici"])):
        image = picture(48, 48)
        lengths = {quality: len(codec.encode(image, quality)) for quality in codec.qualities}
        for quality, length in lengths.items():
            assert encode_to_size(codec, image, length).stream == codec.encode(image, quality)
        first, second, *_ = codec.qualities
        assert encode_to_size(codec, image, lengths[second] - 1).quality == first
        with pytest.raises(UsageError, match="smallest stream"):
            encode_to_size(codec, image, lengths[first] - 1)


def test_an_image_format_has_its_own_whole_qualities(picture: Picture) -> None:
    jpeg: Codec = registry.codecs.get("jpeg")()
    image = picture(96, 96)
    target = len(jpeg.encode(image, 63)) + 1
    fitted = encode_to_size(jpeg, image, target)
    assert fitted.stream == jpeg.encode(image, fitted.quality)
    assert len(fitted.stream) <= target < len(jpeg.encode(image, fitted.quality + 1))
    with pytest.raises(UsageError, match="smallest stream of jpeg"):
        encode_to_size(jpeg, image, 100)


@pytest.mark.parametrize("name", ["jpeg", "webp", "jpeg-regions", "jpeg2000"])
def test_every_quality_is_searched_not_the_ladder_alone(picture: Picture, name: str) -> None:
    codec: Codec = registry.codecs.get(name)()
    image = picture(96, 96)
    least, most = quality_range(codec)
    assert (least, most) != (codec.qualities[0], codec.qualities[-1])
    for quality in (least, most):
        target = len(codec.encode(image, quality))
        fitted = encode_to_size(codec, image, target)
        assert len(fitted.stream) <= target
        assert fitted.stream == codec.encode(image, fitted.quality)
    assert fitted.quality > codec.qualities[-1] or most == codec.qualities[-1]


class Wavering:
    """Streams that grow with the quality, but for some that are a byte shorter; the lowest is not
    the shortest."""

    name, digest, model_bytes = "wavering", "ab", 0
    qualities, quality_range, default_quality = (20.0, 60.0), (0, 100), 20.0

    def __init__(self) -> None:
        self.asked: list[float] = []

    def encode(self, image: Image, quality: float | None = None, *, clock: Any = None) -> bytes:
        assert quality is not None and quality == int(quality)
        self.asked.append(quality)
        return bytes(round(100 + 4 * quality - 9 * (quality % 7 == 3) + 5 * (quality == 0)))

    def decode(self, stream: bytes, *, clock: Any = None) -> Image:
        raise AssertionError


def test_streams_need_not_grow_with_every_quality(picture: Picture) -> None:
    image = picture(8, 8)
    lengths = {quality: len(Wavering().encode(image, quality)) for quality in range(101)}
    for target in range(104, 500, 3):
        codec = Wavering()
        fitted = encode_to_size(codec, image, target)
        # What a stream wavers by may be left, no more: the best may lie behind one that is longer.
        assert len(fitted.stream) >= max(n for n in lengths.values() if n <= target) - 5
        assert len(fitted.stream) <= target == max(target, lengths[int(fitted.quality)])
        assert len(codec.asked) <= 9 and len(set(codec.asked)) == len(codec.asked)
    with pytest.raises(UsageError, match=r"smallest stream of wavering .* takes 103 bytes"):
        encode_to_size(Wavering(), image, 90)


def test_a_size_instead_of_a_quality_in_one_call(tiny_codec: Codec, picture: Picture) -> None:
    image = picture(160, 208)
    target = len(tiny_codec.encode(image, 3)) + 9
    expected = encode_to_size(tiny_codec, image, target).stream
    assert slimcodec.encode(image, codec=tiny_codec, target_bytes=target) == expected
    bpp = 8 * target / (160 * 208)
    at_bpp = encode_to_size(tiny_codec, image, bytes_at(bpp, 160, 208)).stream
    assert slimcodec.encode(image, codec=tiny_codec, target_bpp=bpp) == at_bpp
    with pytest.raises(UsageError, match="quality, target_bytes and target_bpp each choose"):
        slimcodec.encode(image, 3, codec=tiny_codec, target_bpp=0.2)
