"""PNG, BMP, JPEG, JPEG 2000, AVIF, WebP, GIF and PPM over their kinds: right, or refused by name.

What a file must look like comes from the samples that were put into it, or from imagecodecs, whose
decoders share no code with Pillow's plugins.
"""

from __future__ import annotations

import io
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from slimcodec.errors import ImageError, MissingExtraError
from slimcodec.images import ReadImage, read_image
from tests.images import icc

imagecodecs = pytest.importorskip("imagecodecs")

LEVELS = 3
"""By how many of 255 steps a picture may differ from what an independent reader makes of it."""

HEIGHT, WIDTH = 18, 24
Array = NDArray[Any]


def read(folder: Path, content: bytes) -> ReadImage:
    (folder / "picture").write_bytes(content)
    return read_image(folder / "picture")


def assert_like(found: ReadImage, wanted: Array) -> None:
    """Grey, or RGB, in 0..255."""
    wanted = wanted if wanted.ndim == 3 else wanted[..., None]
    wanted = np.broadcast_to(wanted, (*wanted.shape[:2], 3))
    assert found.pixels.shape == wanted.shape
    assert np.abs(found.pixels - wanted.astype(np.float64)).max() <= LEVELS


def refusal(folder: Path, content: bytes, words: str) -> None:
    with pytest.raises(ImageError, match=words) as error:
        read(folder, content)
    assert "damaged" not in str(error.value)


def noise(bits: int, *channels: int) -> Array:
    values = np.random.default_rng(bits).integers(0, 2**bits, (HEIGHT, WIDTH, *channels))
    values[0, 0], values[0, 1] = 2**bits - 1, 0
    return values


def smooth(white: int, channels: int) -> Array:
    """Slopes, which lossy formats keep."""
    y, x = np.mgrid[:64, :96]
    slopes = (x * 2 + y, 160 - x - y, y * 3, x + y)
    return np.stack([np.clip(each, 0, 255) * white // 255 for each in slopes[:channels]], axis=-1)


def over_white(colours: Array, alpha: Array) -> Array:
    """Both as shares of white; 0..255."""
    return 255 * (colours * alpha[..., None] + 1 - alpha[..., None])


# PNG


def png(
    samples: Array, bits: int, colour: int, *extra: tuple[bytes, bytes], interlaced: bool = False
) -> bytes:
    """Samples ``[h, w, c]`` by hand, so that no writer decides what is written."""
    height, width = samples.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, int(interlaced))
    passes = [(0, 0, 1, 1)]
    if interlaced:  # Adam7: first row and column, and steps
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2)]
        passes += [(0, 1, 2, 2), (1, 0, 2, 1)]
    rows = b""
    for top, left, down, right in passes:
        part = samples[top::down, left::right]
        flat = part.reshape(part.shape[0], -1, 1).astype(np.int64)
        ones = ((flat >> np.arange(bits - 1, -1, -1)) & 1).astype(np.uint8)
        for row in np.packbits(ones.reshape(part.shape[0], -1), axis=1):
            rows += b"\0" + row.tobytes()
    chunks = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(
    ("colour", "channels", "depths"),
    [(0, 1, (1, 2, 4, 8, 16)), (2, 3, (8, 16)), (4, 2, (8, 16)), (6, 4, (8, 16))],
)
def test_png(
    tmp_path: Path, colour: int, channels: int, depths: tuple[int, ...], interlaced: bool
) -> None:
    for bits in depths:
        samples = noise(bits, channels)
        content = png(samples, bits, colour, interlaced=interlaced)
        light = samples / (2**bits - 1)
        wanted = 255 * light
        if channels in (2, 4):
            wanted = over_white(light[..., :-1], light[..., -1])
        found = read(tmp_path, content)
        assert_like(found, wanted)
        assert ("16-bit samples were reduced to 8" in found.notes) == (bits == 16)
        np.testing.assert_array_equal(  # the file says what it was meant to, to libpng too
            imagecodecs.png_decode(content).reshape(samples.shape) // (1 if bits >= 8 else 255),
            samples if bits >= 8 else samples // (2**bits - 1),
        )


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_png_palette(tmp_path: Path, bits: int, interlaced: bool) -> None:
    indexes = noise(bits, 1)
    colours = np.random.default_rng(9).integers(0, 256, (2**bits, 3))
    covers = np.random.default_rng(8).integers(0, 256, 2**bits)
    palette = (b"PLTE", colours.astype(np.uint8).tobytes())
    found = read(tmp_path, png(indexes, bits, 3, palette, interlaced=interlaced))
    assert_like(found, colours[indexes[..., 0]])
    some = covers.copy()
    some[2 ** (bits - 1) :] = 255  # entries that are left out are opaque
    hidden = (b"tRNS", covers[: 2 ** (bits - 1)].astype(np.uint8).tobytes())
    found = read(tmp_path, png(indexes, bits, 3, palette, hidden, interlaced=interlaced))
    light = colours[indexes[..., 0]] / 255
    assert_like(found, over_white(light, some[indexes[..., 0]] / 255))


@pytest.mark.parametrize(
    ("bits", "channels"), [(1, 1), (2, 1), (4, 1), (8, 1), (16, 1), (8, 3), (16, 3)]
)
def test_png_with_a_transparent_colour(tmp_path: Path, bits: int, channels: int) -> None:
    """That colour and no other: 16-bit colours that differ in their low bytes alone do differ."""
    samples = noise(bits, channels)
    hidden = samples[3, 3].copy()
    samples[5, 5] = hidden ^ 1
    chunk = (b"tRNS", hidden.astype(">u2").tobytes())
    found = read(tmp_path, png(samples, bits, 0 if channels == 1 else 2, chunk))
    alpha = (samples != hidden).any(axis=-1).astype(float)
    assert 0 < alpha.mean() < 1
    assert_like(found, over_white(samples / (2**bits - 1), alpha))
    assert "transparency was composited on white" in found.notes


def test_png_gamma_is_said(tmp_path: Path) -> None:
    samples = noise(8, 3)
    for gamma, extra, words in (
        (45455, (), None),
        (55556, (), "its gamma (0.55556) was not applied"),
        (100000, (), "its gamma (1) was not applied"),
        (100000, ((b"sRGB", b"\0"),), None),
    ):
        found = read(tmp_path, png(samples, 8, 2, (b"gAMA", struct.pack(">I", gamma)), *extra))
        assert_like(found, samples)
        assert found.notes == (() if words is None else (words,))


def test_png_profile_and_a_transparent_colour(tmp_path: Path) -> None:
    """The profile counts too where another decoder has to be taken."""
    samples = np.full((2, 3, 3), (200 * 257, 100 * 257, 50 * 257))
    samples[0, 0] = 7
    profile = (b"iCCP", b"wide\0\0" + zlib.compress(icc.rgb()))
    plain = read(tmp_path, png(samples, 16, 2, profile))
    hidden = (b"tRNS", np.full(3, 7, ">u2").tobytes())
    found = read(tmp_path, png(samples, 16, 2, profile, hidden))
    assert found.pixels[0, 0].tolist() == [255, 255, 255]
    assert np.abs(found.pixels[1].astype(int) - plain.pixels[1]).max() <= 1
    assert np.abs(found.pixels[1].astype(int) - (200, 100, 50)).max() > 9


@pytest.mark.parametrize("channels", [1, 3])
def test_deep_linear_light_is_refused(tmp_path: Path, channels: int) -> None:
    """Eight bits of linear light are too few for shadows; with a gentle curve they are enough."""
    make = icc.rgb if channels == 3 else icc.grey
    samples, colour = noise(16, channels), 2 if channels == 3 else 0
    for gamma, depth in ((1.0, 8), (1.8, 16), (2.2, 16)):
        profile = (b"iCCP", b"p\0\0" + zlib.compress(make(gamma=gamma)))
        read(tmp_path, png(samples >> 16 - depth, depth, colour, profile))
    profile = (b"iCCP", b"p\0\0" + zlib.compress(make(gamma=1.0)))
    refusal(tmp_path, png(samples, 16, colour, profile), "colour profile Test .* is too steep")


# Code points


def p3_to_srgb(image: Array) -> Array:
    """By the matrix of CSS Color 4, for colours inside of sRGB."""
    share = image / 255
    light = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    matrix = [
        [1.2249401, -0.2249404, 0],
        [-0.0420569, 1.0420571, 0],
        [-0.0196376, -0.0786361, 1.0982735],
    ]
    linear = np.clip(light @ np.array(matrix).T, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


SOFT = np.random.default_rng(5).integers(90, 170, (HEIGHT, WIDTH, 3))


@pytest.mark.parametrize("curve", [13, 2, 1, 14])
def test_png_code_points(tmp_path: Path, curve: int) -> None:
    found = read(tmp_path, png(SOFT, 8, 2, (b"cICP", bytes((12, curve, 0, 1)))))
    assert_like(found, p3_to_srgb(SOFT))
    assert "colours were converted from Display P3 primaries to sRGB" in found.notes
    assert any("transfer curve" in note for note in found.notes) == (curve in (1, 14))
    profile = (b"iCCP", b"wide\0\0" + zlib.compress(icc.rgb()))
    found = read(tmp_path, png(SOFT, 8, 2, (b"cICP", bytes((1, 13, 0, 1))), profile))
    assert_like(found, SOFT)  # they stand above a profile
    assert found.notes == ()


CURVES = [
    (4, "gamma 2.2"), (8, "linear light"), (16, "PQ, high dynamic range"),
    (18, "HLG, high dynamic range"), (99, "unknown"),
]  # fmt: skip


@pytest.mark.parametrize(("curve", "words"), CURVES)
def test_png_curves_that_are_refused(tmp_path: Path, curve: int, words: str) -> None:
    content = png(noise(16, 3), 16, 2, (b"cICP", bytes((9, curve, 0, 1))))
    refusal(tmp_path, content, f"16-bit PNG: its transfer curve .{words}, number {curve}.")


# AVIF


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_avif(tmp_path: Path, bits: int, channels: int) -> None:
    image = smooth(2**bits - 1, channels).astype(np.uint8 if bits == 8 else np.uint16)
    content = imagecodecs.avif_encode(
        image if channels > 1 else image[..., 0], level=100, speed=9, bitspersample=bits
    )
    light = imagecodecs.avif_decode(content).reshape(64, 96, -1) / (2**bits - 1)
    wanted = over_white(light[..., :3], light[..., 3]) if channels == 4 else 255 * light
    found = read(tmp_path, content)
    assert_like(found, wanted)
    reduced = f"{bits}-bit samples were reduced to 8"
    assert (reduced in found.notes) == (bits > 8)


@pytest.mark.parametrize(("curve", "words"), CURVES[:-1])
@pytest.mark.parametrize("bits", [8, 10])
def test_avif_curves_that_are_refused(tmp_path: Path, curve: int, words: str, bits: int) -> None:
    image = smooth(2**bits - 1, 3).astype(np.uint8 if bits == 8 else np.uint16)
    content = imagecodecs.avif_encode(
        image, level=80, speed=9, bitspersample=bits, primaries=9, transfer=curve, matrix=9
    )
    refusal(tmp_path, content, f"{bits}-bit AVIF: its transfer curve .{words}, number {curve}.")


def test_avif_primaries(tmp_path: Path) -> None:
    image = np.full((32, 32, 3), (120, 140, 100), np.uint8)
    content = imagecodecs.avif_encode(image, level=100, speed=9, primaries=12, transfer=13)
    found = read(tmp_path, content)
    assert_like(found, p3_to_srgb(imagecodecs.avif_decode(content)))
    assert found.notes == ("colours were converted from Display P3 primaries to sRGB",)


# JPEG 2000


@pytest.mark.parametrize("codecformat", ["jp2", "j2k"])
@pytest.mark.parametrize("bits", [1, 4, 7, 8, 10, 12, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_2000(tmp_path: Path, bits: int, channels: int, codecformat: str) -> None:
    samples = noise(bits, channels).astype(np.uint8 if bits <= 8 else np.uint16)
    content = imagecodecs.jpeg2k_encode(
        samples if channels > 1 else samples[..., 0],
        level=0, reversible=True, bitspersample=bits, codecformat=codecformat, planar=False,
    )  # fmt: skip
    found = read(tmp_path, content)
    assert_like(found, np.multiply(255.0, samples) / (2**bits - 1))
    assert found.notes == ((f"{bits}-bit samples were reduced to 8",) if bits > 8 else ())


def jp2(samples: Array, bits: int, *boxes: tuple[bytes, bytes], space: int | None = None) -> bytes:
    """A codestream in a file whose header says what the test wants it to."""
    stream = imagecodecs.jpeg2k_encode(
        samples.astype(np.uint8 if bits <= 8 else np.uint16),
        level=0, reversible=True, bitspersample=bits, codecformat="j2k", planar=False, mct=False,
    )  # fmt: skip

    def box(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", 8 + len(data)) + kind + data

    height, width, count = samples.shape
    head = box(b"ihdr", struct.pack(">IIHBBBB", height, width, count, bits - 1, 7, 0, 0))
    if space is not None:
        head += box(b"colr", b"\1\0\0" + struct.pack(">I", space))
    head += b"".join(box(*each) for each in boxes)
    return (
        box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
        + box(b"jp2h", head) + box(b"jp2c", stream)
    )  # fmt: skip


def cdef(*uses: int) -> tuple[bytes, bytes]:
    fields = [(i, use, 0 if use else i + 1) for i, use in enumerate(uses)]
    return b"cdef", struct.pack(">H", len(uses)) + b"".join(struct.pack(">3H", *f) for f in fields)


@pytest.mark.parametrize("bits", [4, 8, 12, 16])
@pytest.mark.parametrize("colours", [1, 3])
def test_jpeg_2000_with_alpha(tmp_path: Path, bits: int, colours: int) -> None:
    samples = noise(bits, colours + 1)
    light = samples / (2**bits - 1)
    space = 17 if colours == 1 else 16
    content = jp2(samples, bits, cdef(*[0] * colours, 1), space=space)
    assert_like(read(tmp_path, content), over_white(light[..., :-1], light[..., -1]))
    refusal(tmp_path, jp2(samples, bits, space=space), "does not say what those beyond")
    premultiplied = jp2(samples, bits, cdef(*[0] * colours, 2), space=space)
    refusal(tmp_path, premultiplied, "premultiplied alpha")


@pytest.mark.parametrize("bits", [8, 12])
def test_jpeg_2000_with_a_profile(tmp_path: Path, bits: int) -> None:
    samples = np.broadcast_to(np.array((200, 100, 50)) * (2**bits - 1) // 255, (9, 8, 3))
    found = read(tmp_path, jp2(samples, bits, (b"colr", b"\2\0\0" + icc.rgb())))
    assert np.abs(found.pixels.astype(int) - (216, 93, 24)).max() <= LEVELS
    assert any("Test Wide" in note for note in found.notes)


@pytest.mark.parametrize(
    ("space", "words"), [(18, "YCbCr JPEG 2000"), (12, "CMYK JPEG 2000"), (14, "CIELAB JPEG 2000")]
)
def test_jpeg_2000_of_other_colours(tmp_path: Path, space: int, words: str) -> None:
    refusal(tmp_path, jp2(noise(8, 3), 8, space=space), words)


def test_jpeg_2000_that_is_refused(tmp_path: Path) -> None:
    signed = noise(7, 1)[..., 0].astype(np.int8)
    content = imagecodecs.jpeg2k_encode(signed, level=0, reversible=True, codecformat="j2k")
    refusal(tmp_path, content, "8-bit signed grey JPEG 2000: which value is white")
    palette = (b"pclr", struct.pack(">HBBBB", 1, 3, 7, 7, 7) + b"abc")
    refusal(tmp_path, jp2(noise(8, 1), 8, palette, space=16), "palettes are not read")
    plain = bytearray(
        imagecodecs.jpeg2k_encode(noise(8, 3).astype(np.uint8), level=0, codecformat="j2k")
    )
    plain[46] = 2  # the second component has half the columns
    refusal(tmp_path, bytes(plain), "components of different sizes")
    plain[46], plain[45] = 1, 9
    refusal(tmp_path, bytes(plain), "8/10-bit RGB JPEG 2000: components of different depths")


# BMP


def bmp(
    rows: list[bytes], bits: int, *, compression: int = 0, palette: bytes = b"", used: int = 0,
    masks: tuple[int, ...] = (), size: int = 40, top_down: bool = False, data: bytes | None = None,
    width: int = WIDTH,
) -> bytes:  # fmt: skip
    """A file by hand; rows from the top."""
    height = len(rows)
    padded = [row + bytes(-len(row) % 4) for row in (rows if top_down else rows[::-1])]
    data = b"".join(padded) if data is None else data
    if size == 12:
        head = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        signed = -height if top_down else height
        head = struct.pack(
            "<IiiHHIIiiII", size, width, signed, 1, bits, compression, len(data), 0, 0, used, 0
        )
        head += b"".join(struct.pack("<I", mask) for mask in masks)
        head = head.ljust(size, b"\0")
    start = 14 + len(head) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + head + palette + data


def packed(indexes: Array, bits: int) -> list[bytes]:
    ones = (indexes[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    rows = np.packbits(ones.reshape(len(indexes), -1).astype(np.uint8), axis=1)
    return [row.tobytes() for row in rows]


def entries(colours: Array) -> bytes:
    return b"".join(bytes((b, g, r, 0)) for r, g, b in colours.tolist())


GREYS = np.repeat(np.arange(256)[:, None], 3, axis=1)


@pytest.mark.parametrize("top_down", [False, True])
@pytest.mark.parametrize("bits", [1, 4, 8])
def test_bmp_palette(tmp_path: Path, bits: int, top_down: bool) -> None:
    """Colours, and the palettes of greys that Pillow takes for none."""
    chance = np.random.default_rng(bits)
    for colours in (
        chance.integers(0, 256, (2**bits, 3)),
        GREYS[: 2**bits],
        GREYS[:: -255 // (2**bits - 1)],
        GREYS[[0, 255]],
        GREYS[[255, 0]],
        GREYS[: min(2**bits, 16)],
    ):
        indexes = chance.integers(0, len(colours), (HEIGHT, WIDTH))
        content = bmp(
            packed(indexes, bits),
            bits,
            palette=entries(colours),
            used=len(colours),
            top_down=top_down,
        )
        assert_like(read(tmp_path, content), colours[indexes])


@pytest.mark.parametrize("bits", [24, 32])
def test_bmp_colours(tmp_path: Path, bits: int) -> None:
    samples = noise(8, bits // 8).astype(np.uint8)
    rows = [row.tobytes() for row in samples]
    for size in (40, 56, 108, 124, *((12,) if bits == 24 else ())):
        found = read(tmp_path, bmp(rows, bits, size=size))
        assert_like(found, samples[..., 2::-1])
        assert found.notes == ()


@pytest.mark.parametrize("masks", [(0xF800, 0x7E0, 0x1F), (0x7C00, 0x3E0, 0x1F), None])
def test_bmp_of_16_bits(tmp_path: Path, masks: tuple[int, ...] | None) -> None:
    pixels = noise(15 if masks is None else 16).astype("<u2")
    rows = [row.tobytes() for row in pixels]
    content = bmp(
        rows, 16, compression=3 if masks else 0, masks=masks or (), size=52 if masks else 40
    )
    wanted = [255 * ((pixels & mask) / mask) for mask in masks or (0x7C00, 0x3E0, 0x1F)]
    assert_like(read(tmp_path, content), np.stack(wanted, axis=-1))


def test_bmp_with_alpha(tmp_path: Path) -> None:
    samples = noise(8, 4).astype(np.uint8)
    rows = [row.tobytes() for row in samples]
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    found = read(tmp_path, bmp(rows, 32, compression=3, masks=masks, size=108))
    assert_like(found, over_white(samples[..., 2::-1] / 255, samples[..., 3] / 255))


def test_bmp_run_lengths(tmp_path: Path) -> None:
    colours = np.random.default_rng(4).integers(0, 256, (256, 3))
    runs = b"".join(bytes((WIDTH, row)) + b"\0\0" for row in range(HEIGHT)) + b"\0\1"
    wanted = np.repeat(colours[:HEIGHT][::-1, None], WIDTH, axis=1)
    rows = [b""] * HEIGHT
    content = bmp(rows, 8, compression=1, palette=entries(colours), data=runs)
    assert_like(read(tmp_path, content), wanted)


def test_bmp_profile(tmp_path: Path) -> None:
    rows = [bytes((50, 100, 200)) * WIDTH] * HEIGHT
    content = bytearray(bmp(rows, 24, size=124))
    content[70:74] = b"DEBM"
    content[126:134] = struct.pack("<II", len(content) - 14, len(icc.rgb()))
    found = read(tmp_path, bytes(content) + icc.rgb())
    assert np.abs(found.pixels.astype(int) - (216, 93, 24)).max() <= LEVELS
    assert any("Test Wide" in note for note in found.notes)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bits": 2}, "2-bit BMP"),
        ({"bits": 64}, "64-bit BMP"),
        ({"bits": 24, "compression": 4}, "BMP with a JPEG inside"),
        ({"bits": 24, "compression": 5}, "BMP with a PNG inside"),
        ({"bits": 24, "compression": 4, "size": 64}, r"24-bit OS/2 BMP"),
        ({"bits": 32, "compression": 11}, "BMP CMYK"),
        ({"bits": 16, "compression": 3, "masks": (0xF00, 0xF0, 0xF), "size": 52}, "f00 f0 f 0"),
        ({"bits": 16, "compression": 3, "masks": (0x7C00, 992, 31, 0x8000), "size": 56}, "8000"),
        ({"bits": 32, "compression": 3, "masks": (0, 0, 0, 0), "size": 56}, "masks .0 0 0 0"),
        ({"bits": 24, "size": 16}, "header of 16 bytes"),
    ],
)  # fmt: skip
def test_bmp_that_is_refused(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    bits = options.pop("bits")
    refusal(tmp_path, bmp([bytes(WIDTH * 8)] * HEIGHT, bits, **options), words)


# JPEG


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("options", [{}, {"subsampling": "420"}, {"optimize": True}])
def test_jpeg(tmp_path: Path, channels: int, options: dict[str, Any]) -> None:
    image = smooth(255, channels).astype(np.uint8)
    image = image if channels > 1 else image[..., 0]
    content = imagecodecs.jpeg8_encode(image, level=95, **options)
    assert_like(read(tmp_path, content), imagecodecs.jpeg8_decode(content))


def test_jpeg_of_rgb_and_lossless(tmp_path: Path) -> None:
    image = smooth(255, 3).astype(np.uint8)
    rgb = imagecodecs.jpeg8_encode(image, level=98, colorspace="RGB", outcolorspace="RGB")
    assert_like(read(tmp_path, rgb), imagecodecs.jpeg8_decode(rgb))
    assert_like(read(tmp_path, imagecodecs.jpeg8_encode(image, lossless=True)), image)


@pytest.mark.parametrize("space", ["CMYK", "YCCK"])
def test_jpeg_of_ink(tmp_path: Path, space: str) -> None:
    """Adobe stores what is left of white; without its marker the other way is as likely."""
    left = smooth(255, 4).astype(np.uint8)
    content = imagecodecs.jpeg8_encode(left, level=98, colorspace="CMYK", outcolorspace=space)
    stored = imagecodecs.jpeg8_decode(content) / 255
    found = read(tmp_path, content)
    assert_like(found, 255 * stored[..., :3] * stored[..., 3:])
    assert found.notes == ("CMYK was converted to RGB",)
    at = content.index(b"\xff\xee")
    bare = content[:at] + content[at + 16 :]
    refusal(tmp_path, bare, "CMYK JPEG: whether its inks are inverted is not said")


def test_jpeg_that_is_refused(tmp_path: Path) -> None:
    deep = imagecodecs.jpeg8_encode(smooth(4095, 3).astype(np.uint16), bitspersample=12)
    refusal(tmp_path, deep, "12-bit extended colour JPEG: such a JPEG is not read")
    grey = smooth(255, 1)[..., 0].astype(np.uint8)
    refusal(tmp_path, imagecodecs.jpegls_encode(grey), "8-bit JPEG-LS grey JPEG")
    long = imagecodecs.jpeg8_encode(smooth(4095, 1)[..., 0].astype(np.uint16), lossless=True)
    refusal(tmp_path, long, "lossless grey JPEG")


# WebP, GIF, PPM


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("lossless", [False, True])
def test_webp(tmp_path: Path, channels: int, lossless: bool) -> None:
    image = smooth(255, channels).astype(np.uint8)
    content = imagecodecs.webp_encode(image, level=95, lossless=lossless)
    light = imagecodecs.webp_decode(content, hasalpha=channels == 4) / 255
    wanted = over_white(light[..., :3], light[..., 3]) if channels == 4 else 255 * light
    assert_like(read(tmp_path, content), wanted)


@pytest.mark.parametrize("count", [2, 16, 256])
def test_gif(tmp_path: Path, count: int) -> None:
    colours = np.random.default_rng(count).integers(0, 256, (count, 3))
    indexes = np.random.default_rng(1).integers(0, count, (HEIGHT, WIDTH))
    indexes[0, :2] = 0, count - 1
    content = imagecodecs.gif_encode(
        indexes.astype(np.uint8), colormap=np.resize(colours, (256, 3)).astype(np.uint8)
    )
    assert_like(read(tmp_path, content), colours[indexes])


@pytest.mark.parametrize("top", [1, 3, 100, 254, 255, 256, 1000, 4095, 65534, 65535])
@pytest.mark.parametrize("magic", ["P2", "P3", "P5", "P6"])
def test_ppm(tmp_path: Path, magic: str, top: int) -> None:
    channels = 3 if magic in ("P3", "P6") else 1
    samples = np.random.default_rng(top).integers(0, top + 1, (HEIGHT, WIDTH, channels))
    samples[0, 0] = top
    body = " ".join(map(str, samples.ravel())).encode()
    if magic in ("P5", "P6"):
        body = samples.astype(">u2" if top > 255 else "u1").tobytes()
    found = read(tmp_path, f"{magic}\n{WIDTH} {HEIGHT}\n{top}\n".encode() + body)
    assert_like(found, 255 * samples / top)
    assert any("reduced to 8" in note for note in found.notes) == (top > 255)


def test_pbm_and_pfm(tmp_path: Path) -> None:
    ink = np.random.default_rng(2).integers(0, 2, (HEIGHT, WIDTH))
    body = np.packbits(ink.astype(np.uint8), axis=1).tobytes()
    assert_like(read(tmp_path, f"P4\n{WIDTH} {HEIGHT}\n".encode() + body), 255 * (1 - ink))
    light = np.random.default_rng(2).random((HEIGHT, WIDTH))
    for scale, kind in (("-1.0", "<f4"), ("1.0", ">f4")):
        body = light[::-1].astype(kind).tobytes()
        found = read(tmp_path, f"Pf\n{WIDTH} {HEIGHT}\n{scale}\n".encode() + body)
        assert_like(found, 255 * light)
        assert found.notes == ("floating-point samples were read as 0 to 1",)


# What is no picture here, and decoders that are not there


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"\0\0\0\x18ftypheic", "HEIF"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\xff\x0a", "JPEG XL"),
        (b"8BPS\0\1", "Photoshop"),
        (b"\x76\x2f\x31\x01", "OpenEXR"),
        (b"P7\nWIDTH 3\n", "PAM"),
        (b"PF\n3 3\n-1.0\n", "colour PFM"),
        (b"%PDF-1.7", "PDF"),
    ],
)
def test_other_formats_are_named(tmp_path: Path, start: bytes, words: str) -> None:
    refusal(tmp_path, start + bytes(100), f"not an image of a known format .* but {words}")


def test_a_missing_decoder_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = noise(12, 3).astype(np.uint16)
    content = imagecodecs.jpeg2k_encode(samples, level=0, bitspersample=12, planar=False)
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(
        MissingExtraError, match=r"picture: reading a 12-bit RGB JPEG 2000 needs .*codecs"
    ):
        read(tmp_path, content)


def test_a_file_of_pillow_that_says_what_is_there(tmp_path: Path) -> None:
    """The other way round: what Pillow writes is read as it was."""
    image = smooth(255, 4).astype(np.uint8)
    for name in ("png", "tiff", "webp", "jpeg2000"):
        file = io.BytesIO()
        options: dict[str, Any] = {"lossless": True} if name == "webp" else {}
        PIL.Image.fromarray(image).save(file, name, **options)
        found = read(tmp_path, file.getvalue())
        assert_like(found, over_white(image[..., :3] / 255, image[..., 3] / 255))
