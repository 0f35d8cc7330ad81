"""What every codec must keep, whoever it is: tested the day it is registered."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from slimcodec import registry
from slimcodec.errors import MissingExtraError, StreamError, UsageError
from slimcodec.model_file import Model
from slimcodec.runtime import open_codec
from slimcodec.types import Codec, Image, Progressive

Picture = Callable[..., Image]

Models = dict[str, Model]


def opened(name: str, tiny_models: Models) -> Codec:
    """A peer, or the tiny model of a learned family."""
    if name in registry.families:
        return open_codec(tiny_models[name])
    peer: Codec = registry.codecs.get(name)()
    return peer


@pytest.fixture(scope="module", params=[*registry.codecs, *registry.families])
def codec(request: pytest.FixtureRequest, tiny_models: Models) -> Codec:
    try:
        return opened(request.param, tiny_models)
    except MissingExtraError as error:
        pytest.skip(str(error))


def test_identity(codec: Codec) -> None:
    assert isinstance(codec, Codec)
    assert isinstance(codec.name, str) and codec.name
    assert int(codec.digest, 16) > 0
    assert len(codec.digest) >= 16
    assert isinstance(codec.model_bytes, int) and codec.model_bytes >= 0


def test_the_ladder(codec: Codec) -> None:
    assert len(codec.qualities) >= 1
    assert list(codec.qualities) == sorted(set(codec.qualities))
    assert codec.qualities[0] <= codec.default_quality <= codec.qualities[-1]


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (7, 5), (16, 16), (33, 65), (64, 48)])
def test_shape_and_type_come_back(codec: Codec, picture: Picture, shape: tuple[int, int]) -> None:
    image = picture(*shape)
    before = image.copy()
    for quality in (None, codec.qualities[0], codec.qualities[-1]):
        stream = codec.encode(image, quality)
        assert isinstance(stream, bytes)
        decoded = codec.decode(stream)
        assert decoded.shape == image.shape
        assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(image, before)


def test_views_and_read_only_images(codec: Codec, picture: Picture) -> None:
    image = picture(40, 60)
    expected = codec.encode(np.ascontiguousarray(image[::2, 10:50][:, ::-1]))
    view = image[::2, 10:50][:, ::-1]
    view.flags.writeable = False
    assert codec.encode(view) == expected


def test_the_same_image_gives_the_same_bytes_and_pixels(codec: Codec, picture: Picture) -> None:
    image = picture(64, 80)
    stream = codec.encode(image)
    assert codec.encode(image) == stream
    assert codec.encode(image, codec.default_quality) == stream
    np.testing.assert_array_equal(codec.decode(stream), codec.decode(stream))


def test_the_decoder_needs_nothing_but_the_bytes(codec: Codec, picture: Picture) -> None:
    """What was coded or decoded before does not matter."""
    one, two = picture(50, 60, seed=1), picture(64, 33, seed=2)
    first, second = codec.encode(one), codec.encode(two, codec.qualities[-1])
    alone = codec.decode(first)
    codec.decode(second)
    np.testing.assert_array_equal(codec.decode(first), alone)


def test_more_quality_costs_more_and_looks_better(codec: Codec, picture: Picture) -> None:
    if len(codec.qualities) == 1:
        pytest.skip(f"{codec.name} has one quality")
    image = picture(128, 160)
    streams = [codec.encode(image, codec.qualities[i]) for i in (0, -1)]
    errors = [np.square(codec.decode(stream).astype(float) - image).mean() for stream in streams]
    assert len(streams[0]) < len(streams[1])
    assert errors[0] > errors[1]


@pytest.mark.parametrize("quality", [-1e6, 1e6, math.nan, math.inf, -math.inf])
def test_quality_out_of_range(codec: Codec, picture: Picture, quality: float) -> None:
    with pytest.raises(UsageError, match="quality") as error:
        codec.encode(picture(16, 16), quality)
    assert "\n" not in str(error.value)


def test_pictures_beyond_this_machine(
    codec: Codec, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A header of a few bytes may claim any size; whoever believes it is killed by the system."""
    image = picture(64, 64)
    stream = codec.encode(image)
    monkeypatch.setattr("slimcodec.codecs.checks.memory_bytes", lambda: 100_000)
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 1000)
    jobs: tuple[tuple[type[Exception], Callable[[], object]], ...] = (
        (UsageError, lambda: codec.encode(image)),
        (StreamError, lambda: codec.decode(stream)),
    )
    for kind, job in jobs:
        with pytest.raises(kind, match=r"64x64|smaller") as error:
            job()
        assert "\n" not in str(error.value)


def test_time_is_charged_to_parts(codec: Codec, picture: Picture) -> None:
    charged: list[str] = []

    @contextmanager
    def clock(part: str, step: int = 0, /) -> Iterator[None]:
        assert isinstance(step, int) and step >= 0
        charged.append(part)
        yield

    stream = codec.encode(picture(32, 32), clock=clock)
    assert charged and all(isinstance(part, str) and part for part in charged)
    charged.clear()
    codec.decode(stream, clock=clock)
    assert charged and all(isinstance(part, str) and part for part in charged)


def test_garbage(codec: Codec) -> None:
    rng = np.random.default_rng(0)
    garbage = [b"", b"\0", b"SLC", bytes(64), *(rng.bytes(length) for length in (5, 50, 5000))]
    for data in garbage:
        with pytest.raises(StreamError) as error:
            codec.decode(data)
        assert "\n" not in str(error.value)


def test_half_a_stream_and_a_stream_with_more_behind(codec: Codec, picture: Picture) -> None:
    stream = codec.encode(picture(64, 64))
    for data in (stream[: len(stream) // 2], stream[:-1], stream + b"\0"):
        with pytest.raises(StreamError):
            codec.decode(data)


def format_of(codec: Codec) -> str:
    """What encoders of one file format have in common: mozjpeg's files are JPEG, and so are those
    of a codec around one."""
    return str(getattr(getattr(codec, "inner", codec), "pillow_format", codec.digest))


def test_another_codecs_stream(codec: Codec, tiny_models: Models, picture: Picture) -> None:
    image = picture(48, 48)
    for name in (*registry.codecs, *registry.families):
        try:
            other = opened(name, tiny_models)
        except MissingExtraError:
            continue
        if format_of(other) != format_of(codec):
            with pytest.raises(StreamError):
                codec.decode(other.encode(image))


# Codecs whose qualities are steps


@pytest.fixture
def progressive(codec: Codec) -> Progressive:
    if not isinstance(codec, Progressive):
        pytest.skip(f"{codec.name} is not progressive")
    return codec


def test_every_cut_is_the_encode_of_fewer_steps(progressive: Progressive, picture: Picture) -> None:
    image = picture(50, 70)
    whole = progressive.encode(image, progressive.qualities[-1])
    for quality in progressive.qualities:
        piece = progressive.cut(whole, quality)
        assert piece == progressive.encode(image, quality)
        assert whole.startswith(piece)
        assert progressive.decode(piece).shape == image.shape


def test_a_cut_beyond_the_end_or_before_the_start(
    progressive: Progressive, picture: Picture
) -> None:
    stream = progressive.encode(picture(32, 32), progressive.qualities[1])
    for quality in (0, -1, progressive.qualities[-1], 1e6, math.nan, 1.5):
        with pytest.raises(UsageError) as error:
            progressive.cut(stream, quality)
        assert "\n" not in str(error.value)


def test_steps_are_charged(progressive: Progressive, picture: Picture) -> None:
    charged: set[int] = set()

    @contextmanager
    def clock(part: str, step: int = 0) -> Iterator[None]:
        charged.add(step)
        yield

    progressive.decode(progressive.encode(picture(32, 32), 3, clock=clock), clock=clock)
    # Step 0 is for what belongs to none.
    assert charged - {0} == {1, 2, 3}
