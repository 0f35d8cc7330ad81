"""Files that appear whole or not at all.

A study that is killed, a disk that fills up, a second process that reads while we write: in each
case a half-written file is worse than none, because it looks like a result. So nothing here is
written in place. The bytes go to a temporary file *in the same folder* (a rename is atomic only
within one file system), they are flushed to the disk, and then one rename puts them under their
name. Whoever opens that name sees the old file or the new one. On any failure, Ctrl-C included, the
temporary file is removed; only a killed process can leave one, and it is called ``.slimcodec-*`` so
that one knows what it is.

What a killed process left, the next that writes to the same folder removes. Whose a temporary file
is, its lock says: whoever writes one holds it (``flock``), and the system lets go of it when that
process ends, however it ends. So only what nobody holds is removed, by whichever run comes first;
where there are no such locks, nothing is.

The rename follows what an ordinary write would do where that can be seen: a symbolic link stays a
link (its target is replaced), and a file that is overwritten keeps its permissions. What cannot be
renamed over, a folder, a device or a pipe, is refused.

A folder that takes the place of another exchanges names with it in one step (``renameat2``, Linux).
Elsewhere, and on file systems without that, the old one is called ``.slimcodec-kept-*`` for a
moment between two renames, and a process that was killed then leaves it so: the next that writes
beside it gives it its name back.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import ModuleType

from slimcodec.errors import SlimcodecError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # not a Unix
    fcntl = None

__all__ = [
    "atomic_path",
    "check_writable",
    "folder_aside",
    "held",
    "replace_folder",
    "write_atomically",
]

_PREFIX = ".slimcodec-"
_TEMPORARY = re.compile(r"\.slimcodec-[0-9a-f]{12}(\..*)?")
_KEPT = ".slimcodec-kept-"
"""Before the name of a folder that makes way for another."""
_WORKING_FOLDER, _EXCHANGE = -100, 2
"""``AT_FDCWD`` and ``RENAME_EXCHANGE`` of Linux."""


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary file to write to, which takes the name ``path`` when the block ends well.

    The file that is yielded exists, is empty, lies in the same folder and has the same suffix, so
    that writers which choose a format by suffix do the right thing::

        with atomic_path("photo.png") as temporary:
            picture.save(temporary)

    When the block raises, the temporary file is removed and ``path`` stays as it was.

    Args:
        path: the file to write; its folder must exist.

    Raises:
        SlimcodecError: when the folder is missing, ``path`` is not a regular file, or the system
            refuses to write (disk full, no permission, ...). An ``OSError`` out of the block is
            turned into one too, unless it names another file.
    """
    target, temporary, lock, mode = _made_beside(path)
    try:
        yield temporary
        _flush(temporary)
        if mode is not None:
            temporary.chmod(mode)
        temporary.replace(target)
    except OSError as error:
        if _names_another_file(error, {str(temporary), str(target)}):
            raise
        raise SlimcodecError(f"{path}: {_reason(error, target)}") from error
    finally:
        temporary.unlink(missing_ok=True)
        os.close(lock)


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` to ``path``, whole or not at all.

    Raises:
        SlimcodecError: as :func:`atomic_path`.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Refuse now what could not be written later; leaves nothing behind.

    Raises:
        SlimcodecError: as :func:`atomic_path`, before any work.
    """
    _, temporary, lock, _ = _made_beside(path)
    temporary.unlink(missing_ok=True)
    os.close(lock)


def _made_beside(path: str | os.PathLike[str]) -> tuple[Path, Path, int, int | None]:
    """The file to replace, an empty temporary one in its folder, a descriptor that holds its lock,
    and the permissions to keep.

    Raises:
        SlimcodecError: as :func:`atomic_path`.
    """
    target = Path(path)
    try:
        target = Path(os.path.realpath(path))  # what a link points to is replaced, not the link
        mode = _mode_to_keep(target)
        _clean_once(target.parent)
        temporary, lock = _made_file(target)
    except (OSError, ValueError) as error:
        raise SlimcodecError(f"{path}: {_reason(error, target)}") from error
    return target, temporary, lock, mode


def _mode_to_keep(target: Path) -> int | None:
    """The permission bits of the file about to be replaced; None when there is none."""
    try:
        found = target.stat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if not stat.S_ISREG(found):
        # A rename would replace the device node itself, /dev/null for example.
        raise ValueError("it is a device or a pipe, not a file; name a file in a folder")
    return stat.S_IMODE(found)


@contextmanager
def folder_aside(parent: Path) -> Iterator[Path]:
    """An empty folder to fill and then rename to a place in ``parent``; what is left of it when the
    block ends is removed, and so is what killed processes left there.

    Raises:
        OSError: when it cannot be made.
    """
    _clean_once(parent)
    folder, lock = _made_folder(parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def replace_folder(made: Path, place: Path) -> None:
    """Give a folder of ``folder_aside`` its place. What was there goes, and not before.

    Args:
        made: the folder.
        place: a path in the folder that it was made in; a link there stays a link.

    Raises:
        OSError: when it cannot be; ``place`` is as it was.
    """
    place = Path(os.path.realpath(place))
    if not place.exists():
        made.rename(place)
    elif not _exchanged(made, place):
        _replace_in_two(made, place)


def _exchanged(one: Path, other: Path) -> bool:
    """Whether two folders have each other's names now."""
    rename = _system_rename()
    names = os.fsencode(one), os.fsencode(other)
    return (
        rename is not None
        and rename(_WORKING_FOLDER, names[0], _WORKING_FOLDER, names[1], _EXCHANGE) == 0
    )


@cache
def _system_rename() -> Callable[..., int] | None:
    """The system's ``renameat2``; None where there is none."""
    try:
        rename = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError, TypeError):
        return None
    number, name = ctypes.c_int, ctypes.c_char_p
    rename.argtypes, rename.restype = (number, name, number, name, ctypes.c_uint), number
    own: Callable[..., int] = rename
    return own


def _replace_in_two(made: Path, place: Path) -> None:
    kept = place.with_name(_KEPT + place.name)
    with held(place):
        place.rename(kept)
        try:
            made.rename(place)
        except BaseException:
            kept.rename(place)
            raise
        shutil.rmtree(kept, ignore_errors=True)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """A folder's lock is ours while the block runs, whatever the folder comes to be called; a
    process that ends, however, lets go of it.

    Raises:
        BlockingIOError: when it is another's.
    """
    if fcntl is None:
        yield
        return
    lock = os.open(folder, os.O_RDONLY)
    try:
        if not _holds(lock):
            raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK), str(folder))
        yield
    finally:
        os.close(lock)


def _put_back(kept: Path) -> None:
    """Give a folder that made way its name again, or remove it where another has that by now;
    unless somebody is about to."""
    place = kept.with_name(kept.name.removeprefix(_KEPT))
    with suppress(OSError), held(kept):
        if place.exists():
            shutil.rmtree(kept)
        else:
            kept.rename(place)


def _made_file(target: Path) -> tuple[Path, int]:
    """A temporary file beside a target, and a descriptor that holds its lock."""
    while True:
        temporary = target.with_name(f"{_PREFIX}{os.urandom(6).hex()}{target.suffix}")
        # Created by hand, not by tempfile: that makes files private, and ours follow the umask.
        lock = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        if _holds(lock) and temporary.exists():
            return temporary, lock
        os.close(lock)  # somebody cleaned up between the two lines


def _made_folder(parent: Path) -> tuple[Path, int | None]:
    """The same of a folder; no descriptor where there are no locks."""
    while True:
        folder = parent / f"{_PREFIX}{os.urandom(6).hex()}"
        folder.mkdir()
        if fcntl is None:
            return folder, None
        with suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY)
            if _holds(lock) and folder.exists():
                return folder, lock
            os.close(lock)


def _holds(descriptor: int) -> bool:
    """Whether the lock of an open file is ours now; true where there are no locks."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


@cache
def _clean_once(folder: Path) -> None:
    """Put back or remove what killed processes left in a folder; once in a process, as folders may
    be long."""
    with suppress(OSError), os.scandir(folder) as entries:
        left = [entry for entry in entries if entry.name.startswith(_PREFIX)]
        for entry in left:
            if entry.is_symlink():
                continue
            if entry.name.startswith(_KEPT):
                _put_back(Path(entry.path))
            elif _TEMPORARY.fullmatch(entry.name) and fcntl is not None:
                _remove_if_left(Path(entry.path), fcntl)


def _remove_if_left(path: Path, locks: ModuleType) -> None:
    with suppress(OSError):
        lock = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            locks.flock(lock, locks.LOCK_EX | locks.LOCK_NB)  # raises where somebody writes it
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
        finally:
            os.close(lock)


def _flush(temporary: Path) -> None:
    # Without this a power cut soon after the rename can leave the name with no bytes behind it.
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())


def _names_another_file(error: OSError, ours: set[str]) -> bool:
    return error.filename is not None and os.fsdecode(str(error.filename)) not in ours


def _reason(error: OSError | ValueError, target: Path) -> str:
    """What went wrong and what to do about it, on one line."""
    folder = target.parent
    if not isinstance(error, OSError):
        return f"cannot be written: {error}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "cannot be written: disk full; free some space or write elsewhere"
    if error.errno == errno.EISDIR:
        return "cannot be written: it is a folder; name a file in it"
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return f"cannot be written: there is no folder {folder}; create it first"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"cannot be written: no permission to write in {folder}; choose another folder"
    return f"cannot be written: {(error.strerror or str(error)).lower()}"
