"""slimcodec restore: JPEGs to pictures, one and many."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import slimcodec
from slimcodec.cli.app import app
from slimcodec.errors import ImageError, UsageError
from slimcodec.images import read_image
from slimcodec.types import Image

Picture = Callable[..., Image]


@pytest.fixture
def photo(picture: Picture, tmp_path: Path) -> Path:
    """Stored on its side, with EXIF that says so and who took it."""
    exif = PIL.Image.Exif()
    exif[0x112], exif[0x10F] = 6, "Camera"
    path = tmp_path / "photo.jpg"
    PIL.Image.fromarray(picture(48, 80)).save(path, quality=25, exif=exif)
    return path


def run(*words: object) -> None:
    assert app([str(word) for word in words]) == 0


def test_one_file(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("restore", photo)
    out = photo.with_name("photo.restored.png")
    found = read_image(out)
    assert found.pixels.shape == (80, 48, 3)
    assert b"Camera" in found.metadata["exif"] and not found.notes  # upright already
    assert "restored by jpeg+restore-s" in capsys.readouterr().out
    np.testing.assert_array_equal(found.pixels, slimcodec.restore(photo))
    np.testing.assert_array_equal(found.pixels, slimcodec.restore(photo.read_bytes()))
    with pytest.raises(UsageError, match="exists; name another output"):
        run("restore", photo)
    run("restore", photo, "--force", "--no-metadata", "--strength", 0)
    plain = read_image(out)
    assert not plain.metadata
    assert np.abs(plain.pixels.astype(int) - read_image(photo).pixels).max() <= 1
    assert (plain.pixels != found.pixels).mean() > 0.1


@pytest.mark.parametrize("suffix", ["webp", "tiff"])
def test_other_formats(photo: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"out.{suffix}"
    run("restore", photo, "-o", out)
    np.testing.assert_array_equal(read_image(out).pixels, slimcodec.restore(photo))


def test_a_folder_with_files_that_are_none(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.jpg").write_text("hello")
    PIL.Image.open(photo).convert("CMYK").save(tmp_path / "ink.jpg")
    (tmp_path / "cut.jpg").write_bytes(photo.read_bytes()[:700])
    # Telephones put more behind the end.
    (tmp_path / "more.jpeg").write_bytes(photo.read_bytes() + b"trailer")
    assert app(["restore", str(tmp_path), "-o", str(tmp_path / "out"), "--json"]) == 1
    captured = capsys.readouterr()
    facts = {Path(own["jpeg"]).name: own for own in json.loads(captured.out)}
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "more.restored.png", "photo.restored.png",
    ]  # fmt: skip
    assert "not a JPEG" in facts["text.jpg"]["error"]
    assert "CMYK" in facts["ink.jpg"]["error"]
    assert "damaged" in facts["cut.jpg"]["error"] or "lacks" in facts["cut.jpg"]["error"]
    assert facts["photo.jpg"]["strength"] == 1 and facts["photo.jpg"]["beside"] == ["exif"]
    for own in facts.values():
        assert "\n" not in own.get("error", "")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--strength", "1.5"), "--strength takes a number from 0 to 1"),
        (("--codec", "hific-s"), "hific-s restores nothing"),
        (("-o", "picture.gif"), "unknown image suffix"),
    ],
)
def test_what_is_refused(photo: Path, words: tuple[str, ...], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        run("restore", photo, *words)
    assert sorted(p.name for p in photo.parent.iterdir()) == ["photo.jpg"]


def test_from_python(photo: Path, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"nowhere\.jpg cannot be read"):
        slimcodec.restore(tmp_path / "nowhere.jpg")
    (tmp_path / "text.jpg").write_text("hello")
    with pytest.raises(ImageError, match=r"text\.jpg: this is not a JPEG"):
        slimcodec.restore(tmp_path / "text.jpg")
    with pytest.raises(UsageError, match="hific-s restores nothing"):
        slimcodec.restore(photo, codec="hific-s")
    half = slimcodec.restore(photo, strength=0.5).astype(int)
    ends = [slimcodec.restore(photo, strength=s).astype(int) for s in (0, 1)]
    assert np.abs(half - sum(ends) / 2).mean() < 1


def test_a_colour_profile_is_applied(picture: Picture, tmp_path: Path) -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    file = io.BytesIO()
    PIL.Image.fromarray(picture(32, 32)).save(file, "JPEG", icc_profile=profile.tobytes())
    plain = io.BytesIO()
    PIL.Image.fromarray(picture(32, 32)).save(plain, "JPEG")
    # A profile of another kind than the samples is left aside, as by the reader of images.
    (tmp_path / "odd.jpg").write_bytes(file.getvalue())
    assert read_image(tmp_path / "odd.jpg").notes
    np.testing.assert_array_equal(
        slimcodec.restore(file.getvalue()), slimcodec.restore(plain.getvalue())
    )
