"""What is given from Python as an image becomes what codecs take, or is refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from slimcodec.errors import ImageError, UsageError
from slimcodec.images import as_image, read_image

RGB = np.random.default_rng(1).integers(0, 256, (6, 5, 3), dtype=np.uint8)


def test_arrays_of_three_shapes() -> None:
    assert as_image(RGB).pixels is RGB
    grey = as_image(RGB[..., 0]).pixels
    assert grey.shape == RGB.shape and np.array_equal(grey[..., 2], RGB[..., 0])
    solid = np.dstack([RGB, np.full(RGB.shape[:2], 255, np.uint8)])
    assert np.array_equal(as_image(solid).pixels, RGB) and not as_image(solid).notes
    clear = np.dstack([RGB, np.zeros(RGB.shape[:2], np.uint8)])
    read = as_image(clear, background=(1, 2, 3))
    assert np.array_equal(read.pixels, np.broadcast_to(np.array([1, 2, 3], np.uint8), RGB.shape))
    assert read.notes == ("transparency was composited on rgb(1, 2, 3)",)


@pytest.mark.parametrize(
    "given",
    [
        RGB.astype(np.float32),
        RGB[None],
        RGB[..., :2],
        RGB[:0],
        RGB.tolist(),
        b"PNG",
        None,
    ],
    ids=lambda given: type(given).__name__,
)
def test_everything_else_is_refused(given: object) -> None:
    with pytest.raises(UsageError, match="must be a path, a Pillow image or a uint8 array"):
        as_image(given)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK"])
def test_pictures_of_pillow_are_read_as_their_files_are(mode: str, tmp_path: Path) -> None:
    grey = PIL.Image.fromarray(RGB[..., 0])
    picture = (grey if mode in ("LA", "PA") else PIL.Image.fromarray(RGB)).convert(mode)
    path = tmp_path / ("picture.tif" if mode in ("CMYK", "PA") else "picture.png")
    picture.save(path)
    assert np.array_equal(as_image(picture).pixels, read_image(path).pixels)


@pytest.mark.parametrize("mode", ["La", "RGBa"])
def test_premultiplied_alpha_is_alpha(mode: str) -> None:
    straight = PIL.Image.new(mode.upper(), (4, 4), (200, 100) if mode == "La" else "#c8c8c864")
    pixels = as_image(straight).pixels.astype(int)
    assert np.abs(as_image(straight.convert(mode)).pixels - pixels).max() <= 1


def test_deep_samples_and_a_rotation_count_in_memory_too(tmp_path: Path) -> None:
    deep = PIL.Image.fromarray((RGB[..., 0].astype(np.uint16)) * 257)
    read = as_image(deep)
    assert np.array_equal(read.pixels[..., 1], RGB[..., 0])
    assert read.notes == ("16-bit samples were reduced to 8",)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.fromarray(RGB).save(tmp_path / "turned.png", exif=exif)
    with PIL.Image.open(tmp_path / "turned.png") as picture:
        read = as_image(picture)
    assert np.array_equal(read.pixels, np.rot90(RGB, -1))
    assert read.notes == ("the EXIF orientation was applied",)


def test_of_several_frames_the_current_one_is_taken(tmp_path: Path) -> None:
    frames = [PIL.Image.new("L", (4, 4), value) for value in (10, 200)]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    with PIL.Image.open(tmp_path / "two.gif") as picture:
        picture.seek(1)
        read = as_image(picture)
    assert read.pixels.min() == 200
    assert read.notes == ("of several frames, the current one was taken",)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_modes_without_a_white_are_refused(mode: str) -> None:
    with pytest.raises(ImageError, match=f"mode {mode} does not say which value is white"):
        as_image(PIL.Image.fromarray(RGB[..., 0]).convert(mode))


def test_the_limit_on_pixels_holds_in_memory_too(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = PIL.Image.fromarray(RGB)
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 14)
    with pytest.raises(ImageError, match="possible decompression bomb"):
        as_image(picture)
