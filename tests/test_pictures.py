"""Pictures to streams and back in one call, and as a format of Pillow's."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from PIL import ImageFile

import slimcodec
import slimcodec.pillow
from slimcodec.errors import StreamError, UsageError, WrongModelError
from slimcodec.model_file import Model, save
from slimcodec.runtime import open_codec
from slimcodec.stream import step_ends
from slimcodec.types import Codec, Image

KITTEN = Path(__file__).parent / "golden" / "hific-s-kitten.slc"
Picture = Callable[..., Image]


def test_any_kind_of_image_gives_the_codecs_own_stream(
    picture: Picture, tiny_codec: Codec, tiny_model: Model, tmp_path: Path
) -> None:
    pixels = picture(64, 48)
    own = tiny_codec.encode(pixels, 2)
    PIL.Image.fromarray(pixels).save(tmp_path / "photo.png")
    for given in (pixels, PIL.Image.fromarray(pixels), tmp_path / "photo.png"):
        assert slimcodec.encode(given, 2, codec=tiny_codec) == own
    assert np.array_equal(slimcodec.decode(own, codec=tiny_codec), tiny_codec.decode(own))
    path = tmp_path / "tiny.slim"
    save(tiny_model, path)
    (tmp_path / "photo.slc").write_bytes(own)
    decoded = slimcodec.decode(tmp_path / "photo.slc", codec=path)
    assert np.array_equal(decoded, tiny_codec.decode(own))


def test_what_a_stream_does_not_hold_is_warned_of_in_the_callers_line(tiny_codec: Codec) -> None:
    clear = np.zeros((32, 32, 4), np.uint8)
    with pytest.warns(slimcodec.ConversionWarning, match="composited on white") as found:
        slimcodec.encode(clear, codec=tiny_codec)
    assert found[0].filename == __file__
    with pytest.warns(slimcodec.ConversionWarning, match="composited on rgb") as found:
        PIL.Image.fromarray(clear).save(io.BytesIO(), "SLC", codec=tiny_codec, background="#f00")
    assert found[0].filename == __file__


def test_what_is_neither_a_stream_nor_a_codec(tmp_path: Path, tiny_codec: Codec) -> None:
    with pytest.raises(UsageError, match="a stream must be bytes or a path, got int"):
        slimcodec.decode(3)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="a codec must be a name, a path or open, got int"):
        slimcodec.encode(np.zeros((32, 32, 3), np.uint8), codec=3)  # type: ignore[arg-type]
    with pytest.raises(StreamError, match=r"absent.slc cannot be read: no such file"):
        slimcodec.decode(tmp_path / "absent.slc")
    with pytest.raises(UsageError, match="look picks one of the built-in models"):
        slimcodec.decode(b"", codec=tiny_codec, look="natural")


# As a format of Pillow's


@pytest.fixture()
def asked(tiny_codec: Codec, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The stream ids for which Pillow's plugin looked for a reader; it was given the tiny codec."""
    ids: list[bytes] = []

    def reader(stream_id: bytes) -> Codec:
        ids.append(stream_id)
        return tiny_codec

    monkeypatch.setattr(slimcodec.pillow, "built_in_reader", reader)
    return ids


@pytest.fixture()
def stream(picture: Picture, tiny_codec: Codec) -> bytes:
    return tiny_codec.encode(picture(48, 64))


def test_opening_decodes_nothing_and_loading_decodes(
    stream: bytes, tiny_codec: Codec, asked: list[bytes], tmp_path: Path
) -> None:
    path = tmp_path / "photo.slc"
    path.write_bytes(stream)
    with PIL.Image.open(path) as opened:
        assert (opened.format, opened.mode, opened.size) == ("SLC", "RGB", (64, 48))
        assert opened.get_format_mimetype() == "image/x-slimcodec"
        assert not asked
        expected = tiny_codec.decode(stream)
        assert np.array_equal(np.asarray(opened), expected)
        assert opened.crop((1, 2, 9, 7)).size == (8, 5)
        assert len(asked) == 1
        opened.putpixel((0, 0), (1, 2, 3))
        opened.save(path.with_suffix(".png"))
    assert PIL.Image.open(path.with_suffix(".png")).getpixel((0, 0)) == (1, 2, 3)


def test_the_built_in_model_is_found() -> None:
    with PIL.Image.open(KITTEN) as opened:
        decoded = np.asarray(opened)
    assert np.array_equal(decoded, slimcodec.decode(KITTEN))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"])
@pytest.mark.filterwarnings("ignore::slimcodec.pictures.ConversionWarning")
def test_pictures_of_any_mode_are_saved(mode: str, tiny_codec: Codec, asked: list[bytes]) -> None:
    grey = PIL.Image.linear_gradient("L").resize((40, 32))
    saved = io.BytesIO()
    grey.convert("I;16" if mode == "I;16" else "RGBA").convert(mode).save(
        saved, "SLC", codec=tiny_codec, quality=1
    )
    assert PIL.Image.open(saved).convert("L").size == grey.size
    assert asked


def test_saving_writes_what_encoding_does(
    picture: Picture, tiny_codec: Codec, tmp_path: Path
) -> None:
    pixels = picture(32, 48)
    PIL.Image.fromarray(pixels).save(tmp_path / "photo.slc", codec=tiny_codec, quality=2)
    assert (tmp_path / "photo.slc").read_bytes() == tiny_codec.encode(pixels, 2)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"quality": 80}, "the quality of tiny must be"),
        ({"codec": "jpeg"}, "jpeg is an image format of its own; name a model"),
        ({"codec": "hific"}, "unknown codec 'hific'"),
        ({"background": "mauvve"}, "unknown color"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_settings_that_cannot_be_are_a_value_error(
    settings: dict[str, object], words: str, tiny_codec: Codec, tmp_path: Path
) -> None:
    path = tmp_path / "photo.slc"
    with pytest.raises(ValueError, match=words):
        PIL.Image.new("RGB", (32, 32)).save(path, None, **{"codec": tiny_codec, **settings})
    assert not path.exists()


def test_damage_is_an_os_error_and_a_foreign_file_unidentified(
    stream: bytes, asked: list[bytes]
) -> None:
    damaged = PIL.Image.open(io.BytesIO(stream[:-3]))
    for _ in range(2):
        with pytest.raises(OSError, match="cut short"):
            damaged.load()
    with pytest.raises(OSError, match="cut short"):
        damaged.verify()
    PIL.Image.open(io.BytesIO(stream)).verify()
    later = b"SLC\x7f" + stream[4:]
    for foreign in (stream[:10], later, b"SLC"):
        with pytest.raises(PIL.UnidentifiedImageError):
            PIL.Image.open(io.BytesIO(foreign))
    assert not asked


def test_a_stream_of_no_built_in_model_says_so(stream: bytes) -> None:
    opened = PIL.Image.open(io.BytesIO(stream))
    with pytest.raises(OSError, match="no built-in model has the stream id") as caught:
        opened.load()
    assert isinstance(caught.value.__cause__, WrongModelError)


def test_what_is_whole_of_a_progressive_stream_where_pillow_is_told_so(
    tiny_models: dict[str, Model], picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = open_codec(tiny_models["toderici"])
    monkeypatch.setattr(slimcodec.pillow, "built_in_reader", lambda stream_id: codec)
    stream = codec.encode(picture(32, 32), 3)
    broken = stream[: step_ends(stream)[1] + 3]
    with pytest.raises(OSError, match="the first 2 sections are whole"):
        PIL.Image.open(io.BytesIO(broken)).load()
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    decoded = np.asarray(PIL.Image.open(io.BytesIO(broken)))
    assert np.array_equal(decoded, codec.decode(stream[: step_ends(stream)[1]]))


def test_too_many_pixels_are_refused_by_pillow_from_the_header(
    stream: bytes, asked: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 64 * 48 // 2 - 1)
    with pytest.raises(PIL.Image.DecompressionBombError):
        PIL.Image.open(io.BytesIO(stream))
    assert not asked
