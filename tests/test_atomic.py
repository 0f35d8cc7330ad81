"""Files appear whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from slimcodec import atomic
from slimcodec.atomic import atomic_path, folder_aside, replace_folder, write_atomically
from slimcodec.errors import SlimcodecError


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def one_line(error: pytest.ExceptionInfo[SlimcodecError], path: Path) -> str:
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message


def test_bytes_are_written_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a.bin", b"old")
    write_atomically(str(tmp_path / "a.bin"), b"new")
    assert (tmp_path / "a.bin").read_bytes() == b"new"
    assert names(tmp_path) == ["a.bin"]


def test_the_old_file_stays_until_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_bytes(b"old")
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.suffix == ".txt"
        temporary.write_bytes(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, ValueError])
def test_a_failing_block_leaves_everything_as_it_was(
    tmp_path: Path, failure: type[BaseException]
) -> None:
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    with pytest.raises(failure), atomic_path(target) as temporary:
        temporary.write_bytes(b"half")
        raise failure
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_called_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def full(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", full)
    target = tmp_path / "a.bin"
    with pytest.raises(SlimcodecError) as error:
        write_atomically(target, b"x")
    assert "disk full" in one_line(error, target)
    assert names(tmp_path) == []


def test_a_write_that_fails_in_the_block(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    target = tmp_path / "a.bin"
    with (
        pytest.raises(SlimcodecError) as error,
        atomic_path(target),
        open("/dev/full", "wb", buffering=0) as full,
    ):
        full.write(b"x")
    assert "disk full" in one_line(error, target)
    assert names(tmp_path) == []


def test_an_error_about_another_file_is_not_ours(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a.bin"):
        (tmp_path / "source").read_bytes()
    assert names(tmp_path) == []


def test_missing_folder(tmp_path: Path) -> None:
    target = tmp_path / "missing" / "a.bin"
    with pytest.raises(SlimcodecError) as error:
        write_atomically(target, b"x")
    assert f"there is no folder {target.parent}" in one_line(error, target)
    assert names(tmp_path) == []


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    target = tmp_path / "file" / "a.bin"
    with pytest.raises(SlimcodecError, match="there is no folder") as error:
        write_atomically(target, b"x")
    one_line(error, target)


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(SlimcodecError, match="it is a folder"):
        write_atomically(tmp_path, b"x")


def test_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SlimcodecError, match="a device or a pipe"):
        write_atomically(tmp_path / "pipe", b"x")
    assert names(tmp_path) == ["pipe"]


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.EACCES, "no permission"), (errno.EROFS, "no permission"), (errno.EIO, "input/output")],
)
def test_refusals_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    def refuse(path: Path, *_: object) -> int:
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(SlimcodecError, match=words):
        write_atomically(tmp_path / "a.bin", b"x")


def test_names_that_no_file_can_have(tmp_path: Path) -> None:
    for name in ("a\0b", "x" * 5000):
        with pytest.raises(SlimcodecError):
            write_atomically(tmp_path / name, b"x")
    assert names(tmp_path) == []


def test_permissions_follow_the_umask_and_then_stay(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    (tmp_path / "plain").touch()
    write_atomically(target, b"1")
    assert target.stat().st_mode == (tmp_path / "plain").stat().st_mode
    target.chmod(0o640)
    write_atomically(target, b"2")
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "real")
    write_atomically(tmp_path / "link", b"x")
    assert (tmp_path / "link").is_symlink()
    assert names(tmp_path / "folder") == ["real"]
    assert (tmp_path / "folder" / "real").read_bytes() == b"x"


def test_only_what_nobody_writes_is_removed(tmp_path: Path) -> None:
    """What a killed process left goes; what another one is writing, and what is not ours, stays."""
    left, folder = tmp_path / ".slimcodec-0123456789ab.png", tmp_path / ".slimcodec-ba9876543210"
    left.write_bytes(b"half")
    folder.mkdir()
    (folder / "graph").write_bytes(b"half")
    others = [tmp_path / name for name in (".slimcodec-demo", ".slimcodec-x.png", "photo.png")]
    for path in others:
        path.write_bytes(b"whole")
    program = (
        "import sys; from slimcodec.atomic import write_atomically;"
        "write_atomically(sys.argv[1], b'new')"
    )
    with atomic_path(tmp_path / "ours.png") as temporary:
        temporary.write_bytes(b"ours")
        left.write_bytes(b"half")
        subprocess.run([sys.executable, "-c", program, tmp_path / "theirs.png"], check=True)
        assert temporary.read_bytes() == b"ours"
        assert not left.exists() and not folder.exists()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"ours.png", "theirs.png", *(path.name for path in others)}


def test_a_folder_aside_is_gone_or_renamed(tmp_path: Path) -> None:
    with folder_aside(tmp_path) as folder:
        (folder / "a").write_bytes(b"x")
        folder.rename(tmp_path / "kept")
    with pytest.raises(ZeroDivisionError), folder_aside(tmp_path) as folder:
        (folder / "a").write_bytes(b"x")
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.fixture(params=["exchanged", "in two renames"])
def two_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[tuple[Path, Path]]:
    """One made aside, and one that is there, whose name it is to have."""
    if request.param == "in two renames":
        monkeypatch.setattr(atomic, "_system_rename", lambda: None)
    elif not sys.platform.startswith("linux"):
        pytest.skip("other systems have no such call")
    else:
        monkeypatch.setattr(atomic, "_replace_in_two", None)
    place = tmp_path / "place"
    place.mkdir()
    (place / "old").write_bytes(b"x")
    with folder_aside(tmp_path) as made:
        (made / "new").write_bytes(b"x")
        yield made, place


def test_a_folder_replaces_another(two_folders: tuple[Path, Path]) -> None:
    made, place = two_folders
    (place.parent / "link").symlink_to(place)
    replace_folder(made, place.parent / "link")
    assert names(place) == ["new"] and (place.parent / "link").is_symlink()
    assert not made.exists() or names(made) == ["old"]


def test_nothing_is_left_of_a_folder_that_was_replaced(tmp_path: Path) -> None:
    for number in range(3):
        with folder_aside(tmp_path) as made:
            (made / str(number)).write_bytes(b"x")
            replace_folder(made, tmp_path / "place")
    assert names(tmp_path) == ["place"] and names(tmp_path / "place") == ["2"]


def test_a_folder_that_was_making_way_is_put_back(tmp_path: Path) -> None:
    """A process was killed between two renames, or behind the second."""
    alone, replaced = tmp_path / ".slimcodec-kept-alone", tmp_path / ".slimcodec-kept-replaced"
    for folder in (alone, replaced, tmp_path / "replaced"):
        folder.mkdir()
        (folder / folder.name).write_bytes(b"x")
    with folder_aside(tmp_path):
        pass
    assert names(tmp_path) == ["alone", "replaced"]
    assert names(tmp_path / "alone") == [alone.name]
    assert names(tmp_path / "replaced") == ["replaced"]


def test_a_folder_that_cannot_be_replaced_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic, "_system_rename", lambda: None)
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "old").write_bytes(b"x")
    with pytest.raises(FileNotFoundError):
        replace_folder(tmp_path / "nothing", tmp_path / "place")
    assert names(tmp_path) == ["place"] and names(tmp_path / "place") == ["old"]
