"""Peers at the size of another codec's stream: the nearest that there is, and how near that is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from slimcodec import registry
from slimcodec.bench import Row, SameSize, quality_at, size_difference
from slimcodec.errors import MissingExtraError, UsageError
from slimcodec.types import Codec, Image, quality_range

Picture = Callable[..., Image]
MakeRow = Callable[..., Row]

FINE = {"jpeg", "jxl"}
"""Others take whole numbers of quality, or have steps inside."""


@pytest.fixture(params=sorted(registry.codecs))
def peer(request: pytest.FixtureRequest) -> Codec:
    try:
        codec: Codec = registry.codecs.get(request.param)()
    except MissingExtraError as error:
        pytest.skip(str(error))
    return codec


@pytest.mark.parametrize("target", [4000, 9000])
def test_no_neighbouring_quality_is_nearer(peer: Codec, picture: Picture, target: int) -> None:
    image = picture(192, 256)
    found = quality_at(peer, image, target)
    least, most = quality_range(peer)
    away = abs(len(peer.encode(image, found)) - target)
    for other in (found - 1, found - 0.5, found + 0.5, found + 1):
        if least <= other <= most:
            assert away <= abs(len(peer.encode(image, other)) - target)
    if peer.name in FINE and least < found < most:
        assert away <= 0.01 * target


def test_what_is_out_of_reach(picture: Picture) -> None:
    """Of all qualities, not of the ladder."""
    image, jpeg = picture(32, 48), registry.codecs.get("jpeg")()
    assert quality_at(jpeg, image, 1) == jpeg.quality_range[0] < jpeg.qualities[0]
    assert quality_at(jpeg, image, 10**6) == jpeg.quality_range[1]


def test_a_codec_that_takes_whole_numbers(picture: Picture) -> None:
    """And refuses others: the nearer of two neighbours, also when it is the longer one."""

    class Whole:
        qualities = (1.0, 9.0)

        def encode(self, image: Image, quality: float) -> bytes:
            assert image is not None
            if quality != int(quality):
                raise UsageError("whole numbers only")
            return bytes(int(100 * quality))

    whole: Codec = Whole()  # type: ignore[assignment]
    assert quality_at(whole, picture(8, 8), 440) == 4
    assert quality_at(whole, picture(8, 8), 460) == 5


def test_it_is_a_codec_as_long_as_its_reference(picture: Picture) -> None:
    image = picture(96, 128)
    webp, jpeg = (registry.codecs.get(name)() for name in ("webp", "jpeg"))
    same = SameSize(jpeg, webp)
    wanted = len(webp.encode(image, 60))
    stream = same.encode(image, 60)
    assert len(stream) == pytest.approx(wanted, rel=0.01)
    assert same.decode(stream).shape == image.shape
    assert same.digest not in {jpeg.digest, webp.digest}
    assert same.environment == jpeg.environment


def test_the_difference_is_said(make_row: MakeRow) -> None:
    reference = [make_row(image_digest=d, stream_bytes=1000) for d in "abc"]
    lengths = {"a": 1000, "b": 1010, "c": 970, "d": 5000}
    rows = [make_row(image_digest=d, stream_bytes=n) for d, n in lengths.items()]
    found = size_difference(rows, reference)
    assert found is not None
    assert found.mean_percent == pytest.approx(-2 / 3)
    assert found.worst_percent == pytest.approx(-3)
    assert found.images == 3
    assert size_difference(rows[3:], reference) is None
