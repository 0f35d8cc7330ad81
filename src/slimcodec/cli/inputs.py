"""What encode and decode are given: files, folders, patterns and standard input, as single files.

A folder means the files directly in it whose suffix says that they are wanted, by the rules of
`images.folder`; with ``--recursive`` those of its subfolders too. A pattern that the shell left as
it is (Windows does, and so does whoever quotes it) is expanded here.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from slimcodec.errors import ImageError, UsageError
from slimcodec.images.folder import say_skipped, sort_out

__all__ = ["PIPE", "Input", "Inputs", "Wanted", "find_inputs"]

PIPE = "-"
"""Standard input as an input, standard output as an output."""


@dataclass(frozen=True)
class Wanted:
    """Which files of a folder are meant.

    Attributes:
        what: they are, in the singular.
        suffixes: in lower case, with the dot.
        recursive: whether those of subfolders are, too.
    """

    what: str
    suffixes: tuple[str, ...]
    recursive: bool = False


@dataclass(frozen=True)
class Input:
    """One file to code.

    Attributes:
        path: of the file; None for standard input.
        below: its folder, seen from the folder or pattern that it was found by.
    """

    path: Path | None
    below: Path = Path()

    @property
    def name(self) -> str:
        """What messages call it."""
        return "standard input" if self.path is None else str(self.path)


@dataclass(frozen=True)
class Inputs:
    """All that was given.

    Attributes:
        files: each once, in the order given; those of a folder by name.
        single: whether it was one file, named as such: the outcome is one file then, too.
    """

    files: tuple[Input, ...]
    single: bool


def find_inputs(words: Sequence[str], wanted: Wanted, note: Callable[[str], None]) -> Inputs:
    """The files that words of a command line mean. Whether a file that is named is there is seen
    when it is read: one that is not does not stop the others.

    Args:
        words: paths of files and folders, patterns, or ``-`` alone.
        wanted: which files of folders.
        note: told once of each folder what of it is not taken.

    Raises:
        ImageError: when a folder cannot be listed or holds nothing that is wanted, or no file
            fits a pattern.
        UsageError: when ``-`` is not alone.
    """
    if PIPE in words:
        if len(words) > 1:
            raise UsageError("- is standard input, one file; give it alone, or name files")
        return Inputs((Input(None),), single=True)
    found: dict[str, Input] = {}
    for word in words:
        for one in _meant(word, wanted, note):
            found.setdefault(os.path.realpath(one.name), one)
    single = len(words) == 1 and not _is_pattern(words[0]) and not Path(words[0]).is_dir()
    return Inputs(tuple(found.values()), single)


def _meant(word: str, wanted: Wanted, note: Callable[[str], None]) -> Iterator[Input]:
    """What one word means."""
    path = Path(word)
    if path.is_dir():
        yield from _of_folder(path, wanted, note)
    elif _is_pattern(word):
        yield from _of_pattern(word, wanted, note)
    else:
        yield Input(path)


def _is_pattern(word: str) -> bool:
    """Whether a word is no file of that very name and may stand for others."""
    return glob.has_magic(word) and not os.path.lexists(word)


def _of_pattern(pattern: str, wanted: Wanted, note: Callable[[str], None]) -> Iterator[Input]:
    matches = [Path(match) for match in sorted(glob.glob(pattern, recursive=True))]
    fixed = _fixed_part(pattern)
    count = 0
    for match in matches:
        if not match.is_dir():
            count += 1
            yield Input(match, match.parent.relative_to(fixed))
        elif "**" not in pattern:
            # As where the shell had put it there.
            count += 1
            yield from _of_folder(match, wanted, note)
    if not count:
        raise ImageError(f"{pattern}: no file fits this pattern; check it and the folder")


def _fixed_part(pattern: str) -> Path:
    """The folder before the first part of a pattern that stands for several names."""
    fixed = Path()
    for part in Path(pattern).parts[:-1]:
        if glob.has_magic(part):
            break
        fixed /= part
    return fixed


def _of_folder(folder: Path, wanted: Wanted, note: Callable[[str], None]) -> Iterator[Input]:
    """Those that are wanted of a folder.

    Raises:
        ImageError: when it cannot be listed, or there are none.
    """
    count = 0
    for place in _folders(folder, recursive=wanted.recursive):
        files, others = sort_out(place, wanted.suffixes)
        left = [other for other in others if not (wanted.recursive and other.is_dir())]
        sentence = say_skipped(place, left)
        if sentence is not None:
            note(sentence)
        count += len(files)
        for file in files:
            yield Input(file, place.relative_to(folder))
    if not count:
        where = "nor in its subfolders" if wanted.recursive else "not in its subfolders"
        raise ImageError(
            f"{folder}: no {wanted.what} in this folder; looked for "
            f"{' '.join(wanted.suffixes)}, {where}"
        )


def _folders(folder: Path, *, recursive: bool) -> Iterator[Path]:
    """A folder and, where they are asked for, all below it that are not hidden, by name."""
    yield folder
    if recursive:
        for entry in sorted(folder.iterdir(), key=lambda path: path.name):
            # A link may lead back to where one came from.
            if entry.is_dir() and not entry.is_symlink() and not entry.name.startswith("."):
                yield from _folders(entry, recursive=True)
