"""How things show themselves: in one line, and in a notebook as a small table."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

__all__ = ["html_table", "line", "readable_bytes", "short_digest"]

_LONGEST_WORD, _LONGEST = 60, 180
"""Of a name or a fact, and of a line, in characters: it is for telling things apart at a glance."""


def line(thing: object, name: str, *facts: str) -> str:
    """``<Model hific-s, family hific, …>``: what something is, for ``repr``.

    Args:
        thing: whose class stands first.
        name: what people call it.
        facts: what else tells it apart; empty ones are left out.
    """
    words = [_shortened(word, _LONGEST_WORD) for word in (name, *facts) if word]
    said = f"{type(thing).__name__} {', '.join(words)}"
    return f"<{_shortened(said, _LONGEST)}>"


def _shortened(text: str, most: int) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"


def short_digest(digest: str) -> str:
    """The beginning of a digest in hex: enough to tell two apart."""
    return f"digest {digest[:12]}"


def readable_bytes(count: int) -> str:
    """1,234 bytes; 17.7 MB from a million on."""
    return f"{count:,} bytes" if count < 1_000_000 else f"{count / 1e6:.1f} MB"


def html_table(title: str, rows: Iterable[Sequence[object]], headings: Sequence[str] = ()) -> str:
    """A table for a notebook; whatever is in it stands there as text.

    Args:
        title: above it.
        rows: of cells.
        headings: of the columns; where there are none, the first cell of each row is its heading.
    """
    head = "".join(f"<th>{_escaped(heading)}</th>" for heading in headings)
    body = []
    for first, *others in rows:
        tag = "td" if headings else "th"
        cells = f"<{tag}>{_escaped(first)}</{tag}>"
        body.append(f"<tr>{cells}{''.join(f'<td>{_escaped(cell)}</td>' for cell in others)}</tr>")
    return (
        f"<table><caption>{_escaped(title)}</caption>"
        f"{f'<thead><tr>{head}</tr></thead>' if head else ''}"
        f"<tbody>{''.join(body)}</tbody></table>"
    )


def _escaped(value: object) -> str:
    return html.escape(str(value))
