"""EXIF and XMP of a file, put right for upright sRGB pixels, and back into files."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL.PngImagePlugin import PngInfo

from slimcodec.errors import ImageError
from slimcodec.images import has_position, image_bytes, left_out, read_image, read_image_bytes
from slimcodec.images.exif import EXIF_START, upright

NOTES = bytes(range(200))
"""What a maker writes, offsets and all."""
POSITION = {1: "N", 2: (47.0, 22.0, 3.0), 3: "E", 4: (8.0, 32.0, 1.0)}
XMP = b'<x:xmpmeta><rdf:Description tiff:Orientation="6" dc:title="x"/></x:xmpmeta>'
PADDING = b" " * 2000 + b'<?xpacket end="w"?>'


def exif_of(position: bool = True, endian: str = "<", **tags: Any) -> bytes:
    """What a camera held sideways writes, without its start."""
    exif = PIL.Image.Exif()
    exif.endian = endian
    exif[271], exif[274] = "Maker", 6
    exif[0x8769] = {0x9003: "2026:01:02 03:04:05", 0xA001: 65535, 0xA002: 4, 0xA003: 3}
    exif[0x8769][0x927C] = NOTES
    if position:
        exif[0x8825] = POSITION
    for tag, value in tags.items():
        exif[int(tag[1:])] = value
    return exif.tobytes().removeprefix(EXIF_START)


def read_back(data: bytes) -> tuple[dict[int, Any], dict[int, Any], dict[int, Any]]:
    """The first directory, EXIF's own and the position's, by Pillow."""
    exif = PIL.Image.Exif()
    exif.load(EXIF_START + data)
    own, position = exif.get_ifd(0x8769), exif.get_ifd(0x8825)
    return dict(exif), dict(own), dict(position)


@pytest.mark.parametrize("endian", ["<", ">"])
def test_the_words_are_of_the_pixels_now(endian: str) -> None:
    before = exif_of(endian=endian)
    after = upright({"exif": before}, 30, 40)["exif"]
    first, own, position = read_back(after)
    assert first[274] == 1 and first[271] == "Maker"
    assert (own[0xA001], own[0xA002], own[0xA003]) == (1, 30, 40)
    assert own[0x927C] == NOTES and own[0x9003] == "2026:01:02 03:04:05"
    assert position == POSITION
    # Nothing is moved: whatever holds offsets still holds the right ones.
    assert len(after) == len(before)
    assert sum(a != b for a, b in zip(before, after, strict=True)) <= 8
    assert upright({"exif": after}, 30, 40) == {"exif": after}


@pytest.mark.parametrize("behind", [b"", b"more"])
def test_the_thumbnail_stays_behind(behind: bytes) -> None:
    data = bytearray(exif_of())
    thumbnail = b"\xff\xd8 thumbnail \xff\xd9"
    (count,) = struct.unpack_from("<H", data, 8)
    struct.pack_into("<I", data, 10 + 12 * count, len(data))
    place = len(data) + 2 + 2 * 12 + 4
    data += struct.pack("<HHHIIHHIII", 2, 0x201, 4, 1, place, 0x202, 4, 1, len(thumbnail), 0)
    data += thumbnail + behind
    after = upright({"exif": bytes(data)}, 3, 4)["exif"]
    assert thumbnail not in after
    assert after.endswith(behind) and len(after) == len(data) - (0 if behind else len(thumbnail))
    exif = PIL.Image.Exif()
    exif.load(EXIF_START + after)
    assert not exif.get_ifd(1) and exif[271] == "Maker"


def test_what_only_says_how_pixels_were_stored_does_not_travel() -> None:
    exif = PIL.Image.Exif()
    exif[274], exif[282], exif[0x8769] = 6, 72.0, {0xA002: 4, 0xA003: 3, 0xA001: 1}
    idle = exif.tobytes().removeprefix(EXIF_START)
    assert upright({"exif": idle}, 3, 4) == {}
    exif[0x8769] = {0x9003: "2026:01:02 03:04:05"}
    assert "exif" in upright({"exif": exif.tobytes().removeprefix(EXIF_START)}, 3, 4)


def test_xmp_is_upright_and_without_its_blanks() -> None:
    after = upright({"xmp": XMP + PADDING}, 3, 4)["xmp"]
    assert after == XMP.replace(b'"6"', b'"1"') + b'\n<?xpacket end="w"?>'
    element = b"<tiff:Orientation>8</tiff:Orientation>"
    assert upright({"xmp": element}, 3, 4)["xmp"] == element.replace(b"8", b"1")


def test_a_position_is_seen() -> None:
    assert has_position({"exif": exif_of()})
    assert not has_position({"exif": exif_of(position=False), "xmp": XMP})
    assert has_position({"xmp": b'<r exif:GPSLatitude="47,22N"/>'})
    assert not has_position({})


@given(st.binary(max_size=60), st.integers(0, 400), st.binary(min_size=1, max_size=4))
def test_broken_exif_keeps_no_one_from_the_pixels(noise: bytes, at: int, other: bytes) -> None:
    data = exif_of()
    for broken in (noise, b"II*\0" + noise, data[:at], data[:at] + other + data[at + len(other) :]):
        metadata = upright({"exif": broken}, 3, 4)
        has_position({"exif": broken})
        pixels = np.zeros((4, 3, 3), np.uint8)
        for path in ("a.png", "a.jpg", "a.webp", "a.tif"):
            held = {k: v for k, v in metadata.items() if k not in left_out(path, metadata)}
            read_image_bytes(image_bytes(pixels, path, metadata=held), path)


# Files


def save(path: Path, exif: bytes, xmp: bytes) -> None:
    """A picture 4 wide and 3 high, as a camera that is held sideways writes it."""
    options: dict[str, Any] = {"exif": EXIF_START + exif}
    if path.suffix == ".png":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp)
    elif path.suffix != ".tif":
        options["xmp"] = xmp
    PIL.Image.new("RGB", (4, 3), "red").save(path, **options)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_from_a_file_into_a_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"photo{suffix}"
    save(path, exif_of(), XMP)
    read = read_image(path)
    assert read.pixels.shape == (4, 3, 3)
    assert read.metadata == upright({"exif": exif_of(), "xmp": XMP}, 3, 4)
    for name in ("a.png", "a.jpg", "a.webp"):
        assert left_out(name, read.metadata) == ()
        again = read_image_bytes(image_bytes(read.pixels, name, metadata=read.metadata), name)
        assert again.metadata == read.metadata
        assert not any("orientation" in note for note in again.notes)


def test_a_tiff_has_them_among_its_own_tags(tmp_path: Path) -> None:
    path = tmp_path / "photo.tif"
    save(path, exif_of(), b"")
    metadata = read_image(path).metadata
    first, own, position = read_back(metadata["exif"])
    # No tag of the file's own bytes, nor the orientation, which Pillow takes off a TIFF.
    assert first.keys() == {271, 0x8769, 0x8825}
    assert (own[0xA002], own[0xA003], own[0x927C]) == (3, 4, NOTES) and position == POSITION
    both = upright({**metadata, "xmp": XMP}, 3, 4)
    pixels = np.arange(36, dtype=np.uint8).reshape(4, 3, 3)
    written = image_bytes(pixels, "a.tif", metadata=both)
    again = read_image_bytes(written, "a.tif")
    assert np.array_equal(again.pixels, pixels)
    assert read_back(again.metadata["exif"])[1:] == (own, position)
    assert again.metadata["xmp"] == both["xmp"]


def test_a_file_without_has_none(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "a.webp", "a.tif", "a.bmp", "a.ppm"):
        PIL.Image.new("RGB", (4, 3)).save(tmp_path / name)
        assert read_image(tmp_path / name).metadata == {}


def test_what_a_format_cannot_hold() -> None:
    metadata = {"exif": exif_of(), "xmp": XMP}
    assert left_out("a.bmp", metadata) == left_out("a.ppm", metadata) == ("exif", "xmp")
    assert left_out("a.jpg", {"alpha": b"", "xmp": bytes(70_000)}) == ("alpha", "xmp")
    assert left_out("a.webp", {"alpha": b"", "xmp": bytes(70_000)}) == ()
    assert left_out("a.tif", {"exif": b"nothing"}) == ("exif",)
    with pytest.raises(ImageError, match="unknown image suffix"):
        left_out("a.xyz", metadata)
    longest = {"exif": bytes(65_502), "xmp": bytes(65_502)}
    assert left_out("a.jpg", longest) == ()
    pixels = np.zeros((4, 3, 3), np.uint8)
    coded = image_bytes(pixels, "a.jpg", metadata=longest)
    assert PIL.Image.open(io.BytesIO(coded)).info["xmp"] == longest["xmp"]


def test_of_a_kind_that_another_decoder_reads(tmp_path: Path) -> None:
    """16-bit colour with a transparent one, whose pixels Pillow would read wrong."""
    pytest.importorskip("imagecodecs")
    path = tmp_path / "deep.png"

    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    header = struct.pack(">IIBBBBB", 4, 3, 16, 2, 0, 0, 0)
    rows = zlib.compress(bytes(3 * (1 + 4 * 6)))
    chunks = [(b"IHDR", header), (b"eXIf", exif_of()), (b"tRNS", bytes(5) + b"\1")]
    chunks += [(b"IDAT", rows), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks))
    assert read_back(read_image(path).metadata["exif"])[0][271] == "Maker"
