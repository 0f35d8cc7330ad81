"""Every kind of file that people have, as 8-bit sRGB, with a note where that changed something."""

from __future__ import annotations

import io
import os
import struct
import threading
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ImageOps, features

from slimcodec.errors import ImageError
from slimcodec.images import ReadImage, read_image, read_image_bytes
from slimcodec.types import Image
from tests.images import icc

RGB = np.random.default_rng(1).integers(0, 256, (6, 5, 3), dtype=np.uint8)
GREY = RGB[..., 0]
REDUCED = "16-bit samples were reduced to 8"


def save(path: Path, picture: PIL.Image.Image, **options: Any) -> ReadImage:
    picture.save(path, **options)
    return read_image(path)


def png(bits: int, colour: int, rows: np.ndarray, extra: bytes = b"") -> bytes:
    """A PNG of big-endian samples ``[h, w, c]``, by hand: Pillow writes few 16-bit kinds."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    height, width = rows.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra
        + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )  # fmt: skip


def trns(*samples: int) -> bytes:
    data = struct.pack(f">{len(samples)}H", *samples)
    return (
        struct.pack(">I", len(data))
        + b"tRNS"
        + data
        + struct.pack(">I", zlib.crc32(b"tRNS" + data))
    )


def grey(values: Any) -> Image:
    return np.repeat(np.asarray(values, dtype=np.uint8)[..., None], 3, axis=2)


def gentle(shape: tuple[int, int]) -> Image:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.stack([y * 7, x * 7, y * 3 + x * 3], axis=2).astype(np.uint8)


# Plain kinds


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.ppm", "a.jp2", "wrong-suffix.jpg"])
def test_rgb_is_taken_as_it_is(tmp_path: Path, name: str) -> None:
    options = {"format": "PNG"} if "wrong" in name else {}
    read = save(tmp_path / name, PIL.Image.fromarray(RGB), **options)
    np.testing.assert_array_equal(read.pixels, RGB)
    assert read.notes == ()
    assert read.pixels.dtype == np.uint8
    assert read.pixels.flags.c_contiguous
    assert read.pixels.flags.writeable


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 20), st.integers(1, 20), st.sampled_from(["png", "ppm", "tif"]))
def test_any_shape(tmp_path: Path, height: int, width: int, suffix: str) -> None:
    image = gentle((height, width))
    read = save(tmp_path / f"a.{suffix}", PIL.Image.fromarray(image))
    np.testing.assert_array_equal(read.pixels, image)


@pytest.mark.parametrize("suffix", ["jpg", "webp", "avif"])
def test_lossy_formats(tmp_path: Path, suffix: str) -> None:
    if suffix == "avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    image = np.full((9, 7, 3), (200, 100, 50), np.uint8)
    read = save(tmp_path / f"a.{suffix}", PIL.Image.fromarray(image), quality=90)
    assert read.pixels.shape == image.shape
    assert np.abs(read.pixels.astype(int) - image).max() <= 6
    assert read.notes == ()


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm", "gif"])
def test_grey(tmp_path: Path, suffix: str) -> None:
    read = save(tmp_path / f"a.{suffix}", PIL.Image.fromarray(GREY))
    np.testing.assert_array_equal(read.pixels, grey(GREY))
    assert read.notes == ()


def test_one_bit(tmp_path: Path) -> None:
    read = save(tmp_path / "a.png", PIL.Image.fromarray(GREY > 127))
    np.testing.assert_array_equal(read.pixels, grey(np.where(GREY > 127, 255, 0)))


# Transparency

ALPHA = np.array([[0, 1, 127, 128, 255]] * 6, dtype=np.uint8)


def over(image: Image, alpha: Any, background: tuple[int, int, int] = (255, 255, 255)) -> Image:
    cover = np.asarray(alpha, dtype=np.float64)[..., None] / 255
    return np.floor(image * cover + np.array(background) * (1 - cover) + 0.5).astype(np.uint8)


def test_rgba_on_white_and_on_any_colour(tmp_path: Path) -> None:
    picture = PIL.Image.fromarray(np.dstack([RGB, ALPHA]))
    read = save(tmp_path / "a.png", picture)
    np.testing.assert_array_equal(read.pixels, over(RGB, ALPHA))
    assert read.notes == ("transparency was composited on white",)
    read = read_image(tmp_path / "a.png", background=(0, 200, 30))
    np.testing.assert_array_equal(read.pixels, over(RGB, ALPHA, (0, 200, 30)))
    assert read.notes == ("transparency was composited on rgb(0, 200, 30)",)


def test_an_alpha_that_hides_nothing_is_not_worth_a_note(tmp_path: Path) -> None:
    read = save(tmp_path / "a.png", PIL.Image.fromarray(RGB).convert("RGBA"))
    np.testing.assert_array_equal(read.pixels, RGB)
    assert read.notes == ()


def test_grey_with_alpha(tmp_path: Path) -> None:
    read = save(tmp_path / "a.png", PIL.Image.fromarray(np.dstack([GREY, ALPHA]), mode=None))
    np.testing.assert_array_equal(read.pixels, over(grey(GREY), ALPHA))
    assert read.notes == ("transparency was composited on white",)


def test_palettes(tmp_path: Path) -> None:
    picture = PIL.Image.fromarray(np.array([[0, 1, 2]], dtype=np.uint8), mode=None)
    picture.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    colours = np.array([[[10, 20, 30], [40, 50, 60], [70, 80, 90]]], dtype=np.uint8)

    read = save(tmp_path / "plain.png", picture)
    np.testing.assert_array_equal(read.pixels, colours)
    assert read.notes == ()

    for name, transparency, alpha in (
        ("one.png", 1, [[255, 0, 255]]),
        ("one.gif", 1, [[255, 0, 255]]),
        ("each.png", bytes((0, 128, 255)), [[0, 128, 255]]),
    ):
        read = save(tmp_path / name, picture, transparency=transparency)
        np.testing.assert_array_equal(read.pixels, over(colours, alpha))
        assert read.notes == ("transparency was composited on white",)


def test_palette_with_alpha(tmp_path: Path) -> None:
    indexes = np.dstack([np.array([[0, 1]]), np.array([[255, 128]])]).astype(np.uint8)
    picture = PIL.Image.merge("PA", [PIL.Image.fromarray(indexes[..., i].copy()) for i in (0, 1)])
    picture.putpalette([10, 20, 30, 40, 50, 60])
    read = save(tmp_path / "a.tif", picture)
    colours = np.array([[[10, 20, 30], [40, 50, 60]]], dtype=np.uint8)
    np.testing.assert_array_equal(read.pixels, over(colours, indexes[..., 1]))


def test_one_transparent_colour(tmp_path: Path) -> None:
    read = save(
        tmp_path / "rgb.png", PIL.Image.fromarray(RGB), transparency=tuple(map(int, RGB[0, 0]))
    )
    assert read.pixels[0, 0].tolist() == [255, 255, 255]
    np.testing.assert_array_equal(read.pixels[1:], RGB[1:])
    read = save(tmp_path / "grey.png", PIL.Image.fromarray(GREY), transparency=int(GREY[0, 0]))
    assert read.pixels[0, 0].tolist() == [255, 255, 255]
    assert read.notes == ("transparency was composited on white",)


# More than 8 bits

DEEP = np.array([[0, 128, 129, 257, 32768, 65407, 65535]], dtype=np.uint16)
ROUNDED = [[0, 0, 1, 1, 128, 255, 255]]


def test_sixteen_bit_grey(tmp_path: Path) -> None:
    for name in ("a.png", "a.tif", "a.pgm"):
        read = save(tmp_path / name, PIL.Image.fromarray(DEEP))
        np.testing.assert_array_equal(read.pixels, grey(ROUNDED), err_msg=name)
        assert read.notes == (REDUCED,)


def test_sixteen_bit_grey_of_the_other_byte_order(tmp_path: Path) -> None:
    picture = PIL.Image.frombytes("I;16B", (7, 1), DEEP.astype(">u2").tobytes())
    read = save(tmp_path / "a.tif", picture)
    np.testing.assert_array_equal(read.pixels, grey(ROUNDED))


def test_sixteen_bit_grey_with_a_transparent_value(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(16, 0, DEEP.astype(">u2")[..., None], trns(32768)))
    read = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(read.pixels, grey([[0, 0, 1, 1, 255, 255, 255]]))
    assert read.notes == (REDUCED, "transparency was composited on white")


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_sixteen_bit_colour(tmp_path: Path, colour: int, channels: int) -> None:
    rows = np.full((2, 3, channels), 0x8034, dtype=">u2")
    if channels != 3:
        rows[..., -1] = 0xFFFF
    (tmp_path / "a.png").write_bytes(png(16, colour, rows))
    read = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(read.pixels, np.full((2, 3, 3), 0x80))
    assert read.notes == (REDUCED,)


def test_sixteen_bit_colour_with_a_transparent_one(tmp_path: Path) -> None:
    rows = np.full((1, 2, 3), 0x8034, dtype=">u2")
    rows[0, 1] = 0x1234
    (tmp_path / "a.png").write_bytes(png(16, 2, rows, trns(0x1234, 0x1234, 0x1234)))
    read = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(read.pixels, grey([[0x80, 255]]))
    assert read.notes == (REDUCED, "transparency was composited on white")


def test_twelve_bit_tiff(tmp_path: Path) -> None:
    tags = [
        (256, 2),
        (257, 1),
        (258, 12),
        (259, 1),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, 1),
        (279, 3),
    ]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    samples = bytes((0xFF, 0xF8, 0x00)) + bytes(1)  # 4095 and 2048
    (tmp_path / "a.tif").write_bytes(
        b"II*\0"
        + struct.pack("<I", 12)
        + samples
        + struct.pack("<H", len(tags))
        + entries
        + bytes(4)
    )
    read = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(read.pixels, grey([[255, 128]]))
    assert read.notes == ("12-bit samples were reduced to 8",)


def test_sixteen_bit_ppm(tmp_path: Path) -> None:
    samples = np.full((1, 2, 3), 0x8034, dtype=">u2")
    (tmp_path / "a.ppm").write_bytes(b"P6 2 1 65535\n" + samples.tobytes())
    read = read_image(tmp_path / "a.ppm")
    np.testing.assert_array_equal(read.pixels, np.full((1, 2, 3), 0x80))
    assert read.notes == (REDUCED,)
    (tmp_path / "b.ppm").write_bytes(b"P6 1 1 15\n" + bytes((15, 0, 15)))
    assert read_image(tmp_path / "b.ppm").pixels.tolist() == [[[255, 0, 255]]]
    assert read_image(tmp_path / "b.ppm").notes == ()


def test_integers_with_a_sign_are_refused(tmp_path: Path) -> None:
    PIL.Image.fromarray(np.array([[-5, 0, 32768]], dtype=np.int32)).save(tmp_path / "a.tif")
    assert "32-bit signed grey TIFF" in failure(tmp_path / "a.tif")


# Colours

P3_AS_SRGB = (216, 93, 24)
"""(200, 100, 50) of the test profile in sRGB, by matrix and curve in double precision."""


def test_cmyk(tmp_path: Path) -> None:
    picture = PIL.Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    read = save(tmp_path / "a.jpg", picture, quality=95)
    assert np.abs(read.pixels.astype(int) - (255, 0, 0)).max() <= 3
    assert read.notes == ("CMYK was converted to RGB",)


@pytest.mark.parametrize("mode", ["YCbCr", "LAB"])
def test_other_colour_spaces(tmp_path: Path, mode: str) -> None:
    image = np.full((4, 4, 3), (180, 90, 40), np.uint8)
    read = save(tmp_path / "a.tif", PIL.Image.fromarray(image).convert(mode))
    assert np.abs(read.pixels.astype(int) - image).max() <= 4
    assert read.notes == (f"{mode} was converted to RGB",)


def test_an_srgb_profile_changes_nothing(tmp_path: Path) -> None:
    read = save(tmp_path / "a.png", PIL.Image.fromarray(RGB), icc_profile=icc.srgb())
    np.testing.assert_array_equal(read.pixels, RGB)
    assert read.notes == ()


@pytest.mark.parametrize("suffix", ["png", "webp", "tif", "avif"])
def test_a_wide_profile_is_converted(tmp_path: Path, suffix: str) -> None:
    if suffix == "avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    options: dict[str, Any] = {"lossless": True} if suffix == "webp" else {}
    options |= {"quality": 100, "subsampling": "4:4:4"} if suffix == "avif" else {}
    image = np.full((4, 4, 3), (200, 100, 50), np.uint8)
    read = save(
        tmp_path / f"a.{suffix}", PIL.Image.fromarray(image), icc_profile=icc.rgb(), **options
    )
    assert np.abs(read.pixels.astype(int) - P3_AS_SRGB).max() <= 2
    assert read.notes == ("colours were converted from the embedded profile (Test Wide) to sRGB",)


def test_colours_are_converted_before_they_are_composited(tmp_path: Path) -> None:
    image = np.full((1, 2, 4), (200, 100, 50, 0), np.uint8)
    image[0, 1, 3] = 255
    read = save(tmp_path / "a.png", PIL.Image.fromarray(image), icc_profile=icc.rgb(), format="PNG")
    assert read.pixels[0, 0].tolist() == [255, 255, 255]
    assert np.abs(read.pixels[0, 1].astype(int) - P3_AS_SRGB).max() <= 2
    assert len(read.notes) == 2


def test_a_grey_profile(tmp_path: Path) -> None:
    read = save(tmp_path / "a.png", PIL.Image.fromarray(GREY), icc_profile=icc.grey(1.0))
    linear = GREY / 255
    expected = (
        np.where(linear < 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    )
    assert np.abs(read.pixels - expected[..., None]).max() <= 1
    np.testing.assert_array_equal(read.pixels, grey(read.pixels[..., 1]))
    assert "Test Grey" in read.notes[0]


def test_grey_pixels_with_an_rgb_profile(tmp_path: Path) -> None:
    read = save(tmp_path / "a.png", PIL.Image.fromarray(GREY), icc_profile=icc.rgb(gamma=1.0))
    assert read.pixels.mean() > grey(GREY).mean() + 10
    assert "Test Wide" in read.notes[0]


def test_a_cmyk_profile(tmp_path: Path) -> None:
    picture = PIL.Image.new("CMYK", (8, 8), (0, 0, 0, 0))
    read = save(tmp_path / "a.jpg", picture, quality=95, icc_profile=icc.cmyk())
    assert read.pixels.min() >= 253
    picture = PIL.Image.new("CMYK", (8, 8), (255, 255, 0, 0))
    read = save(tmp_path / "b.jpg", picture, quality=95, icc_profile=icc.cmyk())
    assert np.abs(read.pixels.astype(int) - 119).max() <= 4  # L* = 50
    assert read.notes[0] == "CMYK was converted to RGB"
    assert "Test Press" in read.notes[1]


def test_profiles_that_cannot_be_used_are_ignored(tmp_path: Path) -> None:
    picture = PIL.Image.fromarray(RGB)
    for profile, words in (
        (b"rubbish", "broken"),
        (icc.rgb()[:200], "broken"),
        (icc.cmyk(), "it is for CMYK pixels, these are RGB"),
    ):
        read = save(tmp_path / "a.png", picture, icc_profile=profile)
        np.testing.assert_array_equal(read.pixels, RGB)
        (note,) = read.notes
        assert "ignored" in note
        assert words in note


# Orientation and frames


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_orientation(tmp_path: Path, orientation: int, suffix: str) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    options = {"lossless": True} if suffix == "webp" else {}
    read = save(path, PIL.Image.fromarray(RGB), exif=exif, **options)
    stored = PIL.Image.fromarray(RGB)
    stored.info["exif"] = exif.tobytes()
    np.testing.assert_array_equal(read.pixels, np.asarray(ImageOps.exif_transpose(stored)))
    assert read.notes == (() if orientation == 1 else ("the EXIF orientation was applied",))


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_orientations_that_mean_nothing(tmp_path: Path, orientation: int) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    read = save(tmp_path / "a.png", PIL.Image.fromarray(RGB), exif=exif)
    np.testing.assert_array_equal(read.pixels, RGB)
    assert read.notes == ()


def test_broken_exif(tmp_path: Path) -> None:
    read = save(
        tmp_path / "a.png", PIL.Image.fromarray(RGB), exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"
    )
    np.testing.assert_array_equal(read.pixels, RGB)


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_the_first_frame_of_an_animation(tmp_path: Path, suffix: str) -> None:
    frames = [PIL.Image.new("RGB", (4, 3), colour) for colour in ("#ff0000", "#00ff00")]
    options = {"lossless": True} if suffix == "webp" else {}
    read = save(
        tmp_path / f"a.{suffix}", frames[0], save_all=True, append_images=frames[1:], **options
    )
    np.testing.assert_array_equal(read.pixels, np.full((3, 4, 3), (255, 0, 0)))
    assert read.notes == ("animated: the first frame was taken",)


def test_the_first_page_of_several(tmp_path: Path) -> None:
    pages = [PIL.Image.fromarray(RGB), PIL.Image.new("L", (2, 2))]
    read = save(tmp_path / "a.tif", pages[0], save_all=True, append_images=pages[1:])
    np.testing.assert_array_equal(read.pixels, RGB)
    assert read.notes == ("the file holds several pages: the first was taken",)


# Files that are none


def failure(path: Path) -> str:
    with pytest.raises(ImageError) as error:
        read_image(path)
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message


def test_no_file(tmp_path: Path) -> None:
    assert "there is no such file" in failure(tmp_path / "missing.png")
    assert "this is a folder" in failure(tmp_path)
    (tmp_path / "empty.png").touch()
    assert "0 bytes" in failure(tmp_path / "empty.png")
    assert "there is no such file" in failure(tmp_path / "empty.png" / "a.png")
    os.mkfifo(tmp_path / "pipe")
    assert "a device or a pipe" in failure(tmp_path / "pipe")
    failure(tmp_path / ("x" * 300))
    failure(tmp_path / "nul\0byte")


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, mode: str) -> object:
        raise PermissionError(13, "Permission denied", str(self))

    (tmp_path / "a.png").write_bytes(b"x")
    monkeypatch.setattr(Path, "open", refuse)
    assert "no permission to read" in failure(tmp_path / "a.png")


@pytest.mark.parametrize(
    "content", [b"x", b"not an image at all" * 100, b"%!PS-Adobe-3.0 EPSF-3.0\n"]
)
def test_no_image(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    assert "not an image of a known format" in failure(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "tif", "ppm", "gif", "jp2"])
@pytest.mark.parametrize("part", [0.3, 0.7, 0.95])
def test_truncated(tmp_path: Path, suffix: str, part: float) -> None:
    path = tmp_path / f"a.{suffix}"
    noise = np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    PIL.Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    failure(path)


def test_a_decompression_bomb(tmp_path: Path) -> None:
    rows = np.zeros((1, 1, 3), np.uint8)
    content = png(8, 2, rows)
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    header = b"IHDR" + header
    (tmp_path / "a.png").write_bytes(
        content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]
    )
    assert "decompression bomb" in failure(tmp_path / "a.png")


def test_large_photographs_give_no_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 20)
    for suffix in ("png", "tif", "webp", "jpg"):
        read = save(tmp_path / f"a.{suffix}", PIL.Image.fromarray(RGB))
        assert read.pixels.shape == RGB.shape
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 10)
    assert "decompression bomb" in failure(tmp_path / "a.png")


@settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.data())
def test_damage_gives_an_image_or_one_error(tmp_path: Path, data: st.DataObject) -> None:
    suffix = data.draw(st.sampled_from(["png", "jpg", "webp", "bmp", "tif", "ppm", "gif", "jp2"]))
    buffer = io.BytesIO()
    name = {"jpg": "jpeg", "tif": "tiff", "jp2": "jpeg2000"}.get(suffix, suffix)
    PIL.Image.fromarray(RGB).save(buffer, format=name)
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, min(len(content), 300) - 1))] = data.draw(
            st.integers(0, 255)
        )
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(content)
    try:
        pixels = read_image(path).pixels
    except ImageError as error:
        assert "\n" not in str(error)
    else:
        assert pixels.dtype == np.uint8
        assert pixels.shape[2] == 3


def test_threads_leave_the_warning_filters_alone(tmp_path: Path) -> None:
    PIL.Image.fromarray(RGB).save(tmp_path / "a.png")
    before = list(warnings.filters)
    threads = [
        threading.Thread(target=lambda: [read_image(tmp_path / "a.png") for _ in range(20)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


@pytest.mark.parametrize("background", [(0, 0), (0, 0, 256), (-1, 0, 0)])
def test_a_background_that_is_no_colour(tmp_path: Path, background: Any) -> None:
    with pytest.raises(ValueError, match="background"):
        read_image(tmp_path / "a.png", background=background)


def test_bytes_are_read_as_their_file_is(tmp_path: Path) -> None:
    path = tmp_path / "clear.png"
    rgba = np.dstack([RGB, np.full(RGB.shape[:2], 128, np.uint8)])
    expected = save(path, PIL.Image.fromarray(rgba))
    found = read_image_bytes(path.read_bytes(), "a pipe")
    assert np.array_equal(found.pixels, expected.pixels) and found.notes == expected.notes
    for data, words in ((b"", "a pipe: there is nothing in it"), (b"text", "a pipe: not an image")):
        with pytest.raises(ImageError, match=words):
            read_image_bytes(data, "a pipe")
