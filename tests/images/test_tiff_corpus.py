"""TIFF over meaning x depth x planes x byte order x compression: right, or refused by its name.

Files are written by tifffile, or tag by tag here; what they hold is known, and tifffile, which has
nothing in common with the code under test but the compressions, reads it back.
"""

from __future__ import annotations

import io
import itertools
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from slimcodec.errors import ImageError
from slimcodec.images import read_image

tifffile = pytest.importorskip("tifffile")
pytest.importorskip("imagecodecs")

LEVELS = 3
"""By how many of 255 steps a picture may differ from what an independent reader makes of it."""

HEIGHT, WIDTH = 20, 24
Floats = NDArray[np.float64]

LAYOUTS = {
    "grey": ("minisblack", 1, None),
    "white is zero": ("miniswhite", 1, None),
    "grey, alpha": ("minisblack", 2, "unassalpha"),
    "grey, premultiplied": ("minisblack", 2, "assocalpha"),
    "grey, unspecified": ("minisblack", 2, "unspecified"),
    "RGB": ("rgb", 3, None),
    "RGB, alpha": ("rgb", 4, "unassalpha"),
    "RGB, premultiplied": ("rgb", 4, "assocalpha"),
    "RGB, unspecified": ("rgb", 4, "unspecified"),
    "CMYK": ("separated", 4, None),
}
DEPTHS = [
    *(("u1", bits) for bits in (1, 2, 4, 6, 8)),
    *(("u2", bits) for bits in (10, 12, 14, 16)),
    ("u4", 32), ("i1", 8), ("i2", 16), ("i4", 32), ("f2", 16), ("f4", 32), ("f8", 64),
]  # fmt: skip
COMPRESSIONS: list[dict[str, Any]] = [
    {},
    {"compression": "deflate"},
    {"compression": "lzw", "predictor": True},
    {"compression": "zstd"},
    {"tile": (16, 16)},
    {"tile": (16, 16), "compression": "deflate"},
]


def shares(dtype: str, bits: int, layout: str) -> tuple[NDArray[Any], Floats]:
    """Samples ``[h, w, c]`` as they are stored, and which share of white each is."""
    _, count, extra = LAYOUTS[layout]
    chance = np.random.default_rng(bits).random((HEIGHT, WIDTH, count))
    if extra == "assocalpha":
        chance[..., :-1] *= chance[..., -1:]
    chance[0, 0], chance[0, 1] = 1, 0
    kind = np.dtype(dtype)
    if kind.kind == "f":
        stored = chance.astype(kind)
        return stored, stored.astype(np.float64)
    white = 2**bits - 1 if kind.kind == "u" else 2 ** (bits - 1) - 1
    stored = np.floor(chance * white + 0.5).astype(kind)
    return stored, stored / white


def meant(light: Floats, layout: str) -> Floats:
    """What is to be seen, ``[h, w, 3]`` in 0..255, over white."""
    photometric, count, extra = LAYOUTS[layout]
    if photometric == "separated":
        return 255 * (1 - light[..., :3]) * (1 - light[..., 3:])
    if photometric == "miniswhite":
        light = 1 - light
    colours = light[..., : 3 if count > 2 else 1]
    if extra == "unassalpha":
        colours = colours * light[..., -1:] + 1 - light[..., -1:]
    if extra == "assocalpha":
        colours = np.minimum(colours + 1 - light[..., -1:], 1)
    return np.broadcast_to(255 * colours, (*light.shape[:2], 3))


def files(dtype: str, bits: int, layout: str) -> Iterator[tuple[str, bytes, Floats]]:
    """One file for every order of bytes and planes and every compression that can be written."""
    photometric, count, extra = LAYOUTS[layout]
    stored, light = shares(dtype, bits, layout)
    tried = COMPRESSIONS if is_read(dtype, bits, layout) else COMPRESSIONS[:2]
    packed = bits != 8 * np.dtype(dtype).itemsize
    for order, planar, options in itertools.product(
        "<>", ("contig", "separate") if count > 1 else (None,), tried
    ):
        # tifffile packs no compressed samples, and packs big-endian ones of two bytes wrongly.
        if packed and (options or (bits > 8 and order == ">")):
            continue
        if "predictor" in options and (layout == "CMYK" or dtype in ("i1", "i2", "i4")):
            options = {"compression": "lzw"}
        data = stored if count > 1 else stored[..., 0]
        data = np.moveaxis(data, -1, 0) if planar == "separate" else data
        file = io.BytesIO()
        tifffile.imwrite(
            file, data, photometric=photometric, planarconfig=planar, byteorder=order,
            extrasamples=[extra] if extra else None, metadata=None,
            bitspersample=bits if packed else None,
            rowsperstrip=None if "tile" in options else 8, **options,
        )  # fmt: skip
        np.testing.assert_array_equal(tifffile.imread(io.BytesIO(file.getvalue())), data)
        yield f"{order} {planar} {options}", file.getvalue(), meant(light, layout)


def is_read(dtype: str, bits: int, layout: str) -> bool:
    if dtype.startswith("i"):
        return False
    if layout == "CMYK":
        return dtype in ("u1", "u2") and bits in (8, 16)
    return True


@pytest.mark.parametrize(("dtype", "bits"), DEPTHS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_kind_is_right_or_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], layout: str, dtype: str, bits: int
) -> None:
    path = tmp_path / "a.tif"
    written = 0
    for words, content, wanted in files(dtype, bits, layout):
        written += 1
        path.write_bytes(content)
        planes = "separate" in words
        if not is_read(dtype, bits, layout) or (layout == "CMYK" and planes):
            sign = {"i": "signed ", "f": "floating-point "}.get(dtype[0], "")
            with pytest.raises(ImageError, match=f"{bits}-bit {sign}.* TIFF .*: .*; convert it"):
                read_image(path)
            continue
        if layout == "CMYK" and "zstd" in words:
            with pytest.raises(ImageError, match=r"CMYK TIFF \(Zstandard\)"):
                read_image(path)
            continue
        read = read_image(path)
        assert np.abs(read.pixels - wanted).max() <= LEVELS, words
        assert any("reduced to 8" in note for note in read.notes) == (bits > 8 and dtype[0] == "u")
        assert any("floating-point" in note for note in read.notes) == (dtype[0] == "f")
        assert any("extra sample" in note for note in read.notes) == ("unspecified" in layout)
    assert written >= (1 if bits > 8 else 2)
    assert capfd.readouterr() == ("", "")


# Kinds that are written tag by tag


def tiff(
    tags: dict[int, Sequence[int] | int], data: bytes, order: str = "<", size: Any = (WIDTH, HEIGHT)
) -> bytes:
    """A TIFF of one strip, whose tags are all of type LONG; defaults are those of 8-bit grey."""
    known: dict[int, Sequence[int] | int] = {
        256: size[0], 257: size[1], 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: size[1],
        279: len(data),
    }  # fmt: skip
    known |= tags
    data += bytes(len(data) % 2)
    entries, beyond = b"", b""
    wanted = {tag: value for tag, value in sorted(known.items()) if value != ()}
    first = 8 + len(data) + 2 + 12 * len(wanted) + 4
    for tag, value in wanted.items():
        values = [value] if isinstance(value, int) else list(value)
        packed = struct.pack(f"{order}{len(values)}I", *values)
        if len(values) > 1:
            packed, beyond = struct.pack(f"{order}I", first + len(beyond)), beyond + packed
        entries += struct.pack(f"{order}HHI", tag, 4, len(values)) + packed
    head = b"II*\0" if order == "<" else b"MM\0*"
    directory = struct.pack(f"{order}H", len(wanted)) + entries + bytes(4)
    return head + struct.pack(f"{order}I", 8 + len(data)) + data + directory + beyond


def bit_stream(samples: NDArray[Any], bits: int) -> bytes:
    """Rows of samples, most significant bit first, each row filled up to a byte."""
    rows = samples.reshape(samples.shape[0], -1, 1).astype(np.int64)
    ones = (rows >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(ones.reshape(samples.shape[0], -1).astype(np.uint8), axis=1).tobytes()


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 13, 15])
@pytest.mark.parametrize("meaning", [0, 1, 2])
def test_packed_samples(tmp_path: Path, order: str, bits: int, meaning: int) -> None:
    shape = (HEIGHT, WIDTH + 1, 3 if meaning == 2 else 1)
    samples = np.random.default_rng(bits).integers(0, 2**bits, shape)
    tags: dict[int, Any] = {258: (bits,) * shape[2], 262: meaning, 277: shape[2]}
    content = tiff(tags, bit_stream(samples, bits), order, size=(shape[1], shape[0]))
    (tmp_path / "a.tif").write_bytes(content)
    light = samples / (2**bits - 1)
    wanted = 255 * (1 - light if meaning == 0 else light)
    assert np.abs(read_image(tmp_path / "a.tif").pixels - wanted).max() <= LEVELS


@pytest.mark.parametrize("bits", [1, 8])
def test_bits_in_reverse(tmp_path: Path, bits: int) -> None:
    samples = np.random.default_rng(bits).integers(0, 2**bits, (HEIGHT, WIDTH, 1))
    data = np.frombuffer(bit_stream(samples, bits), np.uint8)
    reverse = np.packbits(np.unpackbits(data[:, None], axis=1)[:, ::-1], axis=1)
    (tmp_path / "a.tif").write_bytes(tiff({258: bits, 266: 2}, reverse.tobytes()))
    wanted = 255 * samples / (2**bits - 1)
    assert np.abs(read_image(tmp_path / "a.tif").pixels - wanted).max() <= LEVELS


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("order", "<>")
def test_palettes(tmp_path: Path, bits: int, order: str) -> None:
    chance = np.random.default_rng(bits)
    indexes = chance.integers(0, 2**bits, (HEIGHT, WIDTH, 1))
    colours = chance.integers(0, 65536, (3, 2**bits))
    tags: dict[int, Any] = {258: bits, 262: 3, 320: tuple(map(int, colours.ravel()))}
    (tmp_path / "a.tif").write_bytes(tiff(tags, bit_stream(indexes, bits), order))
    wanted = 255 * colours.T[indexes[..., 0]] / 65535
    assert np.abs(read_image(tmp_path / "a.tif").pixels - wanted).max() <= LEVELS


def test_cielab(tmp_path: Path) -> None:
    """By the formulas: D50, adapted to sRGB's white (Bradford), sRGB's curve."""
    colour = pytest.importorskip("skimage.color")
    lightness, *ab = (
        noisy(seed, reach) for seed, reach in ((1, (60, 230)), (2, (-25, 25)), (3, (-25, 25)))
    )
    stored = np.dstack([lightness, *ab]).astype(np.int16).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="cielab", metadata=None)
    xyz = colour.lab2xyz(np.dstack([lightness * 100 / 255, *ab]), illuminant="D50")
    linear = xyz @ np.array(D50_TO_SRGB).T
    wanted = np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055
    )
    read = read_image(tmp_path / "a.tif")
    assert np.abs(read.pixels - 255 * np.clip(wanted, 0, 1)).max() <= LEVELS
    assert read.notes == ("LAB was converted to RGB",)


D50_TO_SRGB = (
    (3.1338561, -1.6168667, -0.4906146),
    (-0.9787684, 1.9161415, 0.0334540),
    (0.0719453, -0.2289914, 1.4052427),
)


def noisy(seed: int, reach: tuple[int, int]) -> Floats:
    return np.random.default_rng(seed).integers(*reach, (HEIGHT, WIDTH)).astype(np.float64)


SMOOTH = np.add.outer(np.arange(HEIGHT), np.arange(WIDTH)).astype(np.uint8) * 5
BYTES = HEIGHT * WIDTH


@pytest.mark.parametrize("options", [{}, {"subsampling": (2, 2)}, {"tile": (16, 16)}])
@pytest.mark.parametrize("colours", [1, 3])
def test_jpeg_inside(tmp_path: Path, options: dict[str, Any], colours: int) -> None:
    image = np.dstack([SMOOTH, SMOOTH[::-1], 255 - SMOOTH]) if colours == 3 else SMOOTH
    photometric = "rgb" if colours == 3 else "minisblack"
    tifffile.imwrite(
        tmp_path / "a.tif", image, photometric=photometric, compression="jpeg", **options
    )
    wanted = tifffile.imread(tmp_path / "a.tif").reshape(HEIGHT, WIDTH, -1).astype(int)
    assert np.abs(read_image(tmp_path / "a.tif").pixels - wanted).max() <= LEVELS


@pytest.mark.parametrize("compression", ["webp", "lzma", "lerc"])
def test_compressions_that_pillow_lacks(tmp_path: Path, compression: str) -> None:
    image = np.dstack([SMOOTH, SMOOTH[::-1], 255 - SMOOTH])
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", compression=compression)
    wanted = tifffile.imread(tmp_path / "a.tif").astype(int)
    assert np.abs(read_image(tmp_path / "a.tif").pixels - wanted).max() <= LEVELS


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_orientation_and_pages(tmp_path: Path, orientation: int, dtype: str) -> None:
    """The same whether Pillow decodes or not."""
    stored = (SMOOTH / 255).astype("f4") if dtype == "f4" else SMOOTH
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        tags = [(274, "H", 1, orientation, True)]
        file.write(stored, photometric="minisblack", extratags=tags, metadata=None)
        file.write(stored[:4], photometric="minisblack", metadata=None)
    turnings: dict[int, Callable[[np.ndarray], np.ndarray]] = {
        1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud,
        5: np.transpose, 6: lambda a: np.rot90(a, -1), 7: lambda a: np.rot90(a, 2).T, 8: np.rot90,
    }  # fmt: skip
    turned = turnings[orientation](SMOOTH)
    read = read_image(tmp_path / "a.tif")
    assert np.abs(read.pixels[..., 1] - turned.astype(int)).max() <= LEVELS
    assert ("the EXIF orientation was applied" in read.notes) == (orientation != 1)
    assert "the file holds several pages: the first was taken" in read.notes


def test_floats_are_never_stretched(tmp_path: Path) -> None:
    """One sample above white is clipped, and changes no other."""
    light = np.linspace(0, 1, BYTES).reshape(HEIGHT, WIDTH).astype(np.float32)
    tifffile.imwrite(tmp_path / "a.tif", light, photometric="minisblack")
    before = read_image(tmp_path / "a.tif")
    assert before.notes == ("floating-point samples were read as 0 to 1",)
    light[-1, -1], light[0, 0], light[0, 1] = 1.0001, np.nan, -7
    tifffile.imwrite(tmp_path / "a.tif", light, photometric="minisblack")
    after = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(after.pixels[1:], before.pixels[1:])
    assert after.pixels[0, :2].tolist() == [[0, 0, 0], [0, 0, 0]]
    assert after.notes == (
        "floating-point samples were read as 0 to 1; those outside (less than 1 %) were clipped",
    )


@pytest.mark.parametrize(
    ("tags", "size", "words"),
    [
        ({262: ()}, 1, "8-bit undeclared TIFF"),
        ({262: 32803}, 1, r"camera raw \(colour filter array\) TIFF"),
        ({262: 9, 258: (8, 8, 8), 277: 3}, 3, "ICCLAB TIFF"),
        ({262: 32845, 258: (16, 16, 16), 277: 3}, 6, "LogLuv TIFF"),
        ({262: 6, 258: (8, 8, 8), 277: 3}, 3, "YCbCr TIFF"),
        ({262: 2, 258: (8, 8, 8, 8), 277: 4}, 4, "has 4 samples a pixel and does not say"),
        ({262: 2, 258: (8,) * 5, 277: 5, 338: (0, 2)}, 5, "does not follow the colours"),
        ({262: 2, 258: (8,) * 4, 277: 4, 338: 999}, 4, "what its 1 extra samples"),
        ({258: (8,) * 5, 277: 5, 338: (0,) * 4}, 5, "what its 4 extra samples a pixel are"),
        ({262: 2, 258: (5, 6, 5), 277: 3}, 3, "5/6-bit RGB TIFF.*stored differently"),
        ({262: 5, 258: (8,) * 4, 277: 4, 332: 2}, 4, "inks other than"),
        ({262: 5, 258: (8,) * 5, 277: 5, 338: 2}, 5, "CMYK with alpha TIFF"),
        ({258: 16, 339: 4}, 2, "16-bit complex or undefined grey TIFF"),
        ({258: 64, 339: 6}, 8, "complex"),
        ({258: 24}, 3, "24-bit grey TIFF.*this depth"),
        ({258: 24, 339: 3}, 3, "24-bit floating-point grey TIFF.*this depth"),
        ({259: 6}, 1, "old-style JPEG"),
        ({259: 34712}, 1, "JPEG 2000"),
        ({259: 12345}, 1, "compression 12345"),
        ({254: 1}, 1, "thumbnail"),
        ({32997: 5}, 5, "volume of 5 layers"),
        ({262: 3, 320: tuple(range(256)) * 3}, 1, "colour map has no value above 255"),
        ({262: 0, 258: (8, 8), 277: 2, 338: 1}, 2, "where white is zero"),
    ],
)  # fmt: skip
def test_refused_by_name(tmp_path: Path, tags: dict[int, Any], size: int, words: str) -> None:
    (tmp_path / "a.tif").write_bytes(tiff(tags, bytes(range(240)) * 2 * size))
    with pytest.raises(ImageError, match=f"a.tif: .*{words}.*; convert it to a PNG"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_damage_prints_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], dtype: str
) -> None:
    noise = np.random.default_rng(3).integers(0, 2, (200, 64)).astype(dtype)
    file = io.BytesIO()
    tifffile.imwrite(file, noise, photometric="minisblack", compression="lzw", rowsperstrip=1)
    content = bytearray(file.getvalue())
    content[-3000::3] = bytes(len(content[-3000::3]))
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(ImageError, match="damaged or cut short"):
        read_image(tmp_path / "a.tif")
    assert capfd.readouterr() == ("", "")


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(tiff({258: 32, 339: 3}, bytes(64), size=(60000, 60000)))
    with pytest.raises(ImageError, match="decompression bomb"):
        read_image(tmp_path / "a.tif")
