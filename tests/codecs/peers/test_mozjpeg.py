"""mozjpeg's own: that it is mozjpeg, and what is said where it is not."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from slimcodec.codecs.peers import mozjpeg
from slimcodec.codecs.peers.jpeg import Jpeg
from slimcodec.codecs.peers.mozjpeg import MozJpeg
from slimcodec.errors import MissingExtraError
from slimcodec.metrics import MsSsim, bd_rate, curve_quality
from slimcodec.types import Image

Picture = Callable[..., Image]


def test_it_saves_bytes_at_the_same_quality(picture: Picture) -> None:
    try:
        codec = MozJpeg()
    except MissingExtraError as error:
        pytest.skip(str(error))
    image = picture(160, 192)

    def curve(jpeg: Jpeg) -> list[tuple[float, float]]:
        streams = [jpeg.encode(image, quality) for quality in (20, 40, 60, 80)]
        values = [MsSsim()(image, jpeg.decode(stream)) for stream in streams]
        return [
            (float(len(stream)), float(curve_quality("ms-ssim", value)))
            for stream, value in zip(streams, values, strict=True)
        ]

    assert bd_rate(curve(Jpeg()), curve(codec)) < -5


def test_the_library_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    mozjpeg._has_mozjpeg.cache_clear()
    monkeypatch.setitem(sys.modules, "pyvips", None)
    with pytest.raises(MissingExtraError, match=r"mozjpeg needs .*slimcodec\[codecs\]"):
        MozJpeg()


def test_a_libvips_without_mozjpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a one says nothing, and writes what libjpeg-turbo would."""
    pytest.importorskip("pyvips")
    mozjpeg._has_mozjpeg.cache_clear()
    monkeypatch.setattr(mozjpeg, "_saved", lambda pixels, quality, **effort: b"the same")
    with pytest.raises(MissingExtraError):
        MozJpeg()
    mozjpeg._has_mozjpeg.cache_clear()
