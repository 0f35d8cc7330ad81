"""Recipes, studies and published curves by name: those that ship inside, and one's own by path; and
what all that has a name is for."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from slimcodec.errors import ConfigError, UnknownNameError, why_unreadable

__all__ = ["Catalogue", "about", "headline", "published", "recipes", "studies"]


class Catalogue:
    """Files of one kind that ship inside the package.

    Args:
        kind: of what they hold, in the singular; it appears in error messages.
        folder: inside the package.
        suffix: of the files.
    """

    def __init__(self, kind: str, folder: str, suffix: str = ".toml") -> None:
        self.kind, self.suffix = kind, suffix
        self._folder = Path(__file__).parent / folder

    def files(self) -> dict[str, Path]:
        """Those that ship, by name."""
        paths = sorted(self._folder.glob("*" + self.suffix))
        return {path.name.removesuffix(self.suffix): path for path in paths}

    def find(self, name_or_path: str | os.PathLike[str]) -> Path:
        """The file that a name or a path means; what looks like a path need not be there.

        Raises:
            UnknownNameError: when it is neither, naming the near ones.
        """
        text = os.fspath(name_or_path)
        files = self.files()
        if text in files:
            return files[text]
        path = Path(text)
        if not path.is_file() and path.suffix != self.suffix and path.name == text:
            raise UnknownNameError(self.kind, text, files)
        return path


recipes = Catalogue("recipe", "recipes")
studies = Catalogue("study", "studies")
published = Catalogue("set of published curves", "published", ".csv")


def about(kind: str) -> dict[str, str]:
    """What things of a kind are for, a line each, by name; those of third parties are not among
    them.

    Args:
        kind: in the singular, such as ``"model"`` or ``"codec"``.
    """
    path = Path(__file__).parent / "about.toml"
    return dict(tomllib.loads(path.read_text(encoding="utf-8"))[kind])


def headline(path: Path) -> str:
    """What a recipe or a study is for: its first line, where that is a comment, else nothing.

    Raises:
        ConfigError: when the file cannot be read.
    """
    try:
        with path.open(encoding="utf-8") as file:
            first = file.readline()
    except (OSError, ValueError) as error:
        raise ConfigError(str(path), f"cannot be read: {why_unreadable(error)}") from error
    return first.removeprefix("#").strip().rstrip(".:") if first.startswith("#") else ""
