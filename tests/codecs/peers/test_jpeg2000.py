"""JPEG 2000's own: its colour transform, what its quality means, and a Pillow without it."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import PIL.Image
import pytest
from PIL import features

from slimcodec.codecs.peers.jpeg2000 import Jpeg2000
from slimcodec.errors import MissingExtraError
from slimcodec.metrics import Psnr
from slimcodec.types import Image

Picture = Callable[..., Image]


@pytest.fixture(scope="module")
def jpeg2000() -> Jpeg2000:
    try:
        return Jpeg2000()
    except MissingExtraError as error:
        pytest.skip(str(error))


def test_the_quality_is_a_psnr(jpeg2000: Jpeg2000, picture: Picture) -> None:
    image = picture(96, 128)
    for wanted in (30, 36.5, 42):
        decoded = jpeg2000.decode(jpeg2000.encode(image, wanted))
        assert Psnr()(image, decoded) == pytest.approx(wanted, abs=2.5)


def test_colours_are_transformed(jpeg2000: Jpeg2000, picture: Picture) -> None:
    """Pillow alone codes red, green and blue by themselves: here, three times the same."""
    image = np.repeat(picture(96, 128)[..., :1], 3, axis=2)
    file = io.BytesIO()
    PIL.Image.fromarray(image).save(
        file, format="JPEG2000", quality_mode="dB", quality_layers=[36], irreversible=True
    )
    assert len(jpeg2000.encode(image, 36)) < 0.6 * len(file.getvalue())


def test_a_pillow_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "check", lambda feature: False)
    with pytest.raises(MissingExtraError, match=r"JPEG 2000 needs .*slimcodec\[codecs\]"):
        Jpeg2000()
