"""What a family must say of checkpoints that others published, so that importing one need not know
whose it is.

A file rarely says all that a codec must know. What keys and shapes of its tensors do not tell, and
its settings do not say, is a ``Question``, which whoever imports answers: an option on the command
line. A new importer is a family with these attributes, and nothing else has to know of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from slimcodec import registry
from slimcodec.codecs.family import Family
from slimcodec.errors import UsageError

__all__ = [
    "Imported",
    "Published",
    "Question",
    "by_role",
    "check_answers",
    "published_families",
]


@dataclass(frozen=True)
class Question:
    """What a published checkpoint may leave open, so that whoever imports it must answer.

    Attributes:
        name: of the option on the command line and of the answer in Python, ``"likelihood"``.
        choices: the answers that there are.
        help: what is asked, in words.
    """

    name: str
    choices: tuple[str, ...]
    help: str


@dataclass(frozen=True)
class Imported:
    """What a published checkpoint became.

    Attributes:
        network: of the family, with its weights.
        notes: what was read off the file and what was assumed, a sentence each.
    """

    network: Any
    notes: tuple[str, ...] = ()


@runtime_checkable
class Published(Family, Protocol):
    """A learned codec of which others published checkpoints."""

    checkpoint_files: tuple[str, ...]
    """The role of each file of a published checkpoint, in the order they are given in."""
    checkpoint_questions: tuple[Question, ...]
    """What a file may leave open; an option of ``slimcodec import`` each."""
    checkpoint_help: str
    """For ``slimcodec import --help``: which files, who publishes them, what comes out, and
    examples; paragraphs with an empty line between."""

    def read_checkpoint(self, paths: Sequence[Path], answers: Mapping[str, str] = ...) -> Imported:
        """A network with the weights of a published checkpoint.

        Args:
            paths: one file for each of ``checkpoint_files``, in that order (see ``by_role``).
            answers: to ``checkpoint_questions``, by name, each one of its choices.

        Raises:
            CheckpointError: when the files hold no such network, or what they say of it is not so.
            UsageError: when there are more files or fewer, when a question is open that needs an
                answer, or when an answer is another than the file's.
        """

    def coded_symbols(self, codec: Any, stream: bytes) -> NDArray[Any]:
        """All symbols that a stream of a codec of the family was written with, in a row."""


def published_families() -> dict[str, Published]:
    """The families of which checkpoints can be imported, by name."""
    found = {name: registry.families.get(name) for name in registry.families}
    return {name: family for name, family in found.items() if isinstance(family, Published)}


def check_answers(name: str, questions: Sequence[Question], answers: Mapping[str, str]) -> None:
    """Refuse an answer that a family does not ask for, or that is none of its choices.

    Args:
        name: of the family.
        questions: its ``checkpoint_questions``.
        answers: as a user gave them.

    Raises:
        UsageError: naming the option.
    """
    known = {question.name: question for question in questions}
    for option, answer in answers.items():
        if option not in known:
            own = ", ".join(f"--{own}" for own in known) or "no options of their own"
            raise UsageError(f"{name} checkpoints take {own}, not --{option}")
        if answer not in known[option].choices:
            choices = " or ".join(known[option].choices)
            raise UsageError(f"--{option} must be {choices}, got {answer!r:.60}")


def by_role(name: str, roles: Sequence[str], paths: Sequence[Path]) -> dict[str, Path]:
    """The files of a published checkpoint, each under its role.

    Args:
        name: of the family.
        roles: its ``checkpoint_files``.
        paths: as a user gave them.

    Raises:
        UsageError: naming the roles in order, when there are more or fewer files than these.
    """
    if len(paths) != len(roles):
        wanted = "one file" if len(roles) == 1 else f"{len(roles)} files, in this order"
        raise UsageError(
            f"a published {name} checkpoint is {wanted}: {', '.join(roles)}; got {len(paths)}"
        )
    return dict(zip(roles, paths, strict=True))
