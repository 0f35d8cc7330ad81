"""Transparency that is kept: the plane, there and back, and colours where nothing is seen."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from slimcodec.errors import StreamError
from slimcodec.images import image_bytes, plane_bytes, plane_of, read_image, read_image_bytes
from slimcodec.images.reading import WHITE
from slimcodec.images.transparency import fill_hidden

Sides = st.tuples(st.integers(1, 12), st.integers(1, 12))


@given(Sides.flatmap(lambda sides: arrays(np.uint8, sides)))
def test_the_plane_there_and_back(alpha: np.ndarray) -> None:
    height, width = alpha.shape
    assert np.array_equal(plane_of(plane_bytes(alpha), width, height), alpha)


def test_a_plane_that_is_none() -> None:
    sound = plane_bytes(np.arange(12, dtype=np.uint8).reshape(3, 4))
    coloured = io.BytesIO()
    PIL.Image.new("RGB", (4, 3)).save(coloured, "PNG")
    for data, words in (
        (sound[:-30], "cannot be read"),
        (b"", "cannot be read"),
        (b"\xff\xd8\xff\xe0", "cannot be read"),
        (coloured.getvalue(), "mode RGB"),
        (plane_bytes(np.zeros((4, 3), np.uint8)), "3x4"),
    ):
        with pytest.raises(StreamError, match=words) as error:
            plane_of(data, 4, 3)
        assert "\n" not in str(error.value)


def test_what_it_claims_is_seen_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*arguments: object) -> None:
        raise AssertionError("decoded")

    plane = plane_bytes(np.zeros((300, 400), np.uint8))
    monkeypatch.setattr("slimcodec.images.transparency.load_picture", decode)
    with pytest.raises(StreamError, match="400x300"):
        plane_of(plane, 4, 3)


@given(
    Sides.flatmap(lambda sides: st.tuples(arrays(np.uint8, sides), arrays(np.uint8, (*sides, 3)))),
    st.integers(0, 255),
)
def test_hidden_colours_do_not_leak(pictures: tuple[np.ndarray, np.ndarray], other: int) -> None:
    alpha, pixels = pictures
    alpha = np.where(alpha < 128, np.uint8(0), alpha)
    filled = fill_hidden(pixels, alpha, WHITE)
    seen = alpha > 0
    assert np.array_equal(filled[seen], pixels[seen])
    changed = pixels.copy()
    changed[~seen] = other
    assert np.array_equal(fill_hidden(changed, alpha, WHITE), filled)
    if seen.any():
        for channel in range(3):
            shown = pixels[seen][:, channel]
            assert filled[:, :, channel].min() >= shown.min()
            assert filled[:, :, channel].max() <= shown.max()
    else:
        assert (filled == 255).all()


def test_a_file_with_transparency_there_and_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(1, 256, (5, 7, 4), dtype=np.uint8)
    picture[:2, :, 3] = 0
    exif = PIL.Image.Exif()
    exif[274] = 6
    PIL.Image.fromarray(picture).save(tmp_path / "a.png", exif=exif.tobytes())
    read = read_image(tmp_path / "a.png", background=None)
    upright = np.rot90(picture, -1)
    assert read.alpha is not None and np.array_equal(read.alpha, upright[:, :, 3])
    seen = read.alpha > 0
    assert np.array_equal(read.pixels[seen], upright[:, :, :3][seen])
    assert not any("transparency" in note for note in read.notes)
    for name in ("b.png", "b.webp", "b.tif"):
        again = read_image_bytes(
            image_bytes(read.pixels, name, alpha=read.alpha), name, background=None
        )
        assert again.alpha is not None and np.array_equal(again.alpha, read.alpha)
        assert np.array_equal(again.pixels[seen], read.pixels[seen])


def test_nothing_is_kept_where_nothing_is_hidden(tmp_path: Path) -> None:
    PIL.Image.new("RGBA", (4, 3), (9, 8, 7, 255)).save(tmp_path / "a.png")
    PIL.Image.new("RGB", (4, 3), (9, 8, 7)).save(tmp_path / "b.png")
    for name in ("a.png", "b.png"):
        assert read_image(tmp_path / name, background=None).alpha is None
