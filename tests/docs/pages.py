"""Fenced blocks of a page, and what is to be done with them.

A comment in the line above a fence says what is special about a block, and why:

    <!-- no-run: an hour of training -->    only its verbs and options are looked up
    <!-- file: recipe.toml -->              written to that file
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]

MARKER = re.compile(r"<!-- (no-run|file): (.+) -->")
FENCE = re.compile(r"(`{3,})(\w*)")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: where it stands.
        line: of its first line, from 1 on.
        language: as the fence says; empty when it does not.
        text: without the fences.
        marker: ``no-run``, ``file``, or empty.
        reason: what the marker says behind it.
    """

    page: Path
    line: int
    language: str
    text: str
    marker: str = ""
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """Lines of a shell, without comments, continued ones joined."""
        joined = self.text.replace("\\\n", " ")
        lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.splitlines())
        return [line for line in lines if line]


def blocks_of(page: Path) -> list[Block]:
    """All blocks of a page, in order.

    Raises:
        ValueError: when a fence is not closed, or a marker stands above no fence.
    """
    blocks: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    at = 0
    while at < len(lines):
        fence, marker = FENCE.fullmatch(lines[at]), MARKER.fullmatch(lines[at])
        if marker and (at + 1 == len(lines) or not FENCE.fullmatch(lines[at + 1])):
            raise ValueError(f"{page.name}:{at + 1}: a marker above no fence")
        if fence:
            above = MARKER.fullmatch(lines[at - 1]) if at else None
            try:
                end = lines.index(fence.group(1), at + 1)
            except ValueError:
                raise ValueError(f"{page.name}:{at + 1}: a fence is not closed") from None
            text = "\n".join(lines[at + 1 : end]) + "\n"
            told = above.groups() if above else ("", "")
            blocks.append(Block(page, at + 2, fence.group(2), text, *told))
            at = end
        at += 1
    return blocks
