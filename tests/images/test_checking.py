"""Images that cannot be read are found by their headers, before any work on the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import PIL.Image
import pytest

from slimcodec.errors import ImageError
from slimcodec.images import check_images, write_image
from slimcodec.types import Image


def test_what_no_reader_takes_is_named(picture: Callable[..., Image], tmp_path: Path) -> None:
    good, cut = tmp_path / "good.png", tmp_path / "cut.png"
    write_image(good, picture(40, 56))
    cut.write_bytes(good.read_bytes()[:-200])
    check_images([good, cut])  # pixels are not looked at
    for name, content in (("noise.png", b"no picture"), ("empty.jpg", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ImageError, match=name):
            check_images([good, tmp_path / name])
    with pytest.raises(ImageError, match=r"gone\.png: there is no such file"):
        check_images([tmp_path / "gone.png"])


def test_too_many_pixels_are_seen_in_a_header(
    picture: Callable[..., Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image(tmp_path / "large.png", picture(40, 56))
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ImageError, match=r"large\.png: it claims more than"):
        check_images([tmp_path / "large.png"])
