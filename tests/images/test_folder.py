"""Which files count as images, and in which order."""

from __future__ import annotations

import os
from pathlib import Path

import PIL.Image
import pytest

from slimcodec.errors import ImageError
from slimcodec.images import find_images, skipped
from slimcodec.images.opening import readable


def test_sorted_by_name_suffixes_in_any_case_and_nothing_else(tmp_path: Path) -> None:
    taken = ("Z.webp", "a.png", "b.JPG", "c.tiff", "d.pgm", "e.jfif", "f.j2k")
    for name in (*taken, "notes.txt", "png", ".hidden.png"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "folder.png" / "inner.png").touch()
    found = find_images(str(tmp_path))
    assert found == [tmp_path / name for name in taken]
    assert skipped(tmp_path) == (
        f"{tmp_path}: skipped, as subfolders or files of other suffixes: folder.png, notes.txt, png"
    )


def test_what_is_skipped_is_named_or_counted(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    assert skipped(tmp_path) is None
    assert skipped(tmp_path / "a.png") is None
    for number in range(5):
        (tmp_path / f"{number}.heic").touch()
    line = skipped(tmp_path)
    assert line is not None
    assert line.endswith("suffixes: 0.heic, 1.heic, 2.heic and 2 more")


def test_every_suffix_that_pillow_has_for_these_formats() -> None:
    PIL.Image.init()
    for suffix, name in PIL.Image.registered_extensions().items():
        if name in readable():
            assert suffix in readable()[name]


def test_a_single_file_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "photo.xyz").touch()
    assert find_images(tmp_path / "photo.xyz") == [tmp_path / "photo.xyz"]


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"nowhere: there is no such folder"):
        find_images(tmp_path / "nowhere")


def test_none_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ImageError, match=r"no image in this folder; looked for .*\.jpg.*\.png"):
        find_images(tmp_path)


def test_neither_file_nor_folder(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ImageError, match="cannot be listed: not a directory"):
        find_images(tmp_path / "pipe")


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> object:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(ImageError, match="cannot be listed: permission denied"):
        find_images(tmp_path)
