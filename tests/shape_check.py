"""Shapes and types of our signatures, checked while tests run.

jaxtyping's hook rewrites a module as it is imported, and is told modules by their names: of a name
that is no module it never hears, and what was moved would go unchecked without a word. So names
come from the source, and one that is given must be there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
"""beartype, with an int good enough for a float."""

SRC = Path(__file__).resolve().parents[1] / "src"
IMPORT = re.compile(r"^\s*from jaxtyping import ", re.MULTILINE)

TYPED = (
    "slimcodec.codecs.hific",
    "slimcodec.codecs.latents",
    "slimcodec.codecs.toderici",
    "slimcodec.training.data",
    "slimcodec.training.objectives",
    "slimcodec.training.trainer",
)
"""Rooms and modules that are checked whole, whether or not all of them write shapes. Peers and the
files of training that parse what users wrote are not: they refuse wrong types by themselves, and
tests call them with such."""


def shaped(src: Path = SRC) -> list[str]:
    """Modules that write shapes: those that import jaxtyping, wherever in the file."""
    return sorted(_name(path, src) for path in src.rglob("*.py") if _imports_jaxtyping(path))


def install(names: Iterable[str], src: Path = SRC) -> None:
    """Have modules, and what is in packages, checked that are not imported yet.

    Raises:
        LookupError: naming those that there are not.
    """
    names = list(names)
    files = {_name(path, src) for path in src.rglob("*.py")}
    gone = sorted(set(names) - files)
    if gone:
        raise LookupError(f"no such modules to check: {', '.join(gone)}; say where they went")
    install_import_hook(names, f"{__name__}.check")


def _name(path: Path, src: Path) -> str:
    parts = path.relative_to(src).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports_jaxtyping(path: Path) -> bool:
    return IMPORT.search(path.read_text(encoding="utf-8")) is not None
